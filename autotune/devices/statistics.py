"""What a list of times says."""

import numpy as np

from autotune.devices.device import Timing


def summary(timing: Timing) -> dict[str, float]:
    """Median and 90th percentile, in milliseconds, by the keys of an outcome's metrics."""
    times = np.asarray(timing.times_us) / 1e3
    return {
        "latency_ms": float(np.median(times)),
        "latency_p90_ms": float(np.percentile(times, 90)),
    }
