"""Files that are written whole or not at all."""

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import autotune
from autotune.files import Scratch, for_sockets, link, remove, sha256, whole
from tests.damage import KINDS


def test_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    """At the end, and not before; the folder is made."""
    path = tmp_path / "folder" / "file.txt"
    for before, text in ((None, "one"), ("one", "two")):
        with whole(path) as fresh:
            fresh.write_text(text)
            assert (path.read_text() if path.exists() else None) == before
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    """And nothing beside it."""
    path = tmp_path / "file.txt"
    path.write_text("before")

    def write() -> None:
        with whole(path) as fresh:
            fresh.write_text("half of")
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        write()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    """In two threads at a time; the last one's stays."""
    from concurrent.futures import ThreadPoolExecutor

    path = tmp_path / "file.txt"

    def write(text: str) -> None:
        with whole(path) as fresh:
            fresh.write_text(text)

    with whole(path) as fresh, ThreadPoolExecutor(1) as other:
        fresh.write_text("first")
        other.submit(write, "second").result()
        assert path.read_text() == "second"
    assert path.read_text() == "first"


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_takes_the_place_of_what_was_there(kind: str, tmp_path: Path) -> None:
    """Whatever it was."""
    source, path = tmp_path / "source", tmp_path / "links" / "file"
    source.write_text("text")
    path.parent.mkdir()
    path.write_text("before")
    KINDS[kind](path)
    for _ in range(2):
        link(source, path)
        assert path.read_text() == "text"
        assert list(path.parent.iterdir()) == [path]


def test_removes_what_there_is(tmp_path: Path) -> None:
    """A folder that can't be listed with what is in it, a file, a link but not what it leads to, nothing at all."""
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder").chmod(0)
    (tmp_path / "file").write_text("text")
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for name in ("folder", "file", "link", "nothing"):
        remove(tmp_path / name)
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]


def test_a_file_is_told_by_its_content(tmp_path: Path) -> None:
    """What can't be read has none."""
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "nothing") is None
    assert sha256(tmp_path) is None


LEAVES = """
import os, signal
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from autotune.files import Scratch
folder = Scratch()
Path(folder.name, "left").mkdir()
print(folder.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of one that lives, nor what others have called so."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "autotune-scratch-another").mkdir()
    alive = Scratch()
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    killed = subprocess.run(
        [sys.executable, "-c", LEAVES], env=environment, capture_output=True, text=True, check=False
    )
    left = Path(killed.stdout.strip())
    assert left.is_dir()
    with Scratch() as mine:
        assert not left.exists()
        assert Path(mine).is_dir()
        assert Path(alive.name).is_dir()
        assert (tmp_path / "autotune-scratch-another").is_dir()
    assert not Path(mine).exists()


def test_what_was_left_elsewhere_is_removed_by_the_next_there(tmp_path: Path) -> None:
    """Such as in a cache: a folder of a process that is gone, and not one that is held."""
    with Scratch(tmp_path) as held, Scratch(tmp_path) as left:
        Path(left, ".held").rename(tmp_path / "lock")
        Path(left, ".held").touch()
        with Scratch(tmp_path) as mine:
            assert Path(mine).parent == tmp_path
            assert not Path(left).exists()
            assert Path(held).is_dir()


BY_HAND = {"mkdtemp", "mkstemp", "TemporaryDirectory", "NamedTemporaryFile", "SpooledTemporaryFile"}
"""Of tempfile: what would be left by a process that is killed."""


def test_the_package_makes_nothing_temporary_that_could_be_left() -> None:
    """All is in a Scratch, or a file that has no name."""
    package = Path(autotune.__file__).parent
    names = {
        (path.relative_to(package).as_posix(), node.attr)
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in BY_HAND
    }
    assert names == {("files.py", "TemporaryDirectory")}


def test_a_folder_for_sockets_has_a_short_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever temporary files lie: Ray's and ssh's sockets could not be made."""
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with for_sockets() as folder:
        assert len(folder) <= 42
    assert not list(deep.iterdir())
