"""A delegate's outputs against those of the built-in kernels."""

import numpy as np
import pytest

from autotune.results.outcome import Parity
from autotune.study.parity import differs, drawn, parity, senseless

ROWS = np.array([[0.1, 0.9], [0.8, 0.2], [0.6, 0.4]], np.float32)


def test_equal_outputs_agree() -> None:
    """No error at all."""
    assert parity(ROWS, ROWS, None) == Parity(3, 0.0, 0.0, 0.0, 1.0)


def test_tells_errors_and_decisions_apart() -> None:
    """A small error may decide otherwise, and a large one need not."""
    other = ROWS.copy()
    other[2] = [0.4, 0.6]
    found = parity(other, ROWS, None)
    assert found.max_error == pytest.approx(0.2)
    assert found.mean_error == pytest.approx(0.4 / 6)
    assert found.agreement == pytest.approx(2 / 3)
    assert parity(3 * ROWS, ROWS, None).agreement == 1.0


def test_questions_are_decided_one_by_one() -> None:
    """Of several a sample, and of a single output; where nothing is decided nothing agrees."""
    assert parity(ROWS + 0.15, ROWS, 0.5).agreement == pytest.approx(5 / 6)
    assert parity(ROWS[:, :1], ROWS[:, 1:], 0.5).agreement == 0.0
    assert parity(ROWS, ROWS, float("nan")).agreement is None


@pytest.mark.parametrize(
    ("others", "condemned"),
    [(0, False), (3, False), (6, False), (12, True), (50, True)],
)
def test_few_other_decisions_of_100_may_be_luck(others: int, condemned: bool) -> None:
    """Against an accuracy that is known to 3 %: beyond that by more than 100 samples leave open."""
    assert differs(1 - others / 100, 100, 0.03) is condemned


def test_outputs_that_no_model_gives() -> None:
    """NaN, infinity and nothing but zeros; a single zero is none."""
    assert senseless(ROWS * np.float32("nan")) == "its outputs are not finite"
    assert senseless(ROWS / np.float32(0)) == "its outputs are not finite"
    assert senseless(ROWS * 0) == "its outputs are all zero"
    assert senseless(ROWS - ROWS[0]) is None


def test_errors_are_held_against_the_spread_of_the_outputs() -> None:
    """What decides nothing has no other measure of what is much."""
    reference = np.array([[0.0], [2.0], [4.0], [6.0]], np.float32)
    assert parity(reference + 0.5, reference, float("nan")).relative_error == pytest.approx(0.5 / 5**0.5)
    assert parity(reference * 0, reference * 0, float("nan")).relative_error == 0


def test_samples_are_drawn_from_all_of_them() -> None:
    """A split sorted by class would otherwise be compared in its first class."""
    chosen = drawn(1000)
    assert len(set(chosen)) == 100
    assert max(chosen) > 900
    assert (chosen == drawn(1000)).all()
    assert list(drawn(3)) == [0, 1, 2]
