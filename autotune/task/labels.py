"""The forms that labels come in."""

from typing import Literal

import numpy as np

from autotune.task.data import Array, one_hot

Kind = Literal["classes", "multilabel", "quantities"]
"""Class numbers, several yes-or-no answers a sample, or what the model is to give."""

UNCOUNTED = -1
"""The class number of what counts nowhere: neither in training nor in any metric."""


def class_numbers(y: Array, output: tuple[int, ...]) -> Array:
    """Labels of classes as numbers, (n, *output[:-1]), int64; of a distribution it is the likeliest.

    Args:
        y: as supervision.fitted() takes them.
        output: the model's output's shape.
    """
    if y.shape[1:] == output and output[-1] > 1:
        y = y.argmax(axis=-1)
    elif y.shape[1:] == (*output[:-1], 1):
        y = y[..., 0]
    return y.astype(np.int64)


def answers(y: Array, output: tuple[int, ...]) -> bool:
    """Whether labels are a yes or no for each of several outputs."""
    return output[-1] > 1 and y.shape[1:] == output and zeros_and_ones(y)


def classes(y: Array, output: tuple[int, ...]) -> bool:
    """Whether labels are classes, by their shape and values: a number for each position of the output, or one-hot."""
    if y.shape[1:] == output and output[-1] > 1:
        return one_hot(y)
    return y.shape[1:] in (output[:-1], (*output[:-1], 1)) and bool((y == np.round(y)).all())


def distributions(y: Array, output: tuple[int, ...]) -> bool:
    """Whether labels may be distributions over several classes, such as smoothed ones."""
    return y.shape[1:] == output and output[-1] > 1 and bool((y >= 0).all() and (y <= 1).all())


def zeros_and_ones(y: Array) -> bool:
    """Whether labels have no other values."""
    return bool(((y == 0) | (y == 1)).all())


def two_sided(y: Array) -> bool:
    """Whether labels are -1 and 1, or 0 and 1."""
    return zeros_and_ones(y) or bool(((y == -1) | (y == 1)).all())
