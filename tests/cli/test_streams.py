"""Streams in whatever state they are given to a command, and what is written to them."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.devices.device import holder
from autotune.terminal.study import console


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


WRITES = {
    "in Python": "from autotune.terminal.study import console as shown; write = shown.print",
    "--plain": "streams.secure(); from autotune.terminal.lines import PlainOutput; write = PlainOutput().note",
    "--json": "streams.secure(); from autotune.terminal.lines import JsonOutput; write = JsonOutput(sys.stdout).note",
}


@pytest.mark.parametrize("form", WRITES)
def test_a_reader_that_goes_away_ends_nothing(form: str, tmp_path: Path) -> None:
    """Such as head: what runs goes on, and nothing is said of it."""
    lines = ["import sys", "from autotune.cli import streams", WRITES[form]]
    lines += ["for _ in range(9999): write('line')", "open('whole', 'x')"]
    (tmp_path / "program.py").write_text("\n".join(lines))
    done = shell("$python program.py | head -n 1", tmp_path)
    assert "line" in done.stdout
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    assert (tmp_path / "whole").exists()


def test_a_user_without_a_name_holds_a_device_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that has no entry for it."""
    nobody: dict[str, str] = {}
    monkeypatch.setattr("getpass.getuser", lambda: nobody["name"])
    assert holder().startswith(f"user {os.getuid()} on ")


PRINTS = """
import sys
from pathlib import Path
from autotune.cli.streams import secure
secure()
print("line", flush=True)
sys.stdin.readline()
for _ in range(9999):
    print("another")
    print("another", file=sys.stderr, flush=True)
Path("whole").touch()
"""


def test_a_terminal_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    """Every write fails then; what runs comes to its end, which SIGHUP may ask of it, in order."""
    (tmp_path / "program.py").write_text(PRINTS)
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "program.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs
    ) as program:
        os.close(theirs)
        assert os.read(ours, 4) == b"line"
        os.close(ours)
    assert program.returncode == 0
    assert (tmp_path / "whole").exists()
