"""A connection to a runner, wherever that is started, which starts another where one is lost."""

import json
import logging
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from autotune.devices import runner
from autotune.devices.client import answers
from autotune.devices.runner import frames
from autotune.devices.runner.child import last_line
from autotune.errors import Fault, one_line
from autotune.files import available
from autotune.json_object import JsonObject

log = logging.getLogger("autotune.devices")

START = 60.0
"""Seconds in which a runner must have started."""

LAST_WORDS = 2.0
"""Seconds in which a runner that is closed, or says nothing more, must have ended by itself."""

_BOOT = (
    "import json, os, sys, types; os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')\n"
    "f = open(0, 'rb', 0, closefd=False); n = int(f.readline()); s = b''\n"
    "while len(s) < n: s += f.read(n - len(s)) or sys.exit('the connection ended')\n"
    "for name, source in json.loads(s).items():\n"
    "    module = sys.modules[name] = types.ModuleType(name)\n"
    "    exec(compile(source, name, 'exec'), vars(module))\n"
    "module.main(*sys.argv[1:])"
)
"""Reads the runner's modules from stdin, and runs the last: nothing has to be put there before. NumPy starts no threads
there, since the runner forks.
"""


class Transport(Protocol):
    """A way to a Python with LiteRT.

    Attributes:
        name: of the device, for messages.
        patience: seconds for which a lost connection is tried anew.
    """

    name: str
    patience: float

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The argument list that starts that Python with these arguments.

        Raises:
            Fault: it can't be reached.
            UserError: it never can be, as things are.
        """
        ...

    def places(self) -> tuple[str, str]:
        """There: a folder for files, "~" allowed, and the path of the lease."""
        ...


class Piped(subprocess.Popen[bytes]):
    """A process that is written to and read from. Ctrl-C is for the driver, and not for it."""

    stdin: IO[bytes]
    stdout: IO[bytes]

    def __init__(self, command: Sequence[str], errors: IO[bytes]) -> None:
        """
        Args:
            command: that starts it.
            errors: a file for what it writes to stderr.

        Raises:
            OSError: it can't be started.
        """
        pipe = subprocess.PIPE
        super().__init__(command, stdin=pipe, stdout=pipe, stderr=errors, start_new_session=True)


class Connection:
    """A runner's process and the frames that go there and come back; used by one thread at a time, abandoned by any.

    Attributes:
        process: that leads to the runner, None where there is none.
    """

    def __init__(self, transport: Transport, token: str, started: Callable[[], None]) -> None:
        """
        Args:
            transport: the way to it.
            token: of the session, by which a runner knows its predecessor.
            started: called with each runner that has started, before it is asked anything else.
        """
        self._transport = transport
        self._token = token
        self._started = started
        self.process: Piped | None = None
        self._log: IO[bytes] | None = None
        self._ending = threading.RLock()  # a runner that is abandoned is lost to the thread that waits for it
        self._over = threading.Event()

    def exchange(self, request: JsonObject, timeout: float, data: bytes = b"") -> tuple[JsonObject, bytes]:
        """One request and its answer, within so many seconds.

        Raises:
            Fault: the runner or the way to it was lost; the next request starts another.
        """
        process = self.process or self.connect()
        with self._within(timeout, process):
            frames.write_frame(process.stdin, request, data)
            return self._answer(process)

    def connect(self) -> Piped:
        """A runner that is ready; tried anew for as long as the transport has patience.

        Raises:
            Fault: there is none, or the connection was ended for good.
        """
        began = time.monotonic()
        wait = 0.5
        while True:
            self._check_open()
            try:
                process = self._start()
            except Fault as fault:
                if time.monotonic() + wait > began + self._transport.patience:
                    raise
                if wait == 0.5:
                    log.warning("waiting for %s", fault)
            else:
                if wait > 0.5:
                    log.warning("device %s is back", self._transport.name)
                return process
            self._over.wait(wait)
            wait = min(2 * wait, 10)

    def end(self, *, at_once: bool) -> None:
        """Ends the runner for good: whoever waits for an answer, or asks for another, gets a Fault.

        Args:
            at_once: whatever the runner is doing; else it is left to end by itself.
        """
        self._over.set()
        (self.abandon if at_once else self.close)()

    def close(self) -> None:
        """Ends the runner."""
        with self._ending:
            process, self.process = self.process, None
            if process is not None:
                with suppress(OSError):  # a broken pipe
                    process.stdin.close()  # it ends by itself, wherever it is
                _wait(process)
                process.stdout.close()
            if self._log is not None:
                self._log.close()
                self._log = None

    def abandon(self) -> None:
        """Ends the runner at once, whatever it is doing."""
        process = self.process
        if process is not None:
            _kill(process)
        self.close()

    def _start(self) -> Piped:
        command = self._transport.command(["-u", "-c", _BOOT, *self._transport.places(), self._token])
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the connection
        try:
            self.process = process = Piped(command, self._log)
        except OSError as error:
            raise Fault(f"device {self._transport.name}: can't start {command[0]}: {error.strerror}") from error
        self._check_open()
        sources = _sources()
        with self._within(START, process):
            process.stdin.write(b"%d\n%s" % (len(sources), sources))
            process.stdin.flush()
            self._answer(process)
        self._started()
        return process

    def _check_open(self) -> None:
        """Refuses a connection that was ended.

        Raises:
            Fault: the connection was ended for good; then no runner is left, whichever of the two came first.
        """
        if self._over.is_set():
            self.abandon()
            raise Fault(f"device {self._transport.name}: the session was closed")

    @contextmanager
    def _within(self, seconds: float, process: Piped) -> Iterator[None]:
        """Ends a runner that takes longer, over whatever it is, or whose answer nobody will read.

        Raises:
            Fault: it is gone, or says what is no answer.
        """
        late = threading.Event()

        def end() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, EOFError, ValueError) as error:  # a broken pipe, the end of it, another's words
            said = f"what it says is no answer, {one_line(error)}" if isinstance(error, ValueError) else ""
            raise self._lost(process, f"no answer in {seconds:g} s" if late.is_set() else said) from error
        except BaseException:  # Ctrl-C: the answer would be taken for the next request's
            self.abandon()
            raise
        finally:
            timer.cancel()

    def _answer(self, process: Piped) -> tuple[JsonObject, bytes]:
        frame = frames.read_frame(process.stdout, int(min(frames.MOST_BYTES, available() / 2)))
        if frame is None:
            raise EOFError
        return answers.checked(frame[0]), frame[1]

    def _lost(self, process: Piped, how: str = "") -> Fault:
        """What to say of a runner that is gone, with the last line of its log."""
        status = _wait(process)
        how = how or (f"signal {-status}" if status < 0 else f"exit status {status}")
        with self._ending:
            said = ": ".join(filter(None, [how, logged(self._log) if self._log else ""]))
            self.close()
        return Fault(f"device {self._transport.name}: the runner was lost ({said[:300]})")


def logged(log: IO[bytes]) -> str:
    """The last line of a log that says anything, "" where none does."""
    log.seek(0)
    return last_line(log.read().decode(errors="replace"))


def _sources() -> bytes:
    """The runner's modules as JSON, by their names and in their order."""
    folder = Path(runner.__file__).parent
    sources = {f"{runner.__name__}.{name}": (folder / f"{name}.py").read_text() for name in runner.SENT}
    return json.dumps(sources).encode()


def _wait(process: Piped) -> int:
    """A process's exit status; it is ended where it takes too long."""
    try:
        return process.wait(LAST_WORDS)
    except subprocess.TimeoutExpired:
        _kill(process)
        return process.wait()


def _kill(process: Piped) -> None:
    """Ends a process and what it started, which may keep its pipes open."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
