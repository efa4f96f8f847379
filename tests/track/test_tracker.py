"""Trackers that fail cost nothing but a line."""

from collections.abc import Sequence
from pathlib import Path

from autotune.record import Record
from autotune.testing import toy_outcome, toy_record
from autotune.track.tracker import Guarded, Tracker


class Failing:
    calls = 0

    def update(self, record: Record) -> None:
        self.calls += 1
        raise ConnectionError("gone\nand more")

    def finish(self, record: Record) -> None:
        raise AssertionError("called after it was given up")


def test_a_failing_tracker_is_given_up_with_one_line(tmp_path: Path) -> None:
    """And not asked again."""
    notes: list[str] = []
    failing = Failing()

    def make() -> Sequence[Tracker]:
        return [failing]

    guarded = Guarded(make, notes.append)
    record = toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000))
    guarded.update(record)
    guarded.update(record)
    guarded.finish(record)
    assert failing.calls == 1
    assert notes == ["tracking failed, the study goes on without it: gone"]
