"""What holds of every reader: it gives a value, or says in one line what is wrong."""

import struct
from collections.abc import Callable
from typing import TypeVar

from autotune.errors import UserError

T = TypeVar("T")

LONGEST = 2000
"""Characters of a line that a person may be expected to read."""


def read_or_refused(read: Callable[[], T], refusals: tuple[type[Exception], ...] = (UserError,)) -> T | None:
    """What a reader gives, None where it refuses, by one of these; any other exception is the test's failure."""
    try:
        return read()
    except refusals as error:
        line = str(error)
        assert line.strip()
        assert line.isprintable(), line
        assert len(line) < LONGEST, line[:200]
        return None


def with_header(header: str, body: bytes, version: bytes = b"\1\0") -> bytes:
    """An .npy file of this header and body, whether they fit or not."""
    text = header.encode("latin-1", "replace") + b"\n"
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text + body
