"""Arrays in NumPy's .npy format: from hands that may have damaged them, or made them up; and what such a file begins
with.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from autotune.errors import one_line
from autotune.files import check_memory
from autotune.task.data.fields import Array

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}

_DIGITS = 20
"""Of a number of samples, at most."""


def read_array(file: IO[bytes], size: int) -> Array:
    """The array in a file. Nothing is made room for that the file does not have.

    Args:
        file: at its beginning; it can be gone back in.
        size: bytes that it has.

    Raises:
        ValueError: it is no whole .npy file of plain values, or they don't fit into memory.
    """
    check_header(file, size)
    try:
        check_memory(size)
        file.seek(0)
        array: Array = npy.read_array(file, allow_pickle=False)
    except Exception as error:  # of values that were hit, as below
        raise ValueError(f"not a whole .npy file of plain values: {one_line(error)}") from error
    return array


@dataclass(frozen=True)
class Declared:
    """What a file says that it holds.

    Attributes:
        shape: of the array.
        columns: whether the array's columns lie one behind the other, in Fortran's order, and not its samples.
        dtype: of its values.
    """

    shape: tuple[int, ...]
    columns: bool
    dtype: np.dtype[Any]  # of whichever numbers


def check_header(file: IO[bytes], size: int) -> Declared:
    """What a file declares, which is held against what it has. Behind it the values begin.

    Args:
        file: at its beginning.
        size: bytes that it has.

    Raises:
        ValueError: as read_array().
    """
    try:
        declared = Declared(*_HEADERS[npy.read_magic(file)](file))
        values = prod(declared.shape) * declared.dtype.itemsize
        if declared.dtype.hasobject or any(each < 0 for each in declared.shape) or values != size - file.tell():
            raise ValueError("declares other contents than it has")
        return declared
    except Exception as error:  # of a header that was hit, parsers raise whatever they stumble over
        raise ValueError(f"not a whole .npy file of plain values: {one_line(error)}") from error


def read_samples(file: IO[bytes], declared: Declared, count: int) -> Iterator[Array]:
    """The samples in a file, so many at a time.

    Args:
        file: behind its header.
        declared: what that says; the array has samples, one behind the other.
        count: of samples.

    Raises:
        ValueError: there are fewer.
    """
    length, *sample = declared.shape
    size = prod(sample) * declared.dtype.itemsize
    for start in range(0, length, count):
        content = file.read(min(count, length - start) * size)
        yield np.frombuffer(content, declared.dtype).reshape(min(count, length - start), *sample)
    file.read(1)  # at its end a member of an archive is held against its checksum


def header(shape: Sequence[int], dtype: np.dtype[Any]) -> bytes:  # of whichever numbers
    """What a file of such an array begins with, as long for any number of samples: so it can be written at the end.

    Version 3.0 of the format, as numpy.lib.format describes it.
    """
    text = repr({"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}).encode()
    start = len(npy.magic(3, 0)) + 4
    size = -(-(start + len(text) + _DIGITS - len(str(shape[0]))) // npy.ARRAY_ALIGN) * npy.ARRAY_ALIGN
    return npy.magic(3, 0) + struct.pack("<I", size - start) + text.ljust(size - start - 1) + b"\n"
