"""Where the time goes, before and after, as the report shows it."""

from collections.abc import Iterator

from autotune.json_object import JsonObject
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.outcome import Measured
from autotune.results.profile import KeptProfile, Part
from autotune.results.record import BASELINE, Record
from autotune.text.units import kernel, milliseconds

HEAVIEST = 12
"""Operators of a profile that are shown."""


def profiles(record: Record, front: ParetoFront, best: MeasuredPoint | None) -> Iterator[JsonObject]:
    """Rows of tables for the baseline's and the best point's operators, as far as a run has kept them.

    Args:
        record: of the study.
        front: of it.
        best: the recommended point, or what is shown in its place.
    """
    shown = [("before: the baseline", BASELINE, front.baseline)]
    shown += [("after: trial " + str(best.trial), best.trial, best.outcome)] if best else []
    for title, trial, outcome in shown:
        if str(trial) in record.profiles:
            yield {
                "title": title,
                "config": str(outcome.config),
                **_profile(record.profiles[str(trial)]),
                **_took(outcome),
            }


def _profile(profile: KeptProfile) -> JsonObject:
    """The operators that take most, in the order in which they run; where there are no times, compute most."""
    timed = not profile.untold
    weights = [_weight(part, timed=timed) for part in profile.parts]
    total, longest = sum(weights) or 1.0, max(weights, default=0.0) or 1.0
    heaviest = sorted(sorted(range(len(weights)), key=weights.__getitem__, reverse=True)[:HEAVIEST])
    return {
        "rows": [
            {
                "kind": kernel(named.kind if (named := part.time or part.operator) else ""),
                "made": part.operator.name.partition(";")[0] if part.operator else "",
                "through": ((part.time and part.time.delegate) or "kernels") if timed else "",
                "weight": _written(part, weights[at], timed=timed),
                "share": f"{weights[at] / total:.0%}",
                "width": f"{100 * weights[at] / longest:.0f}",
            }
            for at, part in ((at, profile.parts[at]) for at in heaviest)
        ],
        "unit": "time" if timed else "MACs",
        "total": milliseconds(total / 1e3) if timed else f"{total:,.0f}",
        "left": len(weights) - len(heaviest),
        "untold": profile.untold,
    }


def _written(part: Part, weight: float, *, timed: bool) -> str:
    whole_us = timed and part.time and part.time.delegate  # delegates tell whole microseconds
    return "<1 us" if whole_us and weight < 1 else milliseconds(weight / 1e3) if timed else f"{weight:,.0f}"


def _weight(part: Part, *, timed: bool) -> float:
    if timed:
        return float(part.time.time_us) if part.time else 0.0
    return float(part.operator.macs) if part.operator else 0.0


def _took(outcome: Measured) -> dict[str, str]:
    """What the delegate took of a file."""
    return {
        "delegated": delegated(outcome),
        "left_to": ", ".join(outcome.latency.fell_back) if outcome.latency else "",
    }


def delegated(outcome: Measured) -> str:
    """How many of a file's operators its delegate took, "" where that is not known."""
    latency = outcome.latency
    return "" if latency is None or latency.delegated is None else f"{latency.delegated} of {latency.operators}"
