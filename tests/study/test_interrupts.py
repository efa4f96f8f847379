"""Ctrl-C, put off where it would leave something half done."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from autotune.study.interrupts import uninterrupted


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Also where the tests run in the background of a shell, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_comes_at_the_end() -> None:
    """What was begun is done, within others too; and the next Ctrl-C interrupts at once again."""
    done = []

    @uninterrupted()
    def inner() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("inner")

    @uninterrupted()
    def outer() -> None:
        inner()
        done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert done == ["inner", "outer"]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_without_one_nothing_comes() -> None:
    """And what handles it is as it was."""
    with uninterrupted():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ignored_stays_ignored() -> None:
    """As in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_are_never_interrupted() -> None:
    """So there is nothing to put off: only the main thread may set what handles a signal."""
    done = []

    def work() -> None:
        with uninterrupted():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
