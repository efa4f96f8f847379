"""A run as it is shown where nothing is drawn: by the command line, on fakes of everything slow."""

import json
from pathlib import Path
from typing import Any

import pytest

from autotune.cli import command as cli
from autotune.errors import Fault
from autotune.terminal.lines import JsonOutput, PlainOutput
from autotune.terminal.progress import LiveOutput
from autotune.testing import FakeDevice, FakePool, toy_files, toy_import

SPACE = "prune: [0, 0.5]\nquantize: [none, int8]\ndelegate: [xnnpack]\nthreads: [1]\nepochs: 1\n"


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    """In place of this machine."""
    found = FakeDevice()
    monkeypatch.setattr("autotune.devices.device_file.find_device", lambda spec: found)
    monkeypatch.setattr("autotune.launch.import_model", toy_import)
    monkeypatch.setattr("autotune.study.pool.RayPool", lambda *_: FakePool())
    monkeypatch.setattr("autotune.track.picture.draw", lambda record, path: path.touch())
    return found


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """Of a toy study, in a folder of its own."""
    monkeypatch.chdir(folder)
    model, data = toy_files(folder)
    Path("space.yaml").write_text(SPACE)
    files = ["--model", str(model), "--data", str(data), "--space", "space.yaml", "--tracking-uri", "none"]
    return cli.main(["run", *files, "--name", "toy", "--trials", "3", "--jobs", "2", *options])


def test_a_pipe_gets_a_line_a_trial(
    tmp_path: Path, device: FakeDevice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever else came with it, and then the summary; nothing that moves a cursor."""
    assert run(tmp_path, monkeypatch) == 0
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if " trials · hypervolume " in line]
    assert [line.split()[0] for line in lines] == ["1/3", "2/3", "3/3"]
    assert "* recommended: trial" in shown
    assert "\x1b" not in shown


def test_quiet_is_the_end_result_alone(
    tmp_path: Path, device: FakeDevice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recommendation, or the nearest miss with its exit status."""
    device.faults = 1  # a note, elsewhere
    assert run(tmp_path, monkeypatch, "--quiet") == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("* recommended: trial")
    assert last.strip().endswith(".tflite")
    assert run(tmp_path, monkeypatch, "--quiet", "--name", "other", "--target", "latency<1us") == 3
    assert capsys.readouterr().out.startswith("nothing meets the targets; nearest is trial")


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_lines(
    tmp_path: Path, device: FakeDevice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else is on stdout: each trial once, notes, the front as `front --json` has it, and the end."""
    device.faults = 1
    assert run(tmp_path, monkeypatch, "--json", "--max-latency", "0.08ms") == 0
    told = events(capsys.readouterr().out)
    trials = [event for event in told if event["event"] == "trial"]
    assert [event["trial"] for event in trials] == [0, 1, 2]
    assert [event["done"] for event in trials] == [1, 2, 3]
    assert {event["feasible"] for event in trials} == {True, False}
    assert all(event["config"]["delegate"] == "xnnpack" and event["metrics"]["latency_ms"] > 0 for event in trials)
    assert any("the connection was lost" in event["text"] for event in told if event["event"] == "note")
    assert {"event": "status", "text": "opening the model"} in told
    front, end = told[-2:]
    assert end == {"event": "end", "status": 0, "tracking_uri": None}
    assert cli.main(["front", "toy", "--json"]) == 0
    assert front["front"] == json.loads(capsys.readouterr().out)
    assert front["recommended"] in [point["trial"] for point in front["front"]]
    assert run(tmp_path, monkeypatch, "--json", "--max-latency", "0.08ms") == 0
    again = [event["trial"] for event in events(capsys.readouterr().out) if event["event"] == "trial"]
    assert again == [0, 1, 2]  # those that were there, too


def test_json_lines_end_with_the_error(
    tmp_path: Path, device: FakeDevice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That the exit status stands for; stderr has its line as always."""
    assert run(tmp_path, monkeypatch, "--json", "--exclude", "nothing-of-the-kind") == 2
    captured = capsys.readouterr()
    *_, end = events(captured.out)
    assert (end["event"], end["status"]) == ("end", 2)
    assert captured.err == f"autotune: {end['error']}\n"
    monkeypatch.setattr("autotune.study.on_devices.run_on", lost)
    assert run(tmp_path, monkeypatch, "--json") == 1
    *_, end = events(capsys.readouterr().out)
    assert end == {"event": "end", "status": 1, "error": "the device is gone"}


def lost(*_: Any, **__: Any) -> None:
    raise Fault("the device is gone")


@pytest.mark.parametrize(
    ("terminal", "options", "variable", "shown"),
    [
        (True, [], None, LiveOutput),
        (True, ["--plain"], None, PlainOutput),
        (True, ["--json"], None, JsonOutput),
        (True, [], ("CI", "true"), PlainOutput),
        (True, [], ("TERM", "dumb"), PlainOutput),
        (False, [], None, PlainOutput),
    ],
)
def test_what_shows_a_run(
    terminal: bool, options: list[str], variable: tuple[str, str] | None, shown: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view that moves where somebody looks at a terminal that can; lines elsewhere, and where they are asked for."""
    from rich.console import Console

    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if variable is not None:
        monkeypatch.setenv(*variable)
    monkeypatch.setattr("autotune.terminal.study.console", Console(force_terminal=terminal))
    arguments = cli._parser().parse_args(["run", "--model", "m", "--data", "d", *options])
    assert type(cli._output(arguments, 1)) is shown
