"""What a run leaves in the study's log."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler, RotatingFileHandler
from pathlib import Path

from autotune.files import make_way
from autotune.track.store import hidden

log = logging.getLogger("autotune")

MOST_LOG, MOST_PRINTED = 4_000_000, 2000
"""Bytes of a study.log, after which it becomes study.log.1, in place of an older one; and lines that a run puts
there of what others print.
"""

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")


@contextmanager
def logged() -> Iterator[Callable[[Path], None]]:
    """Keeps autotune's log lines: in memory until what this gives is told the study's folder, then in its study.log.

    Lines of level INFO are what workers, runners and libraries print.
    """
    memory = MemoryHandler(0, flushLevel=logging.NOTSET)  # it has no target yet, and gives nothing up till then
    file: list[logging.Handler] = []

    def begin(folder: Path) -> None:
        for name in ("study.log", "study.log.1"):
            make_way(folder / name)
        file.append(_StudyLog(folder / "study.log", maxBytes=MOST_LOG, backupCount=1, encoding="utf-8"))
        file[0].setFormatter(_Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        file[0].addFilter(_Once())
        memory.setTarget(file[0])
        memory.flush()

    log.addHandler(memory)
    before = log.propagate, log.level
    log.propagate = False
    log.setLevel(logging.INFO)
    try:
        yield begin
    finally:
        log.removeHandler(memory)
        log.propagate, level = before
        log.setLevel(level)
        for handler in (memory, *file):
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
