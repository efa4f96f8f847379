"""autotune against a plain Ray Tune script: wall time until the front is as good as the script's after 32 trials.

The same model, data, space, epochs and machine, one after the other. The script's files are measured again
by autotune's instrument, in quiet: its own numbers were taken while it trained.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autotune.config import Runtime
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions
from autotune.ledger.journal import JOURNAL, read
from autotune.measure.rounds import Job, measure
from autotune.results.front import dominated, relative
from autotune.results.measurement import Measurement
from autotune.targets.metric import ACCURACY, DOWNLOAD, LATENCY
from benchmarks import script

LIMIT = "5m"


def main() -> None:
    """Runs both and prints a table."""
    if not (script.SHARED / "models").exists():
        print("skipped: needs models and data in ../shared")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        took, theirs = _script(folder)
        reached, ours = _autotune(folder, theirs, took)
    print("| | wall time | hypervolume |")
    print("|---|---|---|")
    print(f"| the script, {script.TRIALS} trials | {took:.0f} s | {ours['theirs']:.3f} |")
    if reached is None:
        print(f"| autotune | not reached in {LIMIT} | {ours['ours']:.3f} |")
        return
    print(f"| autotune, until it has as much | {reached:.0f} s = 1/{took / reached:.1f} | {ours['then']:.3f} |")
    print(f"| autotune, when the script ended | {took:.0f} s | {ours['meanwhile']:.3f} |")


def _script(folder: Path) -> tuple[float, list[dict[str, float]]]:
    """Seconds that the script took, and what its files are like."""
    out = folder / "script"
    out.mkdir()
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "benchmarks.script", str(out)], check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - began
    trials = [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]
    jobs = [
        Job(path.with_suffix(".tflite"), Runtime(trial["delegate"], trial["threads"]))
        for path, trial in zip(sorted(out.glob("*.json")), trials, strict=True)
    ]
    with LocalDevice(options=MeasureOptions(delegates=("xnnpack", "builtin"))).open() as session:
        found = measure(session, jobs)
    return took, [
        {"accuracy": trial["accuracy"], "latency_ms": one.p50_ms, "download_bytes": trial["size"]}
        for trial, one in zip(trials, found, strict=True)
        if isinstance(one, Measurement)
    ]


def _autotune(folder: Path, theirs: list[dict[str, float]], took: float) -> tuple[float | None, dict[str, float]]:
    """Seconds until autotune's front has the script's hypervolume, and hypervolumes.

    Args:
        folder: to work in.
        theirs: metrics of the script's files.
        took: seconds that the script took.
    """
    space = folder / "space.yaml"
    space.write_text(json.dumps(script.SPACE | {"epochs": script.EPOCHS, "augment": "mix"}))  # JSON is YAML
    model, data = (script.SHARED / name for name in ("models/resnet8.keras", "data/cifar10_subset.npz"))
    files = ["--model", str(model), "--data", str(data), "--space", str(space), "--name", "live", "--jobs", "2"]
    limits = ["--trials", "200", "--patience", "200", "--timeout", LIMIT, "--tracking-uri", "none"]
    began = datetime.now()
    command = [sys.executable, "-m", "autotune", "run", *files, *limits]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    record = read(folder / "runs" / "live", "live").begun()
    baseline: dict[str, float] = record.baseline.metrics
    goal = _volume(theirs, baseline)
    storage = JournalStorage(JournalFileBackend(str(record.folder / JOURNAL)))
    ended = {t.number: t.datetime_complete for t in optuna.load_study(study_name="live", storage=storage).trials}
    known: list[dict[str, float]] = []
    volumes: list[tuple[float, float]] = []
    for point in sorted(record.points, key=lambda point: ended[point.trial] or began):
        if point.outcome.state == "measured":
            known.append(point.outcome.metrics)
            seconds = ((ended[point.trial] or began) - began).total_seconds()
            volumes.append((seconds, _volume(known, baseline)))
    reached = next(((seconds, volume) for seconds, volume in volumes if volume >= goal), None)
    meanwhile = max(volume for seconds, volume in volumes if seconds <= took)
    found = {"theirs": goal, "ours": volumes[-1][1], "then": reached[1] if reached else 0.0, "meanwhile": meanwhile}
    return (reached[0] if reached else None), found


def _volume(rows: list[dict[str, Any]], baseline: dict[str, float]) -> float:
    return dominated([relative(row, (ACCURACY, LATENCY, DOWNLOAD), baseline) for row in rows])


if __name__ == "__main__":
    main()
