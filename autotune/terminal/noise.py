"""Keeps what libraries print while a study runs out of sight: it goes to the study's log."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.text import Text

from autotune.terminal.study import console

printed = logging.getLogger("autotune.printed")
devices = logging.getLogger("autotune.devices")


@contextmanager
def heard(note: Callable[[str], None]) -> Iterator[None]:
    """Notes what devices warn of: that one is lost or back."""
    noting = _Noting(note)
    devices.addHandler(noting)
    try:
        yield
    finally:
        devices.removeHandler(noting)


@contextmanager
def out_of_sight(note: Callable[[str], None]) -> Iterator[None]:
    """Takes what anything but our console writes to stdout and stderr, native code too, into autotune's log.

    Python's sys.stdout and sys.stderr are replaced meanwhile, and so is what is behind file descriptor 2.

    Args:
        note: as heard().
    """
    reader, writer = os.pipe()
    threading.Thread(target=_take, args=(reader,), name="printed", daemon=True).start()
    said = os.fdopen(writer, "w", buffering=1, errors="replace")
    shown = sys.stdout
    errors = sys.stderr
    native = os.dup(2)
    console.file = shown
    sys.stdout = said
    sys.stderr = said
    os.dup2(writer, 2)
    try:
        with heard(note):
            yield
    finally:
        os.dup2(native, 2)
        os.close(native)
        sys.stdout, sys.stderr = shown, errors
        console.file = None  # type: ignore[assignment]  # whatever sys.stdout is, as before
        said.flush()  # and not closed: loggers that were made meanwhile write there as long as they are


def _take(reader: int) -> None:
    """Takes what comes until the other end of the pipe is closed everywhere."""
    with os.fdopen(reader, errors="replace") as lines:
        for line in lines:
            if text := Text.from_ansi(line).plain.strip():  # Ray's is coloured
                printed.info("%s", text)


class _Noting(logging.Handler):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        self._note(record.getMessage())
