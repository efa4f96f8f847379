"""Samples in files that the processes of a machine share, where they are too many for memory of each."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike

from autotune.errors import UserError
from autotune.files import no_empty_folder, whole
from autotune.task.data.fields import Array

LARGE = 1 << 28
"""Bytes from which samples are kept in a file."""


@dataclass(frozen=True)
class Place:
    """Where samples lie in a file: one behind the other, as in memory.

    Attributes:
        path: of the file.
        offset: bytes before them.
        dtype: of their values.
        shape: of them, with their number.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]  # of whichever numbers they are
    shape: tuple[int, ...]

    def opened(self) -> Array:
        """The samples, mapped, to be read alone.

        Raises:
            OSError: there is no such file.
        """
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)


class ByPath:
    """A dataclass whose arrays, where they are in files, are opened from there where it comes to: nobody sends or
    keeps their samples.
    """

    def __reduce__(self) -> tuple[object, ...]:
        values = {name: place_of(value) or value for name, value in vars(self).items()}
        return _arrived, (type(self), values)


def _arrived(kind: Callable[..., object], values: dict[str, object]) -> object:
    arrays = {place: place.opened() for place in values.values() if isinstance(place, Place)}  # one for each, as it was
    return kind(**{name: arrays[value] if isinstance(value, Place) else value for name, value in values.items()})


def place_of(samples: object) -> Place | None:
    """Where samples lie, None where they are in memory, or are only some of those in their file."""
    if not isinstance(samples, np.memmap) or samples.filename is None or samples.mode == "c":  # c: other than the file
        return None
    path = Path(samples.filename)
    whole_file = path.is_file() and samples.offset + samples.nbytes == path.stat().st_size
    if not whole_file or not samples.flags.c_contiguous:
        return None
    return Place(path, samples.offset, samples.dtype, samples.shape)


def path_of(samples: Array) -> Path | None:
    """The file whose samples these are, all of them; None where they are in memory."""
    place = place_of(samples)
    return None if place is None else place.path


def filled(
    folder: Path | None, key: Callable[[], str], shape: Sequence[int], dtype: DTypeLike, fill: Callable[[Array], None]
) -> Array:
    """Samples (n, …), in memory, or where they are LARGE as a file that is made once and mapped.

    Args:
        folder: for the file; None where there is none, then they are in memory.
        key: the file's name, which says all that its content depends on.
        shape: of the samples, with their number.
        dtype: of their values.
        fill: writes them; what it raises leaves no file.

    Raises:
        UserError: the file can't be written.
    """
    size = int(np.prod([np.dtype(dtype).itemsize, *shape], dtype=float))
    if folder is None or size < LARGE:
        samples = np.empty(shape, dtype)
        fill(samples)
        return samples
    path = folder / f"{key()}.npy"
    if not path.is_file():
        with no_empty_folder(folder), writing(folder, size), whole(path) as file:
            room = npy.open_memmap(file, "w+", np.dtype(dtype), tuple(shape))
            with file.open("r+b") as there:  # else a disk that fills up would end the process
                os.posix_fallocate(there.fileno(), 0, file.stat().st_size)
            fill(room)
            room.flush()
    return opened(path)


@contextmanager
def writing(folder: Path, size: float) -> Iterator[None]:
    """A place to write so many bytes of samples from, into the folder.

    Raises:
        UserError: they can't be written.
    """
    try:
        yield
    except OSError as error:
        reason = f"{size / 1e9:.1f} GB of samples can't be kept there: {error.strerror}"
        raise UserError(f"{folder}: {reason}; choose another --dir") from error


def opened(path: Path) -> Array:
    """The samples of such a file."""
    return np.asanyarray(np.load(path, mmap_mode="r"))
