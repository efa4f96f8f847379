"""The user's own functions: found, called, and every failure in one line."""

import sys
from pathlib import Path

import pytest

from autotune.errors import UserError
from autotune.task import user_code


def written(folder: Path, code: str, name: str = "mine.py") -> Path:
    """A file of the user's."""
    path = folder / name
    path.write_text(code)
    return path


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("mine.py:make", True),
        ("/a b/c:d/mine.py:make_2", True),
        ("mine.py", False),
        ("mine.py:", False),
        ("mine.py:2", False),
        ("mine.txt:make", False),
        ("sparse_categorical_crossentropy:logits", False),
        (None, False),
    ],
)
def test_what_names_a_function(text: str | None, is_one: bool) -> None:
    """A Python file, a colon, an identifier."""
    assert user_code.is_function(text) is is_one


def test_functions_are_called(tmp_path: Path) -> None:
    """With what they are given."""
    path = written(tmp_path, "def add(one, other):\n    return one + other")
    assert user_code.call(f"{path}:add", 1, 2) == 3
    assert user_code.function(f"{path}:add")(3, 4) == 7


def test_neighbours_can_be_imported(tmp_path: Path) -> None:
    """When the file is imported and when the function runs; afterwards the path is as it was."""
    written(tmp_path, "ONE = 1", "neighbour_one.py")
    written(tmp_path, "TWO = 2", "neighbour_two.py")
    path = written(
        tmp_path, "import neighbour_one\n\ndef make():\n    import neighbour_two\n    return neighbour_two.TWO"
    )
    before = list(sys.path)
    assert user_code.call(f"{path}:make") == 2
    assert sys.path == before


def test_modules_are_private(tmp_path: Path) -> None:
    """A file may be called as any package is."""
    path = written(tmp_path, "import json as real\n\ndef make():\n    return real.dumps([1])", "json.py")
    assert user_code.call(f"{path}:make") == "[1]"
    import json

    assert json.loads("[1]") == [1]


def test_files_are_imported_once(tmp_path: Path) -> None:
    """And again after they were changed."""
    path = written(tmp_path, "def make():\n    calls.append(1)\n    return len(calls)\n\ncalls = []")
    assert [user_code.call(f"{path}:make") for _ in range(2)] == [1, 2]
    path.write_text(path.read_text() + "\n")
    assert user_code.call(f"{path}:make") == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found' (mine.py:1)"),
        ("\n\ndef make(:", "SyntaxError: invalid syntax (mine.py:3)"),
        ("def make():\n    import json\n    json.loads('')", "JSONDecodeError: Expecting value: line 1"),
        ("def make():\n    raise ValueError('a\\nb')", "ValueError: a b (mine.py:2)"),
        ("def make():\n    raise SystemExit(2)", "SystemExit: 2 (mine.py:2)"),
        ("def make():\n    return helper()\n\ndef helper():\n    return 1 / 0", "division by zero (mine.py:5)"),
        ("def make(one):\n    pass", "missing 1 required positional argument: 'one'"),
        ("make = 3", "has no function 'make'"),
        ("", "has no function 'make'"),
    ],
)
def test_failures_are_one_line(tmp_path: Path, code: str, reason: str) -> None:
    """The exception, and the last line of the file that it came through."""
    path = written(tmp_path, code)
    with pytest.raises(UserError) as caught:
        user_code.call(f"{path}:make")
    assert reason in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_place_of_a_failure_elsewhere(tmp_path: Path) -> None:
    """Is where the user's file called what failed."""
    path = written(tmp_path, "def make():\n    import json\n    json.loads('')")
    with pytest.raises(UserError, match=r"\(mine.py:3\)$"):
        user_code.call(f"{path}:make")


def test_missing_file(tmp_path: Path) -> None:
    """One line."""
    with pytest.raises(UserError, match=r"nowhere.py: no such file$"):
        user_code.call(f"{tmp_path}/nowhere.py:make")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UserError, match=r"folder.py: can't be read: Is a directory$"):
        user_code.call(f"{tmp_path}/folder.py:make")


def test_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    """And of the function's name, not of the path; names of autotune's own stand for themselves."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    here, there = written(one, "A = 1"), written(other, "A = 1")
    first = user_code.fingerprint(f"{here}:make")
    assert first == user_code.fingerprint(f"{there}:make")
    assert first != user_code.fingerprint(f"{here}:made")
    here.write_text("A = 2")
    assert first != user_code.fingerprint(f"{here}:make")
    assert user_code.fingerprint("mse") == "mse"
