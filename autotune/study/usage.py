"""What a run did and did not do: counts, and the time in which something was under way."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from autotune.compress import pipeline
from autotune.study.reporting import Activity


@dataclass
class Usage:
    """What was done and what was not: counts, and the time in which something was under way.

    Attributes:
        watch: told of all that is under way whenever that changes, as Reporter.working().
        trained, converted: builds by kind.
        reused: stages that came from the cache.
        reused_training: those of them that would have trained.
        busy: seconds in which at least one build, evaluation or measurement was under way.
        began: when the first of them began, on the clock of time.monotonic(); 0 before it.
        idle: seconds that workers had nothing to do while a proposal waited, summed over the workers. A proposal waited
            for as long as one is begun later; to wait for an outcome that the proposal needs counts too.
        searching: seconds from the first proposal that was begun to the last, which idle is summed over.
    """

    watch: Callable[[Sequence[Activity]], None] = field(default=lambda _: None, repr=False)
    trained: int = 0
    converted: int = 0
    reused: int = 0
    reused_training: int = 0
    busy: float = 0.0
    began: float = 0.0
    idle: float = 0.0
    searching: float = 0.0
    _under_way: list[Activity] = field(default_factory=list, repr=False)
    _workers: int = field(default=0, repr=False)
    _resting: bool = field(default=False, repr=False)
    _free: float = field(default=0.0, repr=False)
    _first: float = field(default=0.0, repr=False)
    _since: float = field(default=0.0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def under_way(self, activity: Activity) -> Iterator[None]:
        """Marks a build, an evaluation or a measurement."""
        with self._settled() as now:
            self.began = self.began or now
            self._under_way.append(activity)
            self.watch(tuple(self._under_way))
        try:
            yield
        finally:
            with self._settled():
                self._under_way.remove(activity)
                self.watch(tuple(self._under_way))

    def proposal_begun(self, workers: int) -> None:
        """Marks that a proposal is begun: it waited while workers had nothing to do.

        Args:
            workers: that may be busy from now on.
        """
        with self._settled() as now:
            self._first = self._first or now
            self.idle, self.searching = self.idle + self._free, now - self._first
            self._free = 0.0
            self._workers = workers

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Marks that workers have nothing to do on purpose: something is measured that they would disturb."""
        with self._settled():
            self._resting = True
        try:
            yield
        finally:
            with self._settled():
                self._resting = False

    @contextmanager
    def _settled(self) -> Iterator[float]:
        """A change of what is under way: counts what was until now, which it gives."""
        with self._lock:
            now = time.monotonic()
            took, self._since = now - self._since, now
            if self._under_way:
                self.busy += took
            if not self._resting:
                self._free += took * max(0, self._workers - len(self._under_way))
            yield now

    def count(self, step: pipeline.Step, *, built: bool) -> None:
        """Counts a stage that was built, or taken from the cache."""
        with self._lock:
            if built:
                self.trained += step.trains
                self.converted += not step.trains
            else:
                self.reused += 1
                self.reused_training += step.trains

    def to_json(self) -> dict[str, float]:
        return {
            "trained": self.trained,
            "converted": self.converted,
            "reused": self.reused,
            "reused_training": self.reused_training,
            "busy_s": round(self.busy, 3),
            "idle_s": round(self.idle, 3),
            "searching_s": round(self.searching, 3),
        }
