"""The delegates that autotune's own devices look for."""

from autotune.devices.android import benchmark_model
from autotune.devices.client import device as runner_device

DELEGATES = tuple(dict.fromkeys((*runner_device.DELEGATES, *benchmark_model.DELEGATES)))
"""Of the runner's, then those that only phones have."""
