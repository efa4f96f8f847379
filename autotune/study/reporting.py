"""What a run tells the person who waits for it, and what it leaves in the study's log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from autotune.record import Record

log = logging.getLogger("autotune")


class Reporter(Protocol):
    """Shows a run to the person who waits for it."""

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...

    def status(self, text: str) -> None:
        """What is being done."""
        ...

    def progress(self, record: Record, trials: int) -> None:
        """Where the study stands, of how many trials. May raise StopStudy."""
        ...


@dataclass
class Summary:
    """What a run did.

    Attributes:
        record: the study afterwards.
        work: counts and seconds, as Work.to_json(), with wall_s and startup_s.
        found: finished trials that were there before.
        notes: why it ended early, for the user.
    """

    record: Record
    work: dict[str, float]
    found: int
    notes: list[str] = field(default_factory=list)


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """Autotune's log lines in the study's study.log."""
    handler = logging.FileHandler(folder / "study.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
