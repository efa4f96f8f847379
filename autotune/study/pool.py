"""Ray workers that import TensorFlow once and then build whatever they are given."""

import itertools
import logging
import os
import queue
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from autotune.errors import Fault, Infeasible, UserError

T = TypeVar("T")

log = logging.getLogger("autotune.worker")

MOST_MEMORY = 1.6e9
"""Bytes of resident memory after which a worker is replaced by a fresh one: TensorFlow grows."""


class Pool(Protocol):
    """Something that calls functions elsewhere, several at a time."""

    def share(self, value: Any) -> Any:
        """A large value, sent once: what comes back stands for it among submit()'s arguments."""
        ...

    def submit(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Calls in a worker.

        Raises Fault after close(). The future raises what the function raised of UserError, Infeasible
        and Fault, Fault where the worker was lost, and RuntimeError, with a traceback, where the
        function failed.
        """
        ...

    def close(self) -> None:
        """Ends the workers; what they were doing is lost."""
        ...


class RayPool:
    """A pool of Ray actors, on this machine or on a cluster.

    Nothing is started before the first submit(): a study whose files are all in the cache
    needs no worker. What workers on this machine print goes to the log; of those elsewhere Ray keeps it.
    """

    def __init__(self, jobs: int, start: Callable[[int], None], address: str | None = None) -> None:
        """
        Args:
            jobs: number of workers.
            start: called once in each worker with the threads it may use, before anything else.
            address: of a running Ray cluster; by default one is started on loopback.
        """
        self._jobs, self._start, self._address = jobs, start, address
        # Linux kills Ray's processes when the thread that started them ends (PR_SET_PDEATHSIG):
        # so they are started by one that ends after them.
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="pool-keeper")
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="pool")
        self._idle: queue.SimpleQueue[_Hired] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._scratch = tempfile.TemporaryDirectory(prefix="autotune-")
        self._ray: Any = None
        self._own = False
        self._workers: list[_Hired] = []
        self._numbers = itertools.count(1)
        self._closing = False

    def share(self, value: Any) -> Any:
        return self._connected().put(value)

    def submit(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        if self._closing:
            raise Fault("the workers were ended")
        return self._threads.submit(self._call, function, *arguments)

    def close(self) -> None:
        self._closing = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._ray is not None:
            for worker in self._workers:
                self._ray.kill(worker.actor)
            self._threads.shutdown(wait=True)
            if self._own:
                self._ray.shutdown()
            self._ray = None
        self._keeper.shutdown()
        self._scratch.cleanup()

    def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        ray = self._connected()
        worker = self._idle.get()
        try:
            answer, memory = ray.get(worker.actor.run.remote(function, *arguments))
        except ray.exceptions.RayTaskError as error:
            self._idle.put(worker)
            raise RuntimeError(str(error)) from error
        except ray.exceptions.RayError as error:
            self._idle.put(worker if self._closing else self._worker(instead_of=worker))
            raise Fault(f"a worker was lost ({type(error).__name__})") from error
        finally:
            worker.report()
        if memory > MOST_MEMORY:
            ray.kill(worker.actor)
            worker = self._worker(instead_of=worker)
        self._idle.put(worker)
        if isinstance(answer, UserError | Infeasible | Fault):
            raise answer
        result: T = answer
        return result

    def _connected(self) -> Any:
        """Ray, started with its workers on the first call."""
        with self._lock:
            if self._ray is None:
                self._ray, self._own = self._keeper.submit(_launch, self._jobs, self._address).result()
                for _ in range(self._jobs):
                    self._idle.put(self._worker())
            return self._ray

    def _worker(self, instead_of: "_Hired | None" = None) -> "_Hired":
        if instead_of is not None:
            self._workers.remove(instead_of)
        number = next(self._numbers)
        printed = None if self._address else Path(self._scratch.name) / f"printed-{number}"
        worker = _Hired(self._ray.remote(num_cpus=1)(_Worker).remote(self._start, printed), number, printed)
        self._workers.append(worker)
        return worker


def _launch(jobs: int, address: str | None) -> tuple[Any, bool]:
    """Ray, connected to the cluster at the address or to one started on loopback; and whether that was done here.

    A program that tunes may use Ray itself: what it is connected to is taken, and stays.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not address:
        # Ray's switch for loopback alone, whatever its name says: it turns an address of
        # 127.0.0.1 into the host's own. Read when Ray is imported.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray

    if ray.is_initialized():
        return ray, False
    if address:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    else:
        ray.init(
            num_cpus=jobs,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=512 * 1024**2,
        )
    return ray, True


@dataclass(frozen=True)
class _Hired:
    """A worker, as the pool has it: Ray's handle, its number, and the file that gets what it prints."""

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
        """The function's result, or the UserError, Infeasible or Fault that it raised; and memory in use."""
        try:
            answer = function(*arguments)
        except (UserError, Infeasible, Fault) as error:
            answer = error
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return answer, pages * os.sysconf("SC_PAGE_SIZE")


def sensible_jobs(cores: int) -> int:
    """As many workers as cores, and as fit into the memory at 2 GB each; at least one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores, int(memory / 2e9) - 1))
