"""What is shipped with a registered model: what runs it there, and that it computes what was measured."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.convert import converted
from autotune.compress.worker import start
from autotune.config import Runtime
from autotune.deploy import serving
from autotune.devices.client.device import PROBE
from autotune.devices.client.local import LocalDevice
from autotune.devices.runner.pyfunc import PythonFunction
from autotune.errors import UserError
from autotune.results.meta import DeviceFacts
from tests.tflite import stateful

ALONE = """
import sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("autotune", "tensorflow", "keras", "tf_keras", "ray", "optuna"):
            raise ModuleNotFoundError(f"no {name} here")

sys.meta_path.insert(0, Blocked())
"""
"""A sitecustomize.py for a Python as it is where models are served."""


@pytest.fixture(scope="module")
def inputs() -> np.ndarray[Any, Any]:
    """More than fit into a batch."""
    return np.random.default_rng(0).random((130, 8, 8, 1), np.float32)


def measured(file: Path, folder: Path, inputs: np.ndarray[Any, Any], runtime: Runtime) -> np.ndarray[Any, Any]:
    """The runner's outputs."""
    np.save(folder / "inputs.npy", inputs)
    with LocalDevice().open() as session:
        return session.outputs(file, runtime, folder / "inputs.npy")


def test_needs_numpy_and_litert_alone(tmp_path: Path, inputs: np.ndarray[Any, Any]) -> None:
    """The runner's outputs, where nothing else of ours can be imported; integers by their scale, as there."""
    from autotune.compress import post_training

    file = tmp_path / "int8.tflite"
    file.write_bytes(post_training.quantize(PROBE.read_bytes(), "int8_io", inputs))
    loader = serving.write(tmp_path / "code")
    (tmp_path / "code" / "sitecustomize.py").write_text(ALONE)
    expected = measured(file, tmp_path, inputs, Runtime("builtin"))
    code = (
        f"import sys; import numpy as np; from {loader} import _load_pyfunc as load\n"
        "function = load(sys.argv[1], {'delegate': 'builtin', 'threads': 1, 'state': ''})\n"
        "np.save('outputs.npy', function.predict(np.load('inputs.npy')))\n"
        "assert 'mlflow' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "code")}
    subprocess.run([sys.executable, "-c", code, str(file)], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "outputs.npy"), expected)
    assert serving.signature(file, "builtin") == serving.signature(PROBE, "builtin")


def test_batches_of_any_size(tmp_path: Path, inputs: np.ndarray[Any, Any]) -> None:
    """One after the other through the same function: each gets what the runner gives it."""
    function = PythonFunction(str(PROBE), "xnnpack", 1)  # type: ignore[no-untyped-call]
    for count in (3, 1, 130, 3, 1):
        some = inputs[:count]
        expected = measured(PROBE, tmp_path, some, Runtime("xnnpack"))
        np.testing.assert_array_equal(function.predict(some), expected)  # type: ignore[no-untyped-call]
    empty = function.predict(inputs[:0])  # type: ignore[no-untyped-call]
    assert (empty.shape, empty.dtype) == ((0, 6, 6, 4), np.float32)


@pytest.mark.parametrize("delegate", ["gpu", "openvino_cpu", "abacus"])
def test_a_delegate_that_is_not_there(delegate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One error that names it; the CPU does not step in unasked."""
    monkeypatch.setattr("autotune.devices.runner.accelerators.importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("VK_DRIVER_FILES", "/nowhere")
    with pytest.raises(RuntimeError, match=f"^the delegate {delegate} does not run this model here: .*model_config"):
        PythonFunction(str(PROBE), delegate, 1)  # type: ignore[no-untyped-call]


def test_openvino_leaves_the_process_its_cores() -> None:
    """Its own threads are bound to as many as were asked for; who loads a model is not."""
    if "openvino_cpu" not in LocalDevice().delegates:
        pytest.skip("this machine has no OpenVINO")
    code = (
        "import os, sys; from autotune.devices.runner.pyfunc import PythonFunction\n"
        "before = os.sched_getaffinity(0); PythonFunction(sys.argv[1], 'openvino_cpu', 1)\n"
        "assert os.sched_getaffinity(0) == before"
    )
    subprocess.run([sys.executable, "-c", code, str(PROBE)], check=True)  # threads of OpenVINO's are there to stay


def test_a_package_is_named_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models in one process have each its own modules, unless they are the same."""
    first, again = serving.write(tmp_path / "first"), serving.write(tmp_path / "again")
    monkeypatch.setattr("autotune.devices.runner.SERVED", ("machine", "pyfunc"))
    assert first == again != serving.write(tmp_path / "other")
    assert not [file for file in (tmp_path / "first").rglob("*.py") if "from autotune" in file.read_text()]


def test_requirements_are_pinned() -> None:
    """LiteRT to what the device has, else to what is here."""
    here = [f"ai-edge-litert=={version('ai-edge-litert')}", f"numpy=={version('numpy')}"]
    assert serving.requirements("xnnpack", DeviceFacts("desk")) == here
    assert serving.requirements("xnnpack", DeviceFacts("desk", runtime="ai-edge-litert", litert="unknown")) == here
    board = DeviceFacts("board", runtime="tflite-runtime", litert="2.14.0")
    assert serving.requirements("builtin", board) == ["tflite-runtime==2.14.0", here[1]]
    assert serving.requirements("openvino_npu", DeviceFacts("desk"))[2].startswith("openvino")


def test_what_is_no_function() -> None:
    """A delegate that Python has no way to; in one line."""
    with pytest.raises(UserError, match="nnapi is no delegate of LiteRT in Python"):
        serving.signature(PROBE, "nnapi")


@pytest.mark.parametrize("kept", ["variables", "resources"])
def test_each_sample_is_served_as_the_first(kept: str, tmp_path: Path) -> None:
    """Of a file that keeps state, whoever asked before."""
    file = tmp_path / "model.tflite"
    file.write_bytes(getattr(stateful, kept)())
    takes, _ = serving.signature(file, "xnnpack")
    [(_, shape)] = takes.values()
    samples = np.random.default_rng(0).random((3, *shape), np.float32)
    function = PythonFunction(str(file), "xnnpack", 1, kept)  # type: ignore[no-untyped-call]
    for _ in range(2):
        found = function.predict(samples)  # type: ignore[no-untyped-call]
        assert np.allclose(found, samples.reshape(3, -1), rtol=1e-6)


def test_shapes_of_outputs_are_those_that_come(tmp_path: Path) -> None:
    """Behind Reshape((-1, k)) a file does not say them; of several each has its name."""
    start(2)
    import tf_keras

    layers = tf_keras.layers
    a, b = layers.Input((4, 4, 2), name="a"), layers.Input((6,), dtype="int32", name="b")
    boxes = layers.Concatenate(axis=1, name="boxes")([layers.Reshape((-1, 2))(a), layers.Reshape((-1, 2))(a)])
    words = layers.Flatten()(layers.Embedding(5, 3)(b))
    file = tmp_path / "m.tflite"
    file.write_bytes(converted(tf_keras.Model([a, b], [boxes, layers.Dense(3, name="kind")(words)])))
    takes, gives = serving.signature(file, "xnnpack")
    assert {name: (dtype.name, shape) for name, (dtype, shape) in takes.items()} == {
        "a": ("float32", (4, 4, 2)),
        "b": ("int32", (6,)),
    }
    assert {name: shape for name, (_, shape) in gives.items()} == {"boxes": (32, 2), "kind": (3,)}
