"""The ways in which work ends without a result, how a callback ends a study, others' exceptions in one line, and
with which status the command line ends.
"""

from enum import IntEnum
from typing import ClassVar


class ExitStatus(IntEnum):
    """What the command line ends with; ended by another signal than Ctrl-C, it is 128 and the signal's number."""

    DONE = 0
    FAULT = 1
    """Ours, or the machine's."""
    INPUT = 2
    """Wrong input."""
    UNMET = 3
    """Done, but nothing meets the targets."""
    INTERRUPTED = 130
    """By Ctrl-C."""


MOST = 1200
"""Characters of a message."""


def printable(text: str) -> str:
    """A text in one line: what can't be printed, such as a line's end in a file's name, is written as Python would."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


class AutotuneError(Exception):
    """Work has ended without a result. The message is one line that a person can read, whatever of the input it
    repeats: shortened in its middle.

    Attributes:
        exit_status: that the command line ends with over it.
    """

    exit_status: ClassVar[ExitStatus] = ExitStatus.FAULT

    def __init__(self, message: object) -> None:
        line = printable(str(message))
        super().__init__(line if len(line) <= MOST else f"{line[: MOST // 2]} … {line[-MOST // 3 :]}")


class UserError(AutotuneError):
    """The user's input is wrong. The message is one line: what, where, what to do."""

    exit_status = ExitStatus.INPUT


class Infeasible(AutotuneError):
    """A configuration can't be shipped, for a reason that would hold again.

    Told to the study as an infeasible trial; the message is the reason.
    """

    exit_status = ExitStatus.INPUT


class Fault(AutotuneError):
    """The machine failed (a killed worker, a hung runner), not the configuration.

    The trial fails and its configuration is queued again; nothing is cached.
    """


class Lost(Fault):
    """The process that did the work ended over it: by native code that read damaged bytes, or by the machine."""


class Broken(Fault):
    """The machine failed in a way that all that comes next would meet, too: it ends a run, not a trial."""


class StopStudy(Exception):
    """Raised by a callback: nothing new is begun, what is under way is finished, and the study ends in order."""


def one_line(error: BaseException, most: int = 300) -> str:
    """What an exception says, in one line of at most this many characters; its kind where it says nothing."""
    return printable(" ".join(str(error).split()))[:most] or type(error).__name__
