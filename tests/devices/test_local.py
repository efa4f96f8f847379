"""The real runner on this machine, and what becomes of one that dies, hangs or talks."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.config import SCHEMES, Recipe, Runtime
from autotune.devices import runner
from autotune.devices.device import Device
from autotune.devices.local import LocalDevice, RunnerSession
from autotune.errors import Fault, Infeasible
from autotune.testing import DeviceContract, FakeDevice, toy_build


@pytest.fixture(scope="module")
def tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model, converted."""
    return _converted(tmp_path_factory.mktemp("files"), "none")


def _converted(folder: Path, scheme: str) -> Path:
    from autotune.compress import flatquant
    from autotune.compress.convert import converted
    from autotune.compress.load import import_model, open_base
    from autotune.compress.worker import start

    start(2)
    model = Path(__file__).parents[2] / "experiments" / "digits" / "digits.keras"
    file = converted(open_base(import_model(model.read_bytes(), model.name).data))
    path = folder / f"{scheme}.tflite"
    path.write_bytes(file if scheme == "none" else flatquant.quantize(file, scheme, _images()[:50]))
    return path


def _images() -> np.ndarray[Any, Any]:
    with np.load(Path(__file__).parents[2] / "experiments" / "digits" / "digits.npz") as file:
        return np.asarray(file["x_test"].astype(np.float32))


class TestLocalDevice(DeviceContract):
    """This machine keeps the contract."""

    @pytest.fixture(autouse=True)
    def _file(self, tflite: Path) -> None:
        self._tflite = tflite

    def device(self) -> Device:
        return LocalDevice()

    def file(self, folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
        return self._tflite, _images()[:130]


class TestFakeDevice(DeviceContract):
    """So does the fake, or tests with it would show nothing."""

    def device(self) -> Device:
        return FakeDevice()

    def file(self, folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
        from autotune.compress import pipeline

        path = folder / "toy.tflite"
        step = pipeline.steps(Recipe(), "task")[-1]
        path.write_bytes(toy_build(step, b"", None, None).data)  # type: ignore[arg-type]  # it does not look at the data
        return path, np.arange(8, dtype=np.float32)[:, None] % 4


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "qat"])
def test_batches_give_what_single_samples_do(scheme: str, tmp_path: Path) -> None:
    """Accuracy is evaluated in batches, and shipped files run sample by sample: the classes agree."""
    from ai_edge_litert.interpreter import Interpreter

    path, images = _converted(tmp_path, scheme), _images()[:150]
    np.save(tmp_path / "inputs.npy", images)
    with LocalDevice().open() as session:
        batched = session.outputs(path, Runtime(), tmp_path / "inputs.npy")
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    single = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        single.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    np.testing.assert_allclose(batched, np.array(single), atol=1e-5)


def session(script: str, timeout: float = 20.0) -> RunnerSession:
    return RunnerSession([sys.executable, "-c", script], timeout)


def test_a_runner_that_dies_each_time_is_put_down_to_the_file(tmp_path: Path) -> None:
    """A native crash ends the runner, twice, and the configuration; not the study."""
    dying = session("import os, sys; sys.stdin.readline(); os.abort()")
    with pytest.raises(Infeasible, match="ended the runner twice: SIGABRT"):
        dying.latency(tmp_path, Runtime())
    dying.close()


def test_a_runner_that_dies_once_is_started_again(tmp_path: Path) -> None:
    """An accident is no verdict."""
    marker = tmp_path / "died"
    script = (
        "import os, sys, json\n"
        "sys.stdin.readline()\n"
        f"if not os.path.exists({str(marker)!r}):\n"
        f"    open({str(marker)!r}, 'w'); os._exit(7)\n"
        'print(json.dumps({"ok": {"times_us": [1.0], "first_us": 2.0, "init_us": 3.0}}), flush=True)\n'
        "sys.stdin.readline()\n"
    )
    once = session(script)
    assert once.latency(tmp_path, Runtime()).times_us == [1.0]
    assert marker.exists()
    once.close()


def test_a_runner_that_hangs_is_ended(tmp_path: Path) -> None:
    """After its time limit, and nothing is left running."""
    hanging = session("import time; time.sleep(600)", timeout=0.5)
    with pytest.raises(Infeasible, match=r"twice: no answer in 0\.5 s"):
        hanging.latency(tmp_path, Runtime())
    assert hanging._process is None


def test_the_last_words_of_a_runner_are_kept(tmp_path: Path) -> None:
    """What it printed before its end explains the refusal."""
    with pytest.raises(Infeasible, match="exit status 3: no kernel for FOO"):
        session("import sys; sys.stdin.readline(); sys.exit(print('no kernel for FOO', file=sys.stderr) or 3)").latency(
            tmp_path, Runtime()
        )


def test_a_runner_that_can_not_be_started_is_a_fault(tmp_path: Path) -> None:
    """It is the machine's, not the configuration's."""
    with pytest.raises(Fault, match="can't start the runner"):
        RunnerSession([str(tmp_path / "none")]).latency(tmp_path, Runtime())


def test_what_native_code_prints_does_not_come_between(tflite: Path, tmp_path: Path) -> None:
    """A library that writes to standard output does not break the protocol."""
    noisy = (
        "import runpy, sys, numpy, os\n"
        "load = numpy.load\n"
        "numpy.load = lambda *a, **k: (os.write(1, b'INFO: hello\\n'), load(*a, **k))[1]\n"
        f"runpy.run_path({runner.__file__!r}, run_name='__main__')\n"
    )
    np.save(tmp_path / "inputs.npy", _images()[:3])
    talking = session(noisy)
    assert talking.outputs(tflite, Runtime(), tmp_path / "inputs.npy").shape == (3, 10)
    talking.close()


def test_unknown_delegate_is_refused(tflite: Path) -> None:
    """By the runner, with a reason."""
    with LocalDevice().open() as opened, pytest.raises(Infeasible, match="no delegate 'gpu' here"):
        opened.latency(tflite, Runtime("gpu"))


def test_reference_kernels_are_really_another_delegate(tflite: Path) -> None:
    """They are several times slower than XNNPACK, which shows that the choice reaches LiteRT."""
    with LocalDevice().open() as opened:
        fast, slow = (sorted(opened.latency(tflite, Runtime(name)).times_us) for name in ("xnnpack", "reference"))
    assert slow[len(slow) // 2] > 2 * fast[len(fast) // 2]
