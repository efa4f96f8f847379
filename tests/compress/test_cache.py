"""The artifact cache: whole or not at all, once and for all processes."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from autotune.compress.cache import ArtifactCache
from autotune.compress.stage import Artifact, pack, unpack

KEY = hashlib.sha256(b"key").hexdigest()


def test_gives_back_what_was_put(tmp_path: Path) -> None:
    """Bytes and facts survive, also in another cache on the same folder."""
    ArtifactCache(tmp_path).put(KEY, Artifact(b"data", {"loss": [1.0, 0.5]}))
    assert ArtifactCache(tmp_path).get(KEY) == Artifact(b"data", {"loss": [1.0, 0.5]})


def test_has_nothing_under_another_key(tmp_path: Path) -> None:
    """A key never put gives None."""
    assert ArtifactCache(tmp_path).get(KEY) is None


def test_first_put_stays(tmp_path: Path) -> None:
    """An artifact that is there is not replaced, and nothing is left beside it."""
    cache = ArtifactCache(tmp_path)
    cache.put(KEY, Artifact(b"first"))
    cache.put(KEY, Artifact(b"second"))
    assert cache.get(KEY) == Artifact(b"first")
    assert not list(tmp_path.glob(".new-*"))


def test_damaged_artifact_is_built_again(tmp_path: Path) -> None:
    """Bytes that don't have their checksum are as good as none, and can be put anew."""
    cache = ArtifactCache(tmp_path)
    cache.put(KEY, Artifact(b"data"))
    cache.path(KEY).write_bytes(b"dat4")
    assert cache.get(KEY) is None
    cache.put(KEY, Artifact(b"data"))
    assert cache.get(KEY) == Artifact(b"data")


def test_killed_writer_leaves_no_half(tmp_path: Path) -> None:
    """A process killed before the rename leaves nothing that get() would take."""
    script = (
        "import os, sys, pathlib\n"
        "from autotune.compress.cache import ArtifactCache, Artifact\n"
        "pathlib.Path.rename = lambda *_: os.kill(os.getpid(), 9)\n"
        "ArtifactCache(pathlib.Path(sys.argv[1])).put(sys.argv[2], Artifact(b'data'))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path), KEY], check=False)
    assert done.returncode == -signal.SIGKILL
    assert ArtifactCache(tmp_path).get(KEY) is None


def test_building_is_one_at_a_time(tmp_path: Path) -> None:
    """Of threads that want the same key one builds, and the others find it built."""
    cache, built = ArtifactCache(tmp_path), []

    def want() -> None:
        with cache.building(KEY):
            if cache.get(KEY) is None:
                built.append(1)
                cache.put(KEY, Artifact(b"data"))

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_lock_of_a_killed_builder_is_free(tmp_path: Path) -> None:
    """A process that is killed while it builds does not block the key."""
    script = (
        "import sys, pathlib, time\n"
        "from autotune.compress.cache import ArtifactCache\n"
        "with ArtifactCache(pathlib.Path(sys.argv[1])).building(sys.argv[2]):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path), KEY], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        os.kill(process.pid, signal.SIGKILL)
    with ArtifactCache(tmp_path).building(KEY):
        assert ArtifactCache(tmp_path).get(KEY) is None


def test_weights_survive_packing() -> None:
    """pack() and unpack() keep order, shapes, types and values of more than ten arrays."""
    import numpy as np

    weights = [np.full((index + 1, 2), index, np.float32) for index in range(12)] + [np.arange(3, dtype=np.int64)]
    for before, after in zip(weights, unpack(pack(weights)), strict=True):
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)
