"""The delegates that autotune's own devices look for."""

from autotune.devices import benchmark_model, runner_device

DELEGATES = tuple(dict.fromkeys((*runner_device.DELEGATES, *benchmark_model.DELEGATES)))
"""Of the runner's, then those that only phones have."""
