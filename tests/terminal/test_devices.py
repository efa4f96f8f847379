"""What people see of devices and measurements."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.config import Runtime
from autotune.devices.discovery import Seen
from autotune.errors import Infeasible
from autotune.measure.bench import BenchRow, BenchWindow
from autotune.measure.rounds import Job
from autotune.results.meta import DeviceFacts
from autotune.terminal.devices import print_rows, print_seen, print_windows, progress
from autotune.testing import toy_measurement

FACTS = DeviceFacts("desk", cpu="Example", cores=4, memory_bytes=8_000_000_000, litert="2.3.0", load=0.5)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, without the runs of spaces that make columns."""
    return "\n".join(" ".join(line.split()) for line in capsys.readouterr().out.splitlines())


def test_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    """What it is, what runs there and what not, and how it is now."""
    missing = {"gpu": "gpu refuses the file: no [adapter] found"}
    print_seen(Seen("desk", None, FACTS, ("xnnpack", "builtin"), missing, (1, 2, 4), 44.6))
    lines = shown(capsys).splitlines()
    assert lines == [
        "desk",
        "is Example · 4 cores · 8.0 GB · LiteRT 2.3.0",
        "runs xnnpack, builtin",
        "not gpu: no [adapter] found",
        "threads 1, 2, 4",
        "now 45 °C · load 0.5",
    ]


def test_a_device_that_can_not_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, however long."""
    print_seen(Seen("pi", "no route to [host] " * 20))
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    """Each a row; what fell back or is not stable is said below, once for all runtimes alike; so are refusals."""
    half = replace(toy_measurement(2.0), delegated=3, fell_back=("SOFTMAX",))
    rows = [
        BenchRow(Path("a/m.tflite"), Runtime("xnnpack", 1), half),
        BenchRow(Path("a/m.tflite"), Runtime("xnnpack", 2), half),
        BenchRow(Path("a/m.tflite"), Runtime("gpu", 1), Infeasible("gpu refuses the file: [no]")),
        BenchRow(Path("n.tflite"), Runtime("xnnpack", 1), replace(toy_measurement(0.5), verdict="rounds differ by 9%")),
    ]
    print_rows(rows, ["gpu bought nothing"], FACTS, load=2)
    said = shown(capsys)
    assert "m xnnpack x1 2 ms 1.98 to 2.02 ms 2.2 ms 2.4 ms 10 ms 1 ms 1.00 MB 3/4 stable" in said
    assert "n xnnpack x1 500 us 495 to 505 us 550 us 600 us 2.5 ms 1 ms 1.00 MB 4/4 unstable" in said
    assert "\nm on xnnpack x1, xnnpack x2: not delegated: SOFTMAX\n" in said
    assert "\nm on gpu x1: gpu refuses the file: [no]\n" in said
    assert "\nn on xnnpack x1: not stable: rounds differ by 9%\n" in said
    assert "\ngpu bought nothing\n" in said
    assert said.endswith("desk: Example · 4 cores · 8.0 GB · LiteRT 2.3.0 · beside 2 busy cores")
    assert "init again" not in said


def test_what_a_device_can_not_tell(capsys: pytest.CaptureFixture[str]) -> None:
    """Is a dash; an interval over two units has both."""
    bare = replace(toy_measurement(1.0), memory_bytes=None, delegated=None, operators=None, init_serialized_ms=0.5)
    rows = [BenchRow(Path("m.tflite"), Runtime(), one) for one in (bare, toy_measurement(1.0))]
    print_rows(rows, [], DeviceFacts("desk"), load=0)
    said = shown(capsys)
    assert "m xnnpack x1 1 ms 990 us to 1.01 ms 1.1 ms 1.2 ms 5 ms 1 ms 500 us - - stable" in said
    assert "5 ms 1 ms - 1.00 MB 4/4 stable" in said


def test_files_of_one_name_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """By their paths."""
    rows = [BenchRow(Path(folder) / "m.tflite", Runtime(), Infeasible("no")) for folder in ("a", "b")]
    print_rows(rows, [], DeviceFacts("desk"), load=0)
    assert shown(capsys).startswith("a/m.tflite on xnnpack x1: no\nb/m.tflite on xnnpack x1: no\n")


@pytest.mark.parametrize(("seconds", "lines"), [(3, 1), (12, 3), (600, 12)])
def test_latency_over_time(capsys: pytest.CaptureFixture[str], seconds: int, lines: int) -> None:
    """A line for each five seconds, or more where they were too many; then what became of it."""
    windows = [BenchWindow(float(at), 1 + at / (seconds - 1), 4, 10, 40 + at / 10, 2000) for at in range(seconds)]
    print_windows(Job(Path("m.tflite"), Runtime()), windows)
    head, header, *table, end = shown(capsys).splitlines()
    assert (head, header) == ("m.tflite on xnnpack x1", "time median p90 heat clock")
    assert len(table) == lines
    assert table[0].startswith("0:00 1")
    ratio = float(end.removeprefix("last to first: "))
    assert ratio == 1 if lines == 1 else 1.4 < ratio < 2


def test_latency_over_time_of_what_can_not_tell_how_warm_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """There are no such columns; a refusal is one line."""
    job = Job(Path("m.tflite"), Runtime())
    print_windows(job, [BenchWindow(0.0, 1, 2, 10, None, None)])
    assert shown(capsys).splitlines()[1] == "time median p90"
    print_windows(job, Infeasible("no"))
    assert shown(capsys) == "m.tflite on xnnpack x1: no"


def test_progress_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Waiting is said once, other steps not at all; standard output is left to results."""
    with progress() as say:
        for text in ("measuring [1]", "waiting for [pi]", "waiting for [pi]", "waiting for desk"):
            say(text)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line for line in captured.err.splitlines() if line.strip()] == ["waiting for [pi]", "waiting for desk"]
