"""Workers that import TensorFlow once and then build whatever they are given; Ray has a process of its own."""

import itertools
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cloudpickle

from autotune.errors import AutotuneError, Broken, Fault, UserError
from autotune.files import Scratch, for_sockets
from autotune.process.environment import homeless
from autotune.study.ray_messages import Answer, Call, Line, RayOptions, Shared, Value
from autotune.study.ray_process import END_S

T = TypeVar("T")

log = logging.getLogger("autotune.worker")

STARTS = 3
"""Starts of Ray, one after the other, that may fail."""

LOSSES = 1
"""Losses of Ray after which a call is made again."""

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from autotune.study.ray_process import main; main()"


class Pool(Protocol):
    """Something that calls functions elsewhere, several at a time."""

    def share(self, value: object) -> object:
        """A large value, sent once: what comes back stands for it among submit()'s arguments."""
        ...

    def submit(self, function: Callable[..., T], *arguments: object) -> "Future[T]":
        """Calls in a worker.

        Raises Fault after close(). The future raises what the function raised of UserError, Infeasible
        and Fault, Fault where the worker was lost, Broken where none can be started, and RuntimeError, with a
        traceback, where the function failed.
        """
        ...

    def close(self) -> None:
        """Ends the workers; what they were doing is lost."""
        ...


class RayPool:
    """A pool of Ray actors, on this machine or on a cluster.

    Nothing is started before the first submit(): a study whose files are all in the cache needs no worker.
    Where Ray is lost it is started anew, and what was under way is called once more. What workers on this
    machine print goes to the log; of those elsewhere Ray keeps it.
    """

    def __init__(self, jobs: int, start: Callable[[int], None], address: str | None = None) -> None:
        """
        Args:
            jobs: number of workers.
            start: called once in each worker with the threads it may use, before anything else.
            address: of a running Ray cluster; by default that of the program, where it uses Ray itself, else one is
                started on loopback.
        """
        self._jobs = jobs
        self._start = start
        self._address = address
        self._scratch = Scratch()
        self._sessions = for_sockets()
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._ray: _Ray | None = None
        self._failed = 0
        self._calls: dict[int, _Pending] = {}
        self._closing = False

    def share(self, value: object) -> object:
        return _Kept(next(self._numbers), value)

    def submit(self, function: Callable[..., T], *arguments: object) -> "Future[T]":
        pending = _Pending(next(self._numbers), function, arguments)
        pending.future.set_running_or_notify_cancel()  # it can't be taken back
        with self._lock:
            if self._closing:
                raise Fault("the workers were ended")
            ray = self._ray = self._ray or self._started()
            self._calls[pending.number] = pending
        ray.send(pending)
        return pending.future

    def close(self) -> None:
        with self._lock:
            self._closing = True
            ray = self._ray
            self._ray = None
        if ray is not None:
            ray.close()
        self._fail(self._calls, Fault("the workers were ended"))
        self._scratch.cleanup()
        self._sessions.cleanup()

    def _started(self) -> "_Ray":
        address = self._address or _of_this_program()
        folder = Path(self._scratch.name, str(next(self._numbers)))
        folder.mkdir()
        options = RayOptions(self._jobs, self._start, address, str(folder), self._sessions.name, sys.path)
        return _Ray(options, self._settle, self._ended)

    def _settle(self, answer: Answer) -> None:
        with self._lock:
            pending = self._calls.pop(answer.number)
        if answer.error is not None:
            pending.future.set_exception(answer.error)
        else:
            pending.future.set_result(answer.result)

    def _ended(self, ray: "_Ray") -> None:
        """What is to be done when Ray's process has ended: it is started anew where there is anything to do."""
        with self._lock:
            if self._closing:
                return
            self._ray = None
            if ray.wrong:
                self._fail(self._calls, UserError(ray.reason))
                return
            log.info("Ray %s (%s)", "was lost" if ray.began else "did not start", ray.reason)
            if ray.began:
                self._failed = 0
                self._fail(self._lost_too_often(), Fault(f"Ray was lost ({ray.reason})"))
            else:
                self._failed += 1
            if self._failed == STARTS:
                self._failed = 0
                self._fail(self._calls, Broken(f"the workers can't be started: {ray.reason}"))
            calls = list(self._calls.values())
            if calls:
                try:
                    ray = self._ray = self._started()
                except OSError as error:
                    self._fail(self._calls, Broken(f"the workers can't be started: {error}"))
        for pending in calls:
            ray.send(pending)

    def _lost_too_often(self) -> "dict[int, _Pending]":
        """Calls that were under way when Ray was lost, those with which that has happened before."""
        for pending in self._calls.values():
            pending.losses += 1
        return {number: pending for number, pending in self._calls.items() if pending.losses > LOSSES}

    def _fail(self, calls: "Mapping[int, _Pending]", error: AutotuneError) -> None:
        for number, pending in list(calls.items()):
            del self._calls[number]
            pending.future.set_exception(error)


@dataclass(eq=False)
class _Pending:
    """A call that has no answer yet, and how often Ray was lost over it."""

    number: int
    function: Callable[..., object]
    arguments: tuple[object, ...]
    future: "Future[Any]" = field(default_factory=Future)  # of what the function gives
    losses: int = 0


@dataclass(frozen=True, eq=False)
class _Kept:
    """A shared value, kept here as well: another process of Ray's will want it again."""

    number: int
    value: object


class _Ray:
    """Ray's process, from outside.

    Attributes:
        began: whether Ray ran in it.
        reason: why it ended.
        wrong: whether what the user said of it is.
    """

    def __init__(self, options: RayOptions, settle: Callable[[Answer], None], ended: "Callable[[_Ray], None]") -> None:
        """
        Args:
            options: of it.
            settle: gets the answers to calls.
            ended: told when it has ended; both from a thread.
        """
        self.began = False
        self.reason = "its process ended"
        self.wrong = False
        self._settle = settle
        self._ended = ended
        self._printed = Path(options.folder, "ray.log")
        self._sent = set[int]()
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        self._connection = Connection(os.dup(self._socket.fileno()))
        command = [sys.executable, "-P", "-c", _BOOT, json.dumps(options.path), str(theirs.fileno())]
        with theirs, self._printed.open("wb") as printed:
            self._process = subprocess.Popen(
                command,
                env=_environment(options.address),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._put(options)
        self._listener = threading.Thread(target=self._listen, name="ray", daemon=True)
        self._listener.start()

    def send(self, pending: _Pending) -> None:
        """Has something called, once however often it is sent. What is lost on the way has no answer at the end."""
        with self._lock:
            if pending.number in self._sent:
                return
            self._sent.add(pending.number)
            for value in pending.arguments:
                if isinstance(value, _Kept) and value.number not in self._sent:
                    self._sent.add(value.number)
                    self._put(Value(value.number, value.value))
            arguments = (Shared(value.number) if isinstance(value, _Kept) else value for value in pending.arguments)
            self._put(Call(pending.number, pending.function, tuple(arguments)))

    def close(self) -> None:
        """Has it end in order, and waits for that."""
        with suppress(OSError):  # it has ended by itself
            self._socket.shutdown(socket.SHUT_WR)
        self._listener.join(END_S)
        self._process.kill()
        self._listener.join()

    def _put(self, message: RayOptions | Value | Call) -> None:
        data = cloudpickle.dumps(message)
        with suppress(OSError):  # it has ended, which is told in its turn
            self._connection.send_bytes(data)

    def _listen(self) -> None:
        while True:
            try:
                message = cloudpickle.loads(self._connection.recv_bytes())
            except (EOFError, OSError):
                break
            if isinstance(message, Line):
                log.info("%s", message.text)
            elif isinstance(message, Answer):
                self._settle(message)
            elif message.reason is None:
                self.began = True
            else:
                self.reason, self.wrong = message.reason, message.wrong
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        _end_session(self._process.pid)
        self._process.wait()
        self._connection.close()
        self._socket.close()
        with suppress(OSError):
            for line in filter(str.strip, self._printed.read_text(errors="replace").splitlines()):
                log.info("ray: %s", line)
        self._ended(self)


def _end_session(leader: int) -> None:
    """Kills what is left of a session: where a process of Ray's is killed others may stay."""
    for process in (int(folder.name) for folder in Path("/proc").glob("[0-9]*")):
        with suppress(ProcessLookupError):
            if process != leader and os.getsid(process) == leader:
                os.kill(process, signal.SIGKILL)


def _of_this_program() -> str | None:
    """The address of the cluster that this program uses itself, None where it uses none."""
    ray = sys.modules.get("ray")
    return str(ray.get_runtime_context().gcs_address) if ray is not None and ray.is_initialized() else None


def _environment(address: str | None) -> dict[str, str]:
    """The environment of Ray's process."""
    quiet = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "OPENBLAS_NUM_THREADS": "1",  # a worker is one of several
        **homeless(),
    }
    if address:
        return quiet | os.environ
    own = {
        # Ray's switch for loopback alone, whatever its name says: it turns an address of
        # 127.0.0.1 into the host's own.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Other users of the machine can reach loopback, too. Ray's own way writes a token into the home.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    return quiet | os.environ | own


def sensible_jobs(cores: int) -> int:
    """Workers: as many as cores, and as fit into the memory at 2 GB each; at least one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores, int(memory / 2e9) - 1))
