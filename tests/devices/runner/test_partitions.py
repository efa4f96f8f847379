"""A file of which OpenVINO takes several parts: all of them run on the backend that was asked for."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autotune.config import Config, Runtime
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions
from autotune.devices.runner import accelerators
from autotune.devices.snippets import python
from tests.devices.several import parted

VALUES = np.array([[-1.5, 2.5, 3.0, -4.25]], np.float32)


@pytest.fixture(scope="module")
def device() -> LocalDevice:
    """This machine with OpenVINO's CPU."""
    found = LocalDevice(options=MeasureOptions(delegates=("openvino_cpu",)))
    if reason := found.missing().get("openvino_cpu"):
        pytest.skip(reason)
    return found


def test_a_file_in_parts_runs(device: LocalDevice, tmp_path: Path) -> None:
    """Not refused for an NPU that nobody named; what OpenVINO left is told."""
    model = parted(tmp_path)
    np.save(tmp_path / "x.npy", VALUES)
    with device.open() as session:
        found = session.outputs(model, Runtime("openvino_cpu"), tmp_path / "x.npy")
        timing = session.latency(model, Runtime("openvino_cpu"), 0.0)
    np.testing.assert_array_equal(found, np.ceil(np.abs(VALUES)))
    assert (timing.operators, timing.delegated, timing.fell_back) == (3, 2, ["CEIL"])


def test_so_it_does_as_the_snippet_has_it(device: LocalDevice, tmp_path: Path) -> None:
    """By what LiteRT says of each part."""
    del device  # it is there
    code = python(parted(tmp_path), Config.of({"delegate": "openvino_cpu"}), "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("for device CPU") == 2
    assert "for device NPU" not in done.stderr


@pytest.mark.parametrize(
    ("devices", "others"),
    [(["CPU"], ""), (["CPU", "CPU"], ""), (["CPU", "NPU"], "NPU"), (["GPU", "CPU", "NPU"], "GPU, NPU"), ([], "")],
)
def test_a_part_that_would_run_elsewhere_is_told(devices: list[str], others: str) -> None:
    """Should LiteRT's options change: what runs on two devices is not measured as if it ran on one."""
    log = "".join(f"INFO: [x.cc:642] Compiling partition {n} for device {name}\n" for n, name in enumerate(devices))
    found = accelerators._elsewhere(log, "openvino_cpu")  # type: ignore[no-untyped-call]
    assert found == (f"a part of it would run on OpenVINO's {others}" if others else "")
