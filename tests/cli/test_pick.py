"""The command that takes a file of a study: what it prints, what it writes, and how it ends."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.cli import command as cli
from autotune.errors import Fault, UserError
from autotune.ledger.journal import read
from autotune.testing import FakeDevice
from tests.cli.conftest import Board

pytestmark = pytest.mark.usefixtures("finished")


def pick(capsys: pytest.CaptureFixture[str], *more: str, status: int = 0) -> str:
    """What it prints, in one line."""
    assert cli.main(["pick", "toy", "--out", "out", *more]) == status
    captured = capsys.readouterr()
    return " ".join((captured.err if status == 2 else captured.out).split())


def picked(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """The recipe that it prints, which is the one that it writes."""
    assert cli.main(["pick", "toy", "--out", "out", "--json", *more]) == 0
    recipe: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert json.loads(Path("out", recipe["model"]).with_suffix(".json").read_text()) == recipe
    return recipe


def test_pick_measures_again(device: FakeDevice, capsys: pytest.CaptureFixture[str]) -> None:
    """On the study's device; people are told both numbers and both scores, programs get them."""
    shown = pick(capsys)
    assert "within one standard error of the best accuracy, the least latency x download" in shown
    assert "in the search, 28.3 us now: 0.0% off, the intervals meet" in shown
    assert "on the 100 test samples that the search never saw" in shown
    assert set(device.calls) == {"latency"}
    recipe = picked(capsys)
    assert recipe["remeasured"]["change"] == 0
    assert recipe["test"]["samples"] == 100
    assert recipe["remarks"] == []


def test_pick_by_another_rule(device: FakeDevice, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it takes is tested, too; what one could take in its place stands below."""
    before = read(finished, "toy").tests
    shown = pick(capsys, "--weights", "download=1", "--target", "latency<1s")
    assert "the least loss, weighted by download 1" in shown
    assert "in its place, and what that would change: trial accuracy latency download" in shown
    assert "2.50x" in shown
    assert "points" in shown
    recipe = picked(capsys, "--weights", "download=1", "--target", "latency<1s")
    assert recipe["config"]["prune"] == 0.5
    assert recipe["rule"] == {"by": "weights", "weights": {"download": 1}}
    assert recipe["runners_up"]
    assert str(recipe["trial"]) not in before
    assert read(finished, "toy").tests[str(recipe["trial"])].to_json() == recipe["test"]
    assert "the knee: nearest to the best accuracy, latency and download at once" in pick(capsys, "--by", "knee")


def test_pick_by_number_names_no_rule(device: FakeDevice, capsys: pytest.CaptureFixture[str]) -> None:
    """The user has chosen; the runners-up are those that would be recommended."""
    recipe = picked(capsys, "--trial", "0")
    assert recipe["rule"] == {"by": "trial"}
    assert recipe["runners_up"][0]["trial"] == picked(capsys)["trial"]
    assert "within one standard error" not in pick(capsys, "--trial", "0")


def test_pick_without_measuring(device: FakeDevice, capsys: pytest.CaptureFixture[str]) -> None:
    """By choice: nothing is run, nothing is complained of, and the study's test stands."""
    shown = pick(capsys, "--no-measure")
    assert "now" not in shown
    assert "on the 100 test samples" in shown
    recipe = picked(capsys, "--no-measure")
    assert recipe["remeasured"] is None
    assert recipe["test"] is not None
    assert recipe["remarks"] == []
    assert device.calls == []


def test_pick_where_the_device_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A line, and the study's numbers."""
    assert "it was not measured again, so the latency is the study's: unknown device 'fake'" in pick(capsys)
    recipe = picked(capsys)
    assert recipe["remeasured"] is None
    assert recipe["remarks"][0].startswith("it was not measured again")


def test_pick_on_a_device_that_is_slower_by_now(device: FakeDevice, capsys: pytest.CaptureFixture[str]) -> None:
    """People are warned, and told that the target is missed now."""
    device.slower = 3.0
    shown = pick(capsys)
    assert "200.0% off, the intervals do not meet" in shown
    assert "its latency is now 84.9 us, +200% off the search's, and the intervals do not meet" in shown
    assert "as measured now: misses latency<0.06ms by 24.9 us" in shown


def test_pick_of_what_the_device_refuses_now(device: FakeDevice, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, nothing written."""
    device.refuses = "xnnpack"
    assert "device fake does not run it any more: xnnpack refuses the file" in pick(capsys, status=2)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--by", "best"), "--by 'best' is unknown; known are one-se, knee, weights"),
        (("--by", "weights"), "--by weights needs --weights, such as accuracy=2,latency=1"),
        (("--by", "knee", "--weights", "latency=1"), "--weights go with --by weights, not with --by knee"),
        (("--weights", "speed=1"), "'speed' is no objective of the study; there are accuracy, latency, download"),
        (("--trial", "0", "--by", "knee"), "--trial goes without --by"),
        (("--trial", "0", "--weights", "latency=1"), "--trial goes without --weights"),
        (("--device", "board"), "study 'toy' was measured on fake, not on board; the same autotune run with --device"),
        (("--device", "fake", "--all-devices"), "--all-devices goes without --device"),
    ],
)
def test_pick_of_what_makes_no_sense(
    device: FakeDevice, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    """One line, nothing written, nothing run."""
    assert says in pick(capsys, *arguments, status=2)
    assert not Path("out").exists()
    assert device.calls == []


def test_pick_on_the_device_as_it_is_called_now(device: FakeDevice, capsys: pytest.CaptureFixture[str]) -> None:
    """Where what the study knows it by is of no use."""
    assert "the intervals meet" in pick(capsys, "--device", "fake")


def test_front_and_pick_on_another_device(
    device: FakeDevice, board: Board, measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its name or by what finds it; what is picked is measured there, and on no other device."""
    assert cli.main(["front", "toy", "--device", "board", "--json"]) == 0
    fronts = json.loads(capsys.readouterr().out)
    assert {point["config"]["threads"] for point in fronts} == {1}
    for name in ("board", "board.yaml"):
        recipe = picked(capsys, "--device", name, "--target", "latency<1s")
        assert (recipe["study"], recipe["device"]["device"]) == ("toy@board", "board")
        assert recipe["remeasured"]["change"] == 0
        assert recipe["evaluated_on"] == {"device": "fake", "samples": 100}
    assert "its accuracy is that on fake: 100 samples score so here, too" in pick(
        capsys, "--device", "board", "--target", "latency<1s"
    )
    assert "latency" in board.calls
    assert device.calls == []
    assert measured.is_dir()


def test_pick_for_all_devices(
    device: FakeDevice, board: Board, measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file, on each device the runtime that suits it there, measured on each once more."""
    shown = pick(capsys, "--all-devices", "--target", "latency<1s")
    assert shown.startswith("one file for fake and board, of 3 that meet the targets on each")
    assert "over all devices, which is the worst accuracy, the geometric mean of latency" in shown
    recipe = picked(capsys, "--all-devices", "--target", "latency<1s", "--weights", "latency=1")
    found = recipe["devices"]
    assert {name: one["config"]["threads"] for name, one in found.items()} == {"fake": 2, "board": 1}
    assert {name: one["remeasured"]["change"] for name, one in found.items()} == {"fake": 0, "board": 0}
    assert {one["config"]["quantize"] for one in found.values()} == {"int8"}
    assert all("num_threads=" in one["load"] for one in found.values())
    assert "latency" in board.calls
    assert "latency" in device.calls
    for name, study in (("fake", "toy"), ("board", "toy@board")):
        points = {point.trial: point for point in read(measured.with_name(study), study).points}
        assert Path("out", recipe["model"]).read_bytes() == Path(str(points[found[name]["trial"]].model)).read_bytes()


def test_pick_the_file_of_a_trial_for_all_devices(
    device: FakeDevice, measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On whatever runtime the trial was."""
    first = {point.trial: point for point in read(measured.with_name("toy"), "toy").points}
    for trial, point in first.items():
        recipe = picked(capsys, "--all-devices", "--trial", str(trial), "--no-measure")
        each = {first[recipe["devices"]["fake"]["trial"]].model, point.model}
        assert len(each) == 1
    said = pick(capsys, "--all-devices", "--trial", "99", status=2)
    assert "the file of trial 99 of study 'toy' was not measured on all of fake, board" in said


def test_pick_for_all_devices_where_nothing_meets_the_targets(
    device: FakeDevice, measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is nearest, and what it lacks on which device."""
    shown = pick(capsys, "--all-devices", "--target", "latency<0.03ms", status=3)
    assert "no file meets the targets on every device; nearest is this one: on fake trial" in shown
    assert "on board trial" in shown
    assert "misses latency<0.03ms by" in shown
    assert not Path("out").exists()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """In place of MLflow's: what is to be registered, and the fault that comes of it where there is one."""
    from autotune.track.mlflow.registry import Function, Origin, Version

    calls: list[Any] = []

    def register(uri: str, function: Function, name: str, alias: str, origin: Origin, tags: dict[str, str]) -> Version:
        if calls and isinstance(calls[-1], Fault):
            raise calls[-1]
        assert function.file.exists()
        assert (function.code / "pyfunc.py").exists()
        calls.append((function, origin, tags))
        return Version(name, 3, alias, f"models:/{name}@{alias}", uri, "0" * 32)

    end = np.dtype(np.float32), (1,)
    monkeypatch.setattr("autotune.track.mlflow.registry.register", register)
    monkeypatch.setattr("autotune.deploy.serving.signature", lambda file, delegate: ({"": end}, {"": end}))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return calls


def test_pick_registers(device: FakeDevice, registry: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """What is handed out, with samples that it was validated on; people and programs are told the version."""
    shown = pick(capsys, "--register", "it", "--tracking-uri", "sqlite:///it's.db")
    assert "registered as it, version 3, alias autotune, in sqlite:///it's.db" in shown
    assert "y = mlflow.pyfunc.load_model('models:/it@autotune').predict(x)" in shown
    assert """MLFLOW_TRACKING_URI='sqlite:///it'"'"'s.db' mlflow models serve -m models:/it@autotune""" in shown
    recipe = picked(capsys, "--register", "it", "--alias", "best")
    told = {"name": "it", "version": 3, "alias": "best", "uri": "models:/it@best", "run_id": "0" * 32}
    assert recipe["registered"] == told | {"tracking_uri": "sqlite:///mlflow.db"}
    function, origin, tags = registry[-1]
    assert function.config == {
        "delegate": "xnnpack",
        "threads": 2,
        "state": "",
        "ends": {"inputs": [""], "outputs": [""]},
    }
    assert function.example[""].shape == (2, 1)
    assert function.example[""].any()
    assert (origin.study, origin.trial, origin.params["threads"]) == ("toy", recipe["trial"], 2)
    assert (tags["study"], tags["device"], tags["targets"]) == ("toy", "fake", "latency<0.06ms")
    assert float(tags["latency_remeasured_ms"]) == pytest.approx(recipe["remeasured"]["p50_ms"])
    assert float(tags["test_accuracy"]) == pytest.approx(recipe["test"]["accuracy"])


def test_pick_registers_without_data(
    device: FakeDevice, registry: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Which may be gone: the example is one of zeros then."""
    Path("toy.npz").unlink()
    picked(capsys, "--register", "it")
    example = registry[-1][0].example[""]
    assert (example.tolist(), example.dtype) == ([[0.0]], np.float32)


def test_pick_registers_for_all_devices(
    device: FakeDevice, measured: Path, registry: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """One version, run as on the first of them; tags say what it is on each."""
    arguments = ("--all-devices", "--no-measure", "--target", "latency<1s", "--weights", "latency=1")
    assert picked(capsys, *arguments, "--register", "it")["registered"]["version"] == 3
    function, _, tags = registry[-1]
    assert function.config["threads"] == 2
    assert (tags["device"], tags["threads"], tags["board.device"], tags["board.threads"]) == ("fake", "2", "board", "1")
    assert float(tags["board.latency_ms"]) > float(tags["latency_ms"])


def test_pick_hands_out_what_it_can_not_register(
    device: FakeDevice, registry: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """All is there and shown, and one line says what is not done."""
    registry.append(Fault("nobody answers"))
    for more in ((), ("--json",)):
        assert cli.main(["pick", "toy", "--out", "out", "--register", "it", *more]) == 1
        out, err = capsys.readouterr()
        [file] = Path("out").glob("*.tflite")
        why = "sqlite:///mlflow.db: nobody answers; the same command tries again"
        assert err == f"autotune: {file} is not registered: {why}\n"
        assert "registered" not in out
        assert "num_threads=2" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--register", "a/b"), "--register 'a/b': MLflow refuses it"),
        (("--register", "it", "--alias", "latest"), "--alias 'latest': MLflow refuses it"),
        (("--register", "it", "--tracking-uri", "none"), "--register needs an MLflow store"),
        (("--alias", "best"), "--alias goes with --register"),
        (("--register", "it"), ": x.tflite has 2 inputs"),
        (("--register", "it", "--all-devices"), ": x.tflite has 2 inputs"),
    ],
)
def test_pick_of_what_can_not_be_registered(
    device: FakeDevice,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    """One line, nothing written, nothing run."""

    def ends(file: Path, delegate: str) -> None:
        raise UserError("x.tflite has 2 inputs")

    monkeypatch.setattr("autotune.deploy.serving.signature", ends)
    assert says in pick(capsys, *arguments, status=2)
    assert not Path("out").exists()
    assert device.calls == []


def test_a_folder_that_can_not_be_written_to_is_told_first(
    finished: Path, device: FakeDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the file is measured once more, which waits for the device."""
    assert cli.main(["pick", "toy", "--out", "/proc/out"]) == 2
    assert "--out: can't write into /proc" in capsys.readouterr().err
    assert not device.calls
