"""Boards by ssh: a real sshd and a real ssh, on loopback or at the end of a slow line that loses packets."""

import logging
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from autotune.config import Runtime
from autotune.devices.client.device import PROBE
from autotune.devices.client.local import LocalDevice
from autotune.devices.client.ssh import SshDevice
from autotune.devices.device import Device, MeasureOptions
from autotune.errors import Fault, UserError
from autotune.testing import DeviceContract
from tests.devices.client.sshd import DELAY, Board, Line, running
from tests.devices.processes import LONG, alive, eventually, words

CPU = ("xnnpack", "builtin", "reference")
OPTIONS = MeasureOptions(delegates=CPU)
IMPATIENT = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with running(tmp_path) as made:
        yield made


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    path = tmp_path / "inputs.npy"
    np.save(path, np.random.default_rng(0).random((130, 8, 8, 1), np.float32))
    return path


def device(board: Board, *options: str, host: str = "board", **rest: Any) -> SshDevice:
    """On which this Python does the measuring."""
    settings: dict[str, Any] = {"python": sys.executable, "folder": str(home(board)), "options": OPTIONS} | rest
    return SshDevice("it", host, ssh=[*board.client, *options], **settings)


def home(board: Board) -> Path:
    """What the device may fill there."""
    return board.folder / "home"


def kept(board: Board) -> dict[str, int]:
    """The files there, and what tells one that was written anew."""
    return {path.name: path.stat().st_ino for path in (home(board) / "files").iterdir() if path.suffix != ".pid"}


def runners(board: Board) -> list[psutil.Process]:
    return [process for process in board.processes() if str(home(board) / "files") in words(process)]


def measuring(board: Board, session: Any) -> "Future[Any]":
    """Begins a measurement without end; returns once the file runs."""
    future = ThreadPoolExecutor(1).submit(session.sustain, PROBE, Runtime(), 10 * LONG)
    assert eventually(lambda: len(runners(board)) == 2)  # the runner and its child
    return future


def unheard(holder: str) -> None:
    """In place of a message to the user."""


class TestSshDevice(DeviceContract):
    """A board keeps the contract."""

    @pytest.fixture(autouse=True)
    def _board(self, board: Board) -> None:
        self.board = board

    def device(self) -> Device:
        return device(self.board)

    def file(self, folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
        return PROBE, np.random.default_rng(0).random((130, 8, 8, 1), np.float32)


# what it measures


def test_agrees_with_the_local_device(tmp_path: Path, inputs: Path) -> None:
    """To the bit in its outputs. In latency, too: the line, ten thousand times slower, has no part in it."""
    with (
        Line() as line,
        running(tmp_path, line.address, line.within) as board,
        device(board).open() as there,
        LocalDevice().open() as here,
    ):
        for runtime in map(Runtime, CPU):
            outputs = [session.outputs(PROBE, runtime, inputs) for session in (there, here)]
            np.testing.assert_array_equal(outputs[0], outputs[1])
            fastest = [min(session.latency(PROBE, runtime).times_us) for session in (there, here)]
            assert max(fastest) < 10 * min(fastest)
            assert max(fastest) < DELAY * 1e6


def test_files_are_sent_once(board: Board, inputs: Path) -> None:
    """Another session, even of another study, finds them there."""
    seen = []
    for _ in range(2):
        with device(board).open() as session:
            session.outputs(PROBE, Runtime(), inputs)
        seen.append(kept(board))
    assert len(seen[0]) == 2
    assert seen[0] == seen[1]


# the connection


def test_all_goes_by_one_connection(board: Board) -> None:
    """Also what begins at the same time. It is ended when the device is, and leaves nothing there."""
    found = device(board)

    def cores(_: int) -> int:
        with found.open() as session:
            return int(session.facts().cores or 0)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(cores, range(4)))) == 1
    assert found.delegates == CPU
    assert board.log.count("Accepted publickey") == 1
    assert board.processes()
    found.close()
    assert eventually(lambda: not board.processes())


def test_a_connection_that_the_user_shares_is_used_and_left(board: Board) -> None:
    """As configured by ControlMaster and ControlPath."""
    board.configure("ControlMaster auto", f"ControlPath {board.folder}/shared", "ControlPersist 600")
    found = device(board)
    found.facts()
    found.close()
    by_hand = [*board.client, "-O", "check", "board"]
    assert subprocess.run(by_hand, capture_output=True, check=False).returncode == 0
    by_hand[by_hand.index("check")] = "exit"
    subprocess.run(by_hand, capture_output=True, check=True)


def test_what_the_user_configured_for_logging_in_is_no_hindrance(board: Board) -> None:
    """A terminal, a command, and a tunnel that could be opened only once."""
    board.configure("RequestTTY force", "RemoteCommand htop", "LocalForward 1 localhost:1", "ExitOnForwardFailure yes")
    assert device(board).facts().cores


def test_jump_hosts_are_honoured(board: Board) -> None:
    """As the user's configuration has them."""
    beyond = (board.folder / "ssh_config").read_text().replace("Host board", "Host beyond")
    (board.folder / "ssh_config").write_text((board.folder / "ssh_config").read_text() + beyond)
    board.configure("ProxyJump board")
    assert device(board, host="beyond").facts().cores
    assert board.log.count("Accepted publickey") == 2
    (board.folder / "known").write_text("")
    assert refused(device(board, host="beyond")).endswith(shlex.join([*board.client, "beyond"]))


def test_a_lost_connection_is_a_fault_and_the_next_request_works(board: Board) -> None:
    """In the middle of a measurement."""
    with device(board).open() as session:
        future = measuring(board, session)
        left = runners(board)
        for process in board.processes():
            if process not in left:
                process.kill()
        with pytest.raises(Fault, match="device it: the runner was lost"):
            future.result(LONG)
        assert eventually(lambda: not any(map(alive, left)))
        assert session.latency(PROBE, Runtime()).times_us


def test_a_dead_line_is_noticed(tmp_path: Path) -> None:
    """Where nothing says that the connection is lost. The runner there, which is not told either, is ended later."""
    with (
        Line() as line,
        running(tmp_path, line.address, line.within) as board,
        device(board, *IMPATIENT).open() as session,
    ):
        future = measuring(board, session)
        left = runners(board)
        line.cut.set()
        with pytest.raises(Fault, match="device it: the runner was lost"):
            future.result(LONG)
        assert all(map(alive, left))
        line.cut.clear()
        assert session.latency(PROBE, Runtime()).times_us
        assert eventually(lambda: not any(map(alive, left)))


def test_a_runner_that_was_left_behind_is_ended(board: Board) -> None:
    """Where its sshd hangs: by the next one, which takes over its lease."""
    with device(board, *IMPATIENT).open() as session, session.lease(waiting=unheard):
        future = measuring(board, session)
        left = runners(board)
        for process in board.processes():
            if process not in left:
                process.suspend()
        with pytest.raises(Fault, match="device it: the runner was lost"):
            future.result(LONG)
        assert all(map(alive, left))
        assert session.latency(PROBE, Runtime()).times_us
        assert eventually(lambda: not any(map(alive, left)))
        with device(board).open() as other:
            assert "process" in (other._lease("exclusive") or "")


def test_a_board_that_reboots_is_waited_for(board: Board, inputs: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The user is told; what was sent before is still there."""
    with device(board).open() as session:
        before, files = session.outputs(PROBE, Runtime(), inputs), kept(board)
        future = measuring(board, session)
        board.stop()
        with pytest.raises(Fault, match="device it: the runner was lost"):
            future.result(LONG)
        boots = threading.Timer(1, board.start)
        boots.start()
        np.testing.assert_array_equal(session.outputs(PROBE, Runtime(), inputs), before)
        boots.join()
    assert kept(board) == files
    assert caplog.messages[0].startswith("waiting for device it: ssh: connect to host")
    assert caplog.messages[-1] == "device it is back"


def test_a_board_that_does_not_come_back_is_a_fault(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while: nothing is wrong with the configuration, or with what the user said."""
    monkeypatch.setattr("autotune.devices.client.ssh.PATIENCE", 1.0)
    with device(board).open() as session:
        session.temperature()
        board.stop()
        for reason in ("the runner was lost", "Connection refused"):
            with pytest.raises(Fault, match=reason):
                session.latency(PROBE, Runtime())


def test_studies_share_the_lock_on_the_board(board: Board) -> None:
    """Whatever machine they run on: each has its own connection here."""
    told = threading.Event()
    with device(board).open() as first, device(board).open() as second:

        def wait() -> None:
            with second.lease(waiting=lambda _: told.set()):
                assert not held.is_set()

        held = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            with first.lease(waiting=unheard):
                held.set()
                future = pool.submit(wait)
                assert told.wait(LONG)
                held.clear()
            future.result(LONG)
    assert board.log.count("Accepted publickey") == 2


# what is wrong with the way to it


def refused(found: SshDevice) -> str:
    """The one line that says so."""
    with pytest.raises(UserError) as caught:
        found.facts()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_host_key_is_refused(board: Board) -> None:
    """Before anything is sent, and nobody is let in."""
    (board.folder / "known").write_text("")
    said = refused(device(board))
    by_hand = shlex.join([*board.client, "board"])
    assert said == (
        "device it: ssh can't reach board (Host key verification failed.): "
        f"connect once by hand and compare its key: {by_hand}"
    )
    assert "Accepted" not in board.log
    assert not home(board).exists()
    assert (board.folder / "known").read_text() == ""


def test_a_host_key_that_changed_is_refused(board: Board) -> None:
    """At any time, and it is no board that comes back."""
    with device(board).open() as session:
        session.temperature()
    found = device(board)
    found.facts()
    known = (board.folder / "known").read_text()
    stranger = (board.folder / "stranger.pub").read_text()
    (board.folder / "known").write_text(f"{known.split()[0]} {stranger}")
    found.close()
    with found.open() as session, pytest.raises(UserError, match="Host key verification failed"):
        session.temperature()


def test_a_key_that_it_does_not_take(board: Board) -> None:
    """No password is asked for."""
    config = board.folder / "ssh_config"
    config.write_text(config.read_text().replace(f"{board.folder}/user", f"{board.folder}/stranger"))
    said = refused(device(board))
    assert "Permission denied (publickey)" in said
    assert "ssh-copy-id" in said


def test_a_host_that_is_none(board: Board) -> None:
    """ssh says why."""
    said = refused(device(board, host="nowhere.invalid"))
    assert "Could not resolve hostname nowhere.invalid" in said
    assert said.endswith(shlex.join([*board.client, "nowhere.invalid"]))


def test_a_board_that_is_off(board: Board) -> None:
    """One that never was there is not waited for."""
    board.stop()
    assert "Connection refused" in refused(device(board))


@pytest.mark.parametrize("host", ["-oProxyCommand=touch broken-in", "", "a b"])
def test_a_host_is_no_option(board: Board, host: str) -> None:
    """Whoever wrote the device file."""
    with pytest.raises(UserError, match="is no host"):
        device(board, host=host)


def test_an_ssh_that_is_none(board: Board) -> None:
    """Or whose configuration can't be read."""
    board.client[0] = str(board.folder / "none")
    assert "can't start" in refused(device(board))


def test_a_configuration_that_is_wrong(board: Board) -> None:
    """In ssh's words."""
    board.configure("NoSuchThing yes")
    assert "nosuchthing" in refused(device(board)).lower()


# what is wrong with the board


def test_a_python_that_is_none(board: Board) -> None:
    """It is not looked for over and over."""
    assert refused(device(board, python="~/none/python3")) == (
        "device it: board has no ~/none/python3: install it there, or name another by python: in the device file"
    )


def test_a_python_without_litert(board: Board) -> None:
    """It is named, and nothing is installed into it."""
    bare = board.folder / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    said = refused(device(board, python=str(bare / "bin" / "python")))
    assert "bare/bin/python there has no numpy or no ai-edge-litert" in said


def test_a_shell_that_talks(board: Board) -> None:
    """It would come between the answers."""
    authorized = board.folder / "authorized"
    authorized.write_text(f'command="echo Welcome to it; eval \\"$SSH_ORIGINAL_COMMAND\\"" {authorized.read_text()}')
    assert "board says Welcome to it" in refused(device(board))


def test_sets_a_board_up(board: Board, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Once, by pip, and though the connection is lost in the middle of it."""
    log = logging.getLogger("autotune.devices")
    cut: list[psutil.Process] = []

    def listen(record: logging.LogRecord) -> bool:
        if "installing ai-edge-litert" in record.getMessage() and not cut:
            cut.extend(process for process in board.processes() if process.name().startswith("sshd"))
            for process in cut:
                process.kill()
        return True

    monkeypatch.setattr(log, "filters", [listen])
    found = device(board, python=None)
    try:
        facts = found.facts()
    except UserError as error:
        if "pip reaches no package index" in str(error):
            pytest.skip("pip reaches no package index here")
        raise
    assert cut
    assert (facts.runtime, found.delegates) == ("ai-edge-litert", CPU)
    assert (home(board) / "venv" / "bin" / "python").exists()
    assert any("making a virtual environment" in message for message in caplog.messages)
    found.close()
    caplog.clear()
    assert device(board, python=None).facts().runtime == "ai-edge-litert"
    assert not caplog.messages
