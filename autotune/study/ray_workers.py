"""Workers that build, as Ray has them: hired, called, and replaced where they were lost or have grown.

On a cluster a worker is hired where there is a place for it, and only then: hosts come and go, and an actor without one
would be waited for without an end.
"""

import itertools
import logging
import os
import queue
import resource
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError, Broken, Lost, one_line
from autotune.files import available
from autotune.study.ray_messages import Answer, Call, RayOptions, Shared, Value

log = logging.getLogger("autotune.worker")

Ray = Any
"""Ray's module, which has no types, and is imported where it is started."""

Actor = Any
"""Ray's handle of a worker; no type tells what can be called on it."""

Group = Any
"""Ray's placement group, likewise; None on this machine."""

MOST_MEMORY = 1.2e9
"""Bytes of its own, beyond what others share such as samples in a file, with which a worker gives way to a fresh one:
TensorFlow grows.
"""

PLACED_S = 60.0
"""Seconds in which a place for a worker is found on a cluster that has one."""

IN_VAIN = 5
"""Workers for each one that is wanted, in a row, that are lost before they do anything: then none would."""

AGAIN_S = 10.0
"""Seconds until one is looked for again; a lost worker's is looked for at once."""


class Workers:
    """Ray actors, reused and replaced.

    Attributes:
        ray: Ray, once there are any.
        closed: set when they are to end.
    """

    def __init__(self, options: RayOptions, send: Callable[[Answer], None]) -> None:
        """
        Args:
            options: of the process.
            send: gets the answers.
        """
        self._options = options
        self._send = send
        self.ray: Future[Ray] = Future()
        self.closed = threading.Event()
        self._threads = ThreadPoolExecutor(options.jobs, thread_name_prefix="calls")
        self._idle: queue.SimpleQueue[_Hired] = queue.SimpleQueue()
        self._hired: list[_Hired] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._values: dict[int, object] = {}
        self._references: dict[int, object] = {}
        self._memory = float("inf")
        self._lacking = threading.Event()
        self._full = threading.Event()
        self._in_vain = 0

    def begin(self, ray: Ray) -> None:
        """Starts them."""
        self._memory = available()
        if self._options.address:
            threading.Thread(target=self._recruit, args=(ray,), daemon=True).start()
        else:
            for _ in range(self._options.jobs):
                self._idle.put(self._hire(ray))
        self.ray.set_result(ray)

    def _recruit(self, ray: Ray) -> None:
        """Hires on a cluster, as many as are wanted, wherever and whenever there is a place."""
        while not self.closed.is_set():
            self._lacking.clear()
            while len(self._hired) < self._options.jobs and not self.closed.is_set():
                group = ray.util.placement_group([{"CPU": 1}])
                if not group.wait(PLACED_S):
                    ray.util.remove_placement_group(group)
                    if not self._full.is_set():
                        log.info("the cluster has places for %d of %d workers", len(self._hired), self._options.jobs)
                    self._full.set()
                    break
                self._full.clear()
                self._idle.put(self._hire(ray, group))
            self._lacking.wait(AGAIN_S)

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
            self.ray.result().kill(worker.actor)
        self._threads.shutdown(wait=True)

    def _answer(self, call: Call) -> None:
        ray = self.ray.result()
        try:
            arguments = [self._reference(ray, arg) if isinstance(arg, Shared) else arg for arg in call.arguments]
            self._send(Answer(call.number, result=self._called(ray, call.function, *arguments)))
        except Exception as error:  # noqa: BLE001  # what the function raised, or what Ray can't send
            ours = isinstance(error, AutotuneError | RuntimeError)
            self._send(Answer(call.number, error=error if ours else RuntimeError(one_line(error))))

    def _reference(self, ray: Ray, shared: Shared) -> object:
        """Ray's to a shared value, which is put into its store once."""
        with self._lock:
            if shared.number not in self._references:
                self._references[shared.number] = ray.put(self._values.pop(shared.number))
            return self._references[shared.number]

    def _called(self, ray: Ray, function: Callable[..., object], *arguments: object) -> object:
        worker = self._free(ray)
        try:
            answer, memory, most = ray.get(worker.actor.run.remote(function, *arguments))
        except ray.exceptions.RayTaskError as error:
            self._idle.put(worker)
            raise RuntimeError(str(error)) from error
        except ray.exceptions.RayError as error:
            if self.closed.is_set():
                self._idle.put(worker)
            elif worker.group is None:
                self._idle.put(self._hire(ray, instead_of=worker))
            else:
                self._let_go(ray, worker)
            raise Lost(f"a worker was lost ({type(error).__name__})") from error
        finally:
            worker.report()
        if self._is_one_too_many(worker, most):
            ray.kill(worker.actor)
        else:
            if memory > MOST_MEMORY:
                ray.kill(worker.actor)
                worker = self._hire(ray, worker.group, instead_of=worker)
            self._idle.put(worker)
        if isinstance(answer, AutotuneError):
            raise answer
        return answer

    def _free(self, ray: Ray) -> "_Hired":
        """A worker that is free, once there is one; on a cluster one that was not lost with its host while it was idle.

        Raises:
            Broken: the cluster has no place for any, or none starts where it has.
        """
        while True:
            try:
                worker = self._idle.get(timeout=1)
                if worker.group is not None:
                    ray.get(worker.actor.run.remote(bool))
            except queue.Empty:
                if self._full.is_set() and not self._hired:
                    raise Broken("no host of the cluster has a free core for a worker") from None
            except ray.exceptions.RayError as error:
                log.info("worker %d was lost: %s", worker.number, error)
                self._let_go(ray, worker)
                self._in_vain += 1
                if self._in_vain >= IN_VAIN * self._options.jobs:
                    reason = str(error).strip().splitlines()[-1]  # behind a traceback
                    raise Broken(f"no worker starts on the cluster: {reason}") from error
            else:
                self._in_vain = 0
                return worker

    def _let_go(self, ray: Ray, worker: "_Hired") -> None:
        """Gives up the place of a worker that was lost, and has another one looked for."""
        self._hired.remove(worker)
        ray.util.remove_placement_group(worker.group)
        self._lacking.set()

    def _is_one_too_many(self, worker: "_Hired", most: float) -> bool:
        """Whether a worker is to go, as memory does not suffice for all when each takes as much as it did.

        Workers of a cluster have memory of their own.
        """
        with self._lock:
            fitting = max(1, int(self._memory / max(1.0, most)))
            if self._options.address or len(self._hired) <= fitting:
                return False
            self._hired.remove(worker)
            log.info(
                "%d workers instead of %d: one takes %.1f GB, and %.1f GB were free",
                len(self._hired),
                self._options.jobs,
                most / 1e9,
                self._memory / 1e9,
            )
            return True

    def _hire(self, ray: Ray, group: Group = None, instead_of: "_Hired | None" = None) -> "_Hired":
        """A worker, on a cluster in a place that was found for it."""
        if instead_of is not None:
            self._hired.remove(instead_of)
        number = next(self._numbers)
        printed = None if self._options.address else Path(self._options.folder, f"printed-{number}")
        placed = None if group is None else ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(group)
        actor = ray.remote(num_cpus=1, scheduling_strategy=placed)(_Worker).remote(self._options.start, printed)
        worker = _Hired(actor, number, printed, group)
        self._hired.append(worker)
        return worker


@dataclass(frozen=True)
class _Hired:
    """A worker, from outside: Ray's handle, its number, the file that gets what it prints, its place on a cluster."""

    actor: Actor
    number: int
    printed: Path | None
    group: Group

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

    def run(self, function: Callable[..., object], *arguments: object) -> tuple[object, int, int]:
        """The function's result, or the AutotuneError that it raised; its own memory in use, and the most so far."""
        try:
            answer = function(*arguments)
        except AutotuneError as error:
            answer = error
        page = os.sysconf("SC_PAGE_SIZE")
        resident, shared = (int(number) * page for number in Path("/proc/self/statm").read_text().split()[1:3])
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return answer, resident - shared, max(0, most - shared)
