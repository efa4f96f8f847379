"""The measuring program, by its frames."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from autotune.devices import runner
from tests.devices.processes import LONG, alive, eventually
from tests.devices.several import several

REQUEST = {"do": "facts"}


@contextmanager
def running(folder: Path, silent_seconds: float = LONG) -> "Iterator[subprocess.Popen[bytes]]":
    """A runner that bears this much silence of whoever holds its lease."""
    script = f"""
import sys
from autotune.devices import runner
runner.SILENT_SECONDS = {silent_seconds}
runner.main(*sys.argv[1:])
"""
    command = [sys.executable, "-c", script, str(folder / "files"), str(folder / "lease"), "token"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert runner.read_frame(process.stdout) == ({"ok": {}}, b"")
        yield process
        process.kill()


@pytest.fixture
def started(tmp_path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with running(tmp_path) as process:
        yield process


def ask(process: "subprocess.Popen[bytes]", request: dict[str, Any], data: bytes = b"") -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    runner.write_frame(process.stdin, request, data)
    answer = runner.read_frame(process.stdout)
    assert answer is not None
    return answer[0]


def test_all_inputs_are_written_and_all_outputs_read(tmp_path: Path) -> None:
    """What is not written is whatever the memory held, and what is not read is not timed."""
    request = {"path": str(several(tmp_path)), "threads": 1, "delegate": "builtin"}
    model = runner.Interpreted(request)  # type: ignore[no-untyped-call]
    samples = [np.array([[-1.0, 2.0]], np.float32), np.array([[3.0, -4.0, 5.0, -6.0]], np.float32)]
    found = model.infer(samples)  # type: ignore[no-untyped-call]
    assert [one.tolist() for one in found] == [[[1.0, 2.0]], [[3.0, 4.0, 5.0, 6.0]]]


def test_latency_gives_every_input_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random ones, of its own shape."""
    given: list[Any] = []
    infer: Any = runner.Interpreted.infer

    def noted(model: Any, samples: Any) -> Any:
        given.extend(samples)
        return infer(model, samples)

    monkeypatch.setattr(runner.Interpreted, "infer", noted)
    request = {"path": str(several(tmp_path)), "threads": 1, "delegate": "builtin", "seconds": 0.0}
    runner.latency(request)  # type: ignore[no-untyped-call]
    assert [one.shape for one in given[:2]] == [(1, 2), (1, 4)]
    assert all(one.any() for one in given)


@pytest.mark.parametrize("data", [b"", b"\n{}\n\0"])
def test_frames_come_as_they_went(data: bytes) -> None:
    """Whatever bytes are in them, and one after the other."""
    stream = io.BytesIO()
    runner.write_frame(stream, {"do": "put", "text": "ä\n"}, data)
    runner.write_frame(stream, REQUEST)
    stream.seek(0)
    first = runner.read_frame(stream)
    assert first is not None
    assert (first[0]["text"], first[1]) == ("ä\n", data)
    assert runner.read_frame(stream) == (REQUEST, b"")
    assert runner.read_frame(stream) is None


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_half_a_frame_is_none(cut: int) -> None:
    """A connection that ended in the middle of it."""
    stream = io.BytesIO()
    runner.write_frame(stream, {"do": "put"}, b"0123456789")
    assert runner.read_frame(io.BytesIO(stream.getvalue()[:cut])) is None


def test_load_is_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU time that it got is ours, however much that was; a core that it didn't get is no quiet one."""
    process = runner.burner([])  # type: ignore[no-untyped-call]
    monkeypatch.setattr(runner, "BURNERS", [process])
    try:
        assert eventually(lambda: runner.state()["own_s"] > time.process_time() + 0.2)  # type: ignore[no-untyped-call]
        assert psutil.Process(process).cpu_times().user > 0.1
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    monkeypatch.setattr(runner, "BURNERS", [])
    assert runner.state()["own_s"] <= time.process_time()  # type: ignore[no-untyped-call]


def test_a_damaged_file_is_not_kept(started: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """A file goes by its sha256, and what comes must have it."""
    file = hashlib.sha256(b"whole").hexdigest()
    assert ask(started, {"do": "put", "file": file}, b"half")["broken"] == "a file arrived damaged"
    assert ask(started, {"do": "have", "file": file}) == {"ok": {"have": False}}
    assert ask(started, {"do": "put", "file": file}, b"whole") == {"ok": {}}
    assert ask(started, {"do": "have", "file": file}) == {"ok": {"have": True}}
    assert (tmp_path / "files" / file).read_bytes() == b"whole"


def test_files_nobody_asked_for_in_a_week_are_removed(tmp_path: Path) -> None:
    """When a runner starts; one that was asked for stays, however old."""
    first, week = runner.Runner(tmp_path, ""), time.time() - 8 * 86_400
    (tmp_path / "folder").mkdir()
    for name in ("old", "asked", "fresh"):
        (tmp_path / name).write_bytes(b"")
    for name in ("old", "asked", "folder"):
        os.utime(tmp_path / name, (week, week))
    assert first.answer({"do": "have", "file": "asked"}, b"") == ({"ok": {"have": True}}, b"")
    runner.Runner(tmp_path, "")
    assert {path.name for path in tmp_path.iterdir()} == {"asked", "fresh", "folder"}


def test_names_can_not_leave_the_folder(started: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """Whatever a request calls a file."""
    (tmp_path / "secret").write_bytes(b"")
    assert ask(started, {"do": "have", "file": "../secret"}) == {"ok": {"have": False}}


def test_ends_where_the_holder_of_the_lease_falls_silent(tmp_path: Path) -> None:
    """Or a driver that lost its power would hold a board for hours. Without the lease it waits for ever."""
    with running(tmp_path, silent_seconds=0.2) as process:
        assert ask(process, {"do": "lease", "mode": "none"}) == {"ok": {"held": False, "by": ""}}
        time.sleep(0.5)
        assert ask(process, {"do": "lease", "mode": "exclusive", "holder": "me"}) == {"ok": {"held": True, "by": ""}}
        assert process.wait(LONG) == 0


def test_ends_where_one_who_waits_for_the_lease_falls_silent(tmp_path: Path) -> None:
    """Nobody could pass it."""
    holder = runner.Runner(tmp_path / "other", str(tmp_path / "lease"))
    wanted = {"do": "lease", "mode": "exclusive", "holder": "me"}
    assert holder.answer(wanted, b"")[0] == {"ok": {"held": True, "by": ""}}
    with running(tmp_path, silent_seconds=0.2) as waiting:
        assert not ask(waiting, wanted)["ok"]["held"]
        assert waiting.wait(LONG) == 0


@pytest.mark.parametrize(("argument", "ended"), [("token", True), ("other", False)])
def test_ends_a_former_runner_of_its_session_and_nothing_else(tmp_path: Path, argument: str, ended: bool) -> None:
    """A process that has got the number since is left alone."""
    note = tmp_path / "note"
    command = [sys.executable, "-c", "import time; time.sleep(600)", argument]
    with subprocess.Popen(command, start_new_session=True) as process:
        assert eventually(lambda: argument in psutil.Process(process.pid).cmdline())
        note.write_text(str(process.pid))
        runner.succeed(note, "token")
        assert note.read_text() == str(os.getpid())
        if not ended:
            assert alive(psutil.Process(process.pid))
            process.terminate()
        assert process.wait(LONG) == (-signal.SIGKILL if ended else -signal.SIGTERM)


def test_says_who_holds_the_lease(started: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """And no longer once it is left, or its holder has died without a word."""
    lease = tmp_path / "lease"
    ask(started, {"do": "lease", "mode": "exclusive", "holder": "me on that"})
    other = runner.Runner(tmp_path / "other", str(lease))
    wanted = {"do": "lease", "mode": "shared", "holder": "you"}
    assert other.answer(wanted, b"")[0] == {"ok": {"held": False, "by": "me on that"}}
    lease.write_text(json.dumps({"pid": 2**22 + 1, "holder": "nobody"}))  # no process has so high a number
    assert other.answer(wanted, b"")[0] == {"ok": {"held": False, "by": "another process"}}
    ask(started, {"do": "lease", "mode": "none"})
    assert other.answer(wanted, b"")[0] == {"ok": {"held": True, "by": ""}}
    assert lease.read_text() == ""


def test_the_lease_is_no_link(tmp_path: Path) -> None:
    """In a folder that all may write to, a link could have another file of ours emptied."""
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "lease").symlink_to(tmp_path / "precious")
    holder = runner.Runner(tmp_path / "files", str(tmp_path / "lease"))
    assert "broken" in holder.answer({"do": "lease", "mode": "exclusive", "holder": "me"}, b"")[0]
    assert (tmp_path / "precious").read_text() == "kept"
