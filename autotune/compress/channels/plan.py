"""How many channels stay in which group: those go first that cost least for the time or the arithmetic that they take.

As NetAdapt (Yang et al., arXiv:1804.03230) and HALP (Shen et al., arXiv:2110.10811), by latencies that were measured.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from autotune.compress.channels.macs import Term, total
from autotune.errors import Infeasible

LEAST = 4
"""Channels that a group keeps at least, and an eighth of what it has."""

COMPOUND = 1.5
"""Power of what a group's cut costs: the more is cut, the less other layers can make good (docs/decisions/032)."""


class GroupFacts(TypedDict):
    """A group of channels that can be cut.

    Attributes:
        name: of the first layer that makes them.
        layers: names of all that do.
        importance: of each channel, 0 or more; comparable throughout the model.
    """

    name: str
    layers: list[str]
    importance: list[float]


class Examined(TypedDict):
    """What is known of a model's channels.

    Attributes:
        groups: that can be cut.
        left: by the name of a layer whose channels can't be cut, why not.
        terms: whose sum is the model's multiply-accumulates.
        macs: this sum.
    """

    groups: list[GroupFacts]
    left: dict[str, str]
    terms: list[Term]
    macs: int


@dataclass(frozen=True)
class Latencies:
    """What untrained files of a model take on a device.

    Attributes:
        full_ms: with all channels.
        noise_ms: by which two measurements of one file may differ.
        cut_ms: by a group's name and a width of it, with that group alone cut.
    """

    full_ms: float
    noise_ms: float
    cut_ms: Mapping[str, Mapping[int, float]]


def candidate_widths(width: int, parts: int = 8) -> list[int]:
    """Widths that a group may be cut to, the largest first.

    Kernels take channels in powers of two: the widths are multiples of the largest one in a part of the group.

    Args:
        width: of the group.
        parts: 8 for steps of an eighth, or less.
    """
    step = 2 ** int(np.log2(max(1, width // parts)))
    least = max(LEAST, width // 8)
    return [each for each in range((width - 1) // step * step, 0, -step) if each >= least]


def plan(examined: Examined, share: float, latencies: Latencies | None = None) -> dict[str, int]:
    """The widths at which no more than a share of the multiply-accumulates stays.

    Each step makes the cut that loses least importance for the time that it saves, or for the multiply-accumulates
    where no latencies are there. Latencies are of one group cut alone: what is saved beside other cuts is taken to be
    less, as the multiply-accumulates are. Where no further cut alone saves more time than measurements differ by,
    the rest is chosen by the multiply-accumulates among the widths that were measured: whether several save time
    together is for the measurement of the whole.

    Args:
        examined: the model.
        share: 0 to 1.
        latencies: of the widths that are offered.

    Returns:
        By a group's name its width, of those that are cut.

    Raises:
        Infeasible: there are not enough channels to cut.
    """
    full = full_widths(examined)
    widths = dict(full)
    offers = _offers(examined, full, latencies)
    offered = offers.pop(0)
    lost = _lost(examined)
    macs, target = float(examined["macs"]), share * examined["macs"]
    while macs > target:
        cuts = [
            _Cut(name, width, lost[name][full[name] - width] - lost[name][full[name] - widths[name]], *saved)
            for name, times in offered.items()
            for width in times
            if width < widths[name]
            for saved in [_saved(examined["terms"], name, width, widths, full, times)]
        ]
        if not cuts and offers:
            offered = offers.pop(0)
            continue
        if not cuts:
            stays = f"{macs / examined['macs']:.0%} of the multiply-accumulates stay at least, not {share:.0%}"
            raise Infeasible("; ".join([stays, *dict.fromkeys(examined["left"].values())]))
        best = min(cuts, key=lambda cut: cut.price(macs - target))
        widths[best.group] = best.width
        macs -= best.macs
    return {name: width for name, width in widths.items() if width < full[name]}


def loss(examined: Examined, widths: Mapping[str, int]) -> float:
    """What is lost by cuts, in the unit of importance.

    Args:
        examined: the model.
        widths: of groups by their names, as plan() gives them.
    """
    full, lost = full_widths(examined), _lost(examined)
    return float(sum(lost[name][full[name] - width] for name, width in widths.items()))


def full_widths(examined: Examined) -> dict[str, int]:
    """The width of each group, by its name, where nothing is cut."""
    return {group["name"]: len(group["importance"]) for group in examined["groups"]}


def _lost(examined: Examined) -> dict[str, NDArray[np.float64]]:
    """By a group's name what is lost with so many channels of it, from none to all."""
    return {
        group["name"]: np.append(0.0, np.cumsum(np.sort(group["importance"])) ** COMPOUND)
        for group in examined["groups"]
    }


def most_important(examined: Examined, widths: Mapping[str, int]) -> dict[str, list[int]]:
    """The channels that stay.

    Args:
        examined: the model.
        widths: of groups by their names, as plan() gives them.

    Returns:
        As Groups.removed() takes it: for each of these groups its most important channels, in their order.
    """
    importance = {group["name"]: np.array(group["importance"]) for group in examined["groups"]}
    return {
        name: sorted(np.argsort(-importance[name], kind="stable")[:width].tolist()) for name, width in widths.items()
    }


@dataclass(frozen=True)
class _Cut:
    """A group cut to a width, and what is lost and saved by it."""

    group: str
    width: int
    importance: float
    time: float
    macs: float

    def price(self, wanted: float) -> tuple[float, float]:
        """Importance for the time, of which that for more multiply-accumulates than are wanted does not count; of equal
        ones that which saves more comes first.
        """
        return self.importance / (self.time * min(1.0, wanted / self.macs)), -self.time


def _offers(
    examined: Examined, full: Mapping[str, int], latencies: Latencies | None
) -> list[dict[str, dict[int, float]]]:
    """One after the other: by a group's name its widths, the largest first, and what all costs with that group alone
    cut so, in time or in multiply-accumulates.
    """

    def arithmetic(name: str, widths: Iterable[int]) -> dict[int, float]:
        return {width: total(examined["terms"], {**full, name: width}) for width in widths}

    if latencies is None:
        return [{name: arithmetic(name, (width, *candidate_widths(width))) for name, width in full.items()}]
    return [
        {name: _rewarded(full[name], times, latencies) for name, times in latencies.cut_ms.items()},
        {
            name: arithmetic(name, sorted({*times, full[name]}, reverse=True))
            for name, times in latencies.cut_ms.items()
        },
    ]


def _rewarded(full: int, times: Mapping[int, float], latencies: Latencies) -> dict[int, float]:
    """The widths at which time falls, by more than noise. What is faster than a narrower one has been lucky."""
    widths = sorted({**times, full: 0.0}, reverse=True)
    measured = [latencies.full_ms if width == full else times[width] for width in widths]
    fitted = isotonic_regression(measured, increasing=False).x.tolist()
    rewarded = {full: fitted[0]}
    for width, time in zip(widths[1:], fitted[1:], strict=True):
        if time < min(rewarded.values()) - latencies.noise_ms:
            rewarded[width] = time
    return rewarded


def _saved(
    terms: list[Term],
    name: str,
    width: int,
    widths: Mapping[str, int],
    full: Mapping[str, int],
    times: Mapping[int, float],
) -> tuple[float, float]:
    """The time and the multiply-accumulates that a further cut of a group saves beside those of others."""
    own = [term for term in terms if any(name in factor for factor in term["factors"])]

    def saved(others: Mapping[str, int]) -> float:
        return total(own, {**others, name: widths[name]}) - total(own, {**others, name: width})

    macs = saved(widths)
    return (times[widths[name]] - times[width]) * macs / saved(full), macs
