"""A layer's weights rounded together: each column's error is carried to those that follow.

GPTQ (Frantar et al., arXiv:2210.17323), with zeros chosen in the same pass (SparseGPT, Frantar and Alistarh,
arXiv:2301.00774). A layer is groups (a depthwise layer has one for each channel) of rows, its outputs, by columns,
its inputs. All groups and rows are treated at once, column by column.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

DAMPING = 0.1
"""What is added to the moments' diagonal, as a share of its mean; docs/decisions/031 compares."""

BLOCK = 128
"""Columns whose errors are carried among themselves first, and to all that follow at once (lazy batches)."""


def fitted(weights: Array, moments: Array, cross: Array) -> Array:
    """Weights that make of other inputs nearly what these make of theirs: least squares, damped.

    Rounding what comes before has changed a layer's inputs; this takes back what it can (GPTAQ, Li et al.,
    arXiv:2504.02692).

    Args:
        weights: (groups, rows, columns).
        moments: E[x xᵀ] of the other inputs, (groups, columns, columns).
        cross: E[z xᵀ] of the weights' own inputs z with the others, likewise.
    """
    return weights + weights @ np.swapaxes(np.linalg.solve(_damped(moments), np.swapaxes(cross - moments, 1, 2)), 1, 2)


def rounded(
    weights: Array, moments: Array, nearest: Callable[[Array], Array], share: float = 0.0, zero: Mask | None = None
) -> Array:
    """Weights that are allowed and give nearly the same outputs.

    Columns are taken in the order of their moments, largest first.

    Args:
        weights: (groups, rows, columns).
        moments: E[x xᵀ] of each group's inputs, or their covariance, (groups, columns, columns).
        nearest: gives the allowed values nearest to (groups, rows) weights.
        share: of weights that become zero, 0 to 1: those that do least harm, and such as are zero first.
        zero: weights that are zero in any case, like weights.

    Returns:
        Like weights.
    """
    order = np.argsort(-np.diagonal(moments, axis1=1, axis2=2), axis=-1, kind="stable")
    factor = _factor(np.take_along_axis(np.take_along_axis(moments, order[:, :, None], 1), order[:, None, :], 2))
    places = order[:, None, :]
    left = np.take_along_axis(weights, places, 2)
    zeros = np.zeros(left.shape, bool) if zero is None else np.take_along_axis(zero, places, 2)
    result = np.empty_like(left)
    columns = left.shape[-1]
    for start in range(0, columns, BLOCK):
        end = min(start + BLOCK, columns)
        within = factor[:, start:end, start:end]
        there = zeros[:, :, start:end]
        there |= _least(np.where(there, 0.0, left[:, :, start:end]), within, share)
        errors = np.empty_like(left[:, :, start:end])
        for column in range(start, end):
            exact = np.where(zeros[:, :, column], 0.0, nearest(left[:, :, column]))
            step = within[:, column - start]
            error = (left[:, :, column] - exact) / step[:, column - start, None]
            left[:, :, column + 1 : end] -= error[:, :, None] * step[:, None, column - start + 1 :]
            errors[:, :, column - start] = error
            result[:, :, column] = exact
        left[:, :, end:] -= errors @ factor[:, start:end, end:]
    return np.take_along_axis(result, np.argsort(places, axis=-1), 2)


def _damped(moments: Array) -> Array:
    columns = moments.shape[-1]
    damping = DAMPING * np.trace(moments, axis1=1, axis2=2) / columns
    damping = np.maximum(damping, np.finfo(np.float32).tiny)  # of inputs that are always the same
    return np.asarray(moments + damping[:, None, None] * np.eye(columns))


def _factor(moments: Array) -> Array:
    """The upper Cholesky factor of the inverse of damped moments."""
    return np.swapaxes(np.linalg.cholesky(np.linalg.inv(_damped(moments))), 1, 2)


def _least(weights: Array, factor: Array, share: float) -> Mask:
    """The share of these weights whose absence does least harm to outputs, of all rows and groups together (Optimal
    Brain Surgeon).
    """
    harm = np.square(weights / np.diagonal(factor, axis1=1, axis2=2)[:, None, :])
    zeros = np.zeros(harm.size, bool)
    zeros[np.argsort(harm, axis=None, kind="stable")[: int(np.ceil(share * harm.size - 1e-9))]] = True
    return zeros.reshape(harm.shape)
