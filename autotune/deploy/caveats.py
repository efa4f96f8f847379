"""What a second look at a picked file brings to light."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from autotune.deploy.recheck import Rechecked
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.outcome import Certainty, Measurement
from autotune.results.record import Record
from autotune.study.latency_cache import CHANGED
from autotune.targets.metric import LATENCY
from autotune.text.units import milliseconds, number
from autotune.text.words import missed, missed_there


def drift(point: MeasuredPoint, now: Measurement) -> dict[str, Any]:
    """How a latency compares with the study's: its change as a share of that, and whether their intervals meet."""
    before = point.outcome.metrics[LATENCY.key]
    then = point.outcome.latency
    low, high = (before, before) if then is None else (then.low_ms, then.high_ms)
    return {"change": now.p50_ms / before - 1, "intervals_meet": low <= now.high_ms and now.low_ms <= high}


def doubts(record: Record, front: ParetoFront, point: MeasuredPoint, found: Rechecked) -> Iterator[str]:
    """What the second look at a picked file has brought to light; a line each."""
    if found.latency is not None:
        yield from _doubts_of_latency(record, front, point, found.latency)
    if found.test is not None:
        yield from _doubts_of_test(front, point, found.test, found.baseline)


def _doubts_of_latency(record: Record, front: ParetoFront, point: MeasuredPoint, now: Measurement) -> Iterator[str]:
    gap = drift(point, now)
    if abs(gap["change"]) > CHANGED and not gap["intervals_meet"]:
        yield (
            f"its latency is now {milliseconds(now.p50_ms)}, {gap['change']:+.0%} off the search's, and the intervals "
            f"do not meet: is device {record.device} as it was then?"
        )
    if not now.stable:
        yield f"its latency now is not stable: {now.verdict}"
    judged = record.judge(replace(point, outcome=point.outcome.timed(now)), front.targets)
    if point.feasible and not judged.feasible:
        yield f"as measured now: {missed(front, judged)}"


def _doubts_of_test(
    front: ParetoFront, point: MeasuredPoint, scores: dict[str, Any], baseline: dict[str, Any] | None
) -> Iterator[str]:
    quality = front.quality
    seen, value = point.outcome.metrics[quality.key], scores[quality.key]
    if _apart(
        (seen, *point.outcome.interval(quality)),
        (value, *Certainty.from_json(scores).interval(value, quality)),
    ):
        yield (
            f"its {quality.name} is {number(value, quality)} on the test split and {number(seen, quality)} on "
            "validation, further apart than chance makes them: quote the former"
        )
    if missing := missed_there(front, scores, baseline):
        yield f"on the test split it misses {missing}: the search's best is partly luck; ask for a margin"


def _apart(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """Whether two values of independent samples differ, by the 95 % interval of their difference.

    It is put together from their own (value, low, high): R. G. Newcombe, Interval Estimation for the
    Difference between Independent Proportions, Statistics in Medicine 17, 1998, method 10.
    """
    (more, low, _), (less, _, high) = sorted((one, other), reverse=True)
    return more - less > math.hypot(more - low, high - less)
