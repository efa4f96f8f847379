"""Talks to a runner, wherever it was started, and starts another where one is lost."""

import getpass
import hashlib
import io
import logging
import os
import platform
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autotune.config import Runtime
from autotune.devices import accelerators, profiler, runner
from autotune.devices.device import OperatorTime, Timing
from autotune.errors import Fault, Infeasible, one_line

log = logging.getLogger("autotune.devices")

LIMIT = 120.0
"""Seconds that a file may take over what it is asked for."""

GRACE = 30.0
"""Seconds by which a runner's answer may come later than the limit that the runner itself keeps."""

START = 60.0
"""Seconds in which a runner must have started."""

POLL = 0.2
"""Seconds between two tries for the lease."""

TAKEOVER = 10.0
"""Seconds in which a new runner must have the lease of the one that was lost."""

_BOOT = (
    "import sys; f = open(0, 'rb', 0, closefd=False); n = int(f.readline()); s = b''\n"
    "while len(s) < n: s += f.read(n - len(s)) or sys.exit('the connection ended')\n"
    "exec(compile(s, 'runner.py', 'exec'))"
)
"""Reads the runner from stdin, and runs it: nothing has to be put there before."""


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


class RunnerSession:
    """A runner, by way of a transport. See devices.device.Session."""

    def __init__(self, transport: Transport, cpus: Sequence[int] = (), limit: float = LIMIT, load: int = 0) -> None:
        """
        Args:
            transport: the way to it.
            cpus: that files are run on; all where empty.
            limit: seconds that a file may take over what it is asked for.
            load: cores that are kept busy beside each file.
        """
        self._transport, self._limit = transport, limit
        self._fixed = {"cpus": list(cpus), "load": load}
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._sent: set[str] = set()
        self._digests: dict[tuple[Path, int, int], str] = {}
        self._token, self._mode = uuid.uuid4().hex, "none"
        self._lock = threading.RLock()

    # what a Session does

    def outputs(self, model: Path, runtime: Runtime, inputs: Path) -> NDArray[np.float32]:
        """Asked for in blocks, so that the limit is none of a whole data set's; they grow where a file is fast."""
        count = len(np.load(inputs, mmap_mode="r", allow_pickle=False))
        block = batch = runner.BATCH
        start, parts = 0, []
        while start < count:
            asked = {"from": start, "to": min(start + block, count), "batch": batch}
            began = time.monotonic()
            answer, data = self._run("outputs", model, runtime, inputs=self._send(inputs), **asked)
            parts.append(np.load(io.BytesIO(data), allow_pickle=False))
            start, batch = asked["to"], answer["batch"]
            if time.monotonic() - began < self._limit / 8:
                block *= 2
        return np.concatenate(parts)

    def latency(self, model: Path, runtime: Runtime, seconds: float = 0.05) -> Timing:
        return Timing(**self._run("latency", model, runtime, seconds=seconds)[0])

    def sustain(self, model: Path, runtime: Runtime, seconds: float) -> list[dict[str, Any]]:
        """Latency over time: for each second its start at_s, times_us, and what the machine was like."""
        windows: list[dict[str, Any]] = self._run("sustain", model, runtime, seconds=seconds)[0]["windows"]
        return windows

    def profile(self, model: Path, runtime: Runtime, seconds: float = 1.0) -> list[OperatorTime] | None:
        module = self._send(Path(profiler.__file__))
        found = self._run("profile", model, runtime, seconds=seconds, module=module)[0]["operators"]
        return None if found is None else [OperatorTime(**operator) for operator in found]

    @contextmanager
    def lease(self, *, shared: bool = False, waiting: Callable[[str], None]) -> Iterator[None]:
        over, orderly = threading.Event(), True
        try:
            self._hold("shared" if shared else "exclusive", waiting)
            threading.Thread(target=self._stay_awake, args=(over,), daemon=True).start()
            yield
        except BaseException as error:
            orderly = isinstance(error, (Infeasible, Fault))  # else nobody waits for what runs in another thread
            raise
        finally:
            over.set()
            self._mode = "none"
            if not orderly:
                self._abandon()  # the kernel frees the lease
            elif self._process is not None:
                with suppress(Fault):  # a lost one leaves it, too
                    self._ask({"do": "lease", "mode": "none"})

    def _stay_awake(self, over: threading.Event) -> None:
        """A sign of life now and then: a long build must not look like a driver that is gone."""
        while not over.wait(runner.SILENT_SECONDS / 4):
            with self._lock, suppress(Fault):
                if self._process is not None and not over.is_set():
                    self._ask({"do": "state"})

    def facts(self) -> dict[str, Any]:
        """What there is to know about the machine."""
        return self._ask({"do": "facts"})[0]

    def temperature(self) -> float | None:
        found: float | None = self._ask({"do": "state"})[0]["temperature_c"]
        return found

    def close(self) -> None:
        """Ends the runner."""
        process, self._process = self._process, None
        self._sent.clear()
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(OSError):  # a broken pipe
                process.stdin.close()  # it ends by itself, wherever it is
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                _kill(process)
                process.wait()
            process.stdout.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _abandon(self) -> None:
        """Ends the runner at once, whatever it is doing."""
        if self._process is not None:
            _kill(self._process)
        self.close()

    # requests

    def _run(self, do: str, model: Path, runtime: Runtime, **extra: Any) -> tuple[dict[str, Any], bytes]:
        """Runs a file; asks twice before a death is put down to it.

        Raises:
            Infeasible: LiteRT refuses, or the file ended its process twice or hangs.
            Fault: the runner or the way to it was lost.
        """
        limit = self._limit + extra.get("seconds", 0.0)
        with self._lock:
            if do != "profile" and runtime.delegate not in runner.CPU:
                extra["module"] = self._send(Path(accelerators.__file__))
            for attempt in (1, 2):
                if attempt == 2 and "batch" in extra:
                    extra["batch"] = 1  # it may have been too much for the memory
                request = {"do": do, "model": self._send(model), "limit_s": limit, **self._fixed, **extra}
                request |= {"delegate": runtime.delegate, "threads": runtime.threads}
                answer, data = self._exchange(request, limit + GRACE)
                if "refused" in answer:
                    raise Infeasible(f"{runtime.delegate} refuses the file: {answer['refused'][:300]}")
                if "died" not in answer:
                    break
                if answer["died"].startswith("no answer"):
                    samples = f" for {extra['to'] - extra['from']} samples" if "to" in extra else ""
                    advice = "give the device file a longer `limit`"
                    raise Infeasible(f"on {runtime.delegate} {answer['died']}{samples}; {advice}")
                if attempt == 2:
                    raise Infeasible(
                        f"running the file ended its process twice on {runtime.delegate}: {answer['died']}"
                    )
        return self._ok(answer), data

    def _ask(self, request: dict[str, Any], data: bytes = b"") -> tuple[dict[str, Any], bytes]:
        with self._lock:
            answer, found = self._exchange(request, GRACE + len(data) / 1e5, data)
        return self._ok(answer), found

    def _ok(self, answer: dict[str, Any]) -> dict[str, Any]:
        if "broken" in answer:
            self._sent.clear()  # files may be gone
            raise Fault(f"device {self._transport.name}: {answer['broken'][:300]}")
        result: dict[str, Any] = answer["ok"]
        return result

    def _send(self, path: Path) -> str:
        """Puts a file there unless it is there, and gives its sha256."""
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size)
        with self._lock:
            if key not in self._digests:
                self._digests[key] = hashlib.sha256(path.read_bytes()).hexdigest()
            digest = self._digests[key]
            if self._process is None or digest not in self._sent:
                if not self._ask({"do": "have", "file": digest})[0]["have"]:
                    self._ask({"do": "put", "file": digest}, path.read_bytes())
                self._sent.add(digest)
        return digest

    def _hold(self, mode: str, waiting: Callable[[str], None]) -> None:
        while (by := self._lease_or_reconnect(mode)) is not None:
            waiting(by)
            time.sleep(POLL)
        self._mode = mode

    def _lease_or_reconnect(self, mode: str) -> str | None:
        try:
            return self._lease(mode)
        except Fault:  # waiting may outlast a connection, and asking twice does no harm
            return self._lease(mode)

    def _lease(self, mode: str, queue: bool = True) -> str | None:
        """Who holds it, None where it is ours now."""
        holder = f"{getpass.getuser()} on {platform.node()}, process {os.getpid()}"
        answer = self._ask({"do": "lease", "mode": mode, "holder": holder, "queue": queue})[0]
        return None if answer["held"] else str(answer["by"])

    # the connection

    def _exchange(self, request: dict[str, Any], timeout: float, data: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """One request and its answer.

        Raises:
            Fault: the runner or the way to it was lost; the next request starts another.
        """
        process = self._process or self._connect()
        assert process.stdin is not None
        with self._within(timeout, process):
            runner.write_frame(process.stdin, request, data)
            return self._answer(process)

    @contextmanager
    def _within(self, seconds: float, process: "subprocess.Popen[bytes]") -> Iterator[None]:
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
            self._abandon()
            raise
        finally:
            timer.cancel()

    def _answer(self, process: "subprocess.Popen[bytes]") -> tuple[dict[str, Any], bytes]:
        assert process.stdout is not None
        frame = runner.read_frame(process.stdout)
        if frame is None:
            raise EOFError
        return frame

    def _connect(self) -> "subprocess.Popen[bytes]":
        """A runner that is ready; tried anew for as long as the transport has patience."""
        began, wait = time.monotonic(), 0.5
        while True:
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
            time.sleep(wait)
            wait = min(2 * wait, 10)

    def _start(self) -> "subprocess.Popen[bytes]":
        command = self._transport.command(["-u", "-c", _BOOT, *self._transport.places(), self._token])
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the session
        try:
            self._process = process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is for the driver
            )
        except OSError as error:
            raise Fault(f"device {self._transport.name}: can't start {command[0]}: {error.strerror}") from error
        assert process.stdin is not None
        source = Path(runner.__file__).read_bytes()
        with self._within(START, process):
            process.stdin.write(b"%d\n%s" % (len(source), source))
            process.stdin.flush()
            self._answer(process)
        self._retake()
        return process

    def _retake(self) -> None:
        """The lease that the runner before this one held."""
        began = time.monotonic()
        while self._mode != "none" and (by := self._lease(self._mode, queue=False)) is not None:
            if time.monotonic() > began + TAKEOVER:
                self.close()
                raise Fault(f"device {self._transport.name}: its lease was lost to {by}")
            time.sleep(POLL)

    def _lost(self, process: "subprocess.Popen[bytes]", how: str = "") -> Fault:
        """What to say of a runner that is gone, with the last line of its log."""
        try:
            status = process.wait(2)
        except subprocess.TimeoutExpired:
            _kill(process)
            status = process.wait()
        how = how or (f"signal {-status}" if status < 0 else f"exit status {status}")
        said = ": ".join(filter(None, [how, last_line(self._log) if self._log else ""]))
        self.close()
        return Fault(f"device {self._transport.name}: the runner was lost ({said[:300]})")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process and what it started, which may keep its pipes open."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def last_line(log: IO[bytes]) -> str:
    """The last line of a log that says anything, "" where none does."""
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
    return next(filter(None, reversed(lines)), "")
