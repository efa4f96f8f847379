"""The measuring program, by its frames."""

import hashlib
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

import psutil
import pytest

from autotune.devices.runner import server
from autotune.devices.runner.frames import read_frame, write_frame
from tests.devices.processes import LONG, alive, eventually


@contextmanager
def running(folder: Path, silent_seconds: float = LONG) -> "Iterator[subprocess.Popen[bytes]]":
    """A runner that bears this much silence of whoever holds its lease."""
    script = f"""
import sys
from autotune.devices.runner import server
server.SILENT_SECONDS = {silent_seconds}
server.main(*sys.argv[1:])
"""
    command = [sys.executable, "-c", script, str(folder / "files"), str(folder / "lease"), "token"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert read_frame(process.stdout) == ({"ok": {}}, b"")
        yield process
        process.kill()


@pytest.fixture
def started(tmp_path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with running(tmp_path) as process:
        yield process


def ask(process: "subprocess.Popen[bytes]", request: dict[str, Any], data: bytes = b"") -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    write_frame(process.stdin, request, data)
    answer = read_frame(process.stdout)
    assert answer is not None
    return answer[0]


def test_a_damaged_file_is_not_kept(started: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """A file goes by its sha256, and what comes must have it; half of one is none, and a piece must follow the last."""
    file = hashlib.sha256(b"whole").hexdigest()
    put = {"do": "put", "file": file, "size": 5}
    assert ask(started, {**put, "from": 0}, b"other")["broken"] == "a file arrived damaged"
    assert ask(started, {**put, "from": 0}, b"who") == {"ok": {}}
    assert ask(started, {**put, "from": 4}, b"e")["broken"] == "a piece of a file is missing"
    assert ask(started, {"do": "have", "file": file}) == {"ok": {"have": False}}
    assert ask(started, {**put, "from": 3}, b"le") == {"ok": {}}
    assert ask(started, {"do": "have", "file": file}) == {"ok": {"have": True}}
    assert (tmp_path / "files" / file).read_bytes() == b"whole"
    assert [path.name for path in (tmp_path / "files").glob(f"{file}*")] == [file]


def test_files_nobody_asked_for_in_a_week_are_removed(tmp_path: Path) -> None:
    """When a runner starts; one that was asked for stays, however old."""
    first, week = server.Runner(tmp_path, ""), time.time() - 8 * 86_400
    (tmp_path / "folder").mkdir()
    for name in ("old", "asked", "fresh"):
        (tmp_path / name).write_bytes(b"")
    for name in ("old", "asked", "folder"):
        os.utime(tmp_path / name, (week, week))
    assert first.answer({"do": "have", "file": "asked"}, b"") == ({"ok": {"have": True}}, b"")
    server.Runner(tmp_path, "")
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
    holder = server.Runner(tmp_path / "other", str(tmp_path / "lease"))
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
        server.succeed(note, "token")
        assert note.read_text() == str(os.getpid())
        if not ended:
            assert alive(psutil.Process(process.pid))
            process.terminate()
        assert process.wait(LONG) == (-signal.SIGKILL if ended else -signal.SIGTERM)


def test_says_who_holds_the_lease(started: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """And no longer once it is left, or its holder has died without a word."""
    lease = tmp_path / "lease"
    ask(started, {"do": "lease", "mode": "exclusive", "holder": "me on that"})
    other = server.Runner(tmp_path / "other", str(lease))
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
    holder = server.Runner(tmp_path / "files", str(tmp_path / "lease"))
    assert "broken" in holder.answer({"do": "lease", "mode": "exclusive", "holder": "me"}, b"")[0]
    assert (tmp_path / "precious").read_text() == "kept"
