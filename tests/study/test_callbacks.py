"""Callbacks: each trial once, whatever else is told, and how one ends a study."""

from pathlib import Path

import pytest

from autotune.errors import StopStudy
from autotune.ledger.journal import read
from autotune.study.callbacks import CallingReporter
from autotune.testing import SilentReporter, toy_outcome, toy_record
from tests.study.test_driver import options, study


def test_each_trial_is_told_once(tmp_path: Path) -> None:
    """Those that are no news are not, of a study of another name all are."""
    one, two = toy_outcome(0.9, 1.0, 1000), toy_outcome(0.8, 0.5, 500)
    told: list[tuple[str, int, int]] = []
    reporter = CallingReporter(
        None, [lambda point, record: told.append((record.name, point.trial, len(record.points)))], {"a": {0}}
    )
    for name, outcomes in (("a", (one,)), ("a", (one, two)), ("a", (one, two)), ("b", (one,))):
        reporter.progress(toy_record(tmp_path / name, *outcomes), 9)
    assert told == [("a", 1, 2), ("b", 0, 1)]


def test_another_reporter_is_told_everything(tmp_path: Path) -> None:
    """Before the callbacks are; notes are kept, too."""
    heard: list[str] = []

    class Hearing(SilentReporter):
        def status(self, text: str) -> None:
            heard.append(text)

        def progress(self, record: object, trials: int) -> None:
            heard.append(f"of {trials}")

    inner = Hearing()
    reporter = CallingReporter(inner, [lambda point, record: heard.append(f"trial {point.trial}")])
    reporter.note("mind the gap")
    reporter.status("building")
    reporter.progress(toy_record(tmp_path / "a", toy_outcome(0.9, 1.0, 1000)), 9)
    assert heard == ["building", "of 9", "trial 0"]
    assert inner.notes == reporter.notes == ["mind the gap"]


class Raising(SilentReporter):
    """Raises once so many trials that were asked for have ended."""

    def __init__(self, trials: int, error: type[Exception]) -> None:
        super().__init__()
        self._trials, self._error = trials, error

    def progress(self, record: object, trials: int) -> None:
        if getattr(record, "trials_done", 0) >= self._trials:
            raise self._error("enough")


def test_a_study_that_is_stopped_ends_in_order(tmp_path: Path) -> None:
    """Nothing new is begun, what is under way is finished, the front is measured once more; and it can go on."""
    summary = study(options(tmp_path), reporter=Raising(2, StopStudy))
    record = summary.record
    assert 2 <= record.trials_done < 12
    front = record.front()
    assert front is not None
    assert {str(point.trial) for point in front.points} <= set(record.remeasured)
    assert record.tests
    assert summary.notes == ["stopped by a callback; the same command goes on from here"]
    again = study(options(tmp_path))
    assert (again.trials_before, again.record.trials_done, again.notes) == (record.trials_done, 12, [])


def test_any_other_exception_reaches_the_caller(tmp_path: Path) -> None:
    """What is finished is kept, and the study is free to go on."""
    with pytest.raises(ZeroDivisionError, match="enough"):
        study(options(tmp_path, trials=3), reporter=Raising(2, ZeroDivisionError))
    found = read(tmp_path / "runs" / "toy", "toy").trials_done
    assert found >= 2
    assert study(options(tmp_path, trials=3)).trials_before == found
