"""What blocks of times say: how long, how sure that is, and whether to trust it."""

from collections.abc import Sequence

import numpy as np

from autotune.devices.device import Timing
from autotune.results.measurement import Measurement, reach

LEAST_ROUNDS = 6
"""Of which the smallest and largest median enclose the median with 1 - 2 / 2^6 = 97 %."""

WIDE = 0.05
"""Relative half-width of an interval above which rounds disagree."""

DRIFT = 0.03
"""Relative rise or fall over the rounds that counts as a drift."""

OTHERS = 0.25
"""Cores that other processes may use meanwhile."""

FREQUENCY = 0.05
"""Relative change of the processor's frequency that may pass."""

WARMING = 10.0
"""Degrees by which a device may warm up."""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """A 95 % confidence interval of the median, free of assumptions on the distribution.

    The k-th smallest and k-th largest value, with the largest k for which a binomial with p = 1/2
    leaves no more than 2.5 % on either side (H. A. David, H. N. Nagaraja, Order Statistics, 2003,
    section 7.1).

    Args:
        values: at least one; of fewer than 6 the smallest and the largest are given, which say less.
    """
    from scipy.special import (
        bdtr,  # scipy.stats.quantile_test() has the same interval, and takes a hundred times as long
    )

    ordered = np.sort(np.asarray(values, float))
    n = len(ordered)
    k = max(1, int(np.searchsorted(bdtr(np.arange(n + 1), n, 0.5), 0.025)))
    return float(ordered[k - 1]), float(ordered[-k])


def settled(rounds: Sequence[Timing], within: float) -> bool:
    """Whether the median is known: its interval reaches no further than this share of it to either side."""
    return len(rounds) >= LEAST_ROUNDS and _reach(_medians(rounds)) <= within


def summary(rounds: Sequence[Timing]) -> Measurement:
    """All that the rounds of one configuration say.

    Each round is a process of its own, so its median is one independent observation; inferences
    within a round are not independent of each other. The median is that of the rounds' medians; other
    percentiles and the mean are of all inferences together.
    """
    times = np.concatenate([timing.times_us for timing in rounds]) / 1e3
    medians = _medians(rounds)
    low, high = interval(medians)
    p90, p99 = np.percentile(times, [90, 99])
    first = rounds[0]
    memory = [timing.memory_bytes for timing in rounds if timing.memory_bytes is not None]
    return Measurement(
        p50_ms=float(np.median(medians)),
        low_ms=low,
        high_ms=high,
        p90_ms=float(p90),
        p99_ms=float(p99),
        mean_ms=float(times.mean()),
        first_ms=float(np.median([timing.first_us for timing in rounds])) / 1e3,
        init_ms=float(np.median([timing.init_us for timing in rounds])) / 1e3,
        init_serialized_ms=None if first.init_serialized_us is None else first.init_serialized_us / 1e3,
        memory_bytes=float(np.median(memory)) if memory else None,
        rounds_ms=medians,
        runs=len(times),
        operators=first.operators,
        delegated=first.delegated,
        fell_back=tuple(first.fell_back),
        verdict=verdict(rounds),
        others=_others(rounds),
        frequency_mhz=_range([value for timing in rounds for value in timing.frequency_mhz or ()]),
        temperature_c=_range([value for timing in rounds for value in timing.temperature_c or ()]),
    )


def verdict(rounds: Sequence[Timing]) -> str:
    """Stable, or why these rounds are not to be trusted."""
    reasons = [_load(rounds), _frequency(rounds), _temperature(rounds), _disagreement(_medians(rounds))]
    return "; ".join(filter(None, reasons)) or "stable"


def _medians(rounds: Sequence[Timing]) -> list[float]:
    return [float(np.median(timing.times_us)) / 1e3 for timing in rounds]


def _reach(medians: Sequence[float]) -> float:
    low, high = interval(medians)
    return reach(low, float(np.median(medians)), high)


def _load(rounds: Sequence[Timing]) -> str:
    mean = _others(rounds)
    return "" if mean is None or mean <= OTHERS else f"other processes used {mean:.1f} cores"


def _others(rounds: Sequence[Timing]) -> float | None:
    cores = [timing.others for timing in rounds if timing.others is not None]
    return float(np.mean(cores)) if cores else None


def _range(values: Sequence[float]) -> tuple[float, float] | None:
    return (min(values), max(values)) if values else None


def _frequency(rounds: Sequence[Timing]) -> str:
    """Between the two halves: from one look to the next it may well jump."""
    clocks = [float(np.mean(timing.frequency_mhz)) for timing in rounds if timing.frequency_mhz]
    half = len(clocks) // 2
    if not half:
        return ""
    before, after = float(np.median(clocks[:half])), float(np.median(clocks[-half:]))
    if abs(after - before) <= FREQUENCY * max(before, after):
        return ""
    return f"the frequency went from {before:.0f} to {after:.0f} MHz"


def _temperature(rounds: Sequence[Timing]) -> str:
    degrees = [value for timing in rounds for value in timing.temperature_c or ()]
    if not degrees or degrees[-1] - degrees[0] <= WARMING:
        return ""
    return f"it warmed up from {degrees[0]:.0f} to {degrees[-1]:.0f} °C"


def _disagreement(medians: Sequence[float]) -> str:
    """What sets the rounds apart from each other: a trend, or scatter."""
    if len(medians) >= LEAST_ROUNDS:
        half = len(medians) // 2
        change = float(np.median(medians[-half:]) / np.median(medians[:half])) - 1
        if abs(change) > DRIFT and _rises_or_falls(medians):
            return f"it drifted by {change:+.0%} over the rounds"
    wide = _reach(medians)
    return f"rounds differ by {wide:.0%}" if wide > WIDE else ""


def _rises_or_falls(values: Sequence[float]) -> bool:
    """Whether their order is no chance: Kendall's rank correlation, at 1 %."""
    from scipy.stats import kendalltau  # takes a second to import, and few rounds get as far as this

    return bool(kendalltau(range(len(values)), values).pvalue < 0.01)
