"""Files that are written whole or not at all."""

from pathlib import Path

import pytest

from autotune.files import whole


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
