"""The ways in which work ends without a result, how a callback ends a study, and others' exceptions in one line."""


class UserError(Exception):
    """The user's input is wrong. The message is one line: what, where, what to do."""


class Infeasible(Exception):
    """A configuration can't be shipped, for a reason that would hold again.

    Told to the study as an infeasible trial; the message is the reason.
    """


class Fault(Exception):
    """The machine failed (a killed worker, a hung runner), not the configuration.

    The trial fails and its configuration is queued again; nothing is cached.
    """


class StopStudy(Exception):
    """Raised by a callback: nothing new is begun, what is under way is finished, and the study ends in order."""


def one_line(error: BaseException, most: int = 300) -> str:
    """What an exception says, in one line of at most this many characters; its kind where it says nothing."""
    return " ".join(str(error).split())[:most] or type(error).__name__
