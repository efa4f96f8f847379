"""What people see of a run while it lasts, on a terminal."""

import io
import os
import pty
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from autotune.compress.pipeline import BUILT_IN
from autotune.config import Recipe
from autotune.results.record import Begun
from autotune.study.reporting import Activity
from autotune.terminal.progress import STAGES, View, sparkline
from autotune.testing import toy_measurement, toy_outcome, toy_record

PRUNED = Recipe(prune=0.5, quantize="int8")
TIMED = [(0.9, 10.0, 40_000.0), (0.88, 5.0, 20_000.0), (0.85, 2.0, 9_000.0)]


def record(folder: Path, *targets: str, count: int = 3) -> Begun:
    """Float, int8 and a pruned file, each slower than the next."""
    settings: list[dict[str, Any]] = [{}, {"quantize": "int8", "threads": 2}, {"quantize": "int8", "prune": 0.5}]
    outcomes = [
        toy_outcome(*numbers, **config).with_latency(toy_measurement(numbers[1]))
        for numbers, config in zip(TIMED, settings, strict=True)
    ]
    found = toy_record(folder, *outcomes)
    found = replace(found, meta=replace(found.meta, targets=targets))
    return replace(found, points=found.judged(found.targets)[:count])


def drawn(view: View, width: int = 80, height: int = 24) -> list[str]:
    """The lines of a view on a terminal of this size."""
    console = Console(file=io.StringIO(), record=True, force_terminal=True, width=width, height=height)
    console.print(view)
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert max(map(len, lines)) <= width
    assert len(lines) < height
    return lines


def mid_study(folder: Path, *targets: str, workers: int = 2) -> View:
    """A worker prunes, another one has nothing to do, the device measures."""
    view = View(workers)
    for count in (1, 3):
        view.progress(record(folder, *targets, count=count), 24)
    view.working([Activity("worker", "prune", PRUNED, trains=True), Activity("device", "measure")])
    view.status("measuring 3, round 2")
    return view


def test_a_study_under_way(tmp_path: Path) -> None:
    """Progress, what workers and the device do, the best and its targets, hypervolume and the front."""
    lines = drawn(mid_study(tmp_path / "toy", "latency<50ms"))
    assert lines[0].startswith("toy on fake  3/24 trials ━")
    assert lines[1] == "worker 1      0:00  prune 50% + int8 · pruning and fine-tuning"
    assert lines[2] == "worker 2     rests while the device measures"
    assert lines[3] == "device        0:00  measuring 3, round 2"
    assert lines[4].startswith("best         trial 0: accuracy 90.0%, 10 ms ±1.0%, 40.0 kB (float on xnnpack")
    assert lines[5] == "             meets latency<50ms"
    assert lines[6].startswith("hypervolume  ")
    assert lines[6].endswith(" ▁█")
    assert [line.split()[:2] for line in lines[8:]] == [
        ["front", "recipe"],
        ["base", "float"],
        ["0", "float"],
        ["1", "int8"],
        ["2", "prune"],
    ]
    assert lines[-1].endswith("xnnpack x1     85.0%    2 ms    9.0 kB")


def test_nothing_meets_the_targets(tmp_path: Path) -> None:
    """Then the nearest miss is shown, and what it misses."""
    lines = drawn(mid_study(tmp_path / "toy", "latency<1ms"))
    assert lines[4].startswith("nearest      trial 2: accuracy 85.0%, 2 ms")
    assert lines[5] == "             misses latency<1ms by 1 ms"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("height", [4, 10, 24])
@pytest.mark.parametrize("workers", [1, 64])
def test_a_view_fits_its_terminal(width: int, height: int, workers: int, tmp_path: Path) -> None:
    """It is no wider and, down to what is but one line a thing, lower than that; many workers are counted."""
    view = mid_study(tmp_path / "toy", "latency<50ms", workers=workers)
    lines = drawn(view, width, max(height, 8))
    assert any(line.startswith("hypervolume") for line in lines)
    assert any(line.startswith(("others", "workers")) for line in lines) == (workers > 1)
    assert any(" 90.0% " in line for line in lines) == (height == 24)


def test_before_the_baseline_there_is_little_to_see() -> None:
    """What is done is said on the first line, then what is under way below it."""
    view = View(1)
    view.status("opening the model")
    assert drawn(view) == ["0:00  opening the model"]
    view.status("measuring the baseline")
    view.working([Activity("worker", "convert", Recipe())])
    assert drawn(view) == [
        "0:00  measuring the baseline",
        "worker 1   0:00  float · converting",
        "device    idle",
    ]


def test_a_worker_keeps_its_line(tmp_path: Path) -> None:
    """Whoever else is done; and what waits for a worker is shown once one is free."""
    view = View(2)
    first, second, third = (Activity("worker", "convert", Recipe(prune=share)) for share in (0.1, 0.2, 0.3))
    view.working([first, second, third])
    assert ["10%" in drawn(view)[1], "20%" in drawn(view)[2]] == [True, True]
    view.working([second, third])
    assert ["30%" in drawn(view)[1], "20%" in drawn(view)[2]] == [True, True]
    view.working([third])
    assert drawn(view)[2] == "worker 2  idle"


def test_the_device_is_waited_for(tmp_path: Path) -> None:
    """Until something is under way again: then that is what is shown."""
    view = mid_study(tmp_path / "toy")
    view.working([])
    view.status("waiting for device fake, which is in use (another session)")
    assert drawn(view)[3].endswith("waiting for device fake, which is in use (another session)")
    view.working([Activity("device", "evaluate", PRUNED)])
    assert drawn(view)[3].endswith("  evaluating prune 50% + int8")


def test_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the pace so far, or until the timeout where that comes first; none is named once all is done."""
    now = 100.0
    monkeypatch.setattr("autotune.terminal.progress.time.monotonic", lambda: now)
    hour, minute = View(1), View(1, timeout=60.0)
    for view in (hour, minute):
        view.progress(record(tmp_path / "toy", count=1), 9)
    now = 120.0
    for view in (hour, minute):
        view.progress(record(tmp_path / "toy", count=3), 9)
    assert drawn(hour)[0].endswith(" 0:20, 1:00 left")
    assert drawn(minute)[0].endswith(" 0:20, 0:40 left")
    hour.progress(record(tmp_path / "toy", count=3), 3)
    assert drawn(hour)[0].endswith(" 0:20")


def test_a_sparkline_goes_from_the_least_to_the_greatest() -> None:
    """However many values there are; where all are the same it is flat."""
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([float(value) for value in range(1000)], 8) == "▁▂▃▄▅▆▇█"


SCRIPT = """
import sys, time
from pathlib import Path
from tests.terminal.test_progress import PRUNED, Activity, record
from autotune.terminal.noise import out_of_sight
from autotune.terminal.progress import LiveOutput

with LiveOutput(1) as output, out_of_sight(output.note):
    output.working([Activity("worker", "prune", PRUNED, trains=True)])
    output.progress(record(Path(sys.argv[1]) / "toy"), 24)
    output.note("a worker was lost; queued again")
    print("chatter")
    time.sleep(60 if sys.argv[2] == "interrupt" else 0.6)
"""


@pytest.mark.parametrize("how", ["end", "interrupt"])
def test_on_a_terminal_the_view_is_drawn_and_gives_way(how: str, tmp_path: Path) -> None:
    """On a real one, in place. At the end, and after Ctrl-C, nothing is left but notes, and the cursor is back."""
    leader, follower = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path), how],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=_own_terminal,
        env=environment | {"TERM": "xterm-256color", "COLUMNS": "90", "LINES": "30"},
    )
    os.close(follower)
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            part = os.read(leader, 65536)
        except OSError:  # nobody has the other end any more
            break
        if not part:
            break
        shown += part
        if how == "interrupt" and b"recipe" in shown:
            os.write(leader, b"\x03")
            how = "interrupted"
    os.close(leader)
    assert (process.wait() == 0) == (how == "end")
    text = shown.decode()
    assert "pruning and fine-tuning" in text
    assert "3/24 trials" in text
    assert "chatter" not in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "a worker was lost; queued again" in text
    assert text[text.rindex("\x1b[?25h") :].count("trials") == 0


def _own_terminal() -> None:
    """Has Ctrl-C interrupt the child, also where the tests run in the background of a shell, which has it ignored."""
    import fcntl
    import signal
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_each_built_in_stage_is_told_in_words() -> None:
    """A plug-in's has its name, one of autotune's own never."""
    assert STAGES.keys() == {stage.name for stage in BUILT_IN}
