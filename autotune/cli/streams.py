"""The process's own streams, whatever state it was given them in."""

import io
import os
import sys


def secure() -> None:
    """Makes stdin, stdout and stderr usable: a closed one leads to nowhere, and what can't be encoded is written as ?.

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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            unicode = stream.encoding.lower().startswith("utf")
            stream.reconfigure(errors="backslashreplace" if unicode else "replace")  # the first for names of files
