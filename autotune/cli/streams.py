"""The process's own streams, whatever state it was given them in."""

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

UNREAD = (errno.EPIPE, errno.EIO, errno.ECONNRESET)
"""What writing fails with where nobody reads any more: a pipe, a terminal, a socket."""


def secure() -> None:
    """Makes stdin, stdout and stderr usable: a closed one leads to nowhere, and what can't be encoded is written as ?.

    What nobody reads any more, as behind head or where the terminal is gone, is written to nowhere: what runs goes on.
    Of a closed one the number would go to the next file that is opened, such as a journal, and what native code
    prints would go there.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    sys.stdout, sys.stderr = _written(sys.stdout), _written(sys.stderr)


def _written(stream: TextIO) -> TextIO:
    """A stream that can be written to, whatever is written and whoever reads."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    unicode = stream.encoding.lower().startswith("utf")
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace" if unicode else "replace",  # the first for names of files
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Output(io.FileIO):
    def write(self, data: "ReadableBuffer") -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in UNREAD:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(data)
