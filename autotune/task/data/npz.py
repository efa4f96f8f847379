"""Data from an .npz file of plain arrays."""

import zipfile
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from autotune.errors import UserError, one_line
from autotune.files import check_unpacked
from autotune.task.data import fields, gathered, mapped
from autotune.task.data.cut import Cut
from autotune.task.data.fields import Array
from autotune.task.data.npy import check_header, read_array, read_samples
from autotune.task.data.splits import Data, assembled, inputs, labels

T = TypeVar("T")

Members = dict[str, zipfile.ZipInfo]
"""The members of a key, by the names of inputs or outputs; "" is that of the only one."""

ARRAYS = (*(f"{kind}_{split}" for split in ("train", "val", "test") for kind in ("x", "y", "groups")), "x_cal")
"""Names of arrays that are read."""


def read_npz(path: Path, cut: Cut, cache: Path | None = None) -> Data:
    """The splits of an .npz file.

    Args:
        path: with x_train, y_train, x_test, y_test, optionally x_val and y_val, and x_cal; without
            any y_… the inputs are their own labels, as an autoencoder's are; groups_train, groups_test and groups_val
            are the groups that samples are of, such as patients, and optional. Of several inputs or outputs each has
            its own, by its name: x_train:NAME and so on.
        cut: of x_test, where there is no x_val.
        cache: folder for what is large: it is mapped from there.

    Raises:
        UserError: it is damaged or lacks a key, or as assembled().
    """
    arrays = _each(path, partial(_array, path=path, cache=cache), streams=cache is not None)
    names, labelled = _check_keys(path, arrays.keys())
    parts = {name: (arrays[f"x_{name}"], arrays[f"{'y' if labelled else 'x'}_{name}"]) for name in names}
    groups = {name: arrays[f"groups_{name}"] for name in names if f"groups_{name}" in arrays}
    data = assembled(parts, cut, str(path), arrays.get("x_cal"), groups, cache)
    return data if labelled else replace(data, loss="mse", metric="mse")


def check_npz(path: Path) -> None:
    """What can be said of an .npz file without reading its arrays.

    Raises:
        UserError: it is none, lacks a key, or declares other arrays than it has.
    """
    _check_keys(path, _each(path, _check_array, streams=True).keys())


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


def _each(path: Path, take: Callable[[zipfile.ZipFile, str, Members], T], *, streams: bool) -> dict[str, T]:
    """What is made of each array, by its key, of several inputs or outputs of all together.

    Args:
        path: of the file.
        take: is given the archive, the key and its members.
        streams: whether large arrays go into a file of their own.

    Raises:
        UserError: the file is damaged, or something else, a key stands beside names; or as take() does.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays: dict[str, Members] = {}
            for info in archive.infolist():
                key, _, name = info.filename.removesuffix(".npy").partition(":")
                if key in ARRAYS and info.filename.endswith(".npy"):
                    arrays.setdefault(key, {})[name] = info
            sizes = list(map(_size, arrays.values()))
            in_memory = [size for size in sizes if not (streams and size >= mapped.LARGE)]
            check_unpacked(path.stat().st_size, sum(sizes), sum(in_memory))
            return {key: take(archive, key, members) for key, members in arrays.items()}
    except UserError:
        raise
    except Exception as error:  # of bytes that were hit, zipfile and its decompressors raise whatever they stumble over
        raise UserError(f"data {path}: not an .npz file of plain arrays, or damaged: {one_line(error)}") from error


def _size(members: Members) -> int:
    return sum(info.file_size for info in members.values())


def _array(archive: zipfile.ZipFile, key: str, members: Members, path: Path, cache: Path | None) -> Array:
    """The array of a key, which is never all in memory where it is large and lies sample by sample.

    Raises:
        UserError: the key stands beside names, or numbers of samples differ; or as inputs() and labels() do.
    """
    if "" in members and len(members) > 1:
        raise UserError(f"data {path}: has {key} and {key}:{max(members)}; name all inputs, or none")
    if cache is not None and _size(members) >= mapped.LARGE and not key.startswith("groups"):
        with ExitStack() as stack:
            files = {name: stack.enter_context(archive.open(info)) for name, info in members.items()}
            declared = {name: check_header(file, members[name].file_size) for name, file in files.items()}
            lengths = {each.shape[:1] for each in declared.values()}
            if len(lengths) == 1 and lengths != {()} and not any(each.columns for each in declared.values()):
                [[length]] = lengths
                count = max(1, length * fields.CHUNK // _size(members))
                columns = [read_samples(file, declared[name], count) for name, file in files.items()]
                take = inputs if key.startswith("x") else labels
                batches = (fields.joined(dict(zip(files, each, strict=True))) for each in zip(*columns, strict=True))
                return gathered.gathered((take(batch, key, str(path)) for batch in batches), cache)
    values = {name: _read(archive, info) for name, info in members.items()}
    if "" not in values and any(not value.ndim for value in values.values()):
        raise UserError(f"data {path}: {key} has a single number, not one for each sample")
    try:
        return gathered.joined(values, cache)
    except ValueError as error:
        raise UserError(f"data {path}: samples of {key} differ in number: {error}") from error


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as member:
        return read_array(member, info.file_size)


def _check_array(archive: zipfile.ZipFile, _: str, members: Members) -> None:
    for info in members.values():
        with archive.open(info) as member:
            check_header(member, info.file_size)
