"""Weights rounded together: nearer to the outputs than one by one, and what was asked of zeros."""

import numpy as np
import pytest

from autotune.compress.rounding import gptq
from autotune.compress.rounding.grid import Grid, uniform

Problem = tuple[np.ndarray, np.ndarray]


def problem(seed: int, groups: int = 1, rows: int = 8, columns: int = 300) -> Problem:
    """Weights, and moments of inputs that go together."""
    random = np.random.default_rng(seed)
    causes = random.normal(size=(groups, 2 * columns, columns // 4))
    x = causes @ random.normal(size=(groups, columns // 4, columns)) + random.normal(
        size=(groups, 2 * columns, columns)
    )
    moments = np.swapaxes(x, 1, 2) @ x / (2 * columns)
    return random.normal(size=(groups, rows, columns)), moments


def coarse(weights: np.ndarray) -> Grid:
    return Grid(np.abs(weights).max(axis=-1) / 7, uniform(7))


def error(weights: np.ndarray, other: np.ndarray, moments: np.ndarray) -> float:
    """Mean square of the outputs' difference."""
    gap = weights - other
    return float(np.einsum("grc,gcd,grd->", gap, moments, gap))


def nearest(weights: np.ndarray, grid: Grid) -> np.ndarray:
    return np.stack([grid.nearest(column) for column in np.moveaxis(weights, -1, 0)], axis=-1)


@pytest.mark.parametrize("seed", range(5))
def test_outputs_are_nearer_than_with_each_weight_alone(seed: int) -> None:
    """By half at least, over two blocks of columns and more."""
    weights, moments = problem(seed)
    grid = coarse(weights)
    together = gptq.rounded(weights, moments, grid.nearest)
    assert error(weights, together, moments) < 0.5 * error(weights, nearest(weights, grid), moments)
    assert np.array_equal(together, nearest(together, grid))


def test_of_inputs_that_have_nothing_in_common_each_weight_is_rounded_alone() -> None:
    """There is nowhere to carry an error to."""
    weights, moments = problem(0)
    moments = np.apply_along_axis(np.diag, -1, np.diagonal(moments, axis1=1, axis2=2))
    grid = coarse(weights)
    assert np.array_equal(gptq.rounded(weights, moments, grid.nearest), nearest(weights, grid))


def test_blocks_are_for_speed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors carried at once or one by one come to the same."""
    weights, moments = problem(1)
    grid = coarse(weights)
    whole = gptq.rounded(weights, moments, grid.nearest)
    monkeypatch.setattr(gptq, "BLOCK", 7)
    assert np.array_equal(gptq.rounded(weights, moments, grid.nearest), whole)


def test_groups_are_apart() -> None:
    """Each as if it were alone."""
    weights, moments = problem(2, groups=3, columns=20)
    grid = coarse(weights)
    together = gptq.rounded(weights, moments, grid.nearest)
    for group in range(3):
        alone = slice(group, group + 1)
        rounded = gptq.rounded(weights[alone], moments[alone], coarse(weights[alone]).nearest)
        assert np.array_equal(together[alone], rounded)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.7])
def test_zeros_are_as_many_as_asked(share: float) -> None:
    """And do less harm than where the smallest weights go."""
    weights, moments = problem(3)
    sparse = gptq.rounded(weights, moments, np.asarray, share)
    assert share <= np.mean(sparse == 0) < share + 0.01
    smallest = np.where(np.abs(weights) < np.quantile(np.abs(weights), share), 0, weights)
    assert error(weights, sparse, moments) < 0.5 * error(weights, smallest, moments)


def test_zeros_that_are_there_stay() -> None:
    """However much another value would help."""
    weights, moments = problem(4)
    zero = np.random.default_rng(0).random(weights.shape) < 0.3
    weights[zero] = 0
    rounded = gptq.rounded(weights, moments, coarse(weights).nearest, zero=zero)
    assert not rounded[zero].any()


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_zeros_that_are_there_are_among_those_asked(share: float) -> None:
    """There are no more than asked, but for those that were there, whatever fitting has made of them."""
    weights, moments = problem(4)
    zero = np.random.default_rng(0).random(weights.shape) < 0.3
    sparse = gptq.rounded(weights, moments, np.asarray, share, zero)
    assert not sparse[zero].any()
    assert share <= np.mean(sparse == 0) < max(share, 0.3) + 0.02


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e20])
def test_inputs_without_spread_do_no_harm(scale: float) -> None:
    """Such as are always zero, or nearly, or huge."""
    weights, moments = problem(5, columns=20)
    grid = coarse(weights)
    rounded = gptq.rounded(weights, scale * moments, grid.nearest)
    assert np.isfinite(rounded).all()
    assert np.abs(rounded - weights).max() < 10 * np.abs(weights).max()


def test_weights_are_fitted_to_other_inputs() -> None:
    """Outputs of inputs that differ are nearer to those of the weights' own."""
    random = np.random.default_rng(6)
    weights = random.normal(size=(1, 4, 10))
    z = random.normal(size=(500, 10)) @ random.normal(size=(10, 10))
    x = z + 0.3 * random.normal(size=z.shape) * z.std(axis=0) + 0.2 * z[:, ::-1]
    moments, cross = (x.T @ x / 500)[np.newaxis], (z.T @ x / 500)[np.newaxis]
    fitted = gptq.fitted(weights, moments, cross)
    wanted = z @ weights[0].T
    assert np.square(x @ fitted[0].T - wanted).mean() < 0.7 * np.square(x @ weights[0].T - wanted).mean()
    np.testing.assert_allclose(gptq.fitted(weights, moments, moments), weights)
