"""What a second look at a picked file brings to light."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from autotune.deploy.recheck import Rechecked
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.measurement import Measurement
from autotune.results.quality import Scored
from autotune.results.record import Begun
from autotune.study.latency_cache import CHANGED
from autotune.targets.metric import LATENCY
from autotune.text.units import milliseconds, number
from autotune.text.words import missed, missed_there


@dataclass(frozen=True)
class Drift:
    """How a latency compares with the study's.

    Attributes:
        change: of the median, as a share of the study's.
        intervals_meet: whether their 95 % intervals have a point in common.
    """

    change: float
    intervals_meet: bool


def drift(point: MeasuredPoint, now: Measurement) -> Drift:
    """How a latency that is taken now compares with the point's own."""
    before = point.outcome.metrics[LATENCY.key]
    then = point.outcome.latency
    low, high = (before, before) if then is None else (then.low_ms, then.high_ms)
    return Drift(now.p50_ms / before - 1, low <= now.high_ms and now.low_ms <= high)


def doubts(record: Begun, front: ParetoFront, point: MeasuredPoint, rechecked: Rechecked) -> Iterator[str]:
    """What the second look at a picked file has brought to light; a line each."""
    if rechecked.latency is not None:
        yield from _doubts_of_latency(record, front, point, rechecked.latency)
    if rechecked.test is not None:
        yield from _doubts_of_test(front, point, rechecked.test, rechecked.baseline)


def _doubts_of_latency(record: Begun, front: ParetoFront, point: MeasuredPoint, now: Measurement) -> Iterator[str]:
    gap = drift(point, now)
    if abs(gap.change) > CHANGED and not gap.intervals_meet:
        yield (
            f"its latency is now {milliseconds(now.p50_ms)}, {gap.change:+.0%} off the search's, and the intervals "
            f"do not meet: is device {record.device} as it was then?"
        )
    if not now.stable:
        yield f"its latency now is not stable: {now.verdict}"
    judged = record.judge(replace(point, outcome=point.outcome.with_latency(now)), front.targets)
    if point.feasible and not judged.feasible:
        yield f"as measured now: {missed(front, judged)}"


def _doubts_of_test(front: ParetoFront, point: MeasuredPoint, tested: Scored, baseline: Scored | None) -> Iterator[str]:
    quality = front.quality
    seen, value = point.outcome.metrics[quality.key], tested.scores[quality.key]
    if _apart(
        (seen, *point.outcome.interval(quality)),
        (value, *tested.interval(quality)),
    ):
        yield (
            f"its {quality.name} is {number(value, quality)} on the test split and {number(seen, quality)} on "
            "validation, further apart than chance makes them: quote the former"
        )
    if missing := missed_there(front, tested, baseline):
        yield f"on the test split it misses {missing}: the search's best is partly luck; ask for a margin"


def _apart(first: tuple[float, float, float], second: tuple[float, float, float]) -> bool:
    """Whether two values of independent samples differ, by the 95 % interval of their difference.

    It is put together from their own (value, low, high): R. G. Newcombe, Interval Estimation for the
    Difference between Independent Proportions, Statistics in Medicine 17, 1998, method 10.
    """
    (more, low, _), (less, _, high) = sorted((first, second), reverse=True)
    return more - less > math.hypot(more - low, high - less)
