"""Samples in a file that the processes of a machine share, where they are too many for memory of each."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike

from autotune.errors import UserError
from autotune.files import whole
from autotune.task.data.fields import Array

LARGE = 1 << 28
"""Bytes from which samples are kept in a file."""


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
        try:
            with whole(path) as file:
                room = npy.open_memmap(file, "w+", np.dtype(dtype), tuple(shape))
                with file.open("r+b") as there:  # else a disk that fills up would end the process
                    os.posix_fallocate(there.fileno(), 0, file.stat().st_size)
                fill(room)
                room.flush()
        except OSError as error:
            reason = f"{size / 1e9:.1f} GB of samples can't be kept there: {error.strerror}"
            raise UserError(f"{folder}: {reason}; choose another --dir") from error
    return opened(path)


def opened(path: Path) -> Array:
    """The samples of such a file."""
    return np.asanyarray(np.load(path, mmap_mode="r"))


def path_of(samples: Array) -> Path | None:
    """The file whose samples these are, all of them; None where they are in memory."""
    if not isinstance(samples, np.memmap) or samples.filename is None:
        return None
    path = Path(samples.filename)
    return path if samples.offset + samples.nbytes == path.stat().st_size else None
