"""The moments of a layer's inputs: of those that it was trained on, and of those that rounded layers give it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from autotune.compress.rounding.columns import Samples
from autotune.compress.rounding.gptq import Array
from autotune.errors import Infeasible

Pairs = Callable[[], Iterator[tuple[Samples, Samples]]]
"""Gives for each sample the columns (outputs, groups, size) of the float net, and those that rounded layers give."""

LARGEST = 2048
"""Columns whose second moments are held at once; those of a larger layer are taken in parts of as many."""


@dataclass(frozen=True)
class First:
    """First moments of columns, and the diagonal of the second ones.

    Attributes:
        exact: mean of the float net's, (groups, size).
        mean: of those that rounded layers give, likewise.
        power: E[x²] of these; about their mean, where the layer has a bias.
        greatest: |x| of them.
    """

    exact: Array
    mean: Array
    power: Array
    greatest: float


def first_moments(pairs: Pairs, *, centred: bool) -> First:
    """First moments of a layer's columns.

    Args:
        pairs: of all samples.
        centred: whether the layer has a bias, which takes up means; else they count as zero.

    Raises:
        Infeasible: there are none.
    """
    rows = 0
    sums: list[Array] = []
    greatest = 0.0
    for exact, x in pairs():
        _check(exact, x)
        added = [exact.sum(0, dtype=float), x.sum(0, dtype=float), np.square(x, dtype=float).sum(0)]
        sums = [total + part for total, part in zip(sums, added, strict=True)] if sums else added
        rows += len(x)
        greatest = max(greatest, float(np.abs(x).max()))
    exact_mean, mean, power = (total / rows for total in sums)
    if not centred:
        return First(np.zeros_like(mean), np.zeros_like(mean), power, greatest)
    return First(exact_mean, mean, np.maximum(power - mean**2, 0), greatest)


def second_moments(pairs: Pairs, first: First, part: slice) -> tuple[Array, Array]:
    """Second moments of some columns of a layer, about their first.

    Args:
        pairs: of all samples.
        first: moments of the same.
        part: of the columns.

    Returns:
        E[x xᵀ] of what rounded layers give and E[z xᵀ] of the float net's with these, (groups, columns, columns) each.

    Raises:
        Infeasible: there are none.
    """
    rows = 0
    groups, size = first.mean[:, part].shape
    moments, cross = np.zeros((2, groups, size, size))
    for exact, x in pairs():
        before, now = _centred(exact, first.exact, part), _centred(x, first.mean, part)
        moments += np.swapaxes(now, 1, 2) @ now
        cross += np.swapaxes(before, 1, 2) @ now
        rows += len(x)
    _check(moments, cross)  # squares overflow before what they are of does
    return moments / rows, cross / rows


def parts(size: int) -> list[slice]:
    """Columns in as many parts of nearly the same size as LARGEST makes needful."""
    edges = np.linspace(0, size, -(-size // LARGEST) + 1).astype(int)
    return [slice(*edge) for edge in pairwise(edges)]


def _check(*values: NDArray[np.floating]) -> None:
    """Raises Infeasible where a value is not finite."""
    if not all(np.isfinite(each).all() for each in values):
        raise Infeasible("no finite moments: samples give a layer that is rounded inputs that are too large, or NaN")


def _centred(columns: Samples, mean: Array, part: slice) -> Samples:
    """Some columns less their mean, (groups, outputs, columns) in place of (outputs, groups, columns)."""
    return np.moveaxis(columns[:, :, part] - mean[:, part].astype(np.float32), 0, 1)
