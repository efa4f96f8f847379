"""What a front says of its points, in words: which are shown, what they miss, why that is not for sure."""

from collections.abc import Mapping

from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.margin import missed_on_test
from autotune.results.quality import Scored
from autotune.targets.metric import Metric
from autotune.targets.target import Target
from autotune.text.units import amount, distance

ROWS = 15
"""Rows of a front that a table shows."""


def listed(front: ParetoFront, *, everything: bool, most: int = ROWS) -> list[MeasuredPoint]:
    """All points, or the feasible ones (all where none is), spread over the front where they are too many."""
    if everything:
        return front.points
    points = front.feasible or front.points
    if len(points) <= most:
        return points
    pick = front.pick()
    wanted = {round(index * (len(points) - 1) / max(1, most - 1)) for index in range(most)}
    return [point for index, point in enumerate(points) if index in wanted or point is pick]


def missed(front: ParetoFront, point: MeasuredPoint) -> str:
    """Which targets a point misses, and by how much, in their own units."""
    metrics, baseline = point.outcome.metrics, front.baseline.metrics
    unsure = front.unsure(point)
    return ", ".join(
        f"not for sure {target.text}" if target in unsure else f"misses {_by(target, metrics, baseline)}"
        for target in front.targets
        if point.violations.get(target.text, 0.0) > 0
    )


def unmet(front: ParetoFront) -> str:
    """That nothing on a front can be recommended."""
    return "nothing meets the targets" if front.points else "nothing but the baseline was measured"


def missed_there(front: ParetoFront, tested: Scored, baseline: Scored | None) -> str:
    """Targets that a point misses on the test split, without the word.

    Args:
        front: with the targets.
        tested: what a file scored there.
        baseline: likewise its own, None where nobody knows it.
    """
    missing = missed_on_test(front.targets, front.quality, tested, baseline)
    beside = {} if baseline is None else baseline.scores
    return ", ".join(_by(target, tested.scores, beside) for target in missing)


def _by(target: Target, metrics: Mapping[str, float], baseline: Mapping[str, float]) -> str:
    """A target that is missed, and by how much."""
    if target.metric.key not in metrics:
        return f"{target.text}, since the device can't tell"
    excess = target.excess(metrics[target.metric.key], baseline)
    return f"{target.text} by {distance(excess, target.metric)}" if excess else target.text


def doubt(point: MeasuredPoint, target: Target, quality: Metric) -> str:
    """Why a target that a point meets by its value counts as missed all the same, and what would help."""
    metric = target.metric
    metrics = point.outcome.metrics
    held = point.held[target.text]
    of_quality = metric == quality
    paired = of_quality and held != point.outcome.interval(quality)
    beside = ", beside the baseline on the same samples," if paired else ""
    low, high = (amount({metric.key: end}, metric, quality) for end in held)
    return (
        f"{metric.name} {amount(metrics, metric, quality)} meets {target.text}, its interval"
        f"{beside} {low} to {high} does not: "
        f"{'more validation samples' if of_quality else 'a quieter device'} would narrow it"
    )
