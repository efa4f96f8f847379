"""The program that sets a board up, where the board isn't made for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from autotune.devices.client import bootstrap

NO_WHEEL = "ERROR: No matching distribution found for ai-edge-litert\n\n[notice] A new release of pip is available"


class Commands:
    """In place of the commands: what each that has such a word says where it fails.

    Attributes:
        run: the command lines, in order.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **fails: str) -> None:
        self.run: list[str] = []
        self._fails = fails
        monkeypatch.setattr(bootstrap, "failed", self._failed)

    def _failed(self, command: list[str], lock: int) -> str | None:
        self.run.append(" ".join(command))
        return next((said for word, said in self._fails.items() if word in self.run[-1].replace("-", "_")), None)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_makes_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And says where its Python is."""
    commands = Commands(monkeypatch)
    (tmp_path / "venv").mkdir()
    for _ in range(2):
        assert bootstrap.main(str(tmp_path)) == 0
        assert said(capsys)[-1] == f"autotune python {tmp_path}/venv/bin/python"
    assert len(commands.run) == 3
    assert commands.run[0] == f"{sys.executable} -m venv {tmp_path}/venv"
    assert commands.run[1].endswith("--only-binary :all: ai-edge-litert numpy")
    assert commands.run[2].endswith("import numpy; from ai_edge_litert import interpreter")


def test_makes_it_anew_for_another_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after an upgrade of the board, which leaves the packages behind."""
    commands = Commands(monkeypatch)
    (tmp_path / "venv").mkdir()
    assert bootstrap.main(str(tmp_path)) == 0
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    assert bootstrap.main(str(tmp_path)) == 0
    assert len(commands.run) == 6


def test_takes_up_what_was_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not finished is not taken for ready."""

    def broken_off(command: list[str], lock: int) -> str | None:
        raise KeyboardInterrupt

    (tmp_path / "venv").mkdir()
    monkeypatch.setattr(bootstrap, "failed", broken_off)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.main(str(tmp_path))
    commands = Commands(monkeypatch)
    assert bootstrap.main(str(tmp_path)) == 0
    assert len(commands.run) == 3


@pytest.mark.parametrize("fails", [{"ai_edge_litert": NO_WHEEL}, {"import_interpreter": ""}])
def test_falls_back_to_the_older_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fails: dict[str, str]
) -> None:
    """Where there is no wheel of LiteRT for the board, or it does not run there."""
    commands = Commands(monkeypatch, **fails)
    (tmp_path / "venv").mkdir()
    assert bootstrap.main(str(tmp_path)) == 0
    assert commands.run[-1].endswith("from tflite_runtime import interpreter") or "import_interpreter" in fails


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ({"venv": "no space left"}, "no virtual environment can be made in {}/venv: no space left"),
        ({"pip": "WARNING: Retrying (Retry(total=1…\n" + NO_WHEEL}, "connect the board to a network"),
        (
            {"pip": NO_WHEEL},
            "LiteRT can't be installed there (ai-edge-litert: ERROR: No matching distribution found for",
        ),
    ],
)
def test_says_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fails: dict[str, str],
    reason: str,
) -> None:
    """In the last line."""
    Commands(monkeypatch, **fails)
    assert bootstrap.main(str(tmp_path)) == 1
    last = said(capsys)[-1]
    assert last.startswith("autotune error ")
    assert reason.format(tmp_path) in last


def test_a_python_without_venv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Debian has it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert bootstrap.main(str(tmp_path)) == 1
    assert "sudo apt install python3-venv" in said(capsys)[-1]


def test_a_python_that_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is made."""
    monkeypatch.setattr(sys, "version_info", (3, 7, 3))
    assert bootstrap.main(str(tmp_path / "new")) == 1
    assert "Python 3.7.3, and 3.9 is needed" in said(capsys)[-1]
    assert not (tmp_path / "new").exists()


def test_a_folder_that_can_not_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Such as a full or a read-only one."""
    (tmp_path / "file").write_text("")
    assert bootstrap.main(str(tmp_path / "file")) == 1
    assert said(capsys)[-1].startswith("autotune error [Errno ")


def test_knows_a_python_that_has_all(capsys: pytest.CaptureFixture[str]) -> None:
    """This one, for example."""
    assert bootstrap.main() == 0
    assert said(capsys) == [f"autotune python {sys.executable}"]


def test_tells_how_a_command_failed() -> None:
    """By all that it said."""
    with Path("/dev/null").open() as lock:
        assert bootstrap.failed([sys.executable, "-c", "print('x')"], lock.fileno()) is None
        script = "import sys; print('sorry', file=sys.stderr); sys.exit(1)"
        assert bootstrap.failed([sys.executable, "-c", script], lock.fileno()) == "sorry\n"


def test_two_at_once_take_turns(tmp_path: Path) -> None:
    """The second finds it made."""
    slow = (
        "import sys, time\n"
        "from autotune.devices.client import bootstrap as board\n"
        "def failed(command, lock):\n"
        "    open(sys.argv[1] + '/runs', 'a').write('x')\n"
        "    time.sleep(0.2)\n"
        "board.failed = failed\n"
        "board.main(sys.argv[1])\n"
    )
    (tmp_path / "venv").mkdir()
    both = [subprocess.Popen([sys.executable, "-c", slow, str(tmp_path)], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (tmp_path / "runs").read_text() == "xxx"
