"""Which channels are cut: planned by what untrained files take on a device, which a double of it decides here."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from autotune.compress.cache import ArtifactCache
from autotune.compress.channels.untrained import untrained
from autotune.compress.worker import start
from autotune.errors import Infeasible
from autotune.measure.rounds import Job, JobResult
from autotune.model.load import import_model
from autotune.space.file import parse
from autotune.study.builder import Builder
from autotune.study.channels import ChannelPlanner
from autotune.study.instrument import Instrument
from autotune.testing import FakePool, toy_measurement
from autotune.tflite.flatbuffer import describe
from autotune.tflite.operators import operators

SPACE = {"channels": [1.0, 0.75, 0.5], "quantize": ["none", "int8"], "threads": [1, 2]}


class Counting(FakePool):
    """Calls what is called; counts the files that are built."""

    files = 0

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self.files += function is untrained
        return super().submit(function, *arguments)


class Device:
    """An instrument of a device on which a file takes what a function says."""

    def __init__(self, latency: Callable[[int, bool], float | Infeasible]) -> None:
        self._latency = latency

    def measure_files(self, jobs: Sequence[Job], *, roughly: bool = False) -> list[JobResult]:
        return [self._measured(job) for job in jobs]

    def _measured(self, job: Job) -> JobResult:
        file = job.model.read_bytes()
        macs = sum(row.macs for row in operators(file))
        taken = self._latency(macs, describe(file)["quantized"])
        return taken if isinstance(taken, Infeasible) else toy_measurement(taken / job.runtime.threads)


class Study:
    """A model of 16 and 32 channels, a pool and a cache."""

    def __init__(self, folder: Path) -> None:
        start(2)
        import tf_keras

        tf_keras.utils.set_random_seed(0)
        layers = tf_keras.layers
        model = tf_keras.Sequential(
            [
                layers.Input((8, 8, 3)),
                layers.Conv2D(16, 3, activation="relu", name="first"),
                layers.Conv2D(32, 3, activation="relu", name="second"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(4, activation="softmax", name="last"),
            ]
        )
        model.save(folder / "model.keras")
        base = import_model((folder / "model.keras").read_bytes(), "model.keras").data
        x = np.random.default_rng(0).normal(size=(40, 8, 8, 3)).astype(np.float32)
        self.pool = Counting()
        self.notes: list[str] = []
        self._builder = Builder({"": cast(Any, _Candidate(base, x))}, (), ArtifactCache(folder), self.pool, folder)

    def plans(self, latency: Callable[[int, bool], float | Infeasible], *, timed: bool = True) -> dict[str, Any]:
        instrument = cast(Instrument, Device(latency))
        space = parse(SPACE, "toy", (1, 2))
        planner = ChannelPlanner(
            self._builder, instrument, nullcontext, space, timed, lambda _: None, self.notes.append
        )
        return planner.plans()


class _Candidate:
    """What a Builder wants of a candidate."""

    key = "0" * 64

    def __init__(self, base: bytes, x: np.ndarray) -> None:
        self.base, self.task = base, self
        self.x = x
        self.y = np.arange(len(x)) % 4
        self.data = self.train = self
        self.loss, self.seed, self.model = "sparse_categorical_crossentropy", 0, "model.keras"

    def calibration(self) -> np.ndarray:
        return self.x[:10]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(tmp_path_factory.mktemp("study"))


def test_channels_are_cut_where_the_device_rewards_it(study: Study) -> None:
    """Float kernels take time for each multiply-accumulate, int8 ones the same for all: nothing is cut for those. What
    came of it is said.
    """
    study.notes.clear()
    plans = study.plans(lambda macs, quantized: 0.2 if quantized else macs * 1e-6)
    assert list(plans) == ["0.75 float kept", "0.75 int8 kept", "0.5 float kept", "0.5 int8 kept"]
    for share in ("0.75", "0.5"):
        planned, refused = plans[f"{share} float kept"], plans[f"{share} int8 kept"]
        assert planned.keep
        assert planned.speed <= float(share)
        assert set(planned.structures) == {"none"}
        assert "save no time on this device" in refused.refused
        assert not refused.keep
    assert plans["0.5 float kept"].speed < plans["0.75 float kept"].speed
    measured, floats, integers = study.notes
    assert "measured first" in measured
    times = ", ".join(f"{plans[f'{share} float kept'].speed:.0%}" for share in ("0.75", "0.5"))
    assert floats == f"float files with 75%, 50% of the multiply-accumulates take {times} of the time"
    assert integers.startswith("int8 files with 75% are not tried: ")


def test_nothing_is_built_twice(study: Study) -> None:
    """Another run, on a device that is another by now, has the files."""
    study.plans(lambda macs, _: macs * 1e-6)
    before = study.pool.files
    assert before > 0
    study.plans(lambda macs, _: macs * 1e-6)
    assert study.pool.files == before


def test_where_time_is_not_weighed(study: Study) -> None:
    """Channels are cut for the multiply-accumulates alone, and alike for all kernels; nothing is measured."""

    def latency(macs: int, quantized: bool) -> float:
        raise AssertionError("measured")

    plans = study.plans(latency, timed=False)
    assert plans["0.5 float kept"] == plans["0.5 int8 kept"]
    assert plans["0.5 float kept"].speed is None


def test_a_device_that_does_not_run_the_files(study: Study) -> None:
    """As with one that has no float kernels: those plans are refused, the others made."""
    plans = study.plans(lambda macs, quantized: macs * 1e-6 if quantized else Infeasible("no float kernels"))
    assert "does not run" in plans["0.5 float kept"].refused
    assert plans["0.5 int8 kept"].keep
