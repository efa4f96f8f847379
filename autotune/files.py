"""Files that are written whole or not at all, linked, told from others by their content, removed, or refused by
what they say of themselves, before they take all the memory there is.
"""

import contextlib
import fcntl
import hashlib
import os
import resource
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SCRATCH, _LOCK = "autotune-", ".held"

_SHORT, _LONGEST = Path("/tmp"), 42  # noqa: S108  # a folder of its own is made in it
"""For sockets: where their folders may always lie, and the most of a path's 107 characters that these may have."""

HARMLESS = 100 * 2**20
"""Bytes to which anything may unpack."""

RATIO = 100
"""By which what is larger may grow: trained weights and data hardly grow by 20, a bomb by 1,000 and more."""


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that is too long for one, or has letters that no name has, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Gives a path beside this one to write to, and removes what is still there in the end.

    The folder is made where it is not there.

    Args:
        path: of the file; what is given has the same suffix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".new-{os.getpid()}-{threading.get_ident()}-{path.name}")
    try:
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def no_empty_folder(folder: Path) -> Iterator[None]:
    """Removes in the end what was made meanwhile of this folder and of those above it, as far as nothing is in it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):  # there is something
                path.rmdir()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file beside the path, as beside(), that takes its place at the end, unless there is an error.

    Whoever reads meanwhile finds what was there before, and of several writers the last one's stays.
    """
    with beside(path) as fresh:
        yield fresh
        fresh.replace(path)


def link(source: Path, path: Path) -> None:
    """The file under another name, in place of what is there; linked, so that it takes no room twice."""
    make_way(path)
    with whole(path) as file:
        try:
            os.link(source, file)
        except OSError:  # a file system without links
            shutil.copyfile(source, file)


def sha256(path: Path) -> str | None:
    """The file's sha256 (64 hex digits), None where there is none or it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def remove(path: Path) -> None:
    """Removes a file or a folder with all that is in it, as far as that is allowed."""
    if path.is_dir() and not path.is_symlink():
        with contextlib.suppress(OSError):
            path.chmod(0o700)  # else what is in it can't be listed
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def make_way(path: Path) -> None:
    """Removes what can't be where a file of ours is to be: a folder in its place, no folder in its folder's."""
    if path.is_dir() and not path.is_symlink():
        remove(path)
    if not path.parent.is_dir():
        remove(path.parent)


class Scratch(tempfile.TemporaryDirectory[str]):
    """A temporary folder of this process. What processes left that were killed is removed before it is made.

    A process holds a lock in each of its folders, which the kernel takes from it when it ends, however it ends.
    """

    def __init__(self, above: Path | None = None) -> None:
        """
        Args:
            above: where to make it; by default where temporary files go.
        """
        above = above or Path(tempfile.gettempdir())
        _remove_left(above)
        super().__init__(prefix=_SCRATCH, dir=above, ignore_cleanup_errors=True)
        fresh = Path(self.name, f"{_LOCK}.new")
        self._lock = fresh.open("w")  # for as long as this is
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        fresh.rename(fresh.with_name(_LOCK))  # nobody takes it before it is held


def _remove_left(above: Path) -> None:
    """Removes the scratch folders of this user whose processes are gone."""
    for lock in above.glob(f"{_SCRATCH}*/{_LOCK}"):
        with contextlib.suppress(OSError), lock.open("r+") as file:  # another's, held, or just removed
            if lock.parent.is_symlink() or lock.parent.stat().st_uid != os.getuid():
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


def for_sockets() -> Scratch:
    """A scratch folder for sockets, whose paths are short: below /tmp where temporary files lie too deep."""
    scratch = Scratch()
    if len(scratch.name) <= _LONGEST:
        return scratch
    scratch.cleanup()
    return Scratch(_SHORT)


def check_unpacked(packed: int, unpacked: int, in_memory: int | None = None) -> None:
    """Whether a file may be unpacked.

    Args:
        packed: bytes that it has.
        unpacked: bytes that it says it becomes.
        in_memory: those of them that are held in memory; by default all.

    Raises:
        ValueError: it is a bomb, or too large for this machine; the message says what it would become.
    """
    if unpacked > max(HARMLESS, RATIO * packed):
        raise ValueError(f"would unpack to {unpacked / 1e6:,.0f} MB, more than {RATIO} times its size")
    check_memory(unpacked if in_memory is None else in_memory)


def check_memory(size: int) -> None:
    """Whether so many bytes can be had.

    Raises:
        ValueError: there is not as much memory; the message says so.
    """
    if size > HARMLESS and size > (free := available()):
        raise ValueError(f"takes {size / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB of memory are free")


def available() -> float:
    """Bytes of memory that this process can have now; infinite where the system doesn't tell."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    limits = [] if soft == resource.RLIM_INFINITY else [float(soft)]
    return min([*limits, *_free(Path("/proc/meminfo"))], default=float("inf"))


def _free(table: Path) -> Iterable[float]:
    try:
        lines = table.read_text().splitlines()
    except OSError:  # no Linux
        return []
    return [1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
