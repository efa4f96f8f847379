"""A study in words and numbers."""

from dataclasses import replace
from pathlib import Path

from autotune.results.quality import Certainty, Scored
from autotune.testing import toy_outcome, toy_record
from autotune.track.summary import summary


def test_says_what_is_recommended_and_how_to_take_it(tmp_path: Path) -> None:
    """With its numbers, what they are of the baseline's, the front as a table, and the test split where it was seen."""
    record = toy_record(tmp_path / "demo", toy_outcome(0.9, 1.0, 1000), toy_outcome(0.9, 0.5, 500, quantize="int8"))
    record = replace(record, meta=replace(record.meta, targets=("latency<1ms",)))
    tested = Scored({"accuracy": 0.88}, Certainty(0.01, (0.86, 0.9), samples=50))
    text = summary(replace(record, tests={"1": tested}))
    assert "trial 1, int8 on xnnpack, 1 thread: accuracy 90.0% (88.0% to 92.0%)" in text
    assert "latency 500 us (50% of the baseline's)" in text
    assert "88.0% (86.0% to 90.0%) on 50 test samples" in text
    assert "`latency<1ms`" in text
    assert "| 1 | int8 on xnnpack, 1 thread |" in text
    assert "autotune pick demo" in text


def test_says_what_is_nearest_where_nothing_meets_the_targets(tmp_path: Path) -> None:
    """And by how much it misses."""
    record = toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000))
    record = replace(record, meta=replace(record.meta, targets=("latency<0.5ms",)))
    missing = replace(record, points=[replace(record.points[0], violations={"latency<0.5ms": 1.0})])
    assert "nothing meets the targets; nearest is trial 0, which misses latency<0.5ms by 500 us" in summary(missing)
    assert (
        f"To take the nearest file, with its recipe and code that runs it: `autotune pick {tmp_path.name} --trial 0"
        in (summary(missing))
    )
    nothing = summary(replace(record, points=[]))
    assert "nothing but the baseline was measured" in nothing
    assert "To take" not in nothing
