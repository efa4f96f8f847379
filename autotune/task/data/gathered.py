"""Samples as they come or are made, of which no more is in memory than the next ones where they are LARGE."""

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from autotune.files import Scratch, no_empty_folder
from autotune.task.data import fields, mapped
from autotune.task.data.fields import Array
from autotune.task.data.npy import header

BUFFER = 1 << 20
"""Bytes that are written at once, where samples come one by one."""


class Gathered:
    """Samples (n, …) as they come: in memory, or from LARGE on in a file that is called by the sha256 of its content.

    A context, which leaves no file but that of end().
    """

    def __init__(self, folder: Path | None) -> None:
        """
        Args:
            folder: for the file; None where there is none, then they are in memory.
        """
        self._folder = folder
        self._count = 0
        self._dtype: np.dtype[Any] = np.dtype(float)  # of whichever numbers they are
        self._shape: tuple[int, ...] = ()
        self._memory = io.BytesIO()
        self._file: _File | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, batch: Array) -> None:
        """Takes the next samples (k, …).

        Raises:
            ValueError: they differ from those before in shape or type.
            UserError: they can't be written.
        """
        if not self._count:
            self._dtype, self._shape = batch.dtype, batch.shape[1:]
        if not batch.ndim or (batch.dtype, batch.shape[1:]) != (self._dtype, self._shape):
            raise ValueError(f"{batch.dtype} {batch.shape[1:]} after {self._dtype} {self._shape}")
        self._count += len(batch)
        content = np.ascontiguousarray(batch).data
        if self._file is not None:
            self._file.write(content)
            return
        self._memory.write(content)
        if self._folder is not None and self._memory.tell() >= mapped.LARGE:
            self._file = _File(self._folder, header((0, *self._shape), self._dtype))
            self._file.write(self._memory.getbuffer())
            self._memory = io.BytesIO()

    def end(self) -> Array:
        """All samples; where there were none, (0,).

        Raises:
            UserError: they can't be written.
        """
        shape = (self._count, *self._shape)
        if self._file is None:
            return np.ndarray(shape, self._dtype, self._memory.getbuffer())
        start = header(shape, self._dtype)
        return mapped.Place(self._file.named(start), len(start), self._dtype, shape).opened()


class _File:
    """A file that has its name at the end alone; till then it goes with the process that writes it."""

    def __init__(self, folder: Path, start: bytes) -> None:
        """
        Args:
            folder: it is to be in.
            start: as long as what named() is to be given.

        Raises:
            UserError: as every method, it can't be written.
        """
        self._folder = folder
        self._digest = hashlib.sha256()
        self._size = 0
        self._stack = ExitStack()
        self._stack.enter_context(no_empty_folder(folder))
        with mapped.writing(folder, 0):
            folder.mkdir(parents=True, exist_ok=True)
            self._path = Path(self._stack.enter_context(Scratch(folder)), "samples.npy")
            self._file = self._stack.enter_context(self._path.open("wb", BUFFER))
            self._file.write(start)

    def write(self, content: memoryview) -> None:
        with mapped.writing(self._folder, self._size + content.nbytes):
            self._file.write(content)
        self._digest.update(content)
        self._size += content.nbytes

    def named(self, start: bytes) -> Path:
        """Its path, which says all it holds; what is there already stays.

        Args:
            start: that it begins with.
        """
        self._digest.update(start)
        path = self._folder / f"{self._digest.hexdigest()}.npy"
        with mapped.writing(self._folder, self._size):
            self._file.seek(0)
            self._file.write(start)
            self._file.close()
            if not path.is_file():
                self._path.replace(path)
        return path

    def close(self) -> None:
        """Removes it where it has no name."""
        with mapped.writing(self._folder, self._size):
            self._stack.close()


def gathered(batches: Iterable[Array], folder: Path | None) -> Array:
    """All samples (n, …) of batches (k, …).

    Args:
        batches: of one shape and type.
        folder: as Gathered takes it.

    Raises:
        ValueError: they differ.
        UserError: they can't be written.
    """
    with Gathered(folder) as samples:
        for batch in batches:
            samples.add(batch)
        return samples.end()


def changed(values: Array, change: Callable[[Array], Array], folder: Path | None) -> Array:
    """What a change makes of samples (n, …): of LARGE ones chunk by chunk.

    Args:
        values: the samples.
        change: of any of them, each on its own. It gives as many new ones, or the same in another shape.
        folder: as Gathered takes it.

    Raises:
        UserError: as change() does, or they can't be written.
    """
    if folder is None:
        return change(values)
    if values.nbytes < mapped.LARGE:
        few = change(values)
        return few if few.nbytes < mapped.LARGE else gathered(fields.chunks(few), folder)
    view = change(values[:1])
    if mapped.path_of(values) is None or view.dtype != values.dtype or not np.may_share_memory(view, values):
        return gathered(map(change, fields.chunks(values)), folder)
    for chunk in fields.chunks(values):
        change(chunk)  # which may refuse it
    return values if view.shape[1:] == values.shape[1:] else values.reshape(len(values), *view.shape[1:])


def chosen(values: Array, indices: Array, folder: Path | None) -> Array:
    """The samples of these indices (m,), in this order.

    Args:
        values: samples (n, …).
        indices: of them.
        folder: as Gathered takes it.

    Raises:
        UserError: they can't be written.
    """
    size = len(indices) * values[:1].nbytes
    if folder is None or size < mapped.LARGE:
        return np.asarray(values[indices])
    return gathered((values[some] for some in np.array_split(indices, -(-size // fields.CHUNK))), folder)


def joined(values: Mapping[str, Array], folder: Path | None) -> Array:
    """Several inputs or outputs as one array, as fields.joined().

    Args:
        values: (n, …) each, by name.
        folder: as Gathered takes it.

    Raises:
        ValueError: their numbers differ.
        UserError: they can't be written.
    """
    size = sum(value.nbytes for value in values.values())
    if folder is None or list(values) == [""] or size < mapped.LARGE:
        return fields.joined(values)
    count = fields.count(values)
    step = max(1, count * fields.CHUNK // size)
    starts = range(0, count, step)
    columns = values.items()
    return gathered((fields.joined({name: v[at : at + step] for name, v in columns}) for at in starts), folder)
