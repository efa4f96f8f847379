"""What may become of a file on a disk."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

Damage = Callable[[Path], None]


def remove(path: Path) -> None:
    """Be it a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def write(content: bytes, path: Path) -> None:
    """Something else."""
    path.write_bytes(content)


def cut(path: Path, share: float) -> None:
    """Leaves this share of it, without the last byte at the most."""
    os.truncate(path, min(int(share * path.stat().st_size), path.stat().st_size - 1))


def flip(path: Path, at: float) -> None:
    """One bit of the byte at this share of it."""
    data = bytearray(path.read_bytes())
    data[int(at * (len(data) - 1))] ^= 0x01
    path.write_bytes(data)


def zero(path: Path) -> None:
    """As a file system leaves it that lost power."""
    path.write_bytes(bytes(path.stat().st_size))


def append(path: Path) -> None:
    """What belongs to another file."""
    path.write_bytes(path.read_bytes() + b"\xff\x00{")


def folder_instead(path: Path) -> None:
    """With something in it."""
    remove(path)
    (path / "something").mkdir(parents=True)


def link_instead(path: Path, to: str) -> None:
    """That leads nowhere."""
    remove(path)
    path.symlink_to(to)


def file_instead(path: Path) -> None:
    """In place of a folder."""
    remove(path)
    path.write_text("file")


KINDS: dict[str, Damage] = {
    "missing": remove,
    "empty": partial(write, b""),
    "cut in half": partial(cut, share=0.5),
    "cut by a byte": partial(cut, share=1),
    "first byte garbled": partial(flip, at=0),
    "middle byte garbled": partial(flip, at=0.5),
    "last byte garbled": partial(flip, at=1),
    "zeros": zero,
    "garbage behind": append,
    "a folder instead": folder_instead,
    "a link to nothing": partial(link_instead, to="nowhere"),
    "a link to itself": lambda path: link_instead(path, path.name),
}
"""Of any file."""
