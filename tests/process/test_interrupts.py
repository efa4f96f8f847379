"""Signals that end a program: taken in order, and put off where they would leave something half done."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from autotune.process.interrupts import ENDING, Ended, in_order, reason_of, status_of, uninterrupted


@pytest.fixture(autouse=True)
def _signals_as_by_default() -> Iterator[None]:
    """Also where the tests run in the background of a shell, which has some ignored."""
    default = {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, default.get(number, signal.SIG_DFL)) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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


@pytest.mark.parametrize("number", ENDING)
def test_each_signal_is_put_off(number: int) -> None:
    """Whichever it is: none leaves half of what is to be whole."""
    done = []

    @uninterrupted()
    def write() -> None:
        os.kill(os.getpid(), number)
        done.append("whole")

    with pytest.raises(Ended), in_order():
        write()
    assert done == ["whole"]


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


@pytest.mark.parametrize(
    ("number", "words", "status"),
    [
        (signal.SIGINT, "interrupted", 130),
        (signal.SIGTERM, "ended by SIGTERM", 143),
        (signal.SIGHUP, "ended by SIGHUP", 129),
    ],
)
def test_each_signal_ends_what_runs_in_order(number: int, words: str, status: int) -> None:
    """As Ctrl-C does, with a status by which a shell and a service manager know it."""
    with pytest.raises(Ended) as raised, in_order():
        os.kill(os.getpid(), number)
    assert (reason_of(raised.value), status_of(raised.value)) == (words, status)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_others_make_of_an_interruption_is_one() -> None:
    """A native module whose import was cut off says that it could not be imported; other errors stay what they are."""

    def imports() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    with pytest.raises(Ended) as raised, in_order():
        imports()
    assert status_of(raised.value) == 143
    with pytest.raises(ImportError), in_order():
        raise ImportError("no such module")


def test_what_is_ignored_or_others_handle_is_left() -> None:
    """As nohup has it, and a program that tunes."""
    came: list[int] = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    with in_order():
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
    assert came == [signal.SIGTERM]


def test_ctrl_c_that_nobody_took_has_its_status() -> None:
    """A program that tunes leaves it to Python."""
    assert (reason_of(KeyboardInterrupt()), status_of(KeyboardInterrupt())) == ("interrupted", 130)


TWICE = """
import os, signal
from autotune.process.interrupts import in_order
signal.signal(signal.SIGINT, signal.default_int_handler)
with in_order(restore=False):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:  # what takes long
        os.kill(os.getpid(), signal.{})
        print("not reached")
"""


@pytest.mark.parametrize(("second", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_second_ends_the_process_where_it_stands(second: str, status: int) -> None:
    """Without a word, whatever is being tidied up."""
    done = subprocess.run([sys.executable, "-c", TWICE.format(second)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
