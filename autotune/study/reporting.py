"""What a run tells the person who waits for it, and what it leaves in the study's log."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging.handlers import MemoryHandler, RotatingFileHandler
from pathlib import Path
from typing import Literal, Protocol

from autotune.config import Recipe
from autotune.files import make_way
from autotune.results.front import Point
from autotune.results.record import Record
from autotune.track.store import hidden

log = logging.getLogger("autotune")

MOST_LOG, MOST_PRINTED = 4_000_000, 2000
"""Bytes of a study.log, after which it becomes study.log.1, in place of an older one; and lines that a run puts
there of what others print.
"""

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")


@dataclass(frozen=True)
class Activity:
    """Something under way.

    Attributes:
        place: where. What a worker is to do may still wait for one to be free: what began first goes first.
        doing: the name of the stage that is built; "evaluate", "measure" or "profile" on the device.
        recipe: of the file; None where it is several files.
        trains: whether the stage trains.
        since: when it began, on the clock of time.monotonic().
    """

    place: Literal["worker", "device"]
    doing: str
    recipe: Recipe | None = None
    trains: bool = False
    since: float = field(default_factory=time.monotonic)


class Reporter(Protocol):
    """Shows a run to the person who waits for it.

    Its methods return at once. They are called from several threads: working() by one at a time, progress() by
    the one that runs the study alone.
    """

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...

    def status(self, text: str) -> None:
        """What is being done or waited for, beside what working() tells: by the driver, or on the device."""
        ...

    def working(self, under_way: Sequence[Activity]) -> None:
        """All that is under way from now on, in the order in which it began."""
        ...

    def progress(self, record: Record, trials: int) -> None:
        """Where the study stands, of how many trials: at its beginning, and with each trial that ends.

        May raise StopStudy, which ends the study in order.
        """
        ...


class Silent:
    """A Reporter that shows nothing."""

    def note(self, text: str) -> None:
        pass

    def status(self, text: str) -> None:
        pass

    def working(self, under_way: Sequence[Activity]) -> None:
        pass

    def progress(self, record: Record, trials: int) -> None:
        pass


class News:
    """The trials that a reporter has not been told of yet."""

    def __init__(self, known: Mapping[str, Iterable[int]] | None = None) -> None:
        """
        Args:
            known: numbers of trials that are none, by study.
        """
        self._known = {study: set(trials) for study, trials in (known or {}).items()}

    def of(self, record: Record) -> Iterator[Point]:
        """Points of a study that were not told yet; told as they are taken."""
        known = self._known.setdefault(record.name, set())
        for point in record.points:
            if point.trial not in known:
                known.add(point.trial)
                yield point


@dataclass
class Summary:
    """What a run did.

    Attributes:
        record: the study afterwards.
        work: counts and seconds, as Work.to_json(), with wall_s and startup_s.
        found: finished trials that were there before.
        notes: why it ended early, for the user.
        ended: the exit status for the signal that ended it, None where none did.
    """

    record: Record
    work: dict[str, float]
    found: int
    notes: list[str] = field(default_factory=list)
    ended: int | None = None


@contextmanager
def logged() -> Iterator[Callable[[Path], None]]:
    """Keeps autotune's log lines: in memory until what this gives is told the study's folder, then in its study.log.

    Lines of level INFO are what workers, runners and libraries print.
    """
    kept = MemoryHandler(0, flushLevel=logging.NOTSET)  # it has no target yet, and gives nothing up till then
    file: list[logging.Handler] = []

    def begin(folder: Path) -> None:
        for name in ("study.log", "study.log.1"):
            make_way(folder / name)
        file.append(_StudyLog(folder / "study.log", maxBytes=MOST_LOG, backupCount=1, encoding="utf-8"))
        file[0].setFormatter(_Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        file[0].addFilter(_Once())
        kept.setTarget(file[0])
        kept.flush()

    log.addHandler(kept)
    before = log.propagate, log.level
    log.propagate = False
    log.setLevel(logging.INFO)
    try:
        yield begin
    finally:
        log.removeHandler(kept)
        log.propagate, level = before
        log.setLevel(level)
        for handler in (kept, *file):
            handler.close()


class _Discreet(logging.Formatter):
    """Hides passwords of addresses, whoever says them."""

    def format(self, record: logging.LogRecord) -> str:
        return hidden(super().format(record))


class _StudyLog(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Says nothing of a full disk: it would be said to stderr, which ends up here."""


class _Once(logging.Filter):
    """Lets what others print pass once, whatever numbers are in it; a library repeats itself with every build."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = set[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.INFO:
            return True
        line = _NUMBER.sub("", record.getMessage())
        if line in self._passed or len(self._passed) >= MOST_PRINTED:
            return False
        self._passed.add(line)
        return True
