"""Trackers in a thread of their own: what fails or hangs costs a line, and is made up for."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.report.reproduce import command
from autotune.results.record import Record
from autotune.testing import toy_outcome, toy_record
from autotune.track import background
from autotune.track.background import Background

LONG = 30.0
"""Seconds after which something never happens."""


class Place:
    """A tracker that can be told to fail or to hang.

    Attributes:
        down: why it fails, "" where it does not.
        open: cleared where it hangs.
        shown: numbers of trials that it was shown, and -1 for the whole study.
        tried: set at each attempt.
    """

    def __init__(self, down: str = "") -> None:
        self.down, self.open, self.tried = down, threading.Event(), threading.Event()
        self.open.set()
        self.shown: list[int] = []

    def update(self, record: Record) -> None:
        self._show(len(record.points))

    def finish(self, record: Record) -> int:
        self._show(-1)
        return 1

    def _show(self, what: int) -> None:
        self.tried.set()
        self.open.wait(LONG)
        if self.down:
            raise ConnectionError(self.down)
        self.shown.append(what)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PACE_S", 0.0)
    monkeypatch.setattr(background, "FIRST_S", 0.001)
    monkeypatch.setattr(background, "END_S", LONG)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000), toy_outcome(0.8, 0.5, 500))


def until(holds: Callable[[], bool]) -> None:
    for _ in range(int(LONG / 0.01)):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never happened")


def test_shows_what_is_new_and_then_all(record: Record) -> None:
    """The end is waited for, and there is nothing to be said."""
    place, notes = Place(), list[str]()
    with Background(lambda: [place], notes.append) as tracker:
        tracker.update(record)
        until(lambda: place.shown == [2])
        tracker.finish(record)
        assert place.shown == [2, -1]
    assert notes == []


def test_a_failure_is_said_once_and_made_up_for(record: Record) -> None:
    """However often it is tried again meanwhile; when it works it is said, too."""
    place, notes = Place("gone\nand more"), list[str]()
    with Background(lambda: [place], notes.append) as tracker:
        tracker.update(record)
        for _ in range(3):
            place.tried.clear()
            assert place.tried.wait(LONG)
        assert notes == ["tracking fails for now (gone); the study goes on, and it will catch up"]
        place.down = ""
        until(lambda: place.shown == [2])
        tracker.finish(record)
    assert notes[1:] == ["tracking works again, and has caught up"]


def test_what_can_not_be_made_is_made_later(record: Record) -> None:
    """A tracker whose making fails is nothing else."""
    place, notes, made = Place(), list[str](), list[int]()

    def make() -> list[Place]:
        made.append(len(made))
        if len(made) < 3:
            raise ImportError("no such tracker")
        return [place]

    with Background(make, notes.append) as tracker:
        tracker.update(record)
        until(lambda: place.shown == [2])
    assert len(made) == 3
    assert "no such tracker" in notes[0]


def test_at_the_end_it_is_said_how_to_catch_up(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tried once more though the pause is not over, then left to autotune sync."""
    monkeypatch.setattr(background, "FIRST_S", 3600.0)
    monkeypatch.setattr(background, "LONGEST_S", 3600.0)
    place, notes = Place("gone"), list[str]()
    with Background(lambda: [place], notes.append) as tracker:
        tracker.update(record)
        until(lambda: bool(notes))
        tracker.finish(record)
    assert notes[1:] == [f"tracking is behind (gone); {command(record, 'sync')} catches up"]


def test_the_last_attempt_may_be_the_one_that_works(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end does not wait for the pause after a failure."""
    monkeypatch.setattr(background, "FIRST_S", 3600.0)
    monkeypatch.setattr(background, "LONGEST_S", 3600.0)
    place, notes = Place("gone"), list[str]()
    with Background(lambda: [place], notes.append) as tracker:
        tracker.update(record)
        until(lambda: bool(notes))
        place.down = ""
        tracker.finish(record)
    assert place.shown == [-1]
    assert notes[1:] == ["tracking works again, and has caught up"]


def test_nothing_is_shown_while_something_is_measured(record: Record) -> None:
    """It is afterwards."""
    place = Place()
    with Background(lambda: [place], print) as tracker:
        with tracker.hushed():
            tracker.update(record)
            assert not place.tried.wait(0.2)
        assert place.tried.wait(LONG)
        until(lambda: place.shown == [2])


def test_to_measure_does_not_wait_for_what_hangs(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what hangs is not taken for ours when it is over."""
    monkeypatch.setattr(background, "HUSH_S", 0.01)
    place = Place()
    place.open.clear()
    with Background(lambda: [place], print) as tracker:
        tracker.update(record)
        assert place.tried.wait(LONG)
        with tracker.hushed():
            assert place.shown == []
        place.open.set()
        until(lambda: place.shown == [2])


def test_what_hangs_holds_up_nothing(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the study nor, for long, its end; what came meanwhile is not shown one by one."""
    monkeypatch.setattr(background, "END_S", 0.05)
    place, notes = Place(), list[str]()
    place.open.clear()
    with Background(lambda: [place], notes.append) as tracker:
        for _ in range(5):
            tracker.update(record)
        assert place.tried.wait(LONG)
        tracker.finish(record)
    assert notes == [f"tracking is behind (it is not done after 0 s); {command(record, 'sync')} catches up"]
    place.open.set()


def test_an_interrupted_study_waits_for_what_hangs_less_long(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says how the rest is to be had."""
    monkeypatch.setattr(background, "HASTE_S", 0.05)
    place, notes = Place(), list[str]()
    place.open.clear()
    with Background(lambda: [place], notes.append) as tracker:
        tracker.finish(record, hasty=True)
    assert notes == [f"tracking is behind (it is not done after 0 s); {command(record, 'sync')} catches up"]
    place.open.set()
