"""The artifact cache: whole or not at all, once and for all processes."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from autotune.compress.cache import ArtifactCache
from autotune.errors import Fault
from autotune.model.artifact import Artifact, pack, unpack
from tests import damage
from tests.damage import Damage

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
    assert not list(tmp_path.glob("autotune-*"))


ARTIFACT = Artifact(b"data of it", {"download_bytes": 10.5, "layers": [{"name": "dense"}], "loss": [1.0, 0.5]})
OTHER = hashlib.sha256(b"another key").hexdigest()


def _swap(path: Path) -> None:
    """Gets the content that another entry's file has."""
    path.write_bytes((path.parents[2] / OTHER[:2] / OTHER / path.name).read_bytes())


def _change_number(path: Path) -> None:
    path.write_text(path.read_text().replace("10.5", "10.4"))


FACTS: dict[str, str] = {
    "a list": "[]",
    "a number": "3",
    "null": "null",
    "a text": '"facts"',
    "no keys": "{}",
    "other keys": '{"a": 1}',
    "no facts": json.dumps({"format": 2, "sha256": "0" * 64}),
    "checksum of another kind": json.dumps({"format": 2, "sha256": [], "facts": {}}),
    "facts of another kind": json.dumps({"format": 2, "sha256": "0" * 64, "facts": 3}),
    "of a later format": json.dumps({"format": 3, "sha256": "0" * 64, "facts": {}}),
    "no end": '{"format": 2, ' + '"a": [' * 100_000,
}

OF_FILES: dict[str, Damage] = damage.KINDS | {"that of another entry": _swap}


def _on(damage: Damage, *names: str) -> Damage:
    """The same on these files of an entry."""

    def all_of_them(folder: Path) -> None:
        for name in names:
            damage(folder / name)

    return all_of_them


KINDS: dict[str, Damage] = {
    **{f"{name}: {kind}": _on(OF_FILES[kind], name) for kind in OF_FILES for name in ("data", "facts.json")},
    **{f"both: {kind}": _on(OF_FILES[kind], "data", "facts.json") for kind in OF_FILES},
    **{f"facts.json: {kind}": _on(partial(damage.write, text.encode()), "facts.json") for kind, text in FACTS.items()},
    "facts.json: another number": _on(_change_number, "facts.json"),
    "a file in place of the entry": damage.file_instead,
    "a file in place of the folder above": lambda folder: damage.file_instead(folder.parent),
}
"""What may have become of an entry, by its folder."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_is_made_again(kind: str, tmp_path: Path) -> None:
    """Whatever the damage, the entry is as good as none, can be put anew, and others are left as they are."""
    cache = ArtifactCache(tmp_path)
    cache.put(OTHER, Artifact(b"of another", {"download_bytes": 3.5}))
    cache.put(KEY, ARTIFACT)
    KINDS[kind](cache.path(KEY).parent)
    assert cache.get(KEY) is None
    cache.put(KEY, ARTIFACT)
    assert cache.get(KEY) == ARTIFACT
    assert cache.get(OTHER) == Artifact(b"of another", {"download_bytes": 3.5})
    assert not list(tmp_path.glob("autotune-*"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_does_not_stay_in_place_of_a_new_one(kind: str, tmp_path: Path) -> None:
    """Also where nobody has looked before it is put."""
    cache = ArtifactCache(tmp_path)
    for key in (OTHER, KEY):
        cache.put(key, ARTIFACT)
    KINDS[kind](cache.path(KEY).parent)
    cache.put(KEY, ARTIFACT)
    assert cache.get(KEY) == ARTIFACT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["data", "facts.json", "."])
def test_what_can_not_be_read_is_made_again(name: str, tmp_path: Path) -> None:
    """A file or folder without permissions."""
    cache = ArtifactCache(tmp_path)
    cache.put(KEY, ARTIFACT)
    (cache.path(KEY).parent / name).chmod(0)
    assert cache.get(KEY) is None
    cache.put(KEY, ARTIFACT)
    assert cache.get(KEY) == ARTIFACT


def test_a_machine_that_is_short_of_something_damages_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many files open nothing can be read, and nothing is removed."""
    cache = ArtifactCache(tmp_path)
    cache.put(KEY, ARTIFACT)

    def short(*_: object) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", short)
        with pytest.raises(OSError, match="Too many open files"):
            cache.get(KEY)
    assert cache.get(KEY) == ARTIFACT


def test_entries_from_before_are_read(tmp_path: Path) -> None:
    """Their checksum is of the data alone, and lies among the facts."""
    cache, facts = ArtifactCache(tmp_path), {"download_bytes": 4, "layers": []}
    folder = cache.path(KEY).parent
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(b"data")
    (folder / "facts.json").write_text(json.dumps({**facts, "sha256": hashlib.sha256(b"data").hexdigest()}, indent=1))
    assert cache.get(KEY) == Artifact(b"data", facts)
    damage.flip(folder / "data", 0.5)
    assert cache.get(KEY) is None


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


def test_who_is_stopped_waits_for_no_other_builder(tmp_path: Path) -> None:
    """Such as one that trains for hours."""
    cache = ArtifactCache(tmp_path)
    with cache.building("ab12"), pytest.raises(Fault, match="stopped"), cache.building("ab12", lambda: True):
        pass


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
