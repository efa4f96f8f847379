"""What data is called, and who may read it."""

import subprocess
import sys
from pathlib import Path

import pytest

from autotune.errors import UserError
from autotune.task.data import needs_worker, read_data


@pytest.mark.parametrize(
    ("source", "needs"),
    [
        ("data.npz", False),
        ("images", False),
        ("folder/", False),
        ("tfds:mnist", True),
        ("tfds:my/config:1.0.0", True),
        ("file.py:make", True),
        ("/some/where/file.py:make", True),
        ("file.py", False),
    ],
)
def test_what_takes_a_worker(source: str, needs: bool) -> None:
    """All that imports TensorFlow, or what the user wrote."""
    assert needs_worker(source) is needs


def test_reading_imports_no_tensorflow(tmp_path: Path) -> None:
    """The driver may import all of autotune.task.data."""
    script = "import sys, autotune.task.task; sys.exit(any('tensorflow' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False).returncode == 0


def test_python_file_without_a_function(tmp_path: Path) -> None:
    """The message says how to name one."""
    path = tmp_path / "make.py"
    path.write_text("")
    with pytest.raises(UserError, match=rf"name the function that returns the data: {path}:FUNCTION"):
        read_data(str(path), (1,), 0)


def test_nothing_there(tmp_path: Path) -> None:
    """Neither file nor folder."""
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        read_data(str(tmp_path / "nowhere"), (1,), 0)
