"""Data from an .npz file of plain arrays."""

import zipfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from autotune.errors import UserError, one_line
from autotune.files import check_unpacked
from autotune.task.data import fields
from autotune.task.data.fields import Array
from autotune.task.data.npy import check_header, read_array
from autotune.task.data.splits import Cut, Data, assembled

T = TypeVar("T")

ARRAYS = (*(f"{kind}_{split}" for split in ("train", "val", "test") for kind in ("x", "y", "groups")), "x_cal")
"""Names of arrays that are read."""


def read_npz(path: Path, cut: Cut) -> Data:
    """The splits of an .npz file.

    Args:
        path: with x_train, y_train, x_test, y_test, optionally x_val and y_val, and x_cal; without
            any y_… the inputs are their own labels, as an autoencoder's are; groups_train, groups_test and groups_val
            are the groups that samples are of, such as patients, and optional. Of several inputs or outputs each has
            its own, by its name: x_train:NAME and so on.
        cut: of x_test, where there is no x_val.

    Raises:
        UserError: it is damaged or lacks a key, or as assembled().
    """
    arrays = _joined(path, _each(path, _array))
    names, labelled = _check_keys(path, arrays.keys())
    parts = {name: (arrays[f"x_{name}"], arrays[f"{'y' if labelled else 'x'}_{name}"]) for name in names}
    groups = {name: arrays[f"groups_{name}"] for name in names if f"groups_{name}" in arrays}
    data = assembled(parts, cut, str(path), arrays.get("x_cal"), groups)
    return data if labelled else replace(data, loss="mse", metric="mse")


def check_npz(path: Path) -> None:
    """What can be said of an .npz file without reading its arrays.

    Raises:
        UserError: it is none, lacks a key, or declares other arrays than it has.
    """
    _check_keys(path, [*dict.fromkeys(map(_plain, _each(path, _check_array)))])


def _check_keys(path: Path, keys: Collection[str]) -> tuple[list[str], bool]:
    """The splits that there are, and whether they have labels.

    Raises:
        UserError: a key is missing.
    """
    names = ["train", "test", *(["val"] if {"x_val", "y_val"} & set(keys) else [])]
    labelled = any(f"y_{name}" in keys for name in names) or not {"x_train", "x_test"} <= set(keys)
    wanted = [f"{kind}_{name}" for name in names for kind in ("xy" if labelled else "x")]
    missing = [key for key in wanted if key not in keys]
    if missing:
        raise UserError(f"data {path}: no {', '.join(missing)}; it has {', '.join(keys) or 'nothing'}")
    return names, labelled


def _each(path: Path, take: Callable[[zipfile.ZipFile, zipfile.ZipInfo], T]) -> dict[str, T]:
    """What is made of each array, by its key.

    Raises:
        UserError: the file is damaged, or something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            plain = {name: _plain(name) in ARRAYS for name in members}
            wanted = {name: info for name, info in members.items() if plain[name] and info.filename.endswith(".npy")}
            check_unpacked(path.stat().st_size, sum(info.file_size for info in wanted.values()))
            return {name: take(archive, info) for name, info in wanted.items()}
    except Exception as error:  # of bytes that were hit, zipfile and its decompressors raise whatever they stumble over
        raise UserError(f"data {path}: not an .npz file of plain arrays, or damaged: {one_line(error)}") from error


def _plain(key: str) -> str:
    """A key without the name of an input or output."""
    return key.partition(":")[0]


def _joined(path: Path, arrays: dict[str, Array]) -> dict[str, Array]:
    """Arrays by plain keys, those of several inputs or outputs as one.

    Raises:
        UserError: a plain key stands beside names, or numbers of samples differ.
    """
    groups: dict[str, dict[str, Array]] = {}
    for key, array in arrays.items():
        groups.setdefault(_plain(key), {})[key.partition(":")[2]] = array
    joined = {}
    for key, values in groups.items():
        if "" in values and len(values) > 1:
            raise UserError(f"data {path}: has {key} and {key}:{max(values)}; name all inputs, or none")
        if "" not in values and any(not value.ndim for value in values.values()):
            raise UserError(f"data {path}: {key} has a single number, not one for each sample")
        try:
            joined[key] = fields.joined(values)
        except ValueError as error:
            raise UserError(f"data {path}: samples of {key} differ in number: {error}") from error
    return joined


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as member:
        return read_array(member, info.file_size)


def _check_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    with archive.open(info) as member:
        check_header(member, info.file_size)
