"""Which of the test samples become validation, and orders in which classes are spread evenly."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotune.task.data import fields
from autotune.task.data.fields import Array


@dataclass(frozen=True)
class Cut:
    """How validation is cut from the test samples where the data has none.

    Attributes:
        share: of the test samples, above 0 and below 1.
        seed: of the shuffle.
    """

    share: float
    seed: int


def for_validation(y: Array, groups: Array | None, cut: Cut) -> NDArray[np.bool_]:
    """Which samples become validation: each class shuffled and dealt out in turn; without classes all samples are.

    Args:
        y: labels (n, …) of the test samples.
        groups: as Split.groups.
        cut: how many.

    Returns:
        Of each sample whether it does (n,).
    """
    random = np.random.default_rng(cut.seed)
    if groups is not None:
        return _of_groups(y, groups, cut.share, random)
    dealt = _shuffled_by_class(_strata(y), random)
    steps = np.ceil(np.arange(len(dealt) + 1) * cut.share)
    first = np.zeros(len(dealt), bool)
    first[dealt] = np.diff(steps) > 0
    return first


def _of_groups(y: Array, groups: Array, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """The same with groups, which stay whole: each is of the class that most of its samples are of, and goes where
    the share is nearer with it.
    """
    names, group = np.unique(groups, return_inverse=True)
    strata = _strata(y)
    commonest = [_commonest(strata[group == number]) for number in range(len(names))]
    sizes = np.bincount(group)
    first = np.zeros(len(names), bool)
    chosen = seen = 0
    for number in _shuffled_by_class(np.array(commonest), random):
        seen += sizes[number]
        if chosen + sizes[number] / 2 <= share * seen:
            first[number] = True
            chosen += sizes[number]
    return first[group]


def _shuffled_by_class(strata: Array, random: np.random.Generator) -> Array:
    """The indices of one class after the other, each shuffled."""
    return np.concatenate([random.permutation(np.flatnonzero(strata == label)) for label in np.unique(strata)])


def _commonest(strata: Array) -> np.generic:
    values, counts = np.unique(strata, return_counts=True)
    label: np.generic = values[counts.argmax()]
    return label


def stratified_order(y: Array, random: np.random.Generator) -> Array:
    """A shuffled order in which every prefix holds the classes in proportion.

    Each class is shuffled and spread evenly over the whole; without classes it is a plain shuffle.

    Args:
        y: labels (n,) or (n, …).
        random: to shuffle with.

    Returns:
        The indices 0 to n-1.
    """
    strata = _strata(y)
    place = np.empty(len(y))
    for label in np.unique(strata):
        members = random.permutation(np.flatnonzero(strata == label))
        place[members] = (np.arange(len(members)) + random.random()) / len(members)
    return np.argsort(place, kind="stable")


def _strata(y: Array) -> Array:
    """A class for each sample: class numbers, one-hot or in a row, else one class for all; of several labels the first
    that has classes.
    """
    if fields.names(y):
        each = map(_strata, fields.parts(y).values())
        return next((strata for strata in each if strata.any()), np.zeros(len(y)))
    if y.ndim == 2 and one_hot(y):
        return np.asarray(y.argmax(axis=1))
    if whole(y) and len(np.unique(y)) <= len(y) // 2:
        return y
    return np.zeros(len(y))


def one_hot(y: Array) -> bool:
    """Whether labels, (n, …, classes), are rows of one 1 and else 0."""
    return y.ndim > 1 and all(
        ((some == 0) | (some == 1)).all() and (some.sum(axis=-1) == 1).all() for some in fields.chunks(y)
    )


def whole(y: Array) -> bool:
    """Whether labels are one whole number a sample."""
    return y.ndim == 1 and bool((y == np.round(y)).all())
