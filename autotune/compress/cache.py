"""The artifact cache: content-addressed folders that appear whole or not at all, and heal where they are damaged."""

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.errors import Fault
from autotune.files import Scratch, remove
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact

DATA, FACTS = "data", "facts.json"

FORMAT = 2
"""Of an entry. In those of format 1, which had none, facts lie beside the sha256, which is of the data alone."""

_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What the machine lacks for a moment; no entry is damaged for it."""

POLL = 0.1
"""Seconds between two tries for what another process builds."""


class ArtifactCache:
    """A folder of artifacts, shared by all studies under it and by several processes.

    An artifact is written beside the cache and renamed into place, so that a killed process
    leaves no half of one. On reading, the sha256 of its key, facts and data is checked: what is
    damaged, in whatever way, is removed and as good as none, so that it is built again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, key: str) -> Artifact | None:
        """The artifact, or None where there is none (or none that is whole: that is removed).

        Raises:
            OSError: the machine is short of something for the moment.
        """
        folder = self._folder(key)
        if not os.path.lexists(folder):
            return None  # and not removed: another process may put it now
        try:
            return _opened(key, (folder / DATA).read_bytes(), json.loads((folder / FACTS).read_bytes()))
        except OSError as error:
            if error.errno in _SHORT:
                raise
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        remove(folder)
        return None

    def put(self, key: str, artifact: Artifact) -> None:
        """Stores; where another process was first, that one's stays."""
        folder = self._folder(key)
        self.root.mkdir(parents=True, exist_ok=True)
        with Scratch(self.root) as scratch:
            fresh = Path(scratch, "entry")
            try:
                fresh.mkdir()
                (fresh / DATA).write_bytes(artifact.data)
                entry = {"format": FORMAT, "sha256": _seal(key, artifact.data, artifact.facts), "facts": artifact.facts}
                (fresh / FACTS).write_text(json.dumps(entry, indent=1))
                if not folder.parent.is_dir():
                    remove(folder.parent)
                    folder.parent.mkdir(exist_ok=True)
                if self.get(key) is None:
                    fresh.rename(folder)
            except OSError:
                if self.get(key) is None:
                    raise

    def has(self, key: str) -> bool:
        """Whether there is an artifact, whole or not."""
        return (self._folder(key) / FACTS).exists()

    def path(self, key: str) -> Path:
        """Where the artifact's bytes lie, once it is there."""
        return self._folder(key) / DATA

    @contextmanager
    def building(self, key: str, stopped: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Waits for its turn to build this key: one process at a time (single-flight).

        Whoever comes in looks into the cache again before it builds. The lock is the
        kernel's: it goes when its holder dies.

        Args:
            key: to be built.
            stopped: whether to wait no longer.

        Raises:
            Fault: it was stopped.
        """
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / key).open("w") as file:
            while not _taken(file.fileno()):
                if stopped():
                    raise Fault("stopped")
                time.sleep(POLL)
            yield

    def _folder(self, key: str) -> Path:
        return self.root / key[:2] / key


def _opened(key: str, data: bytes, entry: JsonObject) -> Artifact:
    """The artifact of an entry as it lies on the disk.

    Raises:
        ValueError, KeyError, TypeError: the entry is not what was put under this key.
    """
    checksum = entry["sha256"]
    if entry.get("format") == FORMAT:
        facts = entry["facts"]
        expected = _seal(key, data, entry["facts"])
    else:
        facts = {name: value for name, value in entry.items() if name != "sha256"}
        expected = hashlib.sha256(data).hexdigest()
    if checksum != expected:
        raise ValueError("another checksum")
    return Artifact(data, facts)


def _seal(key: str, data: bytes, facts: JsonObject) -> str:
    """The sha256 of an entry, whatever way its JSON is written."""
    return hashlib.sha256(json.dumps([key, hashlib.sha256(data).hexdigest(), facts]).encode()).hexdigest()


def _taken(file: int) -> bool:
    """Whether a lock that may be another's is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
