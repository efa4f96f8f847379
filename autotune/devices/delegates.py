"""The delegates that autotune's own devices look for."""

from autotune.devices.android import benchmark_model

RUNNER = ("xnnpack", "builtin", "reference", "gpu", "openvino_cpu", "openvino_gpu", "openvino_npu")
"""What the runner knows, best known first."""

DELEGATES = tuple(dict.fromkeys((*RUNNER, *benchmark_model.DELEGATES)))
"""Of the runner's, then those that only phones have."""
