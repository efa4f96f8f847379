"""What a run did and did not do: counts, and the time in which something was under way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from autotune.compress import pipeline


@dataclass
class Work:
    """What was done and what was not: counts, and the time in which something was under way.

    Attributes:
        trained, converted: builds by kind.
        reused: stages that came from the cache.
        reused_training: those of them that would have trained.
        busy: seconds in which at least one build, evaluation or measurement was under way.
        begun: when the first of them began, on the clock of time.monotonic(); 0 before it.
    """

    trained: int = 0
    converted: int = 0
    reused: int = 0
    reused_training: int = 0
    busy: float = 0.0
    begun: float = 0.0
    _under_way: int = field(default=0, repr=False)
    _since: float = field(default=0.0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Marks a build, an evaluation or a measurement."""
        with self._lock:
            if self._under_way == 0:
                self._since = time.monotonic()
                self.begun = self.begun or self._since
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                if self._under_way == 0:
                    self.busy += time.monotonic() - self._since

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
        }
