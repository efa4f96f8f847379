"""The GPU and OpenVINO: real ones where the machine has them, else SwiftShader and OpenVINO's CPU backend."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autotune.compress import post_training
from autotune.config import Runtime
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions, Session
from autotune.errors import Infeasible
from autotune.task.data.fields import joined
from tests.devices import gpu
from tests.devices.several import several

RESNET8 = Path(__file__).parents[4] / "shared" / "models" / "resnet8_float.tflite"
PARTIAL = Path(__file__).with_name("partial.tflite")
"""A convolution, and transposes of six dimensions that no GPU delegate takes."""

pytestmark = pytest.mark.skipif(not RESNET8.exists(), reason="needs ../shared")


@pytest.fixture(scope="module", params=["gpu", "openvino_cpu"])
def accelerated(request: pytest.FixtureRequest) -> Iterator[tuple[str, Session]]:
    """A delegate that this machine has, and a session on it."""
    delegate = request.param
    with pytest.MonkeyPatch.context() as patch:
        if delegate == "gpu":
            gpu.found(patch)
        device = LocalDevice(options=MeasureOptions(delegates=(delegate, "builtin", "xnnpack")))
        if reason := device.missing().get(delegate):
            pytest.skip(reason)
        with device.open() as session:
            yield delegate, session


def samples(folder: Path, count: int = 8) -> Path:
    """Random images of 0..255."""
    inputs = folder / "x.npy"
    np.save(inputs, np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.float32))
    return inputs


def test_computes_what_the_built_in_kernels_compute(accelerated: tuple[str, Session], tmp_path: Path) -> None:
    """The same decisions; OpenVINO may compute in bfloat16, so single outputs differ in the second digit."""
    delegate, session = accelerated
    inputs = samples(tmp_path)
    found = session.outputs(RESNET8, Runtime(delegate), inputs)
    expected = session.outputs(RESNET8, Runtime("builtin"), inputs)
    np.testing.assert_allclose(found, expected, atol=0.15)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_all_inputs_and_outputs_are_its_own(accelerated: tuple[str, Session], tmp_path: Path) -> None:
    """Of a file with several, which its signature names in another order."""
    delegate, session = accelerated
    model = several(tmp_path)
    values = joined({"a": -np.ones((2, 4), np.float32), "b": np.array([[-1, 2], [3, -4]], np.float32)})
    np.save(tmp_path / "x.npy", values)
    found = session.outputs(model, Runtime(delegate), tmp_path / "x.npy")
    for name in "ab":
        np.testing.assert_allclose(found[name], np.abs(values[name]))
    assert session.latency(model, Runtime(delegate)).times_us


def test_takes_the_whole_file_and_says_so(accelerated: tuple[str, Session]) -> None:
    """All 16 operators; the time covers the way in and out, so it can't be that of a mere start."""
    delegate, session = accelerated
    found = session.latency(RESNET8, Runtime(delegate))
    assert (found.operators, found.delegated, found.fell_back) == (16, 16, [])
    assert min(found.times_us) > 30
    assert found.memory_bytes is not None
    assert found.memory_bytes > RESNET8.stat().st_size


def test_says_what_it_left_to_the_cpu(accelerated: tuple[str, Session]) -> None:
    """Of a file with operators that the GPU has not; OpenVINO has them."""
    delegate, session = accelerated
    found = session.latency(PARTIAL, Runtime(delegate))
    assert found.operators == 9
    assert found.delegated == (4 if delegate == "gpu" else 9)
    assert bool(found.fell_back) == (delegate == "gpu")


def test_xnnpack_says_what_it_left(tmp_path: Path) -> None:
    """Of int8 ResNet8 the pooling and the softmax, which it has for float alone."""
    file = tmp_path / "int8.tflite"
    file.write_bytes(post_training.quantize(RESNET8.read_bytes(), "int8", np.load(samples(tmp_path))))
    with LocalDevice(options=MeasureOptions(delegates=("xnnpack",))).open() as session:
        found = session.latency(file, Runtime())
        assert (found.operators, found.delegated) == (18, 16)
        assert sorted(found.fell_back) == ["AVERAGE_POOL_2D", "SOFTMAX"]


def test_a_missing_accelerator_is_refused_with_its_reason() -> None:
    """Not measured as if the CPU were it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "VK_DRIVER_FILES", "/nowhere.json")
        with (
            LocalDevice().open() as session,
            pytest.raises(Infeasible, match=r"gpu refuses the file: .*(dapter|Vulkan)"),
        ):
            session.latency(RESNET8, Runtime("gpu"))
