"""A Linux board, by the user's own ssh: its configuration, keys, agent and jump hosts are honoured."""

import logging
import re
import shlex
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from autotune.devices.client import bootstrap
from autotune.devices.client.command import CommandTransport
from autotune.devices.client.connection import Piped, logged
from autotune.devices.client.device import RunnerDevice
from autotune.devices.device import MeasureOptions
from autotune.errors import Fault, UserError
from autotune.files import Scratch, for_sockets

log = logging.getLogger("autotune.devices")

PATIENCE = 120.0
"""Seconds that a board that was there once may take to come back, such as by a reboot."""

SET_UP = 1800.0
"""Seconds in which a board must be set up."""

LINGER = 60
"""Seconds for which the connection waits for further use."""

LOST = 255
"""ssh's own exit status; any other is the remote command's."""

HOST_KEY = "Host key verification failed"

ADVICE = {
    HOST_KEY: "connect once by hand and compare its key",
    "Permission denied": "it must take one of your keys without a question (ssh-copy-id, ssh-add)",
}
"""What to do, by what ssh says."""

OPTIONS = {
    "BatchMode": "yes",  # nobody is there to answer
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",  # a dead line is noticed after 15 s
    "ServerAliveCountMax": "2",
    "ClearAllForwardings": "yes",
    "RemoteCommand": "none",
}
"""Over the user's configuration, which else decides: how the host is reached, as whom, and by which host key."""


class SshDevice(RunnerDevice):
    """A board."""

    short = "host"

    def __init__(
        self,
        name: str,
        host: str,
        *,
        python: str | None = None,
        port: int | None = None,
        folder: str = "~/.cache/autotune",
        ssh: str | Sequence[str] = "ssh",
        shares_host: bool = False,
        emulated: bool = False,
        options: MeasureOptions = MeasureOptions(),
    ) -> None:
        """
        Args:
            name: of the device.
            host: as ssh takes it: a name of its configuration, or [user@]host.
            python: a Python there that has numpy and ai_edge_litert or tflite_runtime; where there is
                none, a virtual environment with them is made there.
            port: of its sshd, where ssh's configuration doesn't say.
            folder: there, for that environment and for files; "~" is the home.
            ssh: the program, or an argument list such as [ssh, -F, boards.conf].
            shares_host: whether builds on this machine would disturb its timings.
            emulated: whether its times are an emulator's.
            options: by which files are run.

        Raises:
            UserError: there can be no such host.
        """
        self._ssh = SshTransport(name, host, python, port, folder, [ssh] if isinstance(ssh, str) else list(ssh))
        super().__init__(self._ssh, shares_host=shares_host, emulated=emulated, options=options)

    def close(self) -> None:
        """Ends the connection; it would end by itself after a minute, and with this process."""
        self._ssh.close()


LONGEST = 10_000
"""Bytes of a line of the set-up program; a shell that says more before it, and ends none, is told of what it said."""


class SshTransport(CommandTransport):
    """Starts the board's Python, over one connection that all that is started shares."""

    def __init__(
        self, name: str, host: str, python: str | None, port: int | None, folder: str, ssh: Sequence[str]
    ) -> None:
        if not host or host.startswith("-") or any(letter.isspace() for letter in host):
            raise UserError(
                f"device {name}: {host!r} is no host; give it as ssh takes it, such as pi@raspberrypi.local"
            )
        if not ssh:
            raise UserError(f"device {name}: ssh can't be empty; it is a program and its arguments")
        super().__init__(name, [*ssh, *([] if port is None else ["-p", str(port)])], f"{folder}/files")
        self._host = host
        self._python = python
        self._home = folder
        self.patience = 0.0  # before it was there once, something else is wrong than that it is gone
        self._turns = threading.Lock()
        scratch = for_sockets()
        self._socket = Path(scratch.name, "ssh")
        weakref.finalize(self, _leave, self._leaving(), self._socket, scratch)

    def command(self, arguments: Sequence[str]) -> list[str]:
        """See Transport. Reaches the board first, and sets it up where that is still to do."""
        with self._turns:  # the first makes the connection
            return [*self._line, shlex.join([self._board(), *arguments])]

    def close(self) -> None:
        _end(self._leaving(), self._socket)

    def _leaving(self) -> list[str]:
        return [*self._command, "-S", str(self._socket), "-O", "exit", "--", self._host]

    @cached_property
    def _line(self) -> list[str]:
        """What comes before the remote command. A connection that the user's configuration shares is used instead."""
        try:
            settings = subprocess.run(
                [*self._command, "-G", "--", self._host],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise UserError(f"device {self.name}: can't start {self._command[0]}: {error.strerror}") from error
        if settings.returncode:
            said = " ".join(settings.stderr.split())[-300:]
            raise UserError(f"device {self.name}: ssh can't make anything of {self._host}: {said}")
        options = [part for key, value in OPTIONS.items() for part in ("-o", f"{key}={value}")]
        if not re.search(r"^controlpath (?!none$)", settings.stdout, re.MULTILINE):
            options += ["-S", str(self._socket), "-o", "ControlMaster=auto", "-o", f"ControlPersist={LINGER}"]
        return [*self._command, "-T", *options, "--", self._host]

    def _board(self) -> str:
        """The board's Python."""
        own = (self._python or "python3").removeprefix("~/")  # one logs in at home
        command = [own, "-", *([] if self._python else [self._home])]
        with tempfile.TemporaryFile() as said:  # no pipe: a connection that lingers would keep it open
            process = Piped([*self._line, shlex.join(command)], said)
            timer = threading.Timer(SET_UP, process.kill)
            timer.start()
            try:
                python = self._heard(process)
                status = process.wait()
            finally:
                timer.cancel()
                process.kill()
                process.wait()
            if python is None:
                raise self._failure(status, logged(said))
        return own if self._python else python

    def _heard(self, process: Piped) -> str | None:
        """Sends board.py, and listens to it: the Python that it found, None where it was cut short."""
        with process.stdout:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(Path(bootstrap.__file__).read_bytes())
            for line in iter(lambda: process.stdout.readline(LONGEST), b""):
                mark, _, rest = line.decode(errors="replace").strip().partition(" ")
                kind, _, text = rest.partition(" ")
                if mark != "autotune":
                    said = f"{self._host} says {mark} {rest[:80]}".strip()
                    raise UserError(
                        f"device {self.name}: {said!r} before any command; let its shell be quiet where nobody looks"
                    )
                self.patience = PATIENCE
                if kind == "error":
                    raise UserError(f"device {self.name}: {text}")
                if kind == "python":
                    return text
                log.warning("device %s: %s", self.name, text)
        return None

    def _failure(self, status: int, said: str) -> Fault | UserError:
        """Why there is no Python, by ssh's exit status and the last that was said."""
        if status == LOST:
            if self.patience and HOST_KEY not in said:
                return Fault(f"device {self.name}: {said or 'the connection was lost'}")
            by_hand = shlex.join([*self._command, self._host])
            advice = next(
                (advice for sign, advice in ADVICE.items() if sign in said), "by hand it must work and ask nothing"
            )
            return UserError(f"device {self.name}: ssh can't reach {self._host} ({said}): {advice}: {by_hand}")
        python = self._python or "python3"
        if status in (126, 127):
            advice = "install it there, or name another by python: in the device file"
            return UserError(f"device {self.name}: {self._host} has no {python}: {advice}")
        return Fault(f"device {self.name}: {python} ended with status {status}: {said}")


def _end(leaving: Sequence[str], socket: Path) -> None:
    """Ends the connection, where there is one."""
    if socket.exists():
        with suppress(OSError, subprocess.TimeoutExpired):
            quiet = subprocess.DEVNULL
            subprocess.run(leaving, stdin=quiet, stdout=quiet, stderr=quiet, timeout=10, check=False)


def _leave(leaving: Sequence[str], socket: Path, scratch: Scratch) -> None:
    _end(leaving, socket)
    scratch.cleanup()
