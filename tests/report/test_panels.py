"""What a picture of the front shows, whatever draws it."""

import math

import pytest

from autotune.report.panels import beyond, right_half, ticks


@pytest.mark.parametrize("ratio", [1.05, 1.1, 1.3, 2.0, 4.0, 9.0, 30.0, 1e3, 1e5])
@pytest.mark.parametrize("low", [3.3e-3, 0.45, 1.0, 7.1, 950.0])
def test_an_axis_has_enough_round_numbers(low: float, ratio: float) -> None:
    """Four at least and no crowd, each of few digits, rising; some beyond the ends, where one may pan."""
    marks = ticks(low, low * ratio)
    inside = [tick for tick in marks if low <= tick <= low * ratio]
    assert 4 <= len(inside) <= 10
    assert marks == sorted(set(marks))
    assert marks[-1] > low * ratio
    assert all(math.isclose(float(f"{tick:.3g}"), tick, rel_tol=1e-9) for tick in inside)


def test_an_axis_of_one_value_has_marks_beside_it() -> None:
    """Where all that was measured is alike."""
    assert min(ticks(0.3, 0.3)) < 0.3 < max(ticks(0.3, 0.3))


def test_targets_are_named_where_there_is_room() -> None:
    """With an arrow where the axis does not reach to them."""
    ends = (1.0, 100.0)
    assert [beyond("t", at, ends) for at in (0.5, 1.0, 50.0, 200.0)] == ["t ←", "t", "t", "t →"]
    assert [right_half(at, ends) for at in (2.0, 9.0, 11.0, 100.0)] == [False, False, True, True]
