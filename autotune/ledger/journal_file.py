"""A study's journal as a file: Optuna's JSON lines, each with a checksum, and how far it is whole."""

import bisect
import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileOpenLock

from autotune.errors import UserError
from autotune.files import whole
from autotune.json_object import JsonObject

T = TypeVar("T")

CHECKSUM = "crc32"
"""Key of a line's checksum: of its JSON without it. Lines from before, and what other tools write, have none."""


@dataclass(frozen=True)
class Damage:
    """Where a journal is none any more.

    Attributes:
        at: bytes before it; all of them are whole lines.
        line: the first one that is not whole, from 1 on.
        ended: whether it has an end. One without may be half written, by a process that was killed or is at it.
    """

    at: int
    line: int
    ended: bool = True


class JournalFile(BaseJournalBackend):
    """Optuna's backend that reads as far as lines are whole, and leaves none half written on a full disk.

    Attributes:
        damage: what reading came upon, None where all was whole.
        starts: bytes before each line that was read, and behind the last one.
    """

    def __init__(self, path: Path, end: Damage | None = None) -> None:
        """
        Args:
            path: of the file, which need not be there.
            end: where reading ends, None for the file's own end.
        """
        self.damage = end
        self.starts = [0]
        self._path = path
        self._end = end
        self._lock = JournalFileOpenLock(str(path))

    def read_logs(self, log_number_from: int) -> Iterator[JsonObject]:
        """What was written, from this line on, which was read up to before.

        Raises:
            OSError: the file can't be read.
        """
        if not os.path.lexists(self._path):
            return
        del self.starts[log_number_from + 1 :]
        with self._path.open("rb") as file:
            file.seek(self.starts[-1])
            for line in file:
                start = self.starts[-1]
                if self._end is not None and start >= self._end.at:
                    return
                try:
                    log = _opened(line)
                except (ValueError, TypeError, AttributeError, RecursionError):
                    self.damage = Damage(start, len(self.starts), line.endswith(b"\n"))
                    return
                self.starts.append(start + len(line))
                yield log

    def append_logs(self, logs: list[JsonObject]) -> None:
        """Adds lines: all of them, or none where the disk is full.

        Raises:
            OSError: the file can't be written to.
        """
        lines = b"".join(map(_closed, logs))
        self._lock.acquire()
        try:
            with self._path.open("ab", buffering=0) as file:
                before = file.tell()
                try:
                    if file.write(lines) < len(lines):
                        raise OSError(f"{self._path}: no room for all of a line")
                    os.fsync(file.fileno())
                except BaseException:
                    file.truncate(before)
                    raise
        finally:
            self._lock.release()


def opened(path: Path, read: Callable[[JournalStorage], T]) -> tuple[T, Damage | None]:
    """What a journal holds, as far as it is whole: to the first line that is not JSON, has another checksum, or
    makes no sense to Optuna or to who reads it.

    Args:
        path: of the journal.
        read: makes something of it; what it raises, save UserError, means that there is damage.

    Raises:
        OSError: the file can't be read.
        UserError: as read().
        Exception: whatever read() raises over lines that are as they were written.
    """
    file = JournalFile(path)
    try:
        return read(JournalStorage(file)), file.damage
    except (OSError, UserError):
        raise
    except Exception:  # whatever Optuna raises over a line
        ends = [Damage(start, number + 1) for number, start in enumerate(file.starts)]
        senseless = bisect.bisect_left(ends, True, key=lambda end: not _makes_sense(path, end, read))
        end = ends[senseless - 1]
        if senseless in (0, len(ends)) or _are_sealed(path, end):
            raise  # all is as it was written: it is not the file that is wrong
        return read(JournalStorage(JournalFile(path, end))), end


def _are_sealed(path: Path, end: Damage) -> bool:
    """Whether the line behind has a checksum, and all before, of which one may be what it makes no sense after."""
    with path.open("rb") as file:
        return all(CHECKSUM in json.loads(file.readline()) for _ in range(end.line))


def _makes_sense(path: Path, end: Damage, read: Callable[[JournalStorage], object]) -> bool:
    try:
        read(JournalStorage(JournalFile(path, end)))
    except (OSError, UserError):
        raise
    except Exception:  # noqa: BLE001  # likewise
        return False
    return True


def cut(path: Path, damage: Damage) -> Path:
    """Ends a journal where it is damaged. What is behind is kept beside it.

    Returns:
        The file of what was behind.
    """
    with path.open("rb") as file:
        file.seek(damage.at)
        behind = file.read()
    aside = free_name(path)
    with whole(aside) as fresh:
        fresh.write_bytes(behind)
    os.truncate(path, damage.at)
    return aside


def free_name(path: Path) -> Path:
    """A name beside this one that nothing has yet, for what is damaged."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.damaged-{number}")):
        number += 1
    return aside


def _closed(log: JsonObject) -> bytes:
    """A line with its checksum and its end."""
    text = json.dumps({**log, CHECKSUM: _checksum(log)}, separators=(",", ":"))
    return f"{text}\n".encode()


def _opened(line: bytes) -> JsonObject:
    """A line of the journal, as it was written.

    Raises:
        ValueError, TypeError, AttributeError: it is not what was written.
    """
    if not line.endswith(b"\n"):
        raise ValueError("no end")
    log: JsonObject = json.loads(line)
    checksum = log.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(log):
        raise ValueError("another checksum")
    return log


def _checksum(log: JsonObject) -> int:
    return zlib.crc32(json.dumps(log, separators=(",", ":")).encode())
