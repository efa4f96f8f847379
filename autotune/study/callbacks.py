"""Callbacks: what the caller's own functions are told of a study while it runs."""

from collections.abc import Callable, Mapping, Sequence

from autotune.results.front import Point
from autotune.results.record import Begun
from autotune.study.reporting import Activity, News, Reporter, Silent

Callback = Callable[[Point, Begun], None]


class CallingReporter:
    """Calls back for each trial that ends; tells another reporter everything, too.

    A callback may raise StopStudy. Whatever else it raises ends the run where it stands, and reaches the caller.

    Attributes:
        notes: that it was told.
    """

    def __init__(
        self, reporter: Reporter | None, callbacks: Sequence[Callback], old: Mapping[str, set[int]] | None = None
    ) -> None:
        """
        Args:
            reporter: told first, None for nobody.
            callbacks: called with the trial and the study as it then is, in the thread that runs the study.
            old: numbers of trials that are no news, by study.
        """
        self.notes: list[str] = []
        self._reporter = Silent() if reporter is None else reporter
        self._callbacks = callbacks
        self._news = News(old)

    def note(self, text: str) -> None:
        self.notes.append(text)
        self._reporter.note(text)

    def status(self, text: str) -> None:
        self._reporter.status(text)

    def working(self, under_way: Sequence[Activity]) -> None:
        self._reporter.working(under_way)

    def progress(self, record: Begun, trials: int) -> None:
        self._reporter.progress(record, trials)
        for point in self._news.of(record):
            for callback in self._callbacks:
                callback(point, record)
