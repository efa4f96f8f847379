"""The artifact cache: content-addressed folders that appear whole or not at all."""

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.compress.stage import Artifact

DATA, FACTS = "data", "facts.json"


class ArtifactCache:
    """A folder of artifacts, shared by all studies under it and by several processes.

    An artifact is written beside the cache and renamed into place, so that a killed process
    leaves no half of one; its sha256 is checked on reading, so that a damaged one is built again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, key: str) -> Artifact | None:
        """The artifact, or None where there is none (or none that is whole)."""
        folder = self._folder(key)
        try:
            data = (folder / DATA).read_bytes()
            facts = json.loads((folder / FACTS).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        if facts.pop("sha256") != hashlib.sha256(data).hexdigest():
            shutil.rmtree(folder, ignore_errors=True)
            return None
        return Artifact(data, facts)

    def put(self, key: str, artifact: Artifact) -> None:
        """Stores; where another process was first, that one's stays."""
        folder = self._folder(key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
        try:
            (fresh / DATA).write_bytes(artifact.data)
            facts = artifact.facts | {"sha256": hashlib.sha256(artifact.data).hexdigest()}
            (fresh / FACTS).write_text(json.dumps(facts, indent=1))
            fresh.chmod(0o755)
            fresh.rename(folder)
        except OSError:
            if not (folder / FACTS).exists():
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def has(self, key: str) -> bool:
        """Whether there is an artifact, whole or not."""
        return (self._folder(key) / FACTS).exists()

    def path(self, key: str) -> Path:
        """Where the artifact's bytes lie, once it is there."""
        return self._folder(key) / DATA

    @contextmanager
    def building(self, key: str) -> Iterator[None]:
        """Waits for its turn to build this key: one process at a time (single-flight).

        Whoever comes in looks into the cache again before it builds. The lock is the
        kernel's: it goes when its holder dies.
        """
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / key).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _folder(self, key: str) -> Path:
        return self.root / key[:2] / key
