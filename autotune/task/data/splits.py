"""Splits: what they are, how one is cut in two, and what is refused in all of them."""

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from autotune.config import fingerprint
from autotune.errors import UserError
from autotune.task.data import fields
from autotune.task.data.fields import Array

CHUNK = 1 << 20
"""Values that are looked at at once, where all together would take memory."""

TOLERANCE = 0.01
"""How far calibration inputs may leave the range of the training inputs, as a share of that range."""


@dataclass(frozen=True)
class Split:
    """Samples and their labels.

    Attributes:
        x: inputs (n, *input shape), float32 or integers.
        y: labels (n,) or (n, …), int64 or float32; x itself where the model is to give its input back.
        groups: numbers (n,) of the groups that samples are of, such as patients or recordings, of which other
            samples are to be expected than of others; None where each sample is on its own.
    """

    x: Array
    y: Array
    groups: Array | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def unlabelled(self) -> bool:
        """Whether the inputs are their own labels."""
        return self.y is self.x

    @property
    def group_count(self) -> int | None:
        """How many groups there are; None where each sample is on its own."""
        return None if self.groups is None else len(np.unique(self.groups))

    def some(self, indices: Array) -> Self:
        """The samples of these indices (m,), in this order."""
        x = self.x[indices]
        y = x if self.unlabelled else self.y[indices]
        return type(self)(x, y, None if self.groups is None else self.groups[indices])

    def fingerprint(self, dtypes: Mapping[str, str] = MappingProxyType({})) -> str:
        """Changes with any sample, label or group.

        Args:
            dtypes: by input's name, what values stand for that are kept in fewer bits.
        """
        arrays = [(self.x, dtypes), (self.y, dtypes if self.unlabelled else MappingProxyType({}))]
        if self.groups is not None:
            arrays.append((self.groups, MappingProxyType({})))
        return _digest(*arrays)


@dataclass(frozen=True)
class Data:
    """What is learned from, what the search sees, and what only the winner sees. No overlap.

    Attributes:
        train: for fine-tuning; the model has seen it already.
        validation: the user's where there is one, else a stratified share of the test samples.
        test: the others, or all of them.
        source: as the user named it, for messages.
        calibration: inputs (n, *input shape), as x, that ranges of activations are learned from;
            None where they are to be drawn from train.
        classes: names of the classes by number, where the data has them.
        loss: its own idea of the loss, "NAME", "NAME:logits" or "FILE.py:FUNCTION"; None without one.
        metric: likewise, "NAME" or "FILE.py:FUNCTION".
        better: which way a metric that is a function is good.
        pixels: whether inputs are pixels of images, 0 to 255.
    """

    train: Split
    validation: Split
    test: Split
    source: str
    calibration: Array | None = None
    classes: tuple[str, ...] = ()
    loss: str | None = None
    metric: str | None = None
    better: Literal["higher", "lower"] = "higher"
    pixels: bool = False

    def fingerprint(self, dtypes: Mapping[str, str] = MappingProxyType({})) -> str:
        """Changes with any sample or label.

        Args:
            dtypes: as Split.fingerprint() takes them.
        """
        parts = [split.fingerprint(dtypes) for split in (self.train, self.validation, self.test)]
        return fingerprint(parts + ([] if self.calibration is None else [_digest((self.calibration, dtypes))]))


@dataclass(frozen=True)
class Cut:
    """How validation is cut from the test samples where the data has none.

    Attributes:
        share: of the test samples, above 0 and below 1.
        seed: of the shuffle.
    """

    share: float
    seed: int


def assembled(
    parts: Mapping[str, tuple[ArrayLike, ArrayLike]],
    cut: Cut,
    source: str,
    calibration: ArrayLike | None = None,
    groups: Mapping[str, ArrayLike] | None = None,
) -> Data:
    """Data from arrays, once they are found to be in order.

    Args:
        parts: x and y of "train", "test" and, where there is one, "val"; y may be x itself.
        cut: of the test samples, where there is no "val".
        source: as the user named it.
        calibration: inputs without labels, or None.
        groups: of the samples of some or all of the parts, a name or number for each sample. They stay together
            where validation is cut.

    Raises:
        UserError: an array is empty, not of numbers, or has NaN or infinite values; x and y differ in
            number; there is too little to be cut; calibration inputs leave the range of the training inputs;
            groups are not as many as samples, or one is in two parts.
    """
    splits = {name: _split(*parts[name], name, source) for name in ("train", "test", "val") if name in parts}
    splits = _grouped(splits, groups or {}, source)
    if "val" not in splits:
        splits["val"], splits["test"] = _cut(splits["test"], cut)
        if not (len(splits["val"]) and len(splits["test"])):
            if splits["test"].groups is not None:
                raise UserError(f"data {source}: too few groups of test samples to be cut; add validation samples")
            raise UserError(
                f"data {source}: too few test samples to be cut into validation and test; add validation samples"
            )
    if calibration is not None:
        calibration = _inputs(np.asarray(calibration), "x_cal", source)
        _check_range(calibration, splits["train"].x, source)
    return Data(splits["train"], splits["val"], splits["test"], source, calibration)


def _grouped(splits: Mapping[str, Split], groups: Mapping[str, ArrayLike], source: str) -> dict[str, Split]:
    """The splits with their groups as numbers.

    Raises:
        UserError: as assembled().
    """
    named = {name: np.asarray(groups[name]) for name in splits if name in groups}
    for name, names in named.items():
        if names.ndim != 1 or len(names) != len(splits[name]):
            raise UserError(
                f"data {source}: groups of {name} have shape {names.shape}, "
                f"not one name or number for each of its {len(splits[name])} samples"
            )
        if names.dtype.kind not in "buiUS":
            raise UserError(f"data {source}: groups of {name} are of type {names.dtype}, not names or whole numbers")
    for part, other in itertools.combinations(named, 2):
        if shared := sorted(set(named[part].tolist()) & set(named[other].tolist()), key=str):
            raise UserError(
                f"data {source}: group {shared[0]!r} is in {part} and in {other}; a group belongs into one split"
            )
    numbers = {name: np.unique(names, return_inverse=True)[1] for name, names in named.items()}
    return {name: replace(split, groups=numbers.get(name)) for name, split in splits.items()}


def _split(x: ArrayLike, y: ArrayLike, name: str, source: str) -> Split:
    unlabelled = y is x
    x = _inputs(x if isinstance(x, np.memmap) else np.asarray(x), f"x_{name}", source)
    if unlabelled:
        return Split(x, x)
    y = np.asarray(y)
    if y.ndim == 0 or len(x) != len(y):
        raise UserError(f"data {source}: x_{name} has {len(x)} samples, y_{name} {len(y) if y.ndim else 'none'}")
    return Split(x, _labels(y, f"y_{name}", source))


def _labels(y: Array, name: str, source: str) -> Array:
    if fields.names(y):
        return fields.each(y, lambda field, values: _labels(values, f"{name}:{field}", source))
    y = _numbers(y, np.int64 if y.dtype.kind in "bui" else np.float32, name, source)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _inputs(x: Array, name: str, source: str) -> Array:
    if not x.size or not x.ndim:
        raise UserError(f"data {source}: {name} is empty")
    if fields.names(x):
        return fields.each(x, lambda field, values: _inputs(values, f"{name}:{field}", source))
    return _numbers(x, x.dtype.type if x.dtype.kind in "iu" else np.float32, name, source)


def _numbers(array: Array, dtype: type, name: str, source: str) -> Array:
    """The array in this type, if all of it are finite numbers."""
    if array.dtype.kind not in "buif":
        raise UserError(f"data {source}: {name} is of type {array.dtype}, not numbers")
    if array.dtype.kind == "u" and dtype is np.int64 and (array > np.iinfo(np.int64).max).any():
        raise UserError(f"data {source}: {name} has numbers that are too large for labels")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is found here
        array = array.astype(dtype, copy=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError(f"data {source}: {name} has NaN or infinite values")
    return array


def _check_range(calibration: Array, train: Array, source: str) -> None:
    if fields.names(train):
        for name in set(fields.names(train)) & set(fields.names(calibration)):  # others are told of where they are used
            _check_range(calibration[name], train[name], f"{source}: {name}")
        return
    low, high = float(train.min()), float(train.max())
    slack = TOLERANCE * (high - low)
    if calibration.min() < low - slack or calibration.max() > high + slack:
        raise UserError(
            f"data {source}: calibration data out of the training range: it goes from {calibration.min():g} "
            f"to {calibration.max():g}, training data from {low:g} to {high:g}; prepare both alike"
        )


def _cut(split: Split, cut: Cut) -> tuple[Split, Split]:
    """Each class shuffled and dealt out in turn; without classes all samples are."""
    random = np.random.default_rng(cut.seed)
    if split.groups is not None:
        return _cut_by_groups(split, split.groups, cut.share, random)
    dealt = _shuffled_by_class(_strata(split.y), random)
    steps = np.ceil(np.arange(len(dealt) + 1) * cut.share)
    first = np.diff(steps) > 0
    return split.some(np.sort(dealt[first])), split.some(np.sort(dealt[~first]))


def _cut_by_groups(split: Split, groups: Array, share: float, random: np.random.Generator) -> tuple[Split, Split]:
    """The same with groups, which stay whole: each is of the class that most of its samples are of, and goes where
    the share is nearer with it.
    """
    names, group = np.unique(groups, return_inverse=True)
    strata = _strata(split.y)
    commonest = [_commonest(strata[group == number]) for number in range(len(names))]
    sizes = np.bincount(group)
    first = np.zeros(len(names), bool)
    chosen = seen = 0
    for number in _shuffled_by_class(np.array(commonest), random):
        seen += sizes[number]
        if chosen + sizes[number] / 2 <= share * seen:
            first[number] = True
            chosen += sizes[number]
    return split.some(np.flatnonzero(first[group])), split.some(np.flatnonzero(~first[group]))


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
    return y.ndim > 1 and bool(((y == 0) | (y == 1)).all() and (y.sum(axis=-1) == 1).all())


def whole(y: Array) -> bool:
    """Whether labels are one whole number a sample."""
    return y.ndim == 1 and bool((y == np.round(y)).all())


def _digest(*arrays: tuple[Array, Mapping[str, str]]) -> str:
    """Of arrays, each with the types by name that its values stand for."""
    digest = hashlib.sha256()
    for array, dtypes in arrays:
        for name, values in fields.parts(array).items():
            dtype = np.dtype(dtypes.get(name, values.dtype))
            digest.update(f"{name}{values.shape}{dtype}".encode())
            step = max(1, CHUNK // max(1, values[:1].size))
            for start in range(0, len(values), step):
                digest.update(np.ascontiguousarray(values[start : start + step], dtype).data)
    return digest.hexdigest()
