"""Arrays in NumPy's .npy format, from hands that may have damaged them, or made them up."""

from math import prod
from typing import IO

from numpy.lib import format as npy

from autotune.errors import one_line
from autotune.files import check_memory
from autotune.task.data.fields import Array

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


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
        file.seek(0)
        array: Array = npy.read_array(file, allow_pickle=False)
    except Exception as error:  # of values that were hit, as below
        raise ValueError(f"not a whole .npy file of plain values: {one_line(error)}") from error
    return array


def check_header(file: IO[bytes], size: int) -> None:
    """Holds what a file declares against what it has.

    Args:
        file: at its beginning.
        size: bytes that it has.

    Raises:
        ValueError: as read_array().
    """
    try:
        shape, _, dtype = _HEADERS[npy.read_magic(file)](file)
        declared = prod(shape) * dtype.itemsize
        if dtype.hasobject or any(length < 0 for length in shape) or declared != size - file.tell():
            raise ValueError("declares other contents than it has")
        check_memory(declared)
    except Exception as error:  # of a header that was hit, parsers raise whatever they stumble over
        raise ValueError(f"not a whole .npy file of plain values: {one_line(error)}") from error
