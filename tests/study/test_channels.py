"""Which channels are cut: planned by what untrained files take on a device, which a double of it decides here."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from autotune.compress.cache import ArtifactCache
from autotune.compress.channels.plan import Examined
from autotune.compress.channels.untrained import untrained
from autotune.compress.worker import start
from autotune.errors import Fault, Infeasible, Lost
from autotune.measure.rounds import Job, JobResult
from autotune.model.artifact import Artifact
from autotune.model.load import import_model
from autotune.results.measurement import Measurement
from autotune.space.file import parse
from autotune.space.rules import Limits
from autotune.study.builder import Builder
from autotune.study.channels import ChannelPlanner, _by_share
from autotune.study.instrument import Instrument
from autotune.study.leases import TimeIsUpError
from autotune.study.untrained_files import UntrainedFiles
from autotune.testing import FakePool, toy_measurement
from autotune.tflite.flatbuffer import describe
from autotune.tflite.operators import operators

SPACE: dict[str, Any] = {"channels": [1.0, 0.75, 0.5], "quantize": ["none", "int8"], "threads": [1, 2]}


class Counting(FakePool):
    """Calls what is called; counts the files that are built.

    Attributes:
        files: how many.
        refused: a scheme that the model can't be quantized by.
        losses: calls for files over which the worker is lost.
    """

    files = 0
    refused = ""
    losses = 0

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return super().submit(self._untrained if function is untrained else function, *arguments)

    def _untrained(self, base: bytes, keep: Any, schemes: tuple[str, ...], data: Any) -> list[Artifact | Infeasible]:
        self.files += 1
        if self.losses:
            self.losses -= 1
            raise Lost("the worker was killed")
        made = untrained(base, keep, schemes, data)
        return [
            Infeasible("a loop") if name == self.refused else file for name, file in zip(schemes, made, strict=True)
        ]


class Device:
    """An instrument of a device on which a file takes what a function says; what fewer channels save may be hidden as
    long as it is looked at roughly.
    """

    def __init__(self, latency: Callable[[int, bool], float | Infeasible], *, hidden: bool) -> None:
        self._latency = latency
        self._hidden = hidden

    def measure_files(self, jobs: Sequence[Job], _: object, *, rough: bool) -> list[JobResult]:
        return [toy_measurement(0.2) if rough and self._hidden else self._measured(job) for job in jobs]

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
        self.candidates: dict[str, Any] = {"": _Candidate(base, x)}
        self._builder = Builder(self.candidates, (), ArtifactCache(folder / "cache"), self.pool, folder)

    def plans(
        self,
        latency: Callable[[int, bool], float | Infeasible],
        *,
        timed: bool = True,
        deadline: float | None = None,
        hidden: bool = False,
    ) -> dict[str, Any]:
        self.notes.clear()
        instrument = cast(Instrument, Device(latency, hidden=hidden))
        space = parse(SPACE, "toy", (1, 2))
        files = UntrainedFiles(self._builder, instrument, nullcontext, deadline, lambda _: None)
        planner = ChannelPlanner(self._builder, files, nullcontext, space, timed, lambda _: None, self.notes.append)
        return planner.plans()


class _Candidate:
    """What a Builder wants of a candidate."""

    key = "0" * 64

    def __init__(self, base: bytes, x: np.ndarray, untrainable: str | None = None) -> None:
        self.base, self.task = base, self
        self.limits = Limits(True, False, 1000, untrainable)
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
    plans = study.plans(lambda macs, quantized: 0.2 if quantized else macs * 1e-6)
    assert list(plans) == ["0.75 float kept", "0.75 int8 kept", "0.5 float kept", "0.5 int8 kept"]
    for share in ("0.75", "0.5"):
        planned, refused = plans[f"{share} float kept"], plans[f"{share} int8 kept"]
        assert planned.keep
        assert planned.speed <= float(share)
        assert planned.structure is not None
        assert planned.left.keys() == {"last"}
        assert "save no time on this device" in refused.refused
        assert not refused.keep
    assert plans["0.5 float kept"].speed < plans["0.75 float kept"].speed
    measured, floats, integers = study.notes
    assert "measured first" in measured
    times = ", ".join(f"{plans[f'{share} float kept'].speed:.0%}" for share in ("0.75", "0.5"))
    assert floats == f"float files with 75%, 50% of the multiply-accumulates take {times} of the time"
    assert integers == "int8 files with 75%, 50% are not tried: so few channels save no time on this device"


def test_the_first_delegate_that_runs_such_files_tells(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where XNNPACK has no integer kernels and LiteRT's own do."""
    monkeypatch.setitem(SPACE, "delegate", ["xnnpack", "builtin"])

    def measured(self: Device, jobs: Sequence[Job], _: object, *, rough: bool) -> list[JobResult]:
        results = [(self._measured(job), describe(job.model.read_bytes())["quantized"]) for job in jobs]
        return [
            Infeasible("no kernels") if integer != (job.runtime.delegate == "builtin") else result
            for job, (result, integer) in zip(jobs, results, strict=True)
        ]

    monkeypatch.setattr(Device, "measure_files", measured)
    plans = study.plans(lambda macs, _: macs * 1e-6)
    assert all(planned.keep and planned.speed < 1 for planned in plans.values())


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


def test_what_is_saved_together_is_saved(study: Study) -> None:
    """Where noise hides what a cut alone saves the plan's own file tells."""
    plans = study.plans(lambda macs, _: macs * 1e-6, hidden=True)
    assert 0 < plans["0.5 float kept"].speed < plans["0.75 float kept"].speed < 1


def test_a_scheme_that_the_model_can_not_be_quantized_by(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused for itself; the others are planned. So it is from the cache."""
    monkeypatch.setattr(study.pool, "refused", "int8")
    monkeypatch.setattr(study.candidates[""], "key", "1" * 64)
    for _ in range(2):
        plans = study.plans(lambda macs, _: macs * 1e-6)
        assert plans["0.5 int8 kept"].refused == "a loop"
        assert plans["0.5 float kept"].keep


def test_a_lost_worker(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs another try, once."""
    monkeypatch.setattr(study.candidates[""], "key", "2" * 64)
    monkeypatch.setattr(study.pool, "losses", 1)
    assert study.plans(lambda macs, _: macs * 1e-6)["0.5 float kept"].keep
    assert any("tried again" in note for note in study.notes)
    monkeypatch.setattr(study.candidates[""], "key", "3" * 64)
    monkeypatch.setattr(study.pool, "losses", 10)
    with pytest.raises(Lost):
        study.plans(lambda macs, _: macs * 1e-6)


def test_the_deadline(study: Study) -> None:
    """Ends planning, too."""
    with pytest.raises(TimeIsUpError):
        study.plans(lambda macs, _: macs * 1e-6, deadline=time.monotonic() - 1)


def test_the_deadline_while_files_are_timed(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stopped for it is no fault of the device, and not tried again."""
    over: list[bool] = []

    def stopped(*_: object, **__: object) -> list[JobResult]:
        over.append(True)
        raise Fault("stopped")

    monkeypatch.setattr(UntrainedFiles, "_is_over", lambda _: bool(over))
    monkeypatch.setattr(Device, "measure_files", stopped)
    with pytest.raises(TimeIsUpError):
        study.plans(lambda macs, _: macs * 1e-6)
    assert not any("tried again" in note for note in study.notes)


def test_a_model_that_can_not_be_trained(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has no plans and is not opened; another one has its own."""
    broken = _Candidate(b"no model", study.candidates[""].x, "its operator FLOOR has no Keras layer here")
    monkeypatch.setitem(study.candidates, "other", broken)
    plans = study.plans(lambda macs, _: macs * 1e-6)
    assert not any("other" in name for name in plans)
    assert all(note.startswith("model.keras: ") for note in study.notes)


def test_a_device_that_does_not_run_the_files(study: Study) -> None:
    """As with one that has no float kernels: those plans are refused, the others made."""
    plans = study.plans(lambda macs, quantized: macs * 1e-6 if quantized else Infeasible("no float kernels"))
    assert "does not run" in plans["0.5 float kept"].refused
    assert plans["0.5 int8 kept"].keep


def test_the_fastest_round_tells_most(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine where others make most rounds slower, by more than a cut saves."""
    quiet = study.plans(lambda macs, _: macs * 1e-6)
    numbers = np.random.default_rng(0)

    def disturbed(self: Device, jobs: Sequence[Job], _: object, *, rough: bool) -> list[JobResult]:
        measured = [self._measured(job) for job in jobs]
        return [_slower(each, numbers) if rough else each for each in measured]

    monkeypatch.setattr(Device, "measure_files", disturbed)
    assert study.plans(lambda macs, _: macs * 1e-6) == quiet


def _slower(measurement: JobResult, numbers: np.random.Generator) -> JobResult:
    assert isinstance(measurement, Measurement)
    rounds = [measurement.p50_ms * factor for factor in (*(1 + numbers.random(8)), 1.0, 1.001)]
    return replace(measurement, p50_ms=float(np.median(rounds)), rounds_ms=rounds)


def test_a_share_that_loses_more_than_a_smaller_one() -> None:
    """Is not tried: time that a device saves in large steps alone makes for such."""
    numbers = [0.1 * (1 + index) for index in range(16)]
    examined: Examined = {
        "groups": [{"name": name, "layers": [name], "importance": numbers} for name in "ab"],
        "left": {},
        "terms": [{"layer": name, "macs": 10, "factors": [{"": 3.0}, {name: 1.0}]} for name in "ab"],
        "macs": 960,
    }
    plans = _by_share(examined, [0.75, 0.5], None)
    assert [planned.refused for planned in plans] == [None, None]
    losses = iter([1.0, 2.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autotune.study.channels.loss", lambda *_: next(losses))
        larger, smaller = _by_share(examined, [0.75, 0.5], None)
    assert smaller.keep
    assert "smaller share lose less" in str(larger.refused)
