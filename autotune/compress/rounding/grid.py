"""The values that a layer's weights may have."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotune.compress.oneshot import centroids
from autotune.compress.rounding.gptq import Array

CLIPS = np.linspace(0.4, 1.0, 31)
"""Shares of the largest weight at which a row's grid may end."""

SLICE = 1 << 22
"""Weights whose scales are looked for at once, about."""

SCALE_BITS = 8
"""Of a scale that are not zero: two bytes of the four in a file deflate away, and weights round as well."""


@dataclass(frozen=True)
class Grid:
    """What each row of weights may be: a step times the row's scale.

    Attributes:
        scales: (groups, rows), above zero, numbers that float32 holds.
        steps: sorted, (steps,) for all rows, or (groups, rows, steps).
    """

    scales: Array
    steps: Array

    def nearest(self, values: Array) -> Array:
        """The allowed value nearest to each of (groups, rows)."""
        borders = (self.steps[..., 1:] + self.steps[..., :-1]) / 2
        units = values / self.scales
        if self.steps.ndim == 1:
            return np.asarray(self.steps[np.searchsorted(borders, units)] * self.scales)
        which = (units[..., np.newaxis] > borders).sum(axis=-1, keepdims=True)
        return np.asarray(np.take_along_axis(self.steps, which, -1)[..., 0] * self.scales)


def scales(weights: Array, importance: Array, top: int, least: Array) -> Array:
    """The scale of each row for which rounding to the nearest does least harm.

    Args:
        weights: (groups, rows, columns).
        importance: of the columns, by which squared errors are weighed, (groups, columns).
        top: the largest step; as many are below zero.
        least: what a scale must be at least, (groups, rows).

    Returns:
        (groups, rows), as float32 has them.
    """
    largest = np.abs(weights).max(axis=-1)
    spread = largest[largest > 0]
    largest[largest == 0] = np.median(spread) if spread.size else 1.0
    step = max(1, SLICE // (weights.shape[0] * weights.shape[2]))
    slices = [slice(start, start + step) for start in range(0, weights.shape[1], step)]
    best = [_least_harmful(weights[:, rows], importance, top, largest[:, rows]) for rows in slices]
    return short(np.maximum(np.concatenate(best, axis=1) / top, least), SCALE_BITS)


def _least_harmful(weights: Array, importance: Array, top: int, largest: Array) -> Array:
    """The end of each row's grid."""
    best, error = largest, np.full(largest.shape, np.inf)
    for clip in CLIPS:
        tried = largest * clip
        units = weights * (top / tried)[..., np.newaxis]
        off = (np.clip(np.rint(units), -top, top) - units) * (tried / top)[..., np.newaxis]
        harm = np.einsum("grc,gc->gr", np.square(off), importance)
        best = np.where(harm <= error, tried, best)
        error = np.minimum(harm, error)
    return best


def short(values: Array, bits: int) -> Array:
    """Numbers with no more significant bits than so many, away from zero: none gets smaller."""
    mantissas, exponents = np.frexp(values)
    return np.asarray(np.ldexp(np.copysign(np.ceil(np.abs(mantissas) * 2.0**bits), values), exponents - bits))


def uniform(top: int) -> Array:
    """All steps up to the largest, on both sides of zero."""
    return np.arange(-top, top + 1.0)


def code_book(units: Array, importance: Array, clusters: int, share: float, seed: int) -> Array:
    """Few steps for a whole layer (k-means), sorted, zero among them where there are zeros.

    Args:
        units: weights in their rows' scales, (groups, rows, columns).
        importance: of each of them, likewise.
        clusters: steps, at most.
        share: of weights that will become zero.
        seed: of the centroids' start.
    """
    values, importance = units.ravel(), importance.ravel()
    harm = values**2 * importance
    stay = (values != 0) & (harm >= np.quantile(harm, share))
    zero = bool(share) or not values.all()
    steps = np.unique(values[stay])
    if len(steps) > clusters - zero:
        steps = centroids(values[stay], clusters - zero, np.random.default_rng(seed), importance[stay])
    return np.sort(np.append(steps, 0.0)) if zero else steps


def own_steps(weights: Array, clusters: int) -> Array | None:
    """The distinct values of each row, where a training gave it no more than so many; else None.

    Args:
        weights: (groups, rows, columns).
        clusters: distinct values of a row, at most.

    Returns:
        (groups, rows, steps); a row that has fewer has its last one several times.
    """
    rows = [np.unique(row) for row in weights.reshape(-1, weights.shape[-1])]
    most = max(map(len, rows))
    if most > clusters:
        return None
    padded: NDArray[np.float64] = np.stack([np.pad(row, (0, most - len(row)), mode="edge") for row in rows])
    return padded.reshape(*weights.shape[:2], most)


def least_scales(bias: NDArray[np.float32], inputs: float, bits: int) -> Array:
    """The least scales (channels,) with which 32 bits hold a bias, in steps of the weights' scale times the input's.

    Args:
        bias: (channels,).
        inputs: the greatest magnitude of the layer's inputs, or their range.
        bits: of the weights; XNNPACK's kernels for 4 sum 16 times everything.
    """
    return np.asarray(np.abs(bias.astype(float)) * 255 / (max(inputs, 1e-30) * (2**26 if bits == 4 else 2**30)))
