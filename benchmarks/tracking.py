"""What MLflow costs the demo's study, as a share of its wall time, on sqlite and over HTTP. Goal: under 5 %.

The study is run without MLflow, then shown to it as a run would have: every few seconds what is new. A run does so
in a thread beside itself, and waits at its end alone.
"""

import itertools
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from autotune.errors import ExitStatus
from autotune.ledger.journal import read
from autotune.results.front import Point
from autotune.results.record import Record
from autotune.track.background import PACE_S
from benchmarks.mlflow_server import Server

DEMO = Path(__file__).parents[1] / "experiments" / "digits.yaml"


def main() -> None:
    """Runs the demo, and prints what MLflow would have taken of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        targets = ["--target", "latency<1ms", "--target", "accuracy>=baseline-2%"]
        command = [sys.executable, "-m", "autotune", "run", str(DEMO), *targets, "--tracking-uri", "none"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != ExitStatus.DONE:
            print(f"the demo ended with status {done.returncode}")
            return
        shown(read(folder / "runs" / "digits", "digits"), folder)


def shown(record: Record, folder: Path) -> None:
    """Shows a finished study to both kinds of store in a folder, and prints what it took."""
    began, used = time.perf_counter(), time.process_time()
    from autotune.track import mlflow  # noqa: F401

    start, used = time.perf_counter() - began, time.process_time() - used
    print(f"import mlflow {start:.1f} s, {used:.1f} s of them computing")
    with Server(folder) as server:
        time.sleep(10)  # its helpers start after it answers
        for name, uri in (("sqlite", f"sqlite:///{folder / 'mlflow.db'}"), ("server", server.uri)):
            _show(name, uri, record, start)


def _show(name: str, uri: str, record: Record, start: float) -> None:
    from autotune.track.mlflow import MlflowTracker

    tracker, times, used = MlflowTracker(uri), [time.perf_counter()], time.process_time()
    tracker.update(Record(record.name, record.folder, record.meta))
    times.append(time.perf_counter())
    for points in _looks(record):
        tracker.update(replace(record, points=points))
    times.append(time.perf_counter())
    tracker.finish(record)
    times.append(time.perf_counter())
    opened, trials, end = (after - before for before, after in itertools.pairwise(times))
    wall = sum(run["wall_s"] for run in record.runs)
    print(
        f"{name}: opened in {opened:.1f} s, {len(record.points)} trials {trials:.1f} s, end {end:.1f} s, of which "
        f"{time.process_time() - used:.1f} s computing here; the study of {wall:.0f} s waits for {end / wall:.1%}, "
        f"beside it {(start + opened + trials) / wall:.1%} are spent"
    )


def _looks(record: Record) -> Iterator[list[Point]]:
    """What there was each time that a run would have looked for what is new."""
    by_end = sorted(record.points, key=lambda point: point.ended)
    looked = 0.0
    for count, point in enumerate(by_end, 1):
        following = by_end[count].ended if count < len(by_end) else math.inf
        if following - max(looked, point.ended) > 0 and following - looked > PACE_S:
            looked = point.ended
            yield sorted(by_end[:count], key=lambda one: one.trial)
