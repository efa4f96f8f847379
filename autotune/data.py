"""The user's data, split once and for all."""

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.errors import UserError

Array = NDArray[Any]


@dataclass(frozen=True)
class Split:
    """Samples and their labels.

    Attributes:
        x: inputs (n, *input shape), float32.
        y: labels (n,) or (n, …), int64 or float32.
    """

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)

    def fingerprint(self) -> str:
        """Changes with any sample or label."""
        digest = hashlib.sha256()
        for array in (self.x, self.y):
            digest.update(f"{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Data:
    """What is learned from, what the search sees, and what only the winner sees. No overlap.

    Attributes:
        train: for fine-tuning; the model has seen it already.
        validation: x_val where there is one, else a stratified half of x_test.
        test: the other half, or all of x_test.
        source: the file, for messages.
    """

    train: Split
    validation: Split
    test: Split
    source: str


def read_data(path: Path, seed: int) -> Data:
    """The splits of an .npz file.

    Args:
        path: with x_train, y_train, x_test, y_test, optionally x_val and y_val.
        seed: of the halves of x_test, where there is no x_val.

    Raises:
        UserError: it is missing or damaged, lacks a key, or an array is empty or does not fit its labels.
    """
    if not path.exists():
        raise UserError(f"data {path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if isinstance(file[name], np.ndarray)}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, TypeError) as error:
        raise UserError(f"data {path}: not an .npz file of plain arrays, or damaged") from error
    missing = [name for name in ("x_train", "y_train", "x_test", "y_test") if name not in arrays]
    if ("x_val" in arrays) != ("y_val" in arrays):
        missing.append("x_val" if "y_val" in arrays else "y_val")
    if missing:
        raise UserError(f"data {path}: no {', '.join(missing)}; it has {', '.join(arrays) or 'nothing'}")
    splits = {name: _split(arrays, name, path) for name in ("train", "test", "val") if f"x_{name}" in arrays}
    if "val" in splits:
        return Data(splits["train"], splits["val"], splits["test"], str(path))
    validation, test = _halves(splits["test"], seed)
    if not len(test):
        raise UserError(f"data {path}: x_test has too few samples to be halved into validation and test; add x_val")
    return Data(splits["train"], validation, test, str(path))


def _split(arrays: dict[str, Array], name: str, path: Path) -> Split:
    x, y = arrays[f"x_{name}"], arrays[f"y_{name}"]
    where = f"data {path}"
    if x.ndim == 0 or not len(x):
        raise UserError(f"{where}: x_{name} is empty")
    if y.ndim == 0 or len(x) != len(y):
        raise UserError(f"{where}: x_{name} has {len(x)} samples, y_{name} {len(y) if y.ndim else 'none'}")
    for kind, array in ((f"x_{name}", x), (f"y_{name}", y)):
        if array.dtype.kind not in "buif":
            raise UserError(f"{where}: {kind} is of type {array.dtype}, not numbers")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is found here
        x = x.astype(np.float32)
        y = y.astype(np.int64) if y.dtype.kind in "bui" else y.astype(np.float32)
    for kind, array in ((f"x_{name}", x), (f"y_{name}", y)):
        if not np.isfinite(array).all():
            raise UserError(f"{where}: {kind} has NaN or infinite values")
    return Split(x, y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y)


def _halves(split: Split, seed: int) -> tuple[Split, Split]:
    """Each class shuffled and dealt out in turn; without classes all samples are."""
    random = np.random.default_rng(seed)
    strata = _strata(split.y)
    dealt = np.concatenate([random.permutation(np.flatnonzero(strata == label)) for label in np.unique(strata)])
    first, second = np.sort(dealt[0::2]), np.sort(dealt[1::2])
    return Split(split.x[first], split.y[first]), Split(split.x[second], split.y[second])


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
    """A class for each sample: class numbers, one-hot or in a row, else one class for all."""
    if one_hot(y):
        return np.asarray(y.argmax(axis=1))
    if whole(y) and len(np.unique(y)) <= len(y) // 2:
        return y
    return np.zeros(len(y))


def one_hot(y: Array) -> bool:
    """Whether labels are rows of one 1 and else 0."""
    return y.ndim == 2 and bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def whole(y: Array) -> bool:
    """Whether labels are one whole number a sample."""
    return y.ndim == 1 and bool((y == np.round(y)).all())
