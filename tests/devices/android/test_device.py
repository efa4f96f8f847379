"""The whole path to a phone, against a stand-in for adb that replays recorded output of benchmark_model.

No phone takes part. What is computed "on the phone" LiteRT computes here.
"""

import ast
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.convert import converted
from autotune.compress.worker import start
from autotune.config import Runtime
from autotune.devices.android import session as adb_session
from autotune.devices.android.device import AdbDevice
from autotune.devices.android.phone import Conditions, Phone, conditions, listed
from autotune.devices.android.session import BATCH, input_and_output
from autotune.devices.client.device import PROBE
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import Device, MeasureOptions
from autotune.devices.discovery import look
from autotune.errors import Fault, Infeasible, UserError
from autotune.results.meta import DeviceFacts
from autotune.study.latency_cache import LatencyCache
from autotune.testing import DeviceContract, toy_measurement
from tests.devices.android import stand_in_adb
from tests.devices.processes import LONG, eventually
from tests.tflite import stateful

SERIAL, ANOTHER = f"EXAMPLE{os.getpid()}", f"ANOTHER{os.getpid()}"  # locks are by serial, and these tests' alone
LOCK, OTHER_LOCK = (
    Path(f"/tmp/autotune-phone-{hashlib.sha256(serial.encode()).hexdigest()[:16]}.lease")
    for serial in (SERIAL, ANOTHER)
)


@pytest.fixture(autouse=True, scope="module")
def _locks() -> Iterator[None]:
    """None is left."""
    yield
    for lock in (LOCK, OTHER_LOCK):
        lock.unlink(missing_ok=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one phone is."""
    return place(tmp_path, monkeypatch, {SERIAL: "device"})


def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phones: dict[str, str]) -> Path:
    for name in ("ANDROID_SERIAL", "STAND_IN_DOES", "STAND_IN_BATCH", "STAND_IN_RECORD", "STAND_IN_ENDS"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "stand_in"
    monkeypatch.setenv("STAND_IN", str(folder))
    stand_in_adb.install(folder, phones)
    return folder


def phone(folder: Path, **more: Any) -> AdbDevice:
    """One of these options and of the device's own keywords."""
    lists: dict[str, Any] = {key: tuple(more.pop(key)) for key in ("delegates", "threads", "cpus") if key in more}
    options = MeasureOptions(**lists, limit=more.pop("limit", 120.0))
    own = {"adb": str(folder / "adb"), "benchmark_model": str(folder / "benchmark_model"), **more}
    return AdbDevice("phone", **own, options=options)


def calls(folder: Path) -> list[list[str]]:
    """Argument lists that adb was called with."""
    return [ast.literal_eval(line) for line in (folder / "calls").read_text().splitlines()]


def runs(folder: Path) -> list[str]:
    """Scripts that ran benchmark_model."""
    return [call[3] for call in calls(folder) if call[2:3] == ["shell"] and "--graph=" in call[3]]


def samples(number: int, folder: Path) -> Path:
    """So many inputs of the probe, in an .npy."""
    np.save(folder / "inputs.npy", np.random.default_rng(0).random((number, 8, 8, 1), np.float32))
    return folder / "inputs.npy"


class TestAdbDevice(DeviceContract):
    """A phone keeps the contract, as far as a stand-in can tell."""

    @pytest.fixture(autouse=True)
    def _folder(self, folder: Path) -> None:
        self._stand_in = folder

    def device(self) -> Device:
        return phone(self._stand_in, threads=[1, 2])

    def file(self, folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
        return PROBE, np.load(samples(7, folder))


# --- which phone ----------------------------------------------------------------------------------


def test_the_only_phone_is_taken(folder: Path) -> None:
    """Nobody has to look up a serial for that."""
    assert phone(folder, delegates=["builtin"]).facts().more["serial"] == SERIAL


def test_one_of_several_phones_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By serial, in the device file or where adb itself looks."""
    folder = place(tmp_path, monkeypatch, {"A1": "device", "B2": "device"})
    assert phone(folder, serial="B2", delegates=["builtin"]).facts().more["serial"] == "B2"
    assert all(call[1] == "B2" for call in calls(folder) if call[0] == "-s")
    monkeypatch.setenv("ANDROID_SERIAL", "A1")
    assert phone(folder, delegates=["builtin"]).facts().more["serial"] == "A1"


@pytest.mark.parametrize(
    ("phones", "serial", "says"),
    [
        ({}, None, "adb sees no phone; plug one in"),
        (
            {"A1": "device", "B2": "offline"},
            None,
            r"several phones; name one by serial: A1 \(device .*\), B2 \(offline",
        ),
        ({"A1": "device"}, "B2", "no phone B2; it sees A1"),
        ({"A1": "unauthorized"}, None, "phone A1: unauthorized; unlock it and allow USB debugging"),
        ({"A1": "offline"}, "A1", "phone A1: offline; unplug it"),
        ({"A1": "no permissions (verify udev rules)"}, None, "phone A1: no permissions; .* udev"),
        ({"A1": "recovery"}, None, "phone A1: recovery; start Android on it"),
    ],
)
def test_a_phone_that_can_not_be_used(
    phones: dict[str, str], serial: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says why, and what to do."""
    with pytest.raises(UserError, match=says) as error:
        phone(place(tmp_path, monkeypatch, phones), serial=serial).facts()
    assert "\n" not in str(error.value)


def test_without_adb(folder: Path) -> None:
    """What is missing, and where to get it."""
    with pytest.raises(UserError, match=r"can't start .*: No such file.*platform-tools"):
        phone(folder, adb=str(folder / "no_adb")).facts()


def test_what_adb_lists() -> None:
    """Whatever it writes before, and states of two words."""
    text = (
        "* daemon not running; starting now at tcp:5037\nList of devices attached\n"
        "emulator-5554          device product:sdk model:sdk_gphone64 transport_id:1\n"
        "0123456789AB           no permissions (user in plugdev group); see [tools/device.html] usb:1-2\n\n"
    )
    found = listed(text)
    assert found["emulator-5554"] == ("device", "product:sdk model:sdk_gphone64 transport_id:1")
    assert found["0123456789AB"][0] == "no permissions"


# --- what it is -----------------------------------------------------------------------------------


def test_delegates_that_run_nothing_are_missing(folder: Path) -> None:
    """NNAPI takes no operator on this phone, and its benchmark_model has no Hexagon delegate."""
    device = phone(folder)
    assert device.delegates == ("xnnpack", "builtin", "gpu")
    assert device.missing()["nnapi"] == "nnapi takes nothing of a small convolution"
    assert "Unconsumed cmdline flags: --use_hexagon=true" in device.missing()["hexagon"]


def test_a_phone_on_which_nothing_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no device."""
    monkeypatch.setenv("STAND_IN_RECORD", "gpu_refused")
    with pytest.raises(UserError, match="no delegate runs there; xnnpack: xnnpack refuses the file"):
        phone(folder).facts()


def test_facts(folder: Path) -> None:
    """The phone by its own words, the tool by its content, and how warm and how full it is."""
    facts = phone(folder, cpus=[0], delegates=["builtin"]).facts()
    assert facts.system == "Android 14 on Example Phone 8"
    assert (facts.cpu, facts.machine) == ("EX-1000", "arm64-v8a")
    assert facts.memory_bytes is not None
    assert facts.memory_bytes > 2**20
    assert (facts.emulated, facts.cpus, facts.governor) == (False, (0,), None)
    assert len(str(facts.more["benchmark_model"])) == 64
    assert facts.to_json() == {**facts.to_json(), "device": "phone", "cpus": [0], "governor": None}
    now = Conditions(temperature_c=43.9, battery_temperature_c=28.3, battery_percent=87, powered=True)
    assert asdict(now).items() <= facts.more.items()


def test_passing_conditions_make_no_other_device(folder: Path, tmp_path: Path) -> None:
    """What was measured is known when the phone is warmer, fuller and unplugged; after an update it is not."""
    device, found = phone(folder, delegates=["builtin"]), toy_measurement(1.0)
    before = device.facts().to_json()
    known(tmp_path, before).put("a", Runtime(), found)
    program(folder / "bin/dumpsys", "printf '  USB powered: false\\n  level: 55\\n  temperature: 312\\n'")
    (folder / SERIAL / "sys/class/thermal/thermal_zone0/temp").write_text("60000\n")
    after = device.facts().to_json()
    assert {name for name, value in after.items() if value != before[name]} == set(asdict(conditions("")))
    assert known(tmp_path, after).get("a", Runtime()) == found
    assert known(tmp_path, after | {"build": "another"}).get("a", Runtime()) is None


def known(folder: Path, device: dict[str, Any]) -> LatencyCache:
    """What a study knows once it has measured its baseline."""
    latencies = LatencyCache(folder, DeviceFacts.from_json(device))
    latencies.anchor("base", Runtime(), toy_measurement(1.0))
    return latencies


@pytest.mark.parametrize("wanted", ["devices", "facts", "session"])
def test_a_phone_that_does_not_answer_is_a_fault(wanted: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was asked: nobody takes it for the end of the study's time."""
    device, says = phone(folder, delegates=["builtin"]), f"device phone: phone {SERIAL} gave no answer in 1 s"
    if wanted != "devices":
        device.facts()
    monkeypatch.setattr(Phone.shell, "__defaults__", (1.0,))
    program(folder / "bin/dumpsys", "sleep 600")
    if wanted == "devices":
        monkeypatch.chdir(folder)
        Path("phone.yaml").write_text(f"transport: adb\nadb: {folder}/adb\nbenchmark_model: {folder}/benchmark_model\n")
        assert look("phone.yaml").reason == says
    elif wanted == "facts":
        with pytest.raises(Fault, match=says):
            device.facts()
    else:
        with device.open() as session, pytest.raises(Fault, match=says):
            session.temperature()


def program(path: Path, script: str) -> None:
    """Puts another program in the place of one of the phone's."""
    path.write_text(f"#!/bin/sh\n{script}\n")


def test_an_emulator_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its times are no phone's."""
    emulator = phone(place(tmp_path, monkeypatch, {"emulator-5554": "device"}), delegates=["builtin"])
    assert emulator.facts().emulated
    assert emulator.emulated
    real = phone(place(tmp_path / "other", monkeypatch, {SERIAL: "device"}), delegates=["builtin"])
    assert not real.facts().emulated
    assert not real.emulated
    assert AdbDevice(serial="emulator-5554").emulated


def test_a_phone_that_tells_no_temperature() -> None:
    """Zones may be hidden, and the battery goes for them; without either nothing is claimed."""
    assert conditions("  temperature: 301\n  level: 50\n").temperature_c == 30.1
    assert conditions("zone 51000 skin\nzone 0 off\n").temperature_c == 51
    assert conditions("").temperature_c is None
    assert conditions("").powered is False


def test_no_delegate_at_all(folder: Path) -> None:
    """Is a mistake, and not every delegate."""
    with pytest.raises(UserError, match="device phone: delegates is empty; name some of xnnpack"):
        phone(folder, delegates=[])


def test_unknown_delegate(folder: Path) -> None:
    """A device file may say anything."""
    with pytest.raises(UserError, match="unknown delegate 'npu'; known are xnnpack"):
        phone(folder, delegates=["npu"])


def test_where_benchmark_model_is_found(folder: Path) -> None:
    """On the phone where no file here is given; or it is said what to do."""
    with pytest.raises(UserError, match=r"no benchmark_model at /data/local/tmp/benchmark_model or .*; build or fetch"):
        phone(folder, benchmark_model=None).facts()
    with pytest.raises(UserError, match="benchmark_model tools/none: no such file here"):
        phone(folder, benchmark_model="tools/none").facts()
    (folder / "benchmark_model").rename(folder / SERIAL / "tmp" / "benchmark_model")
    assert phone(folder, benchmark_model=None).delegates[0] == "xnnpack"


def test_a_binary_for_another_processor(folder: Path) -> None:
    """It is the device that is at fault, not a file."""
    (folder / "benchmark_model").write_bytes(b"\x7fELF\x02 not of this machine")
    with pytest.raises(UserError, match="benchmark_model can't run"):
        phone(folder).facts()


# --- measuring ------------------------------------------------------------------------------------


def test_a_block_of_times(folder: Path) -> None:
    """As recorded; with what the delegate took, and the temperature before and after."""
    with phone(folder).open() as session:
        timing = session.latency(PROBE, Runtime("xnnpack", 2), 0.05)
    assert len(timing.times_us) == 121
    assert np.median(timing.times_us) == 410
    assert (timing.first_us, timing.init_us, timing.memory_bytes) == (903, 1184, round(3.41406 * 2**20))
    assert (timing.operators, timing.delegated, timing.fell_back) == (16, 16, [])
    assert timing.temperature_c == [43.9, 43.9]
    assert timing.init_serialized_us is None
    assert "--num_threads=2" in runs(folder)[-1]
    assert "--min_secs=0.05" in runs(folder)[-1]


def test_what_a_delegate_left_is_told(folder: Path) -> None:
    """And how long it takes to open a file that it has compiled before, which is asked once."""
    with phone(folder).open() as session:
        timing = session.latency(PROBE, Runtime("gpu"))
        before = len(runs(folder))
        assert session.latency(PROBE, Runtime("gpu")) == timing
    assert (timing.operators, timing.delegated) == (16, 13)
    assert timing.fell_back == ["SPLIT", "Fully Connected (NC, F32) GEMM", "Softmax (NC, F32)"]
    assert (timing.init_us, timing.init_serialized_us) == (418220, 61380)
    assert len(runs(folder)) == before + 1


def test_a_delegate_that_is_silently_left_out_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool runs the file on the CPU then, and ends well."""
    monkeypatch.setenv("STAND_IN_RECORD", "gpu_absent")
    with phone(folder).open() as session, pytest.raises(Infeasible, match="no GPU delegate here; GPU acceleration is"):
        session.latency(PROBE, Runtime("gpu"))


def test_a_delegate_that_refuses_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its reason."""
    monkeypatch.setenv("STAND_IN_RECORD", "gpu_refused")
    with phone(folder).open() as session, pytest.raises(Infeasible, match=r"gpu refuses the file: .*argmax"):
        session.latency(PROBE, Runtime("gpu"))


def test_another_tool_of_that_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can't be read, which is no file's fault."""
    monkeypatch.setenv("STAND_IN_RECORD", "litert_tools")
    with phone(folder).open() as session, pytest.raises(Fault, match="take the one of tflite/tools/benchmark"):
        session.latency(PROBE, Runtime("builtin"))


def test_profile(folder: Path) -> None:
    """Operators in the order in which they run, and who ran them."""
    with phone(folder).open() as session:
        rows = session.profile(PROBE, Runtime("gpu"), 0.5)
    assert rows is not None
    assert [row.delegate for row in rows] == ["gpu", "", "xnnpack", "xnnpack"]
    assert "--min_secs=0.5" in runs(folder)[-1]


def test_older_phones_end_lines_otherwise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read otherwise for that."""
    with phone(folder).open() as session:
        timing = session.latency(PROBE, Runtime())
        monkeypatch.setenv("STAND_IN_ENDS", "\r\n")
        assert session.latency(PROBE, Runtime()) == timing


def test_flags_libraries_and_cpus_reach_the_phone(folder: Path) -> None:
    """Quoted for its shell: words are never more than words."""
    device = phone(
        folder, cpus=[0], libraries="/data/local/tmp/hexagon libs", flags={"builtin": ["--use_caching=true; exit 3"]}
    )
    with device.open() as session:
        session.latency(PROBE, Runtime("builtin"))
    script = runs(folder)[-1].replace("'\"'\"'", "'")
    assert "taskset 1 env 'LD_LIBRARY_PATH=/data/local/tmp/hexagon libs' /data/local/tmp/autotune/" in script
    assert "'--use_caching=true; exit 3'" in script


def test_files_are_sent_once_by_content(folder: Path, tmp_path: Path) -> None:
    """Also by another name, and by a later device."""
    again = tmp_path / "again.tflite"
    again.write_bytes(PROBE.read_bytes())
    for _ in range(2):
        with phone(folder).open() as session:
            session.latency(PROBE, Runtime())
            session.latency(again, Runtime())
    assert sum(call[2:3] == ["push"] for call in calls(folder)) == 2  # benchmark_model and the file


def test_two_that_send_one_file_do_not_collide(folder: Path) -> None:
    """Neither moves what the other is still writing; nothing half stays."""
    kept = folder / SERIAL / "tmp" / "autotune"
    for _ in range(2):
        phone(folder, delegates=["builtin"]).facts()  # sends the tool and the probe
        assert all(len(path.name) == 64 for path in kept.iterdir())
        for path in kept.iterdir():
            path.unlink()
    targets = [call[4] for call in calls(folder) if call[2:3] == ["push"]]
    assert len(set(targets)) == len(targets) == 4


# --- outputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("delegate", ["xnnpack", "gpu"])
def test_outputs_go_together(delegate: str, folder: Path, tmp_path: Path) -> None:
    """A process for a hundred samples, in their order; they are what LiteRT computes."""
    inputs = samples(BATCH + 3, tmp_path)
    with phone(folder).open() as session:
        session.latency(PROBE, Runtime(delegate))
        before = len(runs(folder))
        found = session.outputs(PROBE, Runtime(delegate), inputs)
    assert len(runs(folder)) == before + 2
    np.testing.assert_allclose(found, reference(PROBE, inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("delegate", "batch"), [("xnnpack", "refused"), ("gpu", "cpu")])
def test_outputs_one_by_one(
    delegate: str, batch: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file's batch is fixed, and where the delegate takes less of the file for several samples."""
    monkeypatch.setenv("STAND_IN_BATCH", batch)
    monkeypatch.setattr(adb_session, "SINGLY", 2)
    inputs = samples(5, tmp_path)
    with phone(folder).open() as session:
        session.latency(PROBE, Runtime(delegate))
        before = len(runs(folder))
        found = session.outputs(PROBE, Runtime(delegate), inputs)
    assert len(runs(folder)) == before + 1 + 3
    np.testing.assert_allclose(found, reference(PROBE, inputs), rtol=1e-5, atol=1e-6)


def test_samples_of_a_file_that_keeps_state_never_go_together(folder: Path, tmp_path: Path) -> None:
    """A process for each, in which that is what it was at first, also where LiteRT would take a batch."""
    model, values = tmp_path / "model.tflite", np.random.default_rng(0).random((3, stateful.UNITS), np.float32)
    model.write_bytes(stateful.resources())
    np.save(tmp_path / "inputs.npy", values)
    with phone(folder).open() as session:
        session.latency(model, Runtime("xnnpack"))
        found = session.outputs(model, Runtime("xnnpack"), tmp_path / "inputs.npy")
    assert "skip=$i count=1" in runs(folder)[-1]
    np.testing.assert_allclose(found, values, rtol=1e-6)


def test_a_tool_too_old_to_write_outputs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves out the flag that it does not know, and ends well."""
    monkeypatch.setenv("STAND_IN_RECORD", "no_outputs")
    with phone(folder).open() as session, pytest.raises(Fault, match="too old to write outputs; take a newer one"):
        session.outputs(PROBE, Runtime(), samples(3, tmp_path))


@pytest.mark.parametrize("batch", ["none", "refused none"])
def test_earlier_outputs_are_not_taken_for_these(
    batch: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the tool ends well without writing any."""
    inputs = samples(3, tmp_path)
    with phone(folder).open() as session:
        monkeypatch.setenv("STAND_IN_BATCH", batch.replace("none", "").strip())
        session.outputs(PROBE, Runtime(), inputs)
        monkeypatch.setenv("STAND_IN_BATCH", batch)
        with pytest.raises((Fault, Infeasible), match=r"failed to copy|0 bytes"):
            session.outputs(PROBE, Runtime(), inputs)


def test_outputs_that_are_not_whole(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which nothing is made up."""
    monkeypatch.setenv("STAND_IN_BATCH", "short")
    with phone(folder).open() as session, pytest.raises(Infeasible, match="3 samples gave 864 bytes of outputs"):
        session.outputs(PROBE, Runtime(), samples(3, tmp_path))


def reference(model: Path, inputs: Path) -> np.ndarray[Any, Any]:
    with LocalDevice().open() as session:
        return session.outputs(model, Runtime("xnnpack"), inputs)


def test_integers_are_fed_and_read_by_their_scales(folder: Path, tmp_path: Path) -> None:
    """A file that takes and gives int8 is given what its own input type holds of the samples."""
    from autotune.compress import post_training

    images = np.load(samples(40, tmp_path))
    model = tmp_path / "int8.tflite"
    model.write_bytes(post_training.quantize(PROBE.read_bytes(), "int8_io", images))
    entry, exit_ = input_and_output(model.read_bytes())
    assert (entry["dtype"], exit_["dtype"]) == (np.int8, np.int8)
    assert entry["quantization"][0] > 0
    with phone(folder).open() as session:
        found = session.outputs(model, Runtime(), tmp_path / "inputs.npy")
    np.testing.assert_allclose(found, reference(model, tmp_path / "inputs.npy"), atol=exit_["quantization"][0])


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_file_that_ends_benchmark_model_twice_is_infeasible(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a segmentation fault that really happens; the session goes on."""
    with phone(folder).open() as session:
        monkeypatch.setenv("STAND_IN_DOES", "crash")
        with pytest.raises(Infeasible, match="ended its process twice on xnnpack: SIGSEGV"):
            session.latency(PROBE, Runtime())
        assert len(runs(folder)) == 2
        monkeypatch.setenv("STAND_IN_DOES", "")
        assert session.latency(PROBE, Runtime()).times_us


def test_one_death_is_no_verdict(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been an accident."""
    monkeypatch.setenv("STAND_IN_DOES", "crash_once")
    with phone(folder).open() as session:
        assert session.latency(PROBE, Runtime()).times_us
    assert (folder / "crashed").exists()


def test_a_file_that_hangs_is_infeasible(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit in time; its process on the phone is ended."""
    monkeypatch.setenv("STAND_IN_DOES", "hang")
    with phone(folder, limit=1.0).open() as session, pytest.raises(Infeasible, match="no answer in 1 s"):
        session.latency(PROBE, Runtime())
    assert gone(int((folder / "process").read_text()))


def test_a_closed_session_ends_what_another_thread_has_the_phone_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and for good; its process on the phone is ended."""
    monkeypatch.setenv("STAND_IN_DOES", "hang")
    with phone(folder).open() as session:
        future = ThreadPoolExecutor(1).submit(session.latency, PROBE, Runtime())
        assert eventually((folder / "process").exists)
    with pytest.raises(Fault):
        future.result(LONG)
    assert gone(int((folder / "process").read_text()))
    with pytest.raises(Fault, match="device phone: the session was closed"):
        session.latency(PROBE, Runtime())


def test_a_lost_connection_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a measurement. What still runs when the phone is back is ended then."""
    with phone(folder).open() as session:
        session.latency(PROBE, Runtime())
        monkeypatch.setenv("STAND_IN_DOES", "lose")
        with pytest.raises(Fault, match=f"device phone: the connection to phone {SERIAL} failed"):
            session.latency(PROBE, Runtime())
        with pytest.raises(Fault, match=f"device '{SERIAL}' not found"):
            session.latency(PROBE, Runtime())
        left = int((folder / "process").read_text())
        assert not gone(left, within=0)
        monkeypatch.setenv("STAND_IN_DOES", "")
        (folder / "gone").unlink()
        assert session.latency(PROBE, Runtime()).times_us
        assert gone(left)


def gone(process: int, within: float = 5.0) -> bool:
    """Whether a process has ended, or does so in time."""
    deadline = time.monotonic() + within
    while True:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z" or time.monotonic() > deadline:
            return state == "Z"
        time.sleep(0.05)


def test_nothing_is_left_on_the_phone(folder: Path, tmp_path: Path) -> None:
    """But what is kept by its content."""
    with phone(folder).open() as session:
        session.outputs(PROBE, Runtime(), samples(3, tmp_path))
    left = [path.name for path in (folder / SERIAL / "tmp" / "autotune").iterdir()]
    assert all(len(name) == 64 for name in left)
    assert len(left) == 3  # benchmark_model, the file, the inputs


# --- the lease ------------------------------------------------------------------------------------

HOLD = """
import sys
from autotune.devices.android.device import AdbDevice
device = AdbDevice("phone", adb=sys.argv[1], benchmark_model=sys.argv[2])
with device.open() as session, session.lease(shared=len(sys.argv) > 3, waiting=print):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def hold(folder: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a process that holds the phone."""

    def start(*more: str, **environment: str) -> "subprocess.Popen[str]":
        arguments = [sys.executable, "-c", HOLD, str(folder / "adb"), str(folder / "benchmark_model"), *more]
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    return start


def test_a_phone_is_held_by_one(folder: Path, tmp_path: Path, hold: Callable[..., "subprocess.Popen[str]"]) -> None:
    """Others wait, and are told for whom, wherever either's temporary files are; a killed holder holds no more."""
    other = hold(TMPDIR=str(tmp_path))
    told: list[str] = []

    def waiting(by: str) -> None:
        told.append(by)
        other.kill()

    with phone(folder).open() as session, session.lease(waiting=waiting):
        assert told[0].endswith(f"process {other.pid}")
    other.communicate()


def test_those_that_only_evaluate_hold_it_together(folder: Path, hold: Callable[..., "subprocess.Popen[str]"]) -> None:
    """Nobody waits."""
    other = hold("shared")
    with phone(folder).open() as session, session.lease(shared=True, waiting=pytest.fail):
        assert other.poll() is None
    other.communicate("\n")


def test_two_phones_are_held_apart(
    tmp_path: Path, hold: Callable[..., "subprocess.Popen[str]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is the serial's."""
    other = hold()
    elsewhere = place(tmp_path / "other", monkeypatch, {ANOTHER: "device"})
    with phone(elsewhere).open() as session, session.lease(waiting=pytest.fail):
        assert other.poll() is None
    other.communicate("\n")


def test_a_link_in_the_place_of_the_lock_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """/tmp is everybody's."""
    with phone(folder).open() as session:
        with session.lease(waiting=pytest.fail):
            pass
        LOCK.unlink()
        precious = tmp_path / "precious"
        precious.write_text("kept")
        LOCK.symlink_to(precious)
        with pytest.raises(OSError, match="Too many levels"), session.lease(waiting=pytest.fail):
            pass
    assert precious.read_text() == "kept"


def test_several_inputs_and_outputs_are_refused(folder: Path, tmp_path: Path) -> None:
    """Through adb a file is fed by one array; before the phone has run anything."""
    start(2)
    import tf_keras

    a, b = tf_keras.Input((4,), name="a"), tf_keras.Input((4,), name="b")
    file = converted(tf_keras.Model([a, b], tf_keras.layers.Add()([a, b])))
    with pytest.raises(Infeasible, match="files with 2 inputs and 1 outputs can't be fed and read through adb"):
        input_and_output(file)
    (model := tmp_path / "several.tflite").write_bytes(file)
    with phone(folder).open() as session, pytest.raises(Infeasible, match="files with 2 inputs and 1 outputs"):
        session.outputs(model, Runtime(), samples(2, tmp_path))
    assert not runs(folder)


def test_what_is_no_file_is_not_fed(folder: Path, tmp_path: Path) -> None:
    """It is refused in our words before the phone has run anything, in those of benchmark_model where it is timed."""
    (model := tmp_path / "no.tflite").write_bytes(b"no model")
    with phone(folder).open() as session:
        with pytest.raises(Infeasible, match=r"^not a whole \.tflite file$"):
            session.outputs(model, Runtime(), samples(2, tmp_path))
        assert not runs(folder)
        with pytest.raises(Infeasible, match=r"^xnnpack refuses the file"):
            session.latency(model, Runtime())
