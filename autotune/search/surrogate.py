"""What files that were not built are expected to be like."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.config import Recipe, Value

Array = NDArray[np.float64]

REFIT = 1.25
"""Growth of the number of files after which the kernel's parameters are fitted anew."""


class Features:
    """Recipes as points of a unit cube: numbers by their rank among those that occur, names one axis each."""

    def __init__(self, recipes: Iterable[Recipe]) -> None:
        """
        Args:
            recipes: all that may be asked for.
        """
        seen: dict[str, set[Value]] = {}
        for recipe in recipes:
            for name, value in recipe.canonical().items():
                seen.setdefault(name, set()).add(value)
        self._ranks: dict[str, dict[Value, float]] = {}
        self._names: list[tuple[str, Value]] = []
        for name, values in seen.items():
            if any(isinstance(value, str) for value in values):
                self._names += [(name, value) for value in sorted(values, key=str)]
            else:
                self._ranks[name] = _ranked(name, values | {0})

    def of(self, recipe: Recipe) -> Array:
        """The recipe's point (d,); settings that don't matter to it are 0."""
        values = recipe.canonical()
        ranks = [ranked.get(values.get(name, 0), 0.0) for name, ranked in self._ranks.items()]
        return np.array([*ranks, *(float(values.get(name) == value) for name, value in self._names)])


class Prediction:
    """A Gaussian process over features (Rasmussen & Williams, 2006): Matérn 5/2, a length for each axis."""

    def __init__(self) -> None:
        self._kernel: Any = None  # Any: scikit-learn has no types
        self._fitted = 0

    def fit(self, x: Array, y: Array) -> None:
        """Learns values y (n,) at points x (n, d)."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        again = self._kernel is None or len(y) > REFIT * self._fitted
        if again:
            lengths = Matern(np.ones(x.shape[1]), (0.1, 30.0), nu=2.5)
            self._kernel = ConstantKernel(1.0, (0.05, 20.0)) * lengths + WhiteKernel(0.01, (1e-5, 0.3))
            self._fitted = len(y)
        self._mean, self._spread = float(y.mean()), float(y.std()) or 1.0
        self._process = GaussianProcessRegressor(self._kernel, optimizer="fmin_l_bfgs_b" if again else None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound: the axis tells nothing
            self._process.fit(x, (y - self._mean) / self._spread)
        self._kernel = self._process.kernel_

    def at(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (n,) each at points x (n, d)."""
        mean, deviation = self._process.predict(x, return_std=True)
        return mean * self._spread + self._mean, deviation * self._spread


def _ranked(name: str, values: set[Value]) -> dict[Value, float]:
    """Each value's rank from 0 to 1; of clusters and levels the fewer the higher, but none at 0."""
    fewer = name in ("cluster", "levels")
    ordered = sorted(values, key=(lambda value: -value if value else -np.inf) if fewer else None)
    return {value: index / max(1, len(ordered) - 1) for index, value in enumerate(ordered)}
