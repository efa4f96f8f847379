"""Targets are met with margin: what is held against a bound is the worse end of an interval, not a value alone."""

from collections.abc import Callable, Mapping, Sequence

from autotune.results.outcome import Measured
from autotune.results.quality import Scored
from autotune.results.significance import Interval
from autotune.targets.metric import LATENCY, Metric
from autotune.targets.target import Target

UNKNOWN = 1.0
"""Violation of a target on what the device could not tell of a file."""


def held(
    outcome: Measured,
    targets: Sequence[Target],
    quality: Metric,
    baseline: Mapping[str, float],
    gap: Callable[[float], Interval | None],
) -> dict[str, Interval]:
    """What a measured file has to hold against targets.

    Args:
        outcome: of the file.
        targets: to meet.
        quality: the metric of quality.
        baseline: its metrics by key.
        gap: the 95 % interval of the file's quality less a factor times the baseline's, on the same samples;
            None where they are not known.

    Returns:
        By the targets' texts 95 % intervals that the measured values lie in. They have no width where what
        is bounded is exact (size, download) or has no interval (a latency's 99th percentile). A target
        relative to the baseline's quality is met or missed by the difference, so there it is that
        difference's interval, with the baseline's quality as it was measured. What is not known has none.
    """
    intervals = {}
    for target in targets:
        key = target.metric.key
        if key not in outcome.metrics:
            continue
        value = outcome.metrics[key]
        low = high = value
        if target.metric == LATENCY and outcome.latency is not None:
            low, high = outcome.latency.low_ms, outcome.latency.high_ms
        elif target.metric == quality:
            difference = gap(target.factor) if target.factor else None
            if difference is None:
                low, high = outcome.interval(quality)
            else:
                low, high = (target.factor * baseline[key] + end for end in difference)
        intervals[target.text] = min(low, value), max(high, value)
    return intervals


def missed_on_test(targets: Sequence[Target], quality: Metric, tested: Scored, baseline: Scored | None) -> list[Target]:
    """The targets on quality that a file misses on the test split, by its value there.

    Args:
        targets: that it was to meet.
        quality: the metric of quality.
        tested: what the file scored there.
        baseline: likewise its own; None where nobody knows it. Nothing is said then of targets that are relative
            to it: what it scores on other samples is no measure.
    """
    return [
        target
        for target in targets
        if target.metric == quality
        and (baseline is not None or not target.factor)
        and not target.met(tested.scores[quality.key], {} if baseline is None else baseline.scores)
    ]


def violations(
    intervals: Mapping[str, Interval], targets: Sequence[Target], baseline: Mapping[str, float]
) -> dict[str, float]:
    """How far each target is missed, by its text, as Target.violation(): above 0 where it is not met with margin.

    Args:
        intervals: as held() gives them.
        targets: to meet.
        baseline: its metrics by key.
    """
    return {
        target.text: target.violation(target.worse(*intervals[target.text]), baseline)
        if target.text in intervals
        else UNKNOWN
        for target in targets
    }
