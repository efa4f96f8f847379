"""The driver's end of a runner, on this machine: what it does with files, and what becomes of a runner or a child."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from autotune.config import Runtime
from autotune.devices.client import connection, session
from autotune.devices.client.device import PROBE
from autotune.devices.client.session import RunnerSession
from autotune.devices.device import MeasureOptions, cores
from autotune.devices.runner import frames, machine, server
from autotune.errors import Fault, Infeasible
from autotune.task.data.fields import joined, names
from tests.devices.here import Here
from tests.devices.processes import LONG, alive, children, eventually
from tests.devices.several import several

GOOD, BAD = Runtime("xnnpack", 1), Runtime("builtin", 1)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[RunnerSession]:
    found = RunnerSession(Here(tmp_path))
    yield found
    found.close()


@pytest.fixture
def second(tmp_path: Path) -> Iterator[RunnerSession]:
    found = RunnerSession(Here(tmp_path))
    yield found
    found.close()


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    path = tmp_path / "inputs.npy"
    np.save(path, np.random.default_rng(0).random((5, 8, 8, 1), np.float32))
    return path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The requests."""
    requests, write = [], frames.write_frame

    def noted(stream: Any, header: dict[str, Any], data: bytes = b"") -> None:
        requests.append(header)
        write(stream, header, data)

    monkeypatch.setattr(frames, "write_frame", noted)
    return requests


def test_what_litert_prints_goes_to_the_log(opened: RunnerSession, caplog: pytest.LogCaptureFixture) -> None:
    """Once, however often it is said; and to nobody's stderr."""
    with caplog.at_level("INFO", "autotune.runner"):
        for _ in range(2):
            opened.latency(PROBE, GOOD)
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "XNNPACK delegate" in line] == said[:1]
    assert said[0].startswith("here: INFO: Created ")


def runner_of(opened: RunnerSession) -> psutil.Process:
    opened.facts()  # starts one where there is none
    assert opened._connection.process is not None
    return psutil.Process(opened._connection.process.pid)


def measuring(opened: RunnerSession, runtime: Runtime = GOOD) -> "tuple[Future[Any], psutil.Process]":
    """Begins a measurement without end: it, and the child that runs the file."""
    process = runner_of(opened)
    future = ThreadPoolExecutor(1).submit(opened.sustain, PROBE, runtime, 10 * LONG)
    assert eventually(process.children)
    return future, process.children()[0]


def unheard(holder: str) -> None:
    """In place of a message to the user."""


# files


def test_a_file_is_sent_once(tmp_path: Path, inputs: Path, sent: list[dict[str, Any]]) -> None:
    """By its content, whatever it is called; not even by another session, nor after the runner was lost."""
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(PROBE.read_bytes())
    for _ in range(2):
        found = RunnerSession(Here(tmp_path))
        for model in (PROBE, copy, PROBE):
            found.outputs(model, GOOD, inputs)
        runner_of(found).kill()
        with pytest.raises(Fault):
            found.facts()
        found.outputs(PROBE, GOOD, inputs)
        found.close()
    assert [request["do"] for request in sent].count("put") == 2  # the model and the inputs


def test_a_long_file_is_sent_in_pieces(
    tmp_path: Path, inputs: Path, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more of it than one is in memory, and it arrives whole: samples may be many."""
    monkeypatch.setattr(session, "PIECE", 1000)
    opened = RunnerSession(Here(tmp_path))
    outputs = opened.outputs(PROBE, GOOD, inputs)
    opened.close()
    pieces = [request["from"] for request in sent if request["do"] == "put" and request["size"] > 1000]
    assert pieces[:2] == [0, 1000]
    assert len(outputs) == len(np.load(inputs))


def test_a_changed_file_is_another(tmp_path: Path, opened: RunnerSession) -> None:
    """Under the same name."""
    model = tmp_path / "model.tflite"
    model.write_bytes(PROBE.read_bytes())
    opened.latency(model, GOOD)
    model.write_bytes(b"no model")
    with pytest.raises(Infeasible, match="xnnpack refuses the file"):
        opened.latency(model, GOOD)


def test_a_file_that_vanished_there_is_sent_again(tmp_path: Path, opened: RunnerSession) -> None:
    """Nothing is put down to the configuration."""
    opened.latency(PROBE, GOOD)
    for file in (tmp_path / "files").iterdir():
        if file.suffix != ".pid":
            file.unlink()
    with pytest.raises(Fault, match="No such file"):
        opened.latency(PROBE, GOOD)
    opened.latency(PROBE, GOOD)


def test_what_is_printed_does_not_come_between(
    tmp_path: Path, opened: RunnerSession, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Native code may write to standard output, too."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, numpy\n"
        "load = numpy.load\n"
        "numpy.load = lambda *a, **k: (os.write(1, b'INFO: hello'), load(*a, **k))[1]\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert len(opened.outputs(PROBE, GOOD, inputs)) == 5


# what a file can do


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("abort", "ended its process twice on builtin: SIGABRT"),
        ("segfault", "ended its process twice on builtin: SIGSEGV"),
        ("loop", r"on builtin no answer in 1\.05 s; give the device file a longer"),
    ],
)
def test_a_crash_costs_one_configuration(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, kind: str, reason: str
) -> None:
    """A native crash and an endless loop end a child; the runner goes on with the next."""
    monkeypatch.setenv("AUTOTUNE_FAULT", f"{kind}:{BAD.delegate}:{BAD.threads}")
    found = RunnerSession(Here(tmp_path), MeasureOptions(limit=1.0))
    process = runner_of(found)
    before = found.outputs(PROBE, GOOD, inputs)
    with pytest.raises(Infeasible, match=reason):
        found.latency(PROBE, BAD)
    np.testing.assert_array_equal(found.outputs(PROBE, GOOD, inputs), before)
    assert runner_of(found) == process
    assert not process.children()
    found.close()


def test_the_limit_is_not_that_of_a_data_set(
    tmp_path: Path, opened: RunnerSession, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inputs are run in blocks, larger ones of a fast file; the outputs are those of all, in order."""
    images = np.random.default_rng(0).random((750, 8, 8, 1), np.float32)
    np.save(tmp_path / "many.npy", images)
    found = opened.outputs(PROBE, GOOD, tmp_path / "many.npy")
    blocks = [(one["from"], one["to"]) for one in sent if one["do"] == "outputs"]
    assert blocks == [(0, 100), (100, 300), (300, 700), (700, 750)]
    for row in (0, 99, 100, 299, 749):
        np.save(tmp_path / "one.npy", images[row : row + 1])
        np.testing.assert_allclose(opened.outputs(PROBE, GOOD, tmp_path / "one.npy")[0], found[row], atol=1e-6)


def test_several_inputs_and_outputs_go_by_their_names(tmp_path: Path, opened: RunnerSession) -> None:
    """Each output is that of its input, in whichever order the data have them."""
    values = joined({"a": -np.arange(12, dtype=np.float32).reshape(3, 4), "b": -np.ones((3, 2), np.float32)})
    np.save(tmp_path / "x.npy", values)
    found = opened.outputs(several(tmp_path), BAD, tmp_path / "x.npy")
    assert set(names(found)) == {"a", "b"}
    for name in "ab":
        np.testing.assert_array_equal(found[name], np.abs(values[name]))


def test_a_block_that_takes_too_long_is_told_by_its_size(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process ended by itself, and the limit can be raised."""
    monkeypatch.setenv("AUTOTUNE_FAULT", "loop:builtin:1")
    slow = RunnerSession(Here(tmp_path), MeasureOptions(limit=0.5))
    with pytest.raises(Infeasible, match=r"^on builtin no answer in 0\.5 s for 5 samples; give the device"):
        slow.outputs(PROBE, BAD, inputs)
    slow.close()


def test_what_dies_of_a_batch_is_run_one_by_one(
    tmp_path: Path, opened: RunnerSession, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred arenas may be more than the memory has; the blocks after it are not tried so again."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys, numpy\n"
        "concatenate = numpy.concatenate\n"
        "def spy(parts, *a, **k):\n"
        "    if len(parts) == 2 and sum(map(len, parts)) > 1: os.kill(os.getpid(), 9)\n"
        "    return concatenate(parts, *a, **k)\n"
        "numpy.concatenate = spy\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    images = np.random.default_rng(0).random((150, 8, 8, 1), np.float32)
    np.save(tmp_path / "many.npy", images)
    assert len(opened.outputs(PROBE, GOOD, tmp_path / "many.npy")) == 150
    assert [one["batch"] for one in sent if one["do"] == "outputs"] == [100, 1, 1]


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of 400 MiB."""
    version_1 = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
    version_2 = Path("/sys/fs/cgroup"), "memory.max"
    root, limit = version_1 if version_1[0].exists() else version_2
    made = root / f"autotune-{os.getpid()}"
    try:
        made.mkdir()
        (made / limit).write_text(str(400 << 20))
        for swap in ("memory.memsw.limit_in_bytes", "memory.swap.max"):
            if (made / swap).exists():
                (made / swap).write_text(str(400 << 20) if "memsw" in swap else "0")
    except OSError as error:
        with suppress(OSError):
            made.rmdir()
        pytest.skip(f"no control group can be made here: {error}")
    yield made
    assert eventually(lambda: not (made / "cgroup.procs").read_text())
    made.rmdir()


def test_a_child_killed_for_memory_costs_one_configuration(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, group: Path
) -> None:
    """The kernel kills it, and it alone."""
    monkeypatch.setenv("AUTOTUNE_FAULT", f"memory:{BAD.delegate}:{BAD.threads}")
    enter = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(group / "cgroup.procs"), sys.executable]
    found = RunnerSession(Here(tmp_path, *enter))
    process = runner_of(found)
    with pytest.raises(Infeasible, match="ended its process twice on builtin: SIGKILL"):
        found.latency(PROBE, BAD)
    assert len(found.outputs(PROBE, GOOD, inputs)) == 5
    assert runner_of(found) == process
    found.close()
    told = [group / name for name in ("memory.oom_control", "memory.events") if (group / name).exists()]
    assert "oom_kill 2" in told[0].read_text()


# what becomes of the runner


def test_a_lost_runner_is_a_fault_and_the_next_request_works(opened: RunnerSession) -> None:
    """And its child ends with it, though nobody could tell it to."""
    future, child = measuring(opened)
    process = child.parent()
    assert process is not None
    process.kill()
    with pytest.raises(Fault, match=r"device here: the runner was lost \(signal 9"):
        future.result(LONG)
    assert eventually(lambda: not alive(child))
    assert opened.latency(PROBE, GOOD).times_us


def test_nothing_is_left_after_closing(tmp_path: Path) -> None:
    """Not even in the middle of a measurement beside a load."""
    found = RunnerSession(Here(tmp_path), load=1)
    future, child = measuring(found)
    assert eventually(child.children)
    processes = [child, *child.parents()[:1], *child.children()]
    found.close()
    assert eventually(lambda: not any(map(alive, processes)))
    with pytest.raises(Fault):
        future.result(LONG)


def test_nothing_is_left_of_a_driver_that_is_killed(tmp_path: Path) -> None:
    """The kernel closes its end, and the runner ends its child, which ends its load."""
    script = (
        "from autotune.config import Runtime\n"
        "from autotune.devices.client.local import LocalDevice\n"
        "from autotune.devices.client.device import PROBE\n"
        "with LocalDevice().open(load=1) as opened:\n"
        f"    opened.sustain(PROBE, Runtime(), {10 * LONG})\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"TMPDIR": str(tmp_path)})
    assert eventually(lambda: len(children(driver.pid)) == 3)
    processes = children(driver.pid)
    driver.kill()
    driver.wait()
    assert eventually(lambda: not any(map(alive, processes)))


def test_an_answer_that_nobody_waits_for_is_not_taken_for_the_next(
    opened: RunnerSession, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a file runs."""

    def interrupted(*_: Any) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    opened.outputs(PROBE, GOOD, inputs)
    monkeypatch.setattr(frames, "read_frame", interrupted)
    with pytest.raises(KeyboardInterrupt):
        opened.latency(PROBE, GOOD)
    assert len(opened.outputs(PROBE, GOOD, inputs)) == 5


def test_a_command_that_is_none_is_a_fault(tmp_path: Path) -> None:
    """It is the machine's, not the configuration's."""
    with pytest.raises(Fault, match=r"device here: can't start .*none: No such file"):
        RunnerSession(Here(tmp_path, str(tmp_path / "none"))).facts()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("echo sorry >&2; exit 3", "exit status 3: sorry"),
        ("echo Welcome; cat >/dev/null", "what it says is no answer"),
        ("echo 42; cat >/dev/null", "what it says is no answer"),
    ],
)
def test_what_is_no_runner_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, reason: str
) -> None:
    """With its last words."""
    monkeypatch.setattr(connection, "LAST_WORDS", 0.5)
    with pytest.raises(Fault, match=reason):
        RunnerSession(Here(tmp_path, "sh", "-c", command)).facts()


@pytest.mark.parametrize(
    "command",
    [
        "exec sleep 600",
        "printf 'Password: '; exec sleep 600",  # an answer that begins and does not end
        "sleep 600 & wait",  # another process keeps the pipes open
        "printf '{\"bytes\": 9}\\n'; exec sleep 600",
    ],
)
def test_one_that_does_not_start_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """After a while, and ended."""
    monkeypatch.setattr(connection, "START", 0.2)
    hanging = RunnerSession(Here(tmp_path, "sh", "-c", command))
    with pytest.raises(Fault, match=r"no answer in 0\.2 s"):
        hanging.facts()
    assert hanging._connection.process is None


def test_one_that_does_not_read_is_given_up(opened: RunnerSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is larger than a pipe takes would wait for ever."""
    monkeypatch.setattr(session, "GRACE", -9.5)  # with the seconds that a megabyte may take, half a second
    process = stopped(opened)
    with pytest.raises(Fault, match=r"no answer in 0\.5 s"):
        opened._ask({"do": "put", "file": "x", "size": 1, "from": 0}, bytes(1_000_000))
    assert not alive(process)


def stopped(opened: RunnerSession) -> psutil.Process:
    opened._connection.connect()
    assert opened._connection.process is not None
    process = psutil.Process(opened._connection.process.pid)
    process.suspend()
    return process


# threads, CPUs and load


def test_cpus_are_kept_to(tmp_path: Path) -> None:
    """By the child that runs the file, in all its threads; a CPU that is none is no fault of the file."""
    found = RunnerSession(Here(tmp_path), MeasureOptions(cpus=(0,)))
    future, child = measuring(found, Runtime("xnnpack", 2))
    assert eventually(lambda: child.num_threads() > 1)
    allowed = [machine.text(f"/proc/{task.id}/status") for task in child.threads()]
    assert all("\nCpus_allowed_list:\t0\n" in text for text in allowed)
    found.close()
    assert future.exception(LONG)
    found = RunnerSession(Here(tmp_path), MeasureOptions(cpus=(0, 4000)))
    with pytest.raises(Fault, match="device here: cpus: files can't be kept to CPUs 0, 4000; there are 0"):
        found.latency(PROBE, GOOD)
    found.close()


def test_thread_counts_are_kept_to(opened: RunnerSession) -> None:
    """One more thread of XNNPACK's is one more of the child's."""
    counts = []
    for threads in (1, 2, 3):
        future, child = measuring(opened, Runtime("xnnpack", threads))
        time.sleep(0.5)  # until all of them are there, and any that should not be
        counts.append(child.num_threads())
        opened._connection.abandon()
        assert future.exception(LONG)
    assert counts == [1, 2, 3]


def test_load_ends_with_the_measurement(tmp_path: Path) -> None:
    """And lasts as long."""
    found = RunnerSession(Here(tmp_path), load=2)
    process = runner_of(found)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(found.sustain, PROBE, GOOD, 1.0)
        assert eventually(lambda: len(process.children(recursive=True)) == 3)
        assert len(future.result(LONG)) >= 1
    assert eventually(lambda: not process.children(recursive=True))
    found.close()


@pytest.mark.skipif(cores() < 2, reason="needs two CPUs")
def test_load_is_beside_the_cpus_that_files_run_on(tmp_path: Path) -> None:
    """Else it would take turns with the file."""
    first, *others = sorted(os.sched_getaffinity(0))
    found = RunnerSession(Here(tmp_path), MeasureOptions(cpus=(first,)), load=1)
    future, child = measuring(found)
    assert eventually(lambda: child.cpu_affinity() == [first] and child.children())
    [burner] = child.children()
    assert eventually(lambda: burner.cpu_affinity() == others)
    found.close()
    assert future.exception(LONG)


# the lease


def test_a_lost_runner_s_lease_is_taken_over(opened: RunnerSession, second: RunnerSession) -> None:
    """By the next one of its session, before anybody else is asked."""
    with opened.lease(waiting=unheard):
        runner_of(opened).kill()
        with pytest.raises(Fault):
            opened.latency(PROBE, GOOD)
        opened.latency(PROBE, GOOD)
        assert "process" in (second._lease("exclusive") or "")
    assert second._lease("exclusive") is None


def test_a_lease_that_somebody_else_took_meanwhile_is_not_pretended(
    opened: RunnerSession, second: RunnerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is measured then is not measured alone."""
    monkeypatch.setattr(session, "TAKEOVER", 0.0)
    with opened.lease(waiting=unheard):
        runner_of(opened).kill()
        with pytest.raises(Fault):
            opened.facts()
        with second.lease(waiting=unheard):
            for _ in range(2):
                with pytest.raises(Fault, match=r"its lease was lost to .* on .*, process"):
                    opened.latency(PROBE, GOOD)
        assert opened.latency(PROBE, GOOD).times_us


def test_waiting_outlasts_a_lost_runner(opened: RunnerSession, second: RunnerSession) -> None:
    """Nothing was under way that could be lost."""
    told = threading.Event()

    def wait() -> None:
        with second.lease(waiting=lambda _: told.set()):
            pass

    with ThreadPoolExecutor(1) as pool:
        with opened.lease(waiting=unheard):
            future = pool.submit(wait)
            assert told.wait(LONG)
            assert second._connection.process is not None
            psutil.Process(second._connection.process.pid).kill()
            told.clear()
            assert told.wait(LONG)
        future.result(LONG)


def test_leaving_the_lease_of_a_lost_runner_is_no_fault(opened: RunnerSession, second: RunnerSession) -> None:
    """What was measured stays measured."""
    with opened.lease(waiting=unheard):
        process = runner_of(opened)
        process.kill()
        assert eventually(lambda: not alive(process))
    assert second._lease("exclusive") is None


def test_an_interrupted_holder_does_not_wait_for_what_still_runs(opened: RunnerSession, second: RunnerSession) -> None:
    """Another thread's measurement ends with the lease, which is free at once."""
    found = []
    with pytest.raises(KeyboardInterrupt), opened.lease(waiting=unheard):  # noqa: PT012  # within the lease
        found.append(measuring(opened))
        raise KeyboardInterrupt
    [(future, child)] = found
    assert eventually(lambda: not alive(child))
    assert second._lease("exclusive") is None
    with pytest.raises(Fault):
        future.result(LONG)


def test_a_runner_may_be_abandoned_while_its_loss_is_put_into_words(
    opened: RunnerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log is not closed under the thread that reads it."""
    reading, logged = threading.Event(), connection.logged

    def slowly(log: Any) -> str:
        reading.set()
        time.sleep(0.2)
        return logged(log)

    monkeypatch.setattr(connection, "logged", slowly)
    future, _ = measuring(opened)
    process = opened._connection.process
    assert process is not None
    process.kill()
    assert reading.wait(LONG)
    opened._connection.abandon()
    with pytest.raises(Fault, match="the runner was lost"):
        future.result(LONG)


def test_a_refused_file_does_not_cost_the_runner(opened: RunnerSession, second: RunnerSession) -> None:
    """It leaves the lease in order."""
    process = runner_of(opened)
    with pytest.raises(Infeasible), opened.lease(waiting=unheard):
        raise Infeasible("no")
    assert runner_of(opened) == process
    assert second._lease("exclusive") is None


@pytest.mark.parametrize("shared", [False, True])
def test_who_waits_gets_the_lease_from_one_who_takes_it_again_and_again(
    opened: RunnerSession, second: RunnerSession, shared: bool
) -> None:
    """Gaps of milliseconds between two holdings are no chance for one who looks now and then."""
    told, cycles = threading.Event(), 0

    def wait() -> int:
        with second.lease(waiting=lambda _: told.set()):
            return cycles

    with ThreadPoolExecutor(1) as pool:
        with opened.lease(shared=shared, waiting=unheard):
            future = pool.submit(wait)
            assert told.wait(LONG)
        while not future.done() and cycles < 100:
            with opened.lease(shared=shared, waiting=unheard):
                time.sleep(0.01)
                cycles += 1
        assert future.result(LONG) < 5


def test_a_lost_lease_is_taken_over_before_those_who_wait(opened: RunnerSession, second: RunnerSession) -> None:
    """A shared one would be lost to nobody else: who waits for all of it goes on waiting."""
    third = RunnerSession(second._transport)
    with third.lease(shared=True, waiting=unheard), opened.lease(shared=True, waiting=unheard):
        assert second._lease("exclusive")
        runner_of(opened).kill()
        with pytest.raises(Fault):
            opened.facts()
        assert opened.facts()
    third.close()


# a transport with patience


class Rebooting(Here):
    """Is away for the first few times that it is asked for."""

    patience = LONG

    def __init__(self, folder: Path, times: int) -> None:
        super().__init__(folder)
        self._times = times

    def command(self, arguments: Any) -> list[str]:
        self._times -= 1
        if self._times >= 0:
            raise Fault("device here: Connection refused")
        return super().command(arguments)


def test_what_is_away_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For as long as the transport has patience, and the user is told once."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    found = RunnerSession(Rebooting(tmp_path, times=5))
    assert found.facts().cores
    found.close()
    assert caplog.messages == ["waiting for device here: Connection refused", "device here is back"]


def test_patience_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason."""
    monkeypatch.setattr(Rebooting, "patience", 1.0)
    with pytest.raises(Fault, match="device here: Connection refused"):
        RunnerSession(Rebooting(tmp_path, times=1000)).facts()


def test_a_long_build_does_not_look_like_a_driver_that_is_gone(
    opened: RunnerSession, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds the lease gives a sign of life now and then, and stops with it."""
    monkeypatch.setattr(server, "SILENT_SECONDS", 0.2)
    with opened.lease(shared=True, waiting=unheard):
        time.sleep(0.5)
    signs = [request["do"] for request in sent].count("state")
    assert signs > 2
    time.sleep(0.2)
    assert [request["do"] for request in sent].count("state") == signs


def test_a_closed_session_ends_what_another_thread_has_it_do(opened: RunnerSession) -> None:
    """At once, and for good: whatever it is asked from then on is a fault, and starts no other runner."""
    future, child = measuring(opened)
    runner = child.parent()
    assert runner is not None
    opened.close()
    with pytest.raises(Fault):
        future.result(LONG)
    assert eventually(lambda: not alive(child) and not alive(runner))
    for ask in (opened.facts, lambda: opened.latency(PROBE, GOOD)):
        with pytest.raises(Fault, match="device here: the session was closed"):
            ask()
    assert opened._connection.process is None


def test_a_session_that_is_closed_tries_no_lost_device_anew(tmp_path: Path) -> None:
    """However long the way to it has patience."""
    transport = Here(tmp_path, str(tmp_path / "none"))
    transport.patience = 100 * LONG
    found = RunnerSession(transport)
    future = ThreadPoolExecutor(1).submit(found.facts)
    assert not wait([future], 0.1).done
    found.close()
    with pytest.raises(Fault):
        future.result(LONG)
