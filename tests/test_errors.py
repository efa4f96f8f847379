"""What ends work without a result, and the status that the command line ends with over it."""

import json
import pickle

import pytest

import autotune
from autotune.errors import AutotuneError, Broken, ExitStatus, Fault, Infeasible, Lost, StopStudy, UserError
from autotune.process.interrupts import Ended, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UserError("no such file"), 2),
        (Infeasible("the delegate refuses it"), 2),
        (Fault("hung"), 1),
        (Lost("killed"), 1),
        (Broken("no space"), 1),
        (autotune.Unmet("nothing meets the targets", None), 3),
        (OSError("no space left on device"), 1),
        (KeyboardInterrupt(), 130),
        (Ended(15), 143),
    ],
)
def test_each_error_has_its_status(error: BaseException, status: int) -> None:
    """A plain number, in JSON too."""
    assert status_of(error) == status
    assert json.dumps({"status": status_of(error)}) == f'{{"status": {status}}}'
    if isinstance(error, AutotuneError):
        assert error.exit_status is ExitStatus(status)


def test_one_base_is_enough_to_catch_what_ends_without_a_result() -> None:
    """A callback that stops a study is no error."""
    assert all(issubclass(kind, autotune.AutotuneError) for kind in (UserError, Fault, Infeasible, autotune.Unmet))
    assert not issubclass(StopStudy, autotune.AutotuneError)


def test_a_message_is_one_line_wherever_it_travels() -> None:
    """Shortened in its middle, and the same on the other side of a process."""
    error = UserError("first\nsecond " + "x" * 5000 + " last")
    assert str(error).startswith(r"first\nsecond")
    assert str(error).endswith("x last")
    assert len(str(error)) < 1300
    again = pickle.loads(pickle.dumps(error))  # ours
    assert (type(again), str(again)) == (UserError, str(error))
