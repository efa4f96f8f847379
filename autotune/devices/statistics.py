"""What a list of times says."""

from collections.abc import Sequence

import numpy as np

from autotune.devices.device import Timing


def summary(rounds: Sequence[Timing]) -> dict[str, float]:
    """Median and 90th percentile over all runs, in milliseconds, by the keys of an outcome's metrics."""
    times = np.concatenate([timing.times_us for timing in rounds]) / 1e3
    return {
        "latency_ms": float(np.median(times)),
        "latency_p90_ms": float(np.percentile(times, 90)),
    }
