"""The values that weights may have: scales, levels, code books."""

import numpy as np
import pytest

from autotune.compress.rounding.grid import Grid, code_book, own_steps, scales, short, uniform


@pytest.fixture
def weights() -> np.ndarray:
    """Two groups of three rows, the last of them without weights."""
    values = np.random.default_rng(0).normal(size=(2, 3, 40))
    values[:, 2] = 0
    return values


def test_levels_are_as_many_below_zero_as_above() -> None:
    """And zero is one of them."""
    assert uniform(3).tolist() == [-3, -2, -1, 0, 1, 2, 3]


def test_scales_do_least_harm_of_those_that_clip(weights: np.ndarray) -> None:
    """Less than the whole range would, by the importance of the columns; a row of zeros has a scale, too."""
    importance = np.random.default_rng(1).random((2, 40))
    none = np.zeros((2, 3))
    chosen = scales(weights, importance, 3, none)
    assert (chosen > 0).all()
    whole = np.abs(weights).max(axis=-1) / 3

    def harm(scale: np.ndarray) -> np.ndarray:
        units = weights / np.where(scale > 0, scale, 1)[..., np.newaxis]
        gap = (np.clip(np.rint(units), -3, 3) - units) * scale[..., np.newaxis]
        return np.asarray(np.einsum("grc,gc->gr", gap**2, importance))

    assert (harm(chosen)[:, :2] < harm(whole)[:, :2]).any()
    assert (harm(chosen)[:, :2] <= harm(whole)[:, :2] * (1 + 1e-6)).all()
    assert np.array_equal(chosen, chosen.astype(np.float32))
    assert (scales(weights, importance, 3, np.full((2, 3), 9.0)) == 9).all()


def test_short_numbers_end_in_zeros_that_deflate() -> None:
    """No magnitude gets smaller, none grows by more than its last bit; a scale's two low bytes are zero."""
    values = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.random.default_rng(1).integers(-6, 6, 1000)
    result = short(values, 8)
    growth = np.abs(result) / np.abs(values)
    assert growth.min() >= 1
    assert growth.max() <= 1 + 2**-7
    assert (np.sign(result) == np.sign(values)).all()
    assert not (result.astype("<f4").view(np.uint32) & 0xFFFF).any()
    assert np.array_equal(short(result, 8), result)
    assert short(np.zeros(2), 8).tolist() == [0, 0]


def test_each_row_may_have_steps_of_its_own(weights: np.ndarray) -> None:
    """As a training left them: no more than it had, and the weights themselves among them."""
    shared = np.round(weights, 0)
    steps = own_steps(shared, 9)
    assert steps is not None
    grid = Grid(np.ones((2, 3)), steps)
    for column in range(40):
        assert np.array_equal(grid.nearest(shared[:, :, column] + 0.2), shared[:, :, column])
    assert own_steps(weights, 9) is None


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_code_book_has_few_steps(weights: np.ndarray, share: float) -> None:
    """Zero among them where there are zeros, in its place, as Grid needs it; nearer to important weights."""
    steps = code_book(weights, np.ones_like(weights), 5, share, 0)
    assert len(steps) == 5
    assert 0 in steps[1:-1]
    assert (np.diff(steps) > 0).all()
    importance = np.where(weights > 1.5, 1000.0, 1.0)
    dense = np.where(weights == 0, 1.0, weights)
    plain, weighed = (code_book(dense, each, 5, 0, 0) for each in (np.ones_like(dense), importance))
    large = dense[dense > 1.5]

    def gap(book: np.ndarray) -> float:
        return float(np.square(large[:, np.newaxis] - book).min(axis=1).mean())

    assert gap(weighed) < gap(plain)


def test_few_distinct_weights_are_their_own_code_book() -> None:
    """There is nothing to choose."""
    values = np.array([[[1.0, 2.0, 0.0, 2.0]]])
    assert code_book(values, np.ones_like(values), 8, 0, 0).tolist() == [0, 1, 2]
