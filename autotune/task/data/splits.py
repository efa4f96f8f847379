"""Splits: what they are, how one is cut in two, and what is refused in all of them."""

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from autotune.config import fingerprint
from autotune.errors import UserError
from autotune.task.data import fields
from autotune.task.data.cut import Cut, for_validation
from autotune.task.data.fields import Array
from autotune.task.data.gathered import changed, chosen
from autotune.task.data.mapped import ByPath

TOLERANCE = 0.01
"""How far calibration inputs may leave the range of the training inputs, as a share of that range."""


@dataclass(frozen=True)
class Split(ByPath):
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

    def some(self, indices: Array, cache: Path | None = None) -> Self:
        """The samples of these indices (m,), in this order.

        Args:
            indices: of them.
            cache: folder for them where they are many; None keeps them in memory.

        Raises:
            UserError: they can't be written there.
        """
        x = chosen(self.x, indices, cache)
        y = x if self.unlabelled else chosen(self.y, indices, cache)
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
class Data(ByPath):
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
        cache: folder for samples that are many, also for what becomes of them; None where all stay in memory.
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
    cache: Path | None = None

    def fingerprint(self, dtypes: Mapping[str, str] = MappingProxyType({})) -> str:
        """Changes with any sample or label.

        Args:
            dtypes: as Split.fingerprint() takes them.
        """
        parts = [split.fingerprint(dtypes) for split in (self.train, self.validation, self.test)]
        return fingerprint(parts + ([] if self.calibration is None else [_digest((self.calibration, dtypes))]))


def assembled(
    parts: Mapping[str, tuple[ArrayLike, ArrayLike]],
    cut: Cut,
    source: str,
    calibration: ArrayLike | None = None,
    groups: Mapping[str, ArrayLike] | None = None,
    cache: Path | None = None,
) -> Data:
    """Data from arrays, once they are found to be in order.

    Args:
        parts: x and y of "train", "test" and, where there is one, "val"; y may be x itself.
        cut: of the test samples, where there is no "val".
        source: as the user named it.
        calibration: inputs without labels, or None.
        groups: of the samples of some or all of the parts, a name or number for each sample. They stay together
            where validation is cut.
        cache: folder for samples that are many and in no file yet; None keeps them in memory.

    Raises:
        UserError: an array is empty, not of numbers, or has NaN or infinite values; x and y differ in
            number; there is too little to be cut; calibration inputs leave the range of the training inputs;
            groups are not as many as samples, or one is in two parts; the cache can't be written.
    """
    splits = {name: _split(*parts[name], name, source, cache) for name in ("train", "test", "val") if name in parts}
    splits = _grouped(splits, groups or {}, source)
    if "val" not in splits:
        splits["val"], splits["test"] = _cut(splits["test"], cut, cache)
        if not (len(splits["val"]) and len(splits["test"])):
            if splits["test"].groups is not None:
                raise UserError(f"data {source}: too few groups of test samples to be cut; add validation samples")
            raise UserError(
                f"data {source}: too few test samples to be cut into validation and test; add validation samples"
            )
    if calibration is not None:
        calibration = inputs(fields.array(calibration), "x_cal", source, cache)
        _check_range(calibration, splits["train"].x, source)
    return Data(splits["train"], splits["val"], splits["test"], source, calibration, cache=cache)


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


def _split(x: ArrayLike, y: ArrayLike, name: str, source: str, cache: Path | None) -> Split:
    unlabelled = y is x
    x = inputs(fields.array(x), f"x_{name}", source, cache)
    if unlabelled:
        return Split(x, x)
    y = fields.array(y)
    if y.ndim == 0 or len(x) != len(y):
        raise UserError(f"data {source}: x_{name} has {len(x)} samples, y_{name} {len(y) if y.ndim else 'none'}")
    return Split(x, labels(y, f"y_{name}", source, cache))


def labels(y: Array, name: str, source: str, cache: Path | None = None) -> Array:
    """Labels (n, …) as a split has them, of several outputs a field for each: int64 or float32.

    Args:
        y: as they are returned or read.
        name: of them, for messages.
        source: as the user named the data.
        cache: as assembled() takes it.

    Raises:
        UserError: they are not of numbers, have NaN or infinite values, or can't be written.
    """

    def label(field: str, values: Array) -> Array:
        dtype = np.int64 if values.dtype.kind in "bui" else np.float32
        values = _numbers(values, dtype, f"{name}:{field}" if field else name, source)
        return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values

    return changed(y, lambda some: fields.each(some, label), cache)


def inputs(x: Array, name: str, source: str, cache: Path | None = None) -> Array:
    """Inputs (n, …) as a split has them, of several a field for each: float32, or integers as they are.

    Args:
        x: as they are returned or read.
        name: of them, for messages.
        source: as the user named the data.
        cache: as assembled() takes it.

    Raises:
        UserError: there are none, they are not of numbers, have NaN or infinite values, or can't be written.
    """

    def numbers(field: str, values: Array) -> Array:
        own = f"{name}:{field}" if field else name
        if not values.size:
            raise UserError(f"data {source}: {own} is empty")
        return _numbers(values, values.dtype.type if values.dtype.kind in "iu" else np.float32, own, source)

    if not x.size or not x.ndim:
        raise UserError(f"data {source}: {name} is empty")
    return changed(x, lambda some: fields.each(some, numbers), cache)


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


def _cut(split: Split, cut: Cut, cache: Path | None) -> tuple[Split, Split]:
    first = for_validation(split.y, split.groups, cut)
    return split.some(np.flatnonzero(first), cache), split.some(np.flatnonzero(~first), cache)


def _digest(*arrays: tuple[Array, Mapping[str, str]]) -> str:
    """Of arrays, each with the types by name that its values stand for."""
    digest = hashlib.sha256()
    for array, dtypes in arrays:
        for name, values in fields.parts(array).items():
            dtype = np.dtype(dtypes.get(name, values.dtype))
            digest.update(f"{name}{values.shape}{dtype}".encode())
            for some in fields.chunks(values):
                digest.update(np.ascontiguousarray(some, dtype).data)
    return digest.hexdigest()
