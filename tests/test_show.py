"""What people see in the terminal."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.record import Record
from autotune.show import TIED, milliseconds, print_front, print_pick, size
from autotune.testing import toy_outcome, toy_record


@pytest.mark.parametrize(("scored", "misses"), [(0.84, True), (0.86, False)])
def test_a_test_score_that_misses_the_target_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scored: float, misses: bool
) -> None:
    """The search's own number met it; the samples it never saw may not."""
    record = toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000))
    tests = {"0": {"accuracy": scored, "standard_error": 0.01, "interval": [0.81, 0.89], "samples": 100}}
    record = replace(record, meta={**record.meta, "targets": ["accuracy>=0.85"]}, tests=tests)
    front = record.front()
    assert front is not None
    print_pick(record, front)
    shown = capsys.readouterr().out
    assert (
        f"on the 100 test samples that the search never saw: accuracy {scored:.1%} (95 % interval 81.0% to 89.0%)"
        in shown
    )
    assert ("there it misses accuracy>=0.85" in shown) == misses


def shown(record: Record, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that a front is printed in."""
    front = record.front()
    assert front is not None
    print_front(record, front)
    return capsys.readouterr().out.splitlines()


def test_a_front_says_what_is_tied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a mark on the second of two neighbours, and by name below; with a line that explains the mark."""
    outcomes = [toy_outcome(0.9, 10, 1000), toy_outcome(0.88, 5, 900, prune=0.5), toy_outcome(0.7, 1, 800, cluster=16)]
    lines = shown(toy_record(tmp_path, *outcomes), capsys)
    _, base, first, second, third = lines[:5]
    assert "  90.0% ±2.0" in base
    assert [TIED in line for line in (base, first, second, third)] == [False, False, True, False]
    assert f"{TIED} 88.0% ±2.0" in second
    assert lines[5].startswith("± is the 95 % interval; ≈ on the same samples can't be told apart")
    assert "  in accuracy it can't be told apart from trial 1" in lines


def test_a_front_without_ties_does_not_speak_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in the table nor below it."""
    lines = shown(toy_record(tmp_path, toy_outcome(0.9, 10, 1000), toy_outcome(0.7, 1, 800)), capsys)
    assert not any(TIED in line or "told apart" in line for line in lines)


def test_many_rivals_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A few are named."""
    outcomes = [toy_outcome(0.9 - index / 1000, 10 + index, 1000 - 100 * index) for index in range(9)]
    lines = shown(toy_record(tmp_path, *outcomes), capsys)
    [line] = [line for line in lines if "told apart from trial" in line and not line.startswith("±")]
    assert line.endswith("and 3 more")


def test_the_widest_row_of_a_front_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In 120 columns, none cut off."""
    widest = {"prune": 0.85, "cluster": 256, "fine_tune": "none", "quantize": "dynamic", "mixed": 0.55}
    outcomes = [toy_outcome(0.999, 1234, 99_990_000, delegate="openvino_cpu", threads=16, **widest)]
    lines = shown(toy_record(tmp_path, *outcomes, toy_outcome(0.998, 123, 9_990_000, quantize="int8")), capsys)
    assert max(map(len, lines[:4])) <= 120
    assert "…" not in "".join(lines[:4])


def test_numbers_have_units_people_read() -> None:
    """Microseconds below a millisecond, megabytes above a million bytes."""
    assert (milliseconds(0.0351), milliseconds(12.34)) == ("35.1 us", "12.3 ms")
    assert (size(95904), size(4_300_000)) == ("95.9 kB", "4.30 MB")
