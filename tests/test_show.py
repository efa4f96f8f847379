"""What people see in the terminal."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.show import milliseconds, print_pick, size
from autotune.testing import toy_outcome, toy_record


@pytest.mark.parametrize(("scored", "misses"), [(0.84, True), (0.86, False)])
def test_a_test_score_that_misses_the_target_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scored: float, misses: bool
) -> None:
    """The search's own number met it; the samples it never saw may not."""
    record = toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000))
    tests = {"0": {"accuracy": scored, "standard_error": 0.01, "samples": 100}}
    record = replace(record, meta={**record.meta, "targets": ["accuracy>=0.85"]}, tests=tests)
    front = record.front()
    assert front is not None
    print_pick(record, front)
    shown = capsys.readouterr().out
    assert f"on the 100 test samples that the search never saw: accuracy {scored:.1%} ± 1.0%" in shown
    assert ("there it misses accuracy>=0.85" in shown) == misses


def test_numbers_have_units_people_read() -> None:
    """Microseconds below a millisecond, megabytes above a million bytes."""
    assert (milliseconds(0.0351), milliseconds(12.34)) == ("35.1 us", "12.3 ms")
    assert (size(95904), size(4_300_000)) == ("95.9 kB", "4.30 MB")
