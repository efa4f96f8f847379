"""Streams in whatever state they are given to a command, and what is written to them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.devices.device import holder
from autotune.show.study import console


def shell(command: str, folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """What a shell makes of a command line in which $python stands for this one."""
    environment = os.environ | {"python": sys.executable, "PYTHONPATH": str(Path(__file__).parents[2]), **more}
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


OPENED = """
import os, sys
from autotune.cli.streams import secure
secure()
print("said", flush=True)
print("said", file=sys.stderr)
opened = os.open("journal", os.O_CREAT | os.O_WRONLY)
for number in (1, 2):
    os.write(number, b"native")
raise SystemExit(0 if opened > 2 else 1)
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(closed: str, tmp_path: Path) -> None:
    """What libraries print would be written into it."""
    (tmp_path / "program.py").write_text(OPENED)
    assert shell(f"$python program.py {closed}", tmp_path).returncode == 0
    assert (tmp_path / "journal").read_bytes() == b""


@pytest.mark.parametrize(
    ("name", "encoding"), [("caf\udce9", "utf-8"), ("pr\u00fcfen", "ascii"), ("[bold]x[/bold]", "ascii")]
)
def test_any_name_can_be_written(name: str, encoding: str, tmp_path: Path) -> None:
    """In whatever encoding there is."""
    done = shell('$python -m autotune bench "$name"', tmp_path, name=name, PYTHONIOENCODING=encoding)
    assert done.returncode == 2
    assert done.stderr.endswith(": no such file\n")
    assert done.stderr.count("\n") == 1


def test_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A path may have some."""
    console.print("runs/[bold]x[/bold]/front.png")
    assert capsys.readouterr().out == "runs/[bold]x[/bold]/front.png\n"


WRITES = """
from autotune.show.study import console
for _ in range(9999):
    console.print("line")
open("whole", "x")
"""


def test_a_reader_that_goes_away_ends_nothing(tmp_path: Path) -> None:
    """Such as head: what runs goes on, and nothing is said of it."""
    (tmp_path / "program.py").write_text(WRITES)
    done = shell("$python program.py | head -n 1", tmp_path)
    assert (done.stdout, done.stderr) == ("line\n", "")
    assert (tmp_path / "whole").exists()


def test_a_user_without_a_name_holds_a_device_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that has no entry for it."""
    nobody: dict[str, str] = {}
    monkeypatch.setattr("getpass.getuser", lambda: nobody["name"])
    assert holder().startswith(f"user {os.getuid()} on ")
