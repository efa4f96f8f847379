"""What a run tells the person who waits for it."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from autotune.config import Recipe
from autotune.results.front import Point
from autotune.results.record import Begun, Record


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

    def progress(self, record: Begun, trials: int) -> None:
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

    def progress(self, record: Begun, trials: int) -> None:
        pass


class News:
    """The trials that a reporter has not been told of yet."""

    def __init__(self, old: Mapping[str, Iterable[int]] | None = None) -> None:
        """
        Args:
            old: numbers of trials that are none, by study.
        """
        self._seen = {study: set(trials) for study, trials in (old or {}).items()}

    def of(self, record: Record) -> Iterator[Point]:
        """Points of a study that were not told yet; told as they are taken."""
        seen = self._seen.setdefault(record.name, set())
        for point in record.points:
            if point.trial not in seen:
                seen.add(point.trial)
                yield point


@dataclass
class Summary:
    """What a run did.

    Attributes:
        record: the study afterwards.
        usage: counts and seconds, as Usage.to_json(), with wall_s and startup_s.
        trials_before: finished trials that were there before.
        notes: why it ended early, for the user.
        ended: the exit status for the signal that ended it, None where none did.
    """

    record: Begun
    usage: dict[str, float]
    trials_before: int
    notes: list[str] = field(default_factory=list)
    ended: int | None = None
