"""The commands that take a device: what they print, what they write, and how they end."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from autotune.cli import command as cli
from autotune.devices import discovery
from autotune.devices.client.device import PROBE
from tests.compress import tables

pytestmark = pytest.mark.usefixtures("brief")

KERNELS = "delegates: [xnnpack, builtin]\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a device that is quickly tried, and two files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(discovery, "_phones", list)
    Path("devices").mkdir()
    Path("devices/desk.yaml").write_text(KERNELS)
    Path("small.tflite").write_bytes(tables.small())
    Path("probe.tflite").write_bytes(PROBE.read_bytes())


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """What a command prints; somebody else may be measuring on this machine."""
    assert cli.main(arguments) == status
    captured = capsys.readouterr()
    assert [line for line in captured.err.splitlines() if not line.startswith("waiting for ")] == []
    return captured.out


def loaded(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    return json.loads(run(capsys, *arguments, "--json", status=status))


def test_devices(capsys: pytest.CaptureFixture[str]) -> None:
    """All are listed; one that can't be used is no failure unless it was named."""
    Path("devices/board.yaml").write_text(f"transport: command\ncommand: [{sys.executable}, -c, exit(3)]")
    names = [seen["device"] for seen in loaded(capsys, "devices")]
    assert names == ["local", "board", "desk"]
    [board] = loaded(capsys, "devices", "board", status=2)
    assert "exit status 3" in board["reason"]
    [desk] = loaded(capsys, "devices", "desk", "desk")
    assert desk["reason"] is None
    assert desk["delegates"] == ["xnnpack", "builtin"]
    shown = run(capsys, "devices", "desk", "board", status=2)
    assert shown.startswith("desk\n")
    assert "\nboard  device board: the runner was lost" in shown


def test_bench(capsys: pytest.CaptureFixture[str]) -> None:
    """Every file on every runtime; the machine's facts; what bought nothing."""
    options = ("--device", "desk", "--delegate", "all", "--threads", "1", "--threads", "2", "--cpus", "0")
    found = loaded(capsys, "bench", "small.tflite", "probe.tflite", "small.tflite", *options)
    assert found["device"]["device"] == "desk"
    assert found["device"]["cpus"] == [0]
    rows = [(row["model"], row["delegate"], row["threads"]) for row in found["results"]]
    assert rows == [
        (model, name, count)
        for model in ("small.tflite", "probe.tflite")
        for name in ("xnnpack", "builtin")
        for count in (1, 2)
    ]
    for row in found["results"]:
        assert row["state"] == "measured"
        assert row["low_ms"] <= row["p50_ms"] <= row["high_ms"]
        assert row["verdict"]
    assert isinstance(found["findings"], list)


def test_bench_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for the first delegate on one thread, and the machine."""
    lines = run(capsys, "bench", "small.tflite", "--device", "desk").splitlines()
    assert lines[0].split()[:3] == ["file", "runs", "on"]
    assert lines[1].split()[:3] == ["small", "xnnpack", "x1"]
    assert lines[-1].startswith("desk: ")


def test_bench_of_what_a_runtime_refuses(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row says so, and the others are measured; where nothing is, the status says that the input is wrong."""
    monkeypatch.setenv("AUTOTUNE_FAULT", "abort:xnnpack:2")
    options = ("bench", "small.tflite", "--device", "desk")
    fine, refused = loaded(capsys, *options, "--threads", "1", "--threads", "2")["results"]
    assert (fine["state"], refused["state"]) == ("measured", "refused")
    assert "SIGABRT" in refused["reason"]
    assert "small on xnnpack x2: running the file ended" in run(capsys, *options, "--threads", "2", status=2)


def test_sustain(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of each file, one after the other; a refusal stands in its place."""
    monkeypatch.setenv("AUTOTUNE_FAULT", "abort:xnnpack:2")
    options = ("bench", "small.tflite", "--device", "desk", "--sustain", "1s")
    fine, refused = loaded(capsys, *options, "--threads", "1", "--threads", "2")["results"]
    assert fine["windows"][0]["p50_ms"] > 0
    assert "SIGABRT" in refused["reason"]
    assert "last to first: 1.00" in run(capsys, *options)


def test_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """The file's operators, with times where this machine's LiteRT tells; a trace of these."""
    found = loaded(capsys, "profile", "small.tflite", "--device", "desk", "--delegate", "builtin")
    assert [row["kind"] for row in found["operators"]] == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]
    assert (found["delegate"], found["threads"]) == ("builtin", 1)
    if found["untold"]:
        pytest.skip(found["untold"])
    assert [part["operator"]["kind"] for part in found["parts"]] == [row["kind"] for row in found["operators"]]
    shown = run(capsys, "profile", "small.tflite", "--device", "desk", "--delegate", "builtin", "--trace", "t.json")
    assert shown.startswith("small.tflite on desk, builtin x1\n")
    events = json.loads(Path("t.json").read_text())["traceEvents"]
    assert [event["name"] for event in events if event["ph"] == "X"] == [row["kind"] for row in found["operators"]]


def test_profile_of_what_can_not_tell(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is there, with a sentence; a trace of nothing is an error, and not written."""
    Path("devices/slow.yaml").write_text("delegates: [reference]")
    shown = run(capsys, "profile", "small.tflite", "--device", "slow")
    assert "CONV_2D" in shown
    assert "slow doesn't tell what single operators take on reference x1" in shown
    assert cli.main(["profile", "small.tflite", "--device", "slow", "--trace", "t.json"]) == 2
    assert "--trace t.json: not written, since there are no times" in capsys.readouterr().err
    assert not Path("t.json").exists()


@pytest.mark.parametrize("command", ["bench", "profile"])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "the following arguments are required: MODEL.tflite"),
        (("none.tflite",), "model none.tflite: no such file"),
        (("devices/desk.yaml",), "model devices/desk.yaml: not a .keras, .h5 or .tflite file"),
        (("cut.tflite",), "model cut.tflite: "),
        (("small.tflite", "--device", "moon"), "unknown device 'moon'; known are"),
        (("small.tflite", "--device", "none.yaml"), "no device file 'none.yaml'"),
        (("small.tflite", "--device", "bad"), "device devices/bad.yaml, line 1: unknown key 'colour'"),
        (("small.tflite", "--device", "away"), "device away: "),
        (("small.tflite", "--device", "desk", "--delegate", "warp"), "--delegate 'warp' is unknown; known are xnnpack"),
        (("small.tflite", "--threads", "0"), "--threads: '0' is no whole number of 1 or more"),
        (("small.tflite", "--threads", "1000000"), "--threads: '1000000' is too large; 1024 is the most"),
    ],
)
def test_wrong_input_gets_one_line(
    capsys: pytest.CaptureFixture[str], command: str, arguments: tuple[str, ...], says: str
) -> None:
    """Exit status 2, nothing on standard output, nothing written."""
    Path("cut.tflite").write_bytes(tables.small()[:200])
    Path("devices/bad.yaml").write_text("colour: red")
    Path("devices/away.yaml").write_text("transport: command\ncommand: [/no/such/program]")
    before = sorted(Path().rglob("*"))
    assert cli.main([command, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("autotune: ")
    assert says in line
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--cpus", "x"), "--cpus: 'x' is no list of CPUs; write 0,1 or 0-3"),
        (("--cpus", "3-1"), "--cpus: '3-1' is no list"),
        (("--cpus", "0-1-2"), "--cpus: '0-1-2' is no list"),
        (("--cpus", "9999"), "9999"),
        (("--load", "some"), "--load: 'some' is no whole number"),
        (("--sustain", "long"), "--sustain: 'long' is no time"),
        (("--trace", "t.json"), "unrecognized arguments: --trace t.json"),
    ],
)
def test_wrong_options_of_bench(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str) -> None:
    """Exit status 2, one line."""
    assert cli.main(["bench", "small.tflite", "--device", "desk", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert says in line


def test_a_trace_that_can_not_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """One line after the table, where there are times at all."""
    assert cli.main(["profile", "small.tflite", "--device", "desk", "--trace", "no/where.json"]) == 2
    assert "--trace no/where.json: " in capsys.readouterr().err


def test_a_trace_that_can_not_be_written_is_told_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is measured for it."""
    monkeypatch.setattr("autotune.measure.bench.runtimes", lambda *_: pytest.fail("the device was asked"))
    for path in (".", "no/where.json", "/proc/t.json"):
        assert cli.main(["profile", "small.tflite", "--device", "desk", "--trace", path]) == 2
        assert capsys.readouterr().err.startswith("autotune: --trace")
