"""Whether measurements hold: taken again, taken by others, and on a machine that is not quiet.

Needs a quiet machine: what else runs on it shows in the ratios, and is meant to.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from autotune.compress import post_training
from autotune.config import Runtime
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions, Session
from autotune.ledger.journal import JOURNAL, read
from autotune.measure.rounds import Job, Rules, measure
from autotune.results.measurement import Measurement
from autotune.task.task import CALIBRATION

SHARED = Path(__file__).parents[2] / "shared"
RESNET8 = SHARED / "models" / "resnet8_float.tflite"
CIFAR10 = SHARED / "data" / "cifar10_subset.npz"
TIMES = 20
"""How often a quiet and a loaded machine are judged."""

THEIRS = """
import ai_edge_litert.tools.benchmark_litert_model as theirs
theirs.round = lambda value, digits: value  # it rounds to 10 us, which is too coarse here
theirs.main()
"""


def main() -> None:
    """All three; each prints its line or table."""
    device = LocalDevice(options=MeasureOptions(delegates=("xnnpack", "builtin")))
    with tempfile.TemporaryDirectory() as folder, device.open() as session:
        files = _files(Path(folder))
        _judged(session, files["float"])
        _against_theirs(session, files, Path(folder))
        _again(session, Path(folder))


def _files(folder: Path) -> dict[str, Path]:
    calibration = np.load(CIFAR10)["x_train"][:CALIBRATION].astype(np.float32)
    float_file = RESNET8.read_bytes()
    files = {"float": RESNET8}
    for scheme in ("dynamic", "int8"):
        files[scheme] = folder / f"{scheme}.tflite"
        files[scheme].write_bytes(post_training.quantize(float_file, scheme, calibration))
    return files


def _judged(session: Session, file: Path) -> None:
    """The verdict beside a process that keeps a core busy, and without it, in turn."""
    counts = {"quiet": 0, "loaded": 0}
    reasons: list[str] = []
    for _ in range(TIMES):
        quiet = _measured(session, [Job(file, Runtime())])[0]
        counts["quiet"] += quiet.stable
        reasons += [] if quiet.stable else [quiet.verdict]
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as burner:
            counts["loaded"] += not _measured(session, [Job(file, Runtime())])[0].stable
            burner.kill()
    print(f"quiet machine called stable: {counts['quiet']} of {TIMES} {reasons or ''}")
    print(f"loaded machine called unstable: {counts['loaded']} of {TIMES}", flush=True)


def _against_theirs(session: Session, files: dict[str, Path], folder: Path) -> None:
    """Ours over the medians of the benchmark program in LiteRT's wheel, in turn, five times."""
    for name, file in files.items():
        for threads in (1, 2):
            ratios = []
            for _ in range(5):
                ours = _measured(session, [Job(file, Runtime(threads=threads))])[0].p50_ms
                ratios.append(ours / _theirs(file, threads, folder))
            print(f"{name}, {threads} threads: ours / LiteRT's benchmark program {np.median(ratios):.3f}", flush=True)


def _theirs(file: Path, threads: int, folder: Path) -> float:
    """Its median in ms."""
    result = folder / "theirs.json"
    options = [f"--model={file}", f"--num_threads={threads}", "--num_runs=2000", "--warmup_runs=200"]
    command = [sys.executable, "-c", THEIRS, *options, f"--result_json={result}"]
    subprocess.run(command, check=True, capture_output=True)
    return float(json.loads(result.read_text())["latency"]["median_ms"])


def _again(session: Session, folder: Path) -> None:
    """A study with two workers; then each file of its front once more, on its own."""
    command = [sys.executable, "-m", "autotune", "run", "--model", str(SHARED / "models" / "resnet8.keras")]
    command += ["--data", str(CIFAR10), "--space", "quick", "--trials", "24", "--jobs", "2", "--tracking-uri", "none"]
    subprocess.run([*command, "--name", "again", "--dir", str(folder / "runs")], check=True, capture_output=True)
    study = folder / "runs" / "again"
    front = read(study, "again").begun().front()
    assert front is not None
    during = _during(study)
    jobs = [Job(Path(point.model), point.outcome.config.runtime) for point in front.points]
    ratios: dict[str, list[float]] = {"in its wave": [], "when the front was measured once more": []}
    for point, found in zip(front.points, _measured(session, jobs), strict=True):
        last = point.outcome.latency
        assert last is not None
        for times, then in zip(ratios.values(), (during[point.trial], last), strict=True):
            times.append(found.p50_ms / then.p50_ms)
        both = " and ".join(f"{times[-1]:.3f}" for times in ratios.values())
        print(f"  {point.outcome.config}: {both} ({during[point.trial].verdict}, {last.verdict}; now {found.verdict})")
    for when, times in ratios.items():
        off = np.abs(np.array(times) - 1)
        print(f"of {len(off)} on the front, against {when}: median {np.median(off):.1%}, worst {off.max():.1%} off")


def _during(study: Path) -> dict[int, Measurement]:
    """What each trial was told with, before the front was measured once more."""
    storage = JournalStorage(JournalFileBackend(str(study / JOURNAL)))
    trials = optuna.load_study(study_name=study.name, storage=storage).get_trials(states=(TrialState.COMPLETE,))
    return {one.number: Measurement.from_json(one.user_attrs["outcome"]["facts"]["latency"]) for one in trials}


def _measured(session: Session, jobs: Sequence[Job]) -> list[Measurement]:
    with session.lease(waiting=print):
        found = measure(session, jobs, Rules())
    assert all(isinstance(one, Measurement) for one in found)
    return [one for one in found if isinstance(one, Measurement)]
