"""Files that are written whole or not at all, or linked."""

import os
import shutil
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


def link(source: Path, path: Path) -> None:
    """The file under another name; linked, so that it takes no room twice. What is there already stays."""
    path.parent.mkdir(exist_ok=True)
    try:
        os.link(source, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        with whole(path) as file:
            shutil.copyfile(source, file)
