"""This machine as a device, and the fake in its place; that files run as the delegate and the batch ask."""

import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.config import SCHEMES, Recipe, Runtime
from autotune.devices.client.device import PROBE
from autotune.devices.client.local import LocalDevice
from autotune.devices.client.session import POLL
from autotune.devices.device import Device, MeasureOptions, cores
from autotune.devices.runner import inference
from autotune.errors import Infeasible, UserError
from autotune.testing import DeviceContract, FakeDevice, toy_build
from tests.devices.processes import LONG, eventually
from tests.tflite import stateful

CPU = ("xnnpack", "builtin", "reference")


class TestLocalDevice(DeviceContract):
    """This machine keeps the contract."""

    def device(self) -> Device:
        return LocalDevice(options=MeasureOptions(delegates=CPU))

    def file(self, folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
        return PROBE, np.random.default_rng(0).random((130, 8, 8, 1), np.float32)


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


def test_offers_what_it_has() -> None:
    """The CPU's kernels, on powers of two up to its cores; a delegate that nobody knows is missing, with a reason."""
    device = LocalDevice(options=MeasureOptions(delegates=(*CPU, "abacus")))
    assert device.delegates == CPU
    assert list(device.missing()) == ["abacus"]
    assert device.missing()["abacus"]
    assert device.threads == tuple(count for count in (1, 2, 4, 8, 16, 32, 64, 128) if count <= cores())
    assert LocalDevice(options=MeasureOptions(delegates=CPU, cpus=(0,))).threads == (1,)
    assert LocalDevice(options=MeasureOptions(delegates=CPU, threads=(3,))).threads == (3,)


def test_probing_waits_for_who_measures(caplog: pytest.LogCaptureFixture) -> None:
    """It would disturb; the user is told once who it is."""
    device = LocalDevice(options=MeasureOptions(delegates=("builtin",)))
    with ThreadPoolExecutor(1) as pool:
        with LocalDevice().open() as measuring, measuring.lease(waiting=print):
            future = pool.submit(lambda: device.delegates)
            assert eventually(lambda: caplog.messages)
            time.sleep(3 * POLL)
            assert not future.done()
        assert future.result(LONG) == ("builtin",)
    [said] = caplog.messages
    assert re.fullmatch(r"waiting for device local: .* on .*, process \d+ measures there", said)


def test_the_lease_is_the_machine_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Users with another TMPDIR see each other."""
    before = LocalDevice()._transport.places()[1]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert LocalDevice()._transport.places()[1] == before


def test_a_device_without_delegates_is_none() -> None:
    """Whoever asks for it is told why, in one line."""
    with pytest.raises(UserError, match="device local: no delegate runs there; abacus: ") as caught:
        _ = LocalDevice(options=MeasureOptions(delegates=("abacus",))).delegates
    assert "\n" not in str(caught.value)


def test_facts_say_how_it_is_used() -> None:
    """CPUs that it is kept to are part of what was measured."""
    facts = LocalDevice("desk", options=MeasureOptions(delegates=CPU, cpus=(0,))).facts()
    assert (facts.device, facts.cpus, facts.runtime) == ("desk", (0,), "ai-edge-litert")
    assert facts.to_json()["cpus"] == [0]
    assert "emulated" not in facts.to_json()


def test_an_unknown_delegate_is_refused() -> None:
    """By the runner, with a reason."""
    with LocalDevice().open() as opened, pytest.raises(Infeasible, match="abacus"):
        opened.latency(PROBE, Runtime("abacus"))


@pytest.fixture(scope="module")
def digits() -> bytes:
    """The example's model as a file in float."""
    from autotune.compress.convert import converted
    from autotune.compress.worker import start
    from autotune.model.load import import_model, open_base

    start(2)
    model = Path(__file__).parents[3] / "experiments" / "digits" / "digits.keras"
    return converted(open_base(import_model(model.read_bytes(), model.name).data))


def _images() -> np.ndarray[Any, Any]:
    with np.load(Path(__file__).parents[3] / "experiments" / "digits" / "digits.npz") as file:
        return np.asarray(file["x_test"].astype(np.float32))


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "qat"])
def test_batches_give_what_single_samples_do(scheme: str, digits: bytes, tmp_path: Path) -> None:
    """Accuracy is evaluated in batches, and shipped files run sample by sample: the outputs agree."""
    from ai_edge_litert.interpreter import Interpreter

    from autotune.compress import post_training

    path, images = tmp_path / f"{scheme}.tflite", _images()[:150]
    path.write_bytes(digits if scheme == "none" else post_training.quantize(digits, scheme, images[:50]))
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


def test_each_delegate_is_really_another(tmp_path: Path) -> None:
    """Each sums in an order of its own, so that the last bits differ, and no others."""
    np.save(tmp_path / "inputs.npy", np.random.default_rng(0).random((130, 8, 8, 1), np.float32))
    with LocalDevice().open() as opened:
        found = [opened.outputs(PROBE, Runtime(delegate), tmp_path / "inputs.npy") for delegate in CPU]
        delegated = [opened.latency(PROBE, Runtime(delegate)).delegated for delegate in CPU]
    for one, other in combinations(found, 2):
        assert not np.array_equal(one, other)
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert delegated == [1, None, None]


@pytest.mark.parametrize("file", [stateful.variables(), stateful.resources()], ids=["variables", "resources"])
def test_no_sample_sees_the_state_that_another_left(file: bytes, tmp_path: Path) -> None:
    """Whatever the delegate: else accuracy and parity would depend on the samples' order."""
    path = tmp_path / "model.tflite"
    path.write_bytes(file)
    entry = inference.interpreter({"path": str(path), "threads": 1, "delegate": "builtin"}).get_input_details()[0]  # type: ignore[no-untyped-call]
    samples = np.random.default_rng(0).random((5, *entry["shape"][1:]), np.float32)
    np.save(tmp_path / "inputs.npy", samples)
    with LocalDevice().open() as session:
        for delegate in CPU:
            found = session.outputs(path, Runtime(delegate), tmp_path / "inputs.npy")
            np.testing.assert_allclose(found, samples.reshape(5, -1), rtol=1e-6)


def test_a_profiler_that_can_not_open_a_file_says_why(tmp_path: Path) -> None:
    """By LiteRT's own words, and not that the delegate refuses what it runs."""
    path = tmp_path / "model.tflite"
    path.write_bytes(stateful.variables())
    with LocalDevice().open() as session:
        assert session.latency(path, Runtime("builtin"), 0.0).times_us
        with pytest.raises(Infeasible, match=r"^LiteRT's profiler can't run the file on builtin: Variable tensors not"):
            session.profile(path, Runtime("builtin"))
