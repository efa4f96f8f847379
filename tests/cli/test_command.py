"""The command line: help without weight, one line for wrong input, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.cli import command as cli
from autotune.devices.client.device import PROBE
from autotune.errors import Fault
from autotune.results.meta import DeviceFacts
from autotune.testing import toy_files
from tests.api.test_tune import ToyPool

OURS = ("autotune.results", "autotune.devices", "autotune.study")
"""Rooms of ours that take the longest."""

HEAVY = (
    "tensorflow",
    "ray",
    "mlflow",
    "optuna",
    "keras",
    "tf_keras",
    "numpy",
    "matplotlib",
    "pydantic",
    "scipy",
    *OURS,
)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", [[], ["run"], ["front"], ["pick"], ["bench"], ["profile"], ["devices"], ["ui"]])
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    """`autotune --help` and each command's: exit status 0, and none of the frameworks is loaded."""
    script = (
        "import sys\n"
        "from autotune.cli import command as cli\n"
        "try:\n"
        f"    cli.main([*{command!r}, '--help'])\n"
        "except SystemExit as end:\n"
        "    print('status', end.code)\n"
        f"print('heavy', sorted(set(sys.modules) & set({HEAVY!r})))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "usage: autotune" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["status 0", "heavy []"]


def test_help_names_the_shipped_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what is in it, and no other."""
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    listed = capsys.readouterr().out.partition("spaces, of what is tried")[2].partition("\n\n")[0]
    shipped = (Path(__file__).parents[2] / "search_spaces").glob("*.yaml")
    assert {line.split()[0] for line in listed.splitlines()[1:]} == {path.stem for path in shipped}


def test_runs_as_a_module() -> None:
    """`python -m autotune` is the same command."""
    done = subprocess.run([sys.executable, "-m", "autotune", "--help"], capture_output=True, text=True, check=True)
    assert "usage: autotune" in done.stdout


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command says before it ends with status 2."""
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("autotune: ")
    assert captured.err.count("\n") == 1
    return captured.err


def arrays(**changes: Any) -> Callable[[Path], None]:
    """Writes toy.npz with some arrays changed, or left out where they are None."""

    def write(folder: Path) -> None:
        with np.load(folder / "toy.npz") as file:
            content = {**file, **changes}
        np.savez(folder / "toy.npz", **{name: array for name, array in content.items() if array is not None})

    return write


def text(name: str, content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(content)

    return write


RUN = ("run", "--model", "toy.keras", "--data", "toy.npz")
NOTHING = text("unused", "x")


@pytest.mark.parametrize(
    ("prepare", "arguments", "says"),
    [
        (NOTHING, ("run",), "no --model"),
        (NOTHING, ("run", "--model", "toy.keras"), "no --data"),
        (NOTHING, ("run", "none.yaml"), "no file 'none.yaml'"),
        (NOTHING, ("run", "--model", "none.keras", "--data", "toy.npz"), "model none.keras: no such file"),
        (text("a.keras", "x"), ("run", "--model", "a.keras", "--data", "toy.npz"), "not a whole .keras file"),
        (text("a.h5", "x"), ("run", "--model", "a.h5", "--data", "toy.npz"), "not an HDF5 file"),
        (text("a.txt", "x"), ("run", "--model", "a.txt", "--data", "toy.npz"), "not a .keras, .h5 or .tflite file"),
        (NOTHING, ("run", "--model", "toy.keras", "--data", "none.npz"), "data none.npz: no such file"),
        (text("a.npz", "x"), ("run", "--model", "toy.keras", "--data", "a.npz"), "not an .npz file"),
        (arrays(y_test=None), RUN, "no y_test"),
        (arrays(x_train=np.zeros((0, 1)), y_train=np.zeros(0, int)), RUN, "x_train is empty"),
        (arrays(y_train=np.zeros(3, int)), RUN, "x_train has 200 samples, y_train 3"),
        (arrays(x_test=np.full((200, 1), np.nan)), RUN, "x_test has NaN"),
        (NOTHING, (*RUN, "--target", "speed<5ms"), "unknown metric 'speed'"),
        (NOTHING, (*RUN, "--target", "latency<5parsec"), "unknown unit 'parsec'"),
        (NOTHING, (*RUN, "--target", "latency<5"), "has no unit"),
        (NOTHING, (*RUN, "--target", "latency"), "no operator"),
        (NOTHING, (*RUN, "--target", "accuracy>=85"), "did you mean 85%"),
        (NOTHING, (*RUN, "--target", "latency<0ms"), "never that low"),
        (NOTHING, (*RUN, "--target", "latency<1ms", "--target", "latency>2ms"), "can't both be met"),
        (NOTHING, (*RUN, "--trials", "-5"), "--trials: '-5' is no whole number"),
        (NOTHING, (*RUN, "--trials", "0"), "--trials: '0' is no whole number"),
        (NOTHING, (*RUN, "--jobs", "two"), "--jobs: 'two' is no whole number"),
        (NOTHING, (*RUN, "--timeout", "soon"), "--timeout: 'soon' is no time"),
        (NOTHING, (*RUN, "--name", "../up"), "--name '../up'"),
        (NOTHING, (*RUN, "--device", "moon"), "unknown device 'moon'; known are adb, local, ssh:HOST"),
        (
            text("d.yaml", "transport: moon"),
            (*RUN, "--device", "d.yaml"),
            "device d.yaml, line 1: unknown device 'moon'",
        ),
        (NOTHING, (*RUN, "--space", "none.yaml"), "shipped are android, edge_tpu, full, post_training, quick"),
        (
            text("s.yaml", "delegate: nnapi"),
            (*RUN, "--space", "s.yaml"),
            "unknown delegate 'nnapi'; device local has xnnpack",
        ),
        (text("s.yaml", "delegate: [xnnpack, gpuu]"), (*RUN, "--space", "s.yaml"), "unknown delegate 'gpuu'"),
        (text("s.yaml", "quantise: [int8]"), (*RUN, "--space", "s.yaml"), "unknown dimension 'quantise'"),
        (text("s.yaml", "a: [b"), (*RUN, "--space", "s.yaml"), "not YAML"),
        (text("e.yaml", "modle: x"), ("run", "e.yaml"), "unknown key 'modle'"),
        (text("e.yaml", "trials: many"), ("run", "e.yaml"), "trials can't be 'many'"),
        (text("runs", "in the way"), RUN, "is a file; choose a folder"),
        (NOTHING, (*RUN, "--dir", "/proc/runs"), "can't write into /proc"),
        (NOTHING, (*RUN, "--metric", "beauty"), "--metric 'beauty' is unknown"),
        (NOTHING, ("front", "none"), "no study 'none' in runs"),
        (NOTHING, ("pick", "none"), "no study 'none' in runs"),
        (NOTHING, ("ui",), "no MLflow store sqlite:///mlflow.db"),
        (NOTHING, ("sync", "none"), "no study 'none' in runs"),
        (NOTHING, ("sync", "toy", "--tracking-uri", "none"), "there is nowhere to write to"),
        (NOTHING, ("dance",), "invalid choice: 'dance'"),
        (NOTHING, ("pick", "x", "--bad"), "unrecognized arguments: --bad (see autotune pick --help)"),
        (NOTHING, (), "COMMAND"),
    ],
)
def test_wrong_input_gets_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    prepare: Callable[[Path], None],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    """Exit status 2, no traceback, and no file or folder that was not there before."""
    monkeypatch.setattr("autotune.study.pool.RayPool.submit", _opened)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    toy_files(tmp_path)
    prepare(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert says in refused(capsys, *arguments)
    assert sorted(tmp_path.rglob("*")) == before


def _opened(_: Any, function: Any, *arguments: Any) -> Any:
    """In place of a worker that opens the model and looks at its channels."""
    from autotune.model.load import import_model
    from autotune.testing import FakePool, toy_import

    return FakePool(1).submit(toy_import if function is import_model else function, *arguments)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A study on fakes, in runs/."""
    from autotune.space.file import parse
    from autotune.study.driver import run
    from autotune.study.options import Options
    from autotune.targets.target import parse_all
    from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_import

    model, data = toy_files(tmp_path)
    space = parse({"prune": [0, 0.5], "quantize": ["none", "int8"], "threads": [1, 2]}, "toy", (1, 2))
    options = Options((model,), str(data), space, parse_all(["latency<0.06ms"])[0], "toy", tmp_path / "runs", trials=8)
    run(options, FakeDevice(), FakePool(), SilentReporter(), list, toy_import)
    return tmp_path / "runs" / "toy"


def test_front_as_json(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The contract of other programs: trial, config, metrics, feasible, and a model that is there."""
    assert cli.main(["front", "toy", "--json"]) == 0
    front = json.loads(capsys.readouterr().out)
    assert front
    for point in front:
        assert {"trial", "config", "metrics", "feasible", "model"} <= set(point)
        assert {"prune", "cluster", "quantize", "delegate", "threads"} <= set(point["config"])
        assert {"accuracy", "latency_ms", "size_bytes", "download_bytes"} <= set(point["metrics"])
        assert point["feasible"] == (point["metrics"]["latency_ms"] < 0.06)
        assert Path(point["model"]).is_file()


def test_front_for_people(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table with the baseline, the recommendation, its test score and its file."""
    assert cli.main(["front", "toy"]) == 0
    shown = capsys.readouterr().out
    assert "base" in shown
    assert "* recommended: trial" in shown
    assert "test samples that the search never saw" in shown
    assert str(finished / "models") in shown.replace("\n", "") or "runs/toy/models" in shown


def test_latencies_of_an_emulator_are_marked(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever numbers are handed out."""
    from autotune.ledger.journal import read

    record = read(finished, "toy")
    record = replace(record, meta=replace(record.meta, device=DeviceFacts("fake", emulated=True)))
    monkeypatch.setattr("autotune.ledger.journal.read", lambda *_: record)
    assert cli.main(["front", "toy", "--json"]) == 0
    assert all(point["emulated"] for point in json.loads(capsys.readouterr().out))
    assert cli.main(["front", "toy"]) == 0
    assert "latencies are an emulator's" in capsys.readouterr().out.replace("\n", " ")
    assert cli.main(["pick", "toy", "--out", "out"]) == 0
    assert "its latency is an emulator's" in capsys.readouterr().out
    assert cli.main(["pick", "toy", "--out", "out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["emulated"] is True


def test_pick_copies_file_and_recipe(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Side by side, and says how to load the file."""
    assert cli.main(["pick", "toy", "--out", "out"]) == 0
    shown = capsys.readouterr().out
    [file] = (tmp_path / "out").glob("*.tflite")
    recipe = json.loads(file.with_suffix(".json").read_text())
    assert recipe["feasible"] is True
    assert recipe["config"]["quantize"] == "int8"
    assert "Interpreter(" in shown
    assert f"num_threads={recipe['config']['threads']}" in shown


def test_pick_with_other_targets(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They replace the study's; where nothing meets them the status is 3 and the nearest miss is shown."""
    assert cli.main(["pick", "toy", "--target", "accuracy>=baseline", "--out", "out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["quantize"] == "none"
    assert cli.main(["pick", "toy", "--max-latency", "1us"]) == 3
    assert "nothing meets the targets; nearest is trial" in capsys.readouterr().out


def test_pick_by_number(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Any measured trial; one that is not there gets its line."""
    assert cli.main(["pick", "toy", "--trial", "0", "--out", "out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trial"] == 0
    assert "no measured trial 99" in refused(capsys, "pick", "toy", "--trial", "99")


def test_pick_into_a_place_that_can_not_be_written(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, nothing copied."""
    Path("blocked").touch()
    assert "--out: blocked is a file" in refused(capsys, "pick", "toy", "--out", "blocked")


@pytest.mark.parametrize(("command", "kept"), [("run", True), ("bench", False)])
def test_a_fault_ends_with_a_line_and_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, kept: bool
) -> None:
    """It is nobody's input; of a study it says that nothing is lost."""

    def lost(*_: Any, **__: Any) -> Any:
        raise Fault("the device was lost")

    monkeypatch.setattr("autotune.study.pool.RayPool", ToyPool)
    monkeypatch.setattr("autotune.study.on_devices.run", lost)
    monkeypatch.setattr("autotune.measure.bench.bench", lost)
    toy_files(tmp_path)
    Path("desk.yaml").write_text("delegates: [xnnpack]")
    Path("probe.tflite").write_bytes(PROBE.read_bytes())
    asked = ("--device", "desk.yaml")
    assert (
        cli.main([*RUN, "--space", "android", *asked] if command == "run" else ["bench", "probe.tflite", *asked]) == 1
    )
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("autotune: the device was lost")
    assert ("finished trials are kept" in line) == kept


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_command_that_is_ended_says_so(
    number: int, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, with the status that a shell gives it."""
    monkeypatch.setattr("autotune.cli.study.record_of", lambda _: os.kill(os.getpid(), number))
    assert cli.main(["front", "toy"]) == status
    assert capsys.readouterr().err == f"autotune: ended by {signal.Signals(number).name}\n"
