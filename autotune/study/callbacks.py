"""Callbacks: what the caller's own functions are told of a study while it runs."""

from collections.abc import Callable, Mapping, Sequence

from autotune.front import Point
from autotune.record import Record
from autotune.study.reporting import Activity, Reporter

Callback = Callable[[Point, Record], None]


class CallingReporter:
    """Calls back for each trial that ends; tells another reporter everything, too.

    A callback may raise StopStudy. Whatever else it raises ends the run where it stands, and reaches the caller.

    Attributes:
        notes: that it was told.
    """

    def __init__(
        self, reporter: Reporter | None, callbacks: Sequence[Callback], known: Mapping[str, set[int]] | None = None
    ) -> None:
        """
        Args:
            reporter: told first, None for nobody.
            callbacks: called with the trial and the study as it then is, in the thread that runs the study.
            known: numbers of trials that are no news, by study.
        """
        self.notes: list[str] = []
        self._reporter, self._callbacks = reporter, callbacks
        self._known = {study: set(trials) for study, trials in (known or {}).items()}

    def note(self, text: str) -> None:
        self.notes.append(text)
        if self._reporter is not None:
            self._reporter.note(text)

    def status(self, text: str) -> None:
        if self._reporter is not None:
            self._reporter.status(text)

    def working(self, under_way: Sequence[Activity]) -> None:
        if self._reporter is not None:
            self._reporter.working(under_way)

    def progress(self, record: Record, trials: int) -> None:
        if self._reporter is not None:
            self._reporter.progress(record, trials)
        known = self._known.setdefault(record.name, set())
        for point in [point for point in record.points if point.trial not in known]:
            known.add(point.trial)
            for callback in self._callbacks:
                callback(point, record)
