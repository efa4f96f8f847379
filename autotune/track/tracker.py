"""What a tracker is: a projection of a study's record to where people look."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from autotune.record import Record

log = logging.getLogger("autotune")


class Tracker(Protocol):
    """Shows a study somewhere. Both methods may be called again at any time, to no further effect.

    Whatever they raise costs no trial: the ledger has it all.
    """

    def update(self, record: Record) -> None:
        """Shows the trials that are not shown yet."""
        ...

    def finish(self, record: Record) -> None:
        """Shows the front as it is now."""
        ...


class Guarded:
    """Trackers whose failures cost nothing but a line. They are made when first needed."""

    def __init__(self, make: Callable[[], Sequence[Tracker]], note: Callable[[str], None]) -> None:
        self._make, self._note = make, note
        self._trackers: list[Tracker] | None = None

    def update(self, record: Record) -> None:
        self._each(lambda tracker: tracker.update(record))

    def finish(self, record: Record) -> None:
        self._each(lambda tracker: tracker.finish(record))

    def _each(self, act: Callable[[Tracker], None]) -> None:
        try:
            if self._trackers is None:
                self._trackers = list(self._make())
            for tracker in self._trackers:
                act(tracker)
        except Exception as error:  # whatever a tracking server does, it must not cost a trial
            log.exception("tracking failed")
            self._trackers = []
            self._note(f"tracking failed, the study goes on without it: {str(error).splitlines()[0][:200]}")
