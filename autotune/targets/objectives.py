"""Objectives: what a study's front is made of, the task's quality and one cost or more."""

from collections.abc import Sequence

from autotune.errors import UserError
from autotune.targets.metric import METRICS, QUALITY, Metric, find, is_quality
from autotune.targets.target import Target

COSTS = ("latency", "size", "download", "memory")
"""What may be an objective besides quality."""

USUAL = (QUALITY.name, "latency", "download")
"""Those of a study from before they could be chosen."""


def parse(names: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """What was asked for, in the order of COSTS, the quality first.

    Args:
        names: of COSTS, and "quality" or what the task's metric is called; none where nothing was asked for.

    Returns:
        The names, and a remark for the user where the quality was added, else None.

    Raises:
        UserError: one can't be an objective, or there is no cost among them.
    """
    qualities = [name for name in names if name == QUALITY.name or is_quality(name)]
    for name in names:
        if name not in COSTS and name not in qualities:
            raise UserError(
                f"objective {name!r} is unknown; there are quality (or what the task's metric is called), "
                f"{', '.join(COSTS)}"
            )
    costs = [name for name in COSTS if name in names]
    if names and not costs:
        raise UserError(f"objective {names[0]!r} alone makes no front; add one of {', '.join(COSTS)}")
    if not names or qualities:
        return (*qualities, *costs), None
    return (QUALITY.name, *costs), "quality is an objective, too: a front has to say what is lost"


def choose(names: Sequence[str], targets: Sequence[Target], quality: Metric) -> tuple[str, ...]:
    """A study's objectives: those asked for, else those that its targets suggest.

    Args:
        names: as parse() gives them.
        targets: one on size takes the place of download where none is on that; one on memory adds it.
        quality: the task's metric.

    Raises:
        UserError: a name is that of another task's metric.
    """
    for name in names:
        if is_quality(name) and find(name) != quality:
            raise UserError(f"objective {name!r}: this task's metric is {quality.name}, not {name}")
    if names:
        return (QUALITY.name, *(name for name in names if name in COSTS))
    bounded = {target.metric.name for target in targets}
    weight = "size" if "size" in bounded and "download" not in bounded else "download"
    return (QUALITY.name, "latency", weight, *(["memory"] if "memory" in bounded else []))


def resolve(names: Sequence[str], quality: Metric) -> tuple[Metric, ...]:
    """Objectives as metrics, the quality first.

    Args:
        names: as choose() gives them.
        quality: the task's metric.
    """
    return tuple(quality if name == QUALITY.name else METRICS[name] for name in names)
