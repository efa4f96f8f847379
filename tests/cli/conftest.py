"""A finished study on fakes, and the devices that there are."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.errors import UserError
from autotune.space.file import parse
from autotune.study.driver import run
from autotune.study.options import Options
from autotune.targets.target import parse_all
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_files, toy_import

SPACE = {"prune": [0, 0.5], "quantize": ["none", "int8"], "threads": [1, 2]}


class Board(FakeDevice):
    """Another device, on which threads do not help."""

    name = "board"
    threads = (1,)

    def __init__(self) -> None:
        super().__init__()
        self.slower = 3.0


@pytest.fixture(autouse=True)
def _hang_ups_are_heard() -> Iterator[None]:
    """Also where the tests run under nohup, which has them ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, board: Board) -> FakeDevice:
    """What "fake" names; "board.yaml" is the other one, and nothing else is there."""
    made = FakeDevice()

    def load(spec: str, **_: Any) -> FakeDevice:
        known = {"fake": made, "board.yaml": board}
        if spec not in known:
            raise UserError(f"unknown device {spec!r}")
        return known[spec]

    monkeypatch.setattr("autotune.devices.device_file.find_device", load)
    return made


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study on fakes, in runs/."""
    monkeypatch.chdir(tmp_path)
    run(options(tmp_path), FakeDevice(), FakePool(), SilentReporter(), list, toy_import)
    return tmp_path / "runs" / "toy"


def options(folder: Path, device: str | None = None) -> Options:
    model, data = toy_files(folder)
    space, targets = parse(SPACE, "toy", (1, 2)), parse_all(["latency<0.06ms"])[0]
    return Options((model,), str(data), space, targets, "toy", folder / "runs", trials=8, device=device)


@pytest.fixture
def measured(tmp_path: Path, finished: Path, board: Board) -> Path:
    """The study's files on the board, too."""
    space = parse(SPACE | {"threads": [1]}, "toy", (1,))
    asked = replace(options(tmp_path, "board.yaml"), space=space)
    run(asked, board, FakePool(), SilentReporter(), list, toy_import)
    board.calls.clear()
    return finished.with_name("toy@board")
