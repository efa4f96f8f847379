"""Signals that end a program: taken in order, and put off where they would leave something half done."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from autotune.errors import AutotuneError, ExitStatus

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C; what service managers and batch systems send; what comes when the terminal is closed."""

SHOW_CURSOR = b"\x1b[?25h"


class Ended(KeyboardInterrupt):
    """A signal of ENDING came. The message says which.

    Attributes:
        status: that the process is to end with: 128 and the signal's number, as a shell has it.
    """

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__("interrupted" if number == signal.SIGINT else f"ended by {name}")
        self.status = 128 + number


def status_of(error: BaseException) -> int:
    """The exit status of a program that this ended."""
    if isinstance(error, Ended):
        return error.status
    if isinstance(error, AutotuneError):
        return error.exit_status
    return ExitStatus.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitStatus.FAULT


def reason_of(error: KeyboardInterrupt) -> str:
    """What ended a program, in words."""
    return str(error) or "interrupted"


@contextmanager
def in_order(signals: Sequence[signal.Signals] = ENDING, *, restore: bool = True) -> Iterator[None]:
    """Has the first of these signals raise Ended, and the second end the process where it stands.

    What a process leaves that ends so ends by itself: its children by what they read from it, by the kernel or by
    Ray; its scratch folders are removed by the next run. Signals that are ignored, as under nohup, or that others
    handle are left as they are. Only the main thread is interrupted; elsewhere this does nothing.

    Args:
        signals: to take.
        restore: what the signals did before, at the end.
    """
    came: list[int] = []

    def take(number: int, _: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            raise Ended(number)
        with suppress(OSError):
            if os.isatty(2):
                os.write(2, SHOW_CURSOR)
        os._exit(128 + number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, take) for number in signals if _free(number)}
    try:
        yield
    except Exception as error:
        if came:  # whoever was interrupted said so otherwise, as a native module does that was being imported
            raise Ended(came[0]) from error
        raise
    finally:
        if restore:
            for number, handler in before.items():
                signal.signal(number, handler)


def _free(number: signal.Signals) -> bool:
    """Whether a signal does what it does by default."""
    return signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Lets signals come at the end of what is to be whole, such as a write to the journal and what is read back of it.

    A decorator, too. Only the main thread is interrupted, so elsewhere it does nothing. A signal that no handler of
    Python's waits for ends the process as ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = {number: handler for number in ENDING if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for sent, frame in came:
            before[signal.Signals(sent)](sent, frame)
