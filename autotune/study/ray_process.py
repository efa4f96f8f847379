"""The process that Ray lives in: it starts the workers, and calls in them what comes over its connection.

Ray ends the process that is connected to it where its raylet or its GCS is lost: so that is not the study's.
"""

import itertools
import logging
import os
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle

from autotune.errors import AutotuneError, Lost, one_line

log = logging.getLogger("autotune.worker")

MOST_MEMORY = 1.6e9
"""Bytes of resident memory after which a worker is replaced by a fresh one: TensorFlow grows."""

PATIENCE_S = 600.0
"""Seconds that a raylet may take to start, as long as none of Ray's processes ends; Ray itself waits for 30."""

LOOK_S = 0.5
"""Seconds between two looks at whether Ray's own processes are there."""

END_S = 30.0
"""Seconds that an end in order may take."""

_VITAL = ("raylet", "gcs_server")
"""Of Ray's processes, those without which there is no Ray."""


@dataclass(frozen=True)
class Setting:
    """What the process is to do.

    Attributes:
        jobs: number of workers.
        start: called once in each worker with the threads it may use, before anything else.
        address: of a running cluster; None for one that is started, on loopback.
        folder: for what is temporary.
        sessions: the folder for Ray's sessions, 42 characters at most: paths of the sockets in it have 107.
        path: where modules are found.
    """

    jobs: int
    start: Callable[[int], None]
    address: str | None
    folder: str
    sessions: str
    path: list[str]


@dataclass(frozen=True)
class Shared:
    """Stands for a value that was sent by this number, among the arguments of a call."""

    number: int


@dataclass(frozen=True)
class Value:
    """A value to be kept: what Shared stands for."""

    number: int
    value: Any


@dataclass(frozen=True)
class Call:
    """A function to be called in a worker."""

    number: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """An answer to the call of this number: what the function returned, or what is to be raised."""

    number: int
    result: Any = None
    error: Exception | None = None


@dataclass(frozen=True)
class Line:
    """A line for the log, at INFO."""

    text: str


@dataclass(frozen=True)
class State:
    """Whether Ray runs; where it does not, the reason, and the process ends."""

    reason: str | None = None


def main() -> None:
    """Serves the connection whose file descriptor is the last argument, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever is interrupted closes the connection
    connection = Connection(int(sys.argv[-1]))
    lock = threading.Lock()
    setting: Setting = cloudpickle.loads(connection.recv_bytes())

    def send(message: Answer | Line | State) -> None:
        data = cloudpickle.dumps(message)
        with lock, suppress(OSError):  # nobody listens any more
            connection.send_bytes(data)

    log.addHandler(_Sent(send))
    log.setLevel(logging.INFO)
    workers = Workers(setting, send)
    threading.Thread(target=_listen, args=(connection, workers), daemon=True).start()
    try:
        ray, own = connect(setting)
        workers.begin(ray)
    except Exception as error:  # whatever Ray says of it, it does not start
        logging.getLogger("autotune.worker").exception("Ray does not start")
        send(State(one_line(error)))
        os._exit(1)
    send(State())
    while not workers.closed.wait(LOOK_S):
        if own and (lost := _lost()):
            send(State(f"{lost} ended"))
            os._exit(1)
    threading.Timer(END_S, os._exit, (1,)).start()  # Ray's own processes end with this one, however it ends
    workers.end()
    if own:
        ray.shutdown(wait_for_processes=True)
    os._exit(0)


def _listen(connection: Connection, workers: "Workers") -> None:
    """Takes what comes, also while Ray starts."""
    while True:
        try:
            message = cloudpickle.loads(connection.recv_bytes())
        except (EOFError, OSError):  # closed, or its other end was killed
            if not workers.begun.is_set():
                os._exit(0)
            workers.closed.set()
            return
        if isinstance(message, Value):
            workers.keep(message)
        else:
            workers.call(message)


class _Sent(logging.Handler):
    def __init__(self, send: Callable[[Line], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send(Line(self.format(record)))


def connect(setting: Setting) -> tuple[Any, bool]:
    """Ray, connected to the cluster at the address, or to one of its own on loopback; and whether it is its own.

    A machine that belongs to a cluster, by RAY_ADDRESS or by what was started on it, gets one of its own, too.
    """
    import ray
    from ray._private import services

    if setting.address:
        ray.init(address=setting.address, log_to_driver=False, logging_level="ERROR")
        return ray, False
    services.get_node = _patient(services.get_node)
    ray.init(
        address="local",
        num_cpus=setting.jobs,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=512 * 1024**2,
        _temp_dir=setting.sessions,
    )
    return ray, True


def _patient(look: Callable[..., Any]) -> Callable[..., Any]:
    """Ray's look for a raylet that is starting, which waits until it is there or some process of Ray has ended."""

    def look_longer(*arguments: Any) -> Any:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return look(*arguments)
            except RuntimeError:  # not there yet
                if time.monotonic() > end or _child_ended():
                    raise
                time.sleep(0.1)

    return look_longer


def _child_ended() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # there is none
        return True


def _lost() -> str:
    """Which of Ray's own processes have ended; empty where all is well."""
    from ray._private import worker

    dead = {kind for kind, _ in worker._global_node.dead_processes()}
    return ", ".join(kind for kind in _VITAL if kind in dead)


class Workers:
    """Ray actors, reused and replaced.

    Attributes:
        begun: set once there are any.
        closed: set when they are to end.
    """

    def __init__(self, setting: Setting, send: Callable[[Answer], None]) -> None:
        """
        Args:
            setting: of the process.
            send: gets the answers.
        """
        self._setting = setting
        self._send = send
        self.begun = threading.Event()
        self.closed = threading.Event()
        self._threads = ThreadPoolExecutor(setting.jobs, thread_name_prefix="calls")
        self._idle: queue.SimpleQueue[_Hired] = queue.SimpleQueue()
        self._hired: list[_Hired] = []
        self._numbers = itertools.count(1)
        self._ray: Any = None
        self._lock = threading.Lock()
        self._values: dict[int, Any] = {}
        self._references: dict[int, Any] = {}

    def begin(self, ray: Any) -> None:
        """Starts them."""
        self._ray = ray
        for _ in range(self._setting.jobs):
            self._idle.put(self._hire())
        self.begun.set()

    def keep(self, value: Value) -> None:
        """Keeps a value for calls to come."""
        self._values[value.number] = value.value

    def call(self, call: Call) -> None:
        """Calls when a worker is free, and sends the answer."""
        self._threads.submit(self._answer, call)

    def end(self) -> None:
        """Ends them; what they were doing is lost."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._hired):
            self._ray.kill(worker.actor)
        self._threads.shutdown(wait=True)

    def _answer(self, call: Call) -> None:
        self.begun.wait()
        try:
            arguments = [self._reference(value) if isinstance(value, Shared) else value for value in call.arguments]
            self._send(Answer(call.number, result=self._called(call.function, *arguments)))
        except Exception as error:  # noqa: BLE001  # what the function raised, or what Ray can't send
            known = isinstance(error, AutotuneError | RuntimeError)
            self._send(Answer(call.number, error=error if known else RuntimeError(one_line(error))))

    def _reference(self, shared: Shared) -> Any:
        """Ray's to a shared value, which is put into its store once."""
        with self._lock:
            if shared.number not in self._references:
                self._references[shared.number] = self._ray.put(self._values.pop(shared.number))
            return self._references[shared.number]

    def _called(self, function: Callable[..., Any], *arguments: Any) -> Any:
        ray = self._ray
        worker = self._idle.get()
        try:
            answer, memory = ray.get(worker.actor.run.remote(function, *arguments))
        except ray.exceptions.RayTaskError as error:
            self._idle.put(worker)
            raise RuntimeError(str(error)) from error
        except ray.exceptions.RayError as error:
            self._idle.put(worker if self.closed.is_set() else self._hire(instead_of=worker))
            raise Lost(f"a worker was lost ({type(error).__name__})") from error
        finally:
            worker.report()
        if memory > MOST_MEMORY:
            ray.kill(worker.actor)
            worker = self._hire(instead_of=worker)
        self._idle.put(worker)
        if isinstance(answer, AutotuneError):
            raise answer
        return answer

    def _hire(self, instead_of: "_Hired | None" = None) -> "_Hired":
        if instead_of is not None:
            self._hired.remove(instead_of)
        number = next(self._numbers)
        printed = None if self._setting.address else Path(self._setting.folder, f"printed-{number}")
        actor = self._ray.remote(num_cpus=1)(_Worker).remote(self._setting.start, printed)
        worker = _Hired(actor, number, printed)
        self._hired.append(worker)
        return worker


@dataclass(frozen=True)
class _Hired:
    """A worker, from outside: Ray's handle, its number, and the file that gets what it prints."""

    actor: Any
    number: int
    printed: Path | None

    def report(self) -> None:
        """Takes what the worker has printed into the log, and empties the file."""
        with suppress(OSError):  # it did not live to make one
            if self.printed is not None:
                text = self.printed.read_text(errors="replace")
                os.truncate(self.printed, 0)
                for line in text.splitlines():
                    if line.strip():
                        log.info("%d: %s", self.number, line)


class _Worker:
    """Lives in a process of its own."""

    def __init__(self, start: Callable[[int], None], printed: Path | None) -> None:
        if printed is not None:
            tempfile.tempdir = str(printed.parent)  # a worker is killed in the end, and can't tidy up by itself
            file = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for stream in (1, 2):  # native code's, too
                os.dup2(file, stream)
        start(1)

    def run(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
        """The function's result, or the AutotuneError that it raised; and memory in use."""
        try:
            answer = function(*arguments)
        except AutotuneError as error:
            answer = error
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return answer, pages * os.sysconf("SC_PAGE_SIZE")
