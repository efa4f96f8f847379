"""Files that are written whole or not at all."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives a path beside this one to write to, which takes its place at the end; on an error nothing is left.

    Whoever reads meanwhile finds what was there before, and of several writers the last one's stays.
    The folder is made where it is not there.

    Args:
        path: of the file; what is given has the same suffix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".new-{os.getpid()}-{threading.get_ident()}-{path.name}")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
