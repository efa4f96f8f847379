"""Results that nobody measured: outcomes with the numbers that a test wants, and records of them."""

import hashlib
from dataclasses import replace
from pathlib import Path

from autotune.config import Config, Value
from autotune.files import sha256
from autotune.ledger.artifacts import ScoreFiles
from autotune.results.front import MeasuredPoint, Point
from autotune.results.measurement import Measurement
from autotune.results.meta import DeviceFacts, Meta, StudyOptions
from autotune.results.outcome import Measured, Outcome
from autotune.results.quality import Certainty
from autotune.results.record import Begun, Gaps
from autotune.targets.metric import ACCURACY, Metric


def toy_measurement(latency_ms: float, verdict: str = "stable") -> Measurement:
    """A measurement with this median."""
    return Measurement(
        p50_ms=latency_ms,
        low_ms=latency_ms * 0.99,
        high_ms=latency_ms * 1.01,
        p90_ms=latency_ms * 1.1,
        p99_ms=latency_ms * 1.2,
        mean_ms=latency_ms,
        first_ms=latency_ms * 5,
        init_ms=1.0,
        init_serialized_ms=None,
        memory_bytes=1e6,
        rounds_ms=[latency_ms] * 6,
        runs=600,
        operators=4,
        delegated=4,
        fell_back=(),
        verdict=verdict,
    )


def toy_outcome(accuracy: float, latency_ms: float, download: float, **config: Value) -> Measured:
    """A measured outcome with these numbers."""
    metrics = {
        "accuracy": accuracy,
        "latency_ms": latency_ms,
        "latency_p90_ms": latency_ms * 1.1,
        "size_bytes": download * 1.2,
        "download_bytes": download,
    }
    certainty = Certainty(0.01, (accuracy - 0.02, accuracy + 0.02), samples=100)
    return Measured(Config.of(config), metrics, certainty, "0" * 64, {"layers": []})


def toy_meta(*targets: str, quality: Metric = ACCURACY) -> Meta:
    """What a study with these targets is started with."""
    options = StudyOptions(
        model=("toy.keras",),
        data="toy.npz",
        space="quick",
        loss="sparse_categorical_crossentropy",
        metric=quality.name,
        seed=0,
    )
    return Meta(quality=quality, targets=targets, options=options, device=DeviceFacts("fake"))


def toy_record(folder: Path, baseline: Measured, *outcomes: Outcome) -> Begun:
    """A record of these outcomes, each with a file of its own; the baseline is the first trial, too."""
    folder.mkdir(parents=True, exist_ok=True)
    points: list[Point] = []
    for number, outcome in enumerate((baseline, *outcomes)):
        model = folder / f"{number}.tflite"
        model.write_bytes(f"toy {number}".encode())
        if isinstance(outcome, Measured):
            points.append(MeasuredPoint(number, replace(outcome, sha256=sha256(model)), {}, str(model)))
        else:
            points.append(Point(number, outcome, {}, None))
    identity = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    meta, gaps = replace(toy_meta(), id=identity), Gaps(ScoreFiles(folder))
    return Begun(folder.name, folder, meta, points, gaps=gaps, baseline=baseline)
