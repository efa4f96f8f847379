"""For tests, ours and those of plug-in authors: fakes of everything slow, and contract suites.

With the fakes the whole loop runs in seconds without TensorFlow, Ray, MLflow or a device.
"""

from autotune.testing.contracts import DeviceContract, SamplerContract, StageContract, TrackerContract
from autotune.testing.fakes import FakeDevice, FakePool, SilentReporter, toy_build, toy_files, toy_import
from autotune.testing.results import toy_measurement, toy_meta, toy_outcome, toy_record
from autotune.testing.search import ToySearch

__all__ = [
    "DeviceContract",
    "FakeDevice",
    "FakePool",
    "SamplerContract",
    "SilentReporter",
    "StageContract",
    "ToySearch",
    "TrackerContract",
    "toy_build",
    "toy_files",
    "toy_import",
    "toy_measurement",
    "toy_meta",
    "toy_outcome",
    "toy_record",
]
