"""Trackers at work beside the study: what they do or fail to do costs it nothing but a line."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from autotune.report.reproduce import command
from autotune.results.record import Record
from autotune.track.store import hidden
from autotune.track.tracker import Tracker

log = logging.getLogger("autotune")

PACE_S = 5.0
"""Seconds between two looks at what is new: what came meanwhile is shown at once."""

FIRST_S, LONGEST_S = 1.0, 60.0
"""Seconds from a failure to the next attempt: doubled each time, between these."""

HUSH_S = 1.0
"""Seconds that a measurement waits for what is being shown."""

END_S, HASTE_S = 30.0, 3.0
"""Seconds that a study waits at its end for what is not shown yet; and one that is interrupted."""


class Background:
    """Trackers in a thread of their own. They are shown the latest record only, and again after a failure.

    A record is a value, so nothing is shared with the study. Whether a server is slow, stands still or is
    not there, the study goes on, and its end waits END_S at most, an interrupted one's HASTE_S.
    """

    def __init__(self, make: Callable[[], Sequence[Tracker]], note: Callable[[str], None]) -> None:
        """
        Args:
            make: the trackers, in the thread.
            note: told in one line of what fails, once, and of when it works again; from the thread.
        """
        self._make = make
        self._note = note
        self._trackers: Sequence[Tracker] | None = None
        self._due: _Due | None = None
        self._failed: tuple[_Due, str] | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._showing = threading.Lock()
        threading.Thread(target=self._work, name="tracking", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is begun any more; what is under way is not waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def update(self, record: Record) -> None:
        """Has it shown what there is by now, sooner or later."""
        self._put(_Due(record, final=False))

    def finish(self, record: Record, *, hasty: bool = False) -> None:
        """Has it shown all of a study, and waits for it: until it is, or fails, or END_S are over.

        Args:
            record: of the study.
            hasty: waits for HASTE_S only.
        """
        most = HASTE_S if hasty else END_S
        due = _Due(record, final=True)
        self._put(due)
        with self._changed:
            self._changed.wait_for(lambda: self._due is not due or self._reason(due) is not None, most)
            if self._due is not due:
                return
            reason = self._reason(due) or f"it is not done after {most:.0f} s"
            self._closed = True
        self._note(f"tracking is behind ({reason}); {command(record, 'sync')} catches up")

    @contextmanager
    def hushed(self) -> Iterator[None]:
        """Nothing is shown meanwhile, as it would disturb what is measured; what takes longer than HUSH_S goes on."""
        ours = self._showing.acquire(timeout=HUSH_S)
        try:
            yield
        finally:
            if ours:
                self._showing.release()

    def _put(self, due: "_Due") -> None:
        with self._changed:
            self._due = due
            self._changed.notify_all()

    def _reason(self, due: "_Due") -> str | None:
        """Why this was not shown, None where it was not tried yet."""
        return self._failed[1] if self._failed and self._failed[0] is due else None

    def _work(self) -> None:
        pause, wait = 0.0, 0.0
        while (due := self._next(wait)) is not None:
            try:
                self._show(due)
            except Exception as error:  # whatever a tracking server does, it must not cost a trial
                log.error("tracking failed", exc_info=pause == 0.0)  # all of it where it is the first in a row
                wait = pause = min(max(2 * pause, FIRST_S), LONGEST_S)
                self._end(due, hidden(str(error).strip().partition("\n")[0])[:200] or type(error).__name__)
            else:
                pause, wait = 0.0, PACE_S if due.record.points else 0.0
                self._end(due, None)

    def _next(self, pause: float) -> "_Due | None":
        """What is to be shown, after a pause that the end of the study cuts short; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._due is not None and self._due.final), pause)
            self._changed.wait_for(lambda: self._closed or self._due is not None)
            return None if self._closed else self._due

    def _show(self, due: "_Due") -> None:
        with self._showing:
            if self._trackers is None:
                self._trackers = self._make()
            for tracker in self._trackers:
                (tracker.finish if due.final else tracker.update)(due.record)

    def _end(self, due: "_Due", reason: str | None) -> None:
        """Settles an attempt, and says so where it went otherwise than the one before."""
        with self._changed:
            failed, self._failed = self._failed, None if reason is None else (due, reason)
            if reason is None and self._due is due:
                self._due = None
            self._changed.notify_all()
        if reason is None and failed:
            self._note("tracking works again, and has caught up")
        elif reason is not None and not failed and not due.final:  # of the end there is another line
            self._note(f"tracking fails for now ({reason}); the study goes on, and it will catch up")


@dataclass(frozen=True, eq=False)
class _Due:
    """What is to be shown: all of it, or what is new."""

    record: Record
    final: bool
