"""The whole loop, on fakes: what is asked, built, measured and told, and what goes wrong."""

import contextlib
import dataclasses
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from autotune.config import Config, Recipe, Runtime
from autotune.errors import Broken, Fault, Infeasible, UserError
from autotune.ledger.artifacts import read_scores, scores_path
from autotune.ledger.journal import read
from autotune.measure.statistics import LEAST_ROUNDS
from autotune.model.artifact import Artifact
from autotune.model.opening import Opening
from autotune.model.trust import Trust
from autotune.results.meta import Identity
from autotune.results.outcome import Measured
from autotune.results.quality import Certainty, Scored
from autotune.results.record import BASELINE, Record
from autotune.space.file import parse
from autotune.study.candidates import Importer
from autotune.study.checks import refuse_changes
from autotune.study.driver import run
from autotune.study.instrument import Instrument
from autotune.study.leases import TimeIsUpError
from autotune.study.options import Options
from autotune.study.reporting import Activity, Summary
from autotune.study.scheduler import Scheduler
from autotune.targets.metric import CODECS
from autotune.targets.target import parse_all
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_build, toy_files, toy_import
from autotune.testing.fakes import FakeSession, _history
from autotune.track.picture import PictureTracker
from autotune.track.tracker import Tracker
from tests.devices.processes import LONG, eventually
from tests.points import all_measured

SPACE: dict[str, Any] = {
    "prune": [0, 0.5],
    "cluster": [0, 16],
    "quantize": ["none", "dynamic", "int8", "qat"],
    "delegate": ["xnnpack", "builtin"],
    "threads": [1],
    "epochs": 1,
}
EVERY = 2 * 2 * 4 * 2
"""Configurations in it."""

THREADED = SPACE | {"threads": [1, 2]}


def options(folder: Path, *targets: str, **changes: Any) -> Options:
    model, data = folder / "toy.keras", folder / "toy.npz"
    if not model.exists():
        toy_files(folder)
    space = parse(changes.pop("space", SPACE), "toy", (1, 2))
    given = {"name": "toy", "trials": 12, "jobs": 2, **changes}
    return Options((model,), str(data), space, parse_all(targets)[0], folder=folder / "runs", **given)


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Also where the tests run in the background of a shell, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def study(
    asked: Options,
    device: FakeDevice | None = None,
    pool: FakePool | None = None,
    reporter: SilentReporter | None = None,
    trackers: Callable[[], Sequence[Tracker]] = list,
    local: Sequence[Tracker] = (),
) -> Summary:
    pool = pool or FakePool()
    try:
        device, reporter = device or FakeDevice(), reporter or SilentReporter()
        return run(asked, device, pool, reporter, trackers, toy_import, local=local)
    finally:
        pool.close()


def test_finds_the_best_of_a_small_space(tmp_path: Path) -> None:
    """Exhausting it, the front is exactly the non-dominated set, and the pick meets the targets.

    Float files take too long, whatever is pruned or clustered: none but the plain one is built.
    """
    reporter = SilentReporter()
    summary = study(
        options(tmp_path, "accuracy>=0.75", "latency<0.05ms", space=THREADED, trials=100), reporter=reporter
    )
    assert len(summary.record.points) == 2 * (EVERY - 3 * 2)
    assert "every configuration of the space that may meet the targets by its structure was tried" in reporter.notes
    front = summary.record.front()
    assert front is not None
    pick = front.pick()
    assert pick is not None
    assert pick.outcome.metrics["accuracy"] >= 0.85
    assert pick.outcome.metrics["latency_ms"] < 0.05
    assert (pick.outcome.config.recipe.prune, pick.outcome.config.recipe.cluster) == (0, 16)
    for one in front.points:
        assert not any(
            _betters(other.outcome.metrics, one.outcome.metrics) for other in all_measured(summary.record.points)
        )


def _betters(a: dict[str, float], b: dict[str, float]) -> bool:
    gains = [
        a["accuracy"] - b["accuracy"],
        b["latency_ms"] - a["latency_ms"],
        b["download_bytes"] - a["download_bytes"],
    ]
    return min(gains) >= 0 and max(gains) > 0


def test_says_what_is_under_way(tmp_path: Path) -> None:
    """Every stage by its recipe, every evaluation, every measurement; nothing in the end."""

    class Sees(SilentReporter):
        def working(self, under_way: Sequence[Activity]) -> None:
            seen.append(under_way)

    seen: list[Sequence[Activity]] = []
    pool = FakePool()
    record = study(options(tmp_path, trials=5), pool=pool, reporter=Sees()).record
    begun = {(one.place, one.doing, one.recipe, one.since): one for some in seen for one in some}.values()
    built = [one for one in begun if one.place == "worker"]
    assert sorted(one.doing for one in built) == sorted(step.stage for step in pool.built)
    evaluated = {one.recipe.key for one in begun if one.doing == "evaluate" and one.recipe}
    assert evaluated == {point.outcome.config.recipe.key for point in record.points}
    assert any(one.doing == "measure" for one in begun)
    assert {one.trains for one in built} == {True, False}
    assert seen[-1] == ()


def test_no_stage_is_built_twice(tmp_path: Path) -> None:
    """However many trials share it, and however many of them are built at the same time."""
    pool = FakePool(4)
    summary = study(options(tmp_path, trials=EVERY, jobs=4), pool=pool)
    keys = [step.key for step in pool.built]
    assert len(keys) == len(set(keys))
    assert summary.usage["trained"] == sum(step.trains for step in pool.built) == 1 + 2 + 4
    assert summary.usage["trained"] + summary.usage["converted"] == len(pool.built)


def test_a_second_identical_run_builds_nothing(tmp_path: Path) -> None:
    """Under another name all is taken over; under the same one nothing is even measured."""
    study(options(tmp_path, trials=EVERY // 2))
    pool, device = FakePool(), FakeDevice()
    summary = study(options(tmp_path, name="other", trials=EVERY // 2), device, pool)
    assert pool.built == []
    assert summary.usage["trained"] == summary.usage["converted"] == summary.usage["reused_training"] == 0
    assert len(summary.record.points) == EVERY
    front = summary.record.front()
    assert front is not None
    anew = {"baseline", *(point.trial for point in front.points)}
    assert device.calls.count("latency") == LEAST_ROUNDS * (1 + len(anew))  # the baseline at both ends, the front
    device = FakeDevice()
    assert study(options(tmp_path, trials=EVERY // 2), device, pool).trials_before == EVERY // 2
    assert device.calls == []


def test_measures_in_quiet(tmp_path: Path) -> None:
    """No build is under way while a latency is taken on a device that shares the host."""
    building, seen = threading.Semaphore(0), []

    def build(*arguments: Any) -> Artifact:
        building.release()
        try:
            return toy_build(*arguments)
        finally:
            building.acquire()

    device = FakeDevice(quiet=lambda: seen.append(building._value))
    study(options(tmp_path, trials=24), device, FakePool(build=build))
    assert len(seen) > 24
    assert set(seen) == {0}


def test_waits_for_a_device_that_is_in_use(tmp_path: Path) -> None:
    """Another study measures on it: to wait is told once, and nothing is lost."""
    device, reporter = FakeDevice(), SilentReporter()
    assert device.take(shared=False)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(study, options(tmp_path), device, reporter=reporter)
        while not reporter.notes and not waiting.done():
            time.sleep(0.01)
        assert device.calls.count("latency") == 0
        device.leave(shared=False)
        assert waiting.result().record.trials_done == 12
    assert [note for note in reporter.notes if "waiting" in note] == [
        "waiting for device fake, which is in use (another session)"
    ]


def test_nobody_measures_while_a_study_builds_on_the_same_machine(tmp_path: Path) -> None:
    """Its lease is shared meanwhile: others may build, too. On a machine of its own it is free."""
    device, refused = FakeDevice(), []

    def build(*arguments: Any) -> Artifact:
        taken = device.take(shared=False)
        refused.append(not taken)
        if taken:
            device.leave(shared=False)
        assert device.take(shared=True)
        device.leave(shared=True)
        return toy_build(*arguments)

    study(options(tmp_path), device, FakePool(build=build))
    assert refused
    assert all(refused)


def test_files_of_one_structure_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pruned or clustered, a file takes as long as its dense twin; the front's are measured themselves."""
    monkeypatch.setattr("autotune.study.instrument.structure", lambda file: str(b"int8" in file or b"dynamic" in file))
    device = FakeDevice()
    record = study(options(tmp_path, space=THREADED, trials=100), device).record
    front = record.front()
    assert front is not None
    assert len(record.points) == 2 * EVERY
    anew = {"baseline", *(point.trial for point in front.points)}
    runtimes = 2 * 2
    assert device.calls.count("latency") == LEAST_ROUNDS * (2 * runtimes + len(anew))


def test_the_front_is_measured_once_more(tmp_path: Path) -> None:
    """Itself, and the baseline with it: what is shipped has the number that it had last."""
    device = FakeDevice()

    class Slows(SilentReporter):
        def progress(self, record: Record, trials: int) -> None:
            device.slower = 1.5 if record.trials_done == trials else 1.0

    asked = options(tmp_path, "latency<=90%*baseline")
    record = study(asked, device, reporter=Slows()).record
    front = record.front()
    assert front is not None
    assert record.baseline is not None
    before = {str(trial.number): trial.values[1] for trial in optuna_trials(record.folder)}
    for point in front.points:
        assert point.outcome.metrics["latency_ms"] == pytest.approx(1.5 * before[str(point.trial)])
    assert set(record.remeasured) >= {"-1", *(str(point.trial) for point in front.points)}
    assert record.baseline.metrics["latency_ms"] == pytest.approx(0.15)
    [itself] = [point for point in record.measured if point.outcome.config.key == record.baseline.config.key]
    assert itself.outcome.latency == record.baseline.latency
    pick = front.pick()
    assert pick is not None
    assert set(record.profiles) == {"-1", str(pick.trial)}
    others = [point for point in all_measured(record.points) if str(point.trial) not in record.remeasured]
    assert all(point.outcome.metrics["latency_ms"] == pytest.approx(before[str(point.trial)]) for point in others)
    assert read(record.folder, "toy").begun().front() == front


def optuna_trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """What the sampler was told."""
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / "journal.log")))
    return optuna.load_study(study_name="toy", storage=storage).get_trials(states=(optuna.trial.TrialState.COMPLETE,))


class Tells(SilentReporter):
    """Calls back once a study has its trials, before the front is measured once more."""

    def __init__(self, done: Callable[[], None]) -> None:
        super().__init__()
        self._done = done

    def progress(self, record: Record, trials: int) -> None:
        if len(record.points) == trials:
            self._done()


def test_what_is_refused_when_measured_once_more_leaves_the_front(tmp_path: Path) -> None:
    """Its latency was another file's of the structure, which then proves to be none."""
    device = FakeDevice()
    reporter = Tells(lambda: setattr(device, "idle", "xnnpack"))
    record = study(options(tmp_path, trials=EVERY), device, reporter=reporter).record
    front = record.front()
    assert front is not None
    assert front.points
    assert {point.outcome.config.runtime.delegate for point in front.points} == {"builtin"}
    gone = [point.outcome for point in record.points if point.outcome.state == "refused"]
    assert {outcome.reason for outcome in gone} == {"xnnpack runs none of the file's 4 operators"}
    assert any("is refused after all" in note for note in reporter.notes)


def test_a_study_that_goes_on_is_held_against_what_the_device_was(tmp_path: Path) -> None:
    """Where it is slower now, this is said, and all of the front has the numbers of one time."""
    device, reporter = FakeDevice(), SilentReporter()
    study(options(tmp_path, trials=14), device)
    device.slower = 1.5
    record = study(options(tmp_path, trials=28), device, reporter=reporter).record
    assert any("takes 1.50 times as long as then" in note for note in reporter.notes)
    front = record.front()
    assert front is not None
    assert record.baseline is not None
    assert record.baseline.metrics["latency_ms"] == pytest.approx(0.15)
    for point in front.points:
        runtime, scheme = point.outcome.config.runtime, point.outcome.config.recipe.quantize
        expected = 0.15 * {"xnnpack": 1, "builtin": 4}[runtime.delegate] / runtime.threads**0.5
        assert point.outcome.metrics["latency_ms"] == pytest.approx(expected * (1 if scheme == "none" else 0.4))


def test_the_time_is_up_with_a_metric_of_the_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That one needs a worker, and those are ended: the study ends in order, and says what it left out."""

    def scored(self: Any, outcome: Measured) -> Scored:
        samples = self._builder.pool.submit(len, "12").result()
        return Scored({"accuracy": 1.0}, Certainty(0.0, (1.0, 1.0), samples=samples))

    monkeypatch.setattr("autotune.study.evaluate.Evaluator.test", scored)
    reporter = SilentReporter()
    summary = study(options(tmp_path, timeout=1e-6), reporter=reporter)
    assert summary.notes == ["the time is up; the same command goes on from here"]
    assert any("was not evaluated on the test split: the workers were ended" in note for note in reporter.notes)
    again = study(options(tmp_path)).record
    assert [found.certainty.samples for found in again.tests.values()] == [2, 2]


@pytest.mark.parametrize("error", [Infeasible("no answer"), Fault("lost")])
def test_a_failure_on_the_test_split_does_not_cost_the_study(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and the next run of the same command makes up for it."""

    def fails(*_: Any) -> None:
        raise error

    reporter = SilentReporter()
    with monkeypatch.context() as patch:
        patch.setattr("autotune.study.evaluate.Evaluator.test", fails)
        study(options(tmp_path), reporter=reporter)
    assert any(f"was not evaluated on the test split: {error}" in note for note in reporter.notes)
    assert study(options(tmp_path)).record.tests


def test_a_fault_over_the_baseline_is_tried_again(tmp_path: Path) -> None:
    """A connection that is lost once does not end the study before it began."""
    record = study(options(tmp_path), FakeDevice(faults=1)).record
    assert record.trials_done == 12
    with pytest.raises(Fault, match="the connection was lost"):
        study(options(tmp_path, name="other"), FakeDevice(faults=2))


def importer(only: str = "", **facts: Any) -> Importer:
    """In place of toy_import(): models, or those of one name only, of which other facts are known."""

    def opened(data: bytes, name: str, trust: Trust, opening: Opening) -> Artifact:  # as importers take it
        artifact = toy_import(data, name, trust)
        return dataclasses.replace(artifact, facts=artifact.facts | facts) if name.startswith(only) else artifact

    return opened


def test_outputs_that_are_something_else_than_the_model_says_are_refused(tmp_path: Path) -> None:
    """Before anything is measured or searched, and the line asks for --loss; with it the study runs."""
    device, loss = FakeDevice(), "sparse_categorical_crossentropy"
    linear = importer(activation="linear")  # the toy device gives probabilities
    said = (
        rf"toy.keras: refused even as it is: its outputs are taken for logits, .* and sum to one; .* --loss {loss} for"
    )
    with contextlib.closing(FakePool()) as pool:
        with pytest.raises(UserError, match=said):
            run(options(tmp_path), device, pool, SilentReporter(), list, linear)
        assert set(device.calls) == {"outputs"}
        run(options(tmp_path, trials=1, loss=loss), device, pool, SilentReporter(), list, linear)


FINISHED = [
    ({"quantized": True}, "toy.keras is measured as it is: it is quantized already"),
    (
        {"largest_layer": 0},
        "toy.keras is measured as it is: no layer of it has weights that could be made smaller",
    ),
]


@pytest.mark.parametrize(("facts", "line"), FINISHED)
@pytest.mark.parametrize("schemes", [SPACE["quantize"], ["int8"]])
def test_a_model_to_which_nothing_can_be_done_is_measured(
    tmp_path: Path, facts: dict[str, Any], line: str, schemes: list[str]
) -> None:
    """On every runtime, whatever the space is; the line says why nothing else is tried, and it is the front."""
    reporter, of = SilentReporter(), importer(untrainable="it is a .tflite file", **facts)
    asked = options(tmp_path, space=SPACE | {"quantize": schemes})
    with contextlib.closing(FakePool()) as pool:
        record = run(asked, FakeDevice(), pool, reporter, list, of).record
    assert reporter.notes[0] == line
    assert {point.outcome.config.recipe for point in record.points} == {Recipe()}
    assert {point.outcome.config.runtime.delegate for point in record.points} == {"xnnpack", "builtin"}
    front = record.front()
    assert front is not None
    assert front.pick() is not None


def test_what_can_not_be_trained_is_pruned_and_clustered_in_one_shot(tmp_path: Path) -> None:
    """In a space that knows training only, too, from the first baselines on; and nothing is trained."""
    with contextlib.closing(FakePool()) as pool:
        of = importer(untrainable="it is a .tflite file")
        record = run(options(tmp_path, trials=EVERY), FakeDevice(), pool, SilentReporter(), list, of).record
    recipes = {point.outcome.config.recipe for point in record.points if not point.free}
    assert {(recipe.prune, recipe.cluster, recipe.quantize) for recipe in recipes} == {
        (prune, cluster, scheme) for prune in (0, 0.5) for cluster in (0, 16) for scheme in ("none", "dynamic", "int8")
    }
    assert not any(step.trains for step in pool.built)


def test_beside_a_model_that_can_be_trained_one_that_can_not_is_compressed_in_one_shot(tmp_path: Path) -> None:
    """And the other by training alone, as the space says."""
    model, _ = toy_files(tmp_path)
    other = tmp_path / "other.keras"
    other.write_bytes(model.read_bytes())
    asked = dataclasses.replace(options(tmp_path, trials=2 * EVERY), models=(model, other))
    with contextlib.closing(FakePool()) as pool:
        of = importer("other", untrainable="it is a .tflite file")
        record = run(asked, FakeDevice(), pool, SilentReporter(), list, of).record
    pruned = {point.outcome.config.recipe for point in record.points if point.outcome.config.recipe.prune}
    assert {(recipe.model, recipe.fine_tune) for recipe in pruned} == {("toy", "distill"), ("other", "none")}


def test_a_delegate_that_runs_nothing_is_refused(tmp_path: Path) -> None:
    """Its time would be that of the built-in kernels, under another name."""
    record = study(options(tmp_path, trials=24), FakeDevice(idle="builtin")).record
    reasons = {point.reason for point in record.points if point.outcome.config.runtime.delegate == "builtin"}
    assert reasons == {"builtin runs none of the file's 4 operators"}
    assert all(point.outcome.state == "measured" for point in record.points if point.reason is None)


def test_a_delegate_that_decides_otherwise_is_refused(tmp_path: Path) -> None:
    """However fast it is, and although the file as such is good."""
    asked = options(tmp_path, trials=24, space=SPACE | {"delegate": ["builtin", "xnnpack"]})
    device = FakeDevice(wrong="xnnpack")
    device.delegates = ("builtin", "xnnpack")
    record = study(asked, device).record
    wrong = [point for point in record.points if point.outcome.config.runtime.delegate == "xnnpack"]
    assert wrong
    assert all("of the samples otherwise than the built-in kernels" in str(point.reason) for point in wrong)
    right = [point.outcome for point in record.points if point.outcome.config.runtime.delegate == "builtin"]
    assert all(outcome.state == "measured" for outcome in right)


def test_a_target_that_the_device_can_not_tell_is_refused(tmp_path: Path) -> None:
    """Before anything is searched, by its name."""
    device = FakeDevice()
    device.memory = None
    with pytest.raises(UserError, match="target 'memory<1MB': device fake can't measure memory"):
        study(options(tmp_path, "memory<1MB"), device)
    with pytest.raises(UserError, match="objective memory: device fake can't measure memory"):
        study(options(tmp_path, objectives=("quality", "memory")), device)


def test_objectives_are_part_of_the_study(tmp_path: Path) -> None:
    """They are kept, the sampler is told them, others make another study; of an older one they are the usual ones."""
    asked = options(tmp_path, "size<1MB")
    record = study(asked).record
    assert [metric.name for metric in record.objectives] == ["accuracy", "latency", "size"]
    with pytest.raises(UserError, match="was started with other objectives"):
        study(dataclasses.replace(asked, objectives=("quality", "latency", "download")))
    memory = study(options(tmp_path, name="memory", objectives=("quality", "latency", "memory"))).record
    assert memory.hypervolume() > 0
    front = memory.front()
    assert front is not None
    assert front.pick() is not None
    identity = memory.meta.identity
    older = dataclasses.replace(identity, objectives=("quality", "latency", "download"))
    before = {name: value for name, value in identity.to_json().items() if name not in ("objectives", "files")}
    kept = dataclasses.replace(memory, meta=dataclasses.replace(memory.meta, identity=Identity.from_json(before)))
    refuse_changes(kept, older)
    with pytest.raises(UserError, match="other objectives"):
        refuse_changes(kept, identity)


def test_download_is_by_the_codec_of_the_study(tmp_path: Path) -> None:
    """As an objective and in targets; the others are kept beside it. Another codec makes another study."""
    brotli = options(tmp_path, "download<=210B", codec="brotli", trials=100)  # 250 bytes by gzip
    record = study(brotli).record
    assert (record.codec, record.meta.options.codec) == ("brotli", "brotli")
    for point in all_measured(record.points):
        metrics = point.outcome.metrics
        weights = [metrics[f"download_{codec}_bytes"] for codec in CODECS]
        assert len(set(weights)) == len(CODECS)
        assert metrics["download_bytes"] == metrics["download_brotli_bytes"] == pytest.approx(0.8 * weights[0])
        assert point.feasible == (metrics["download_brotli_bytes"] <= 210)
    assert any(
        point.feasible and point.outcome.metrics["download_gzip_bytes"] > 210 for point in all_measured(record.points)
    )
    with pytest.raises(UserError, match="was started with another codec; choose another --name"):
        study(dataclasses.replace(brotli, codec="gzip"))
    before = {name: value for name, value in record.meta.identity.to_json().items() if name != "codec"}
    assert Identity.from_json(before).codec == "gzip"


def test_the_baseline_is_the_first_trial(tmp_path: Path) -> None:
    """The model as it is, through the first delegate on one thread; outside the space it is no trial."""
    record = study(options(tmp_path)).record
    assert record.points[0].outcome == record.baseline
    outside = {**SPACE, "quantize": ["int8"]}
    record = study(options(tmp_path, name="int8", space=outside)).record
    assert record.baseline is not None
    assert record.baseline.config.recipe.quantize == "none"
    assert all(point.outcome.config.recipe.quantize == "int8" for point in record.points)


def test_baselines_come_before_anything_sampled(tmp_path: Path) -> None:
    """The model as it is on each runtime; each scheme; training; pruning, clustering, both: as many as trials allow."""
    record = study(options(tmp_path)).record
    recipes = [point.outcome.config.recipe for point in record.points if not point.free][:7]
    assert [recipe.quantize for recipe in recipes[:1]] == ["none"]
    assert {recipe.quantize for recipe in recipes[1:3]} == {"dynamic", "int8"}
    assert {(recipe.prune, recipe.cluster, recipe.quantize) for recipe in recipes[3:]} == {
        (0, 0, "qat"),
        (0.5, 0, "int8"),
        (0, 16, "int8"),
        (0.5, 16, "int8"),
    }
    assert record.points[1].outcome.config == Config(record.points[0].outcome.config.recipe, Runtime("builtin", 1))
    assert study(options(tmp_path, name="few", trials=2)).record.trials_done == 2


def test_every_file_is_told_on_every_runtime(tmp_path: Path) -> None:
    """That is free: it needs no build and counts for no trial; the sampler has them all."""
    pool = FakePool()
    record = study(options(tmp_path, space=THREADED), pool=pool).record
    runtimes: dict[Recipe, set[Runtime]] = {}
    for point in record.points:
        runtimes.setdefault(point.outcome.config.recipe, set()).add(point.outcome.config.runtime)
    assert {len(found) for found in runtimes.values()} == {4}
    assert len(runtimes) == record.trials_done == 12
    assert len(optuna_trials(record.folder)) == 12 * 4
    finals = [step for step in pool.built if step.stage == "quantize"]
    assert len(finals) == 12


def test_a_row_that_was_cut_off_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next run of the same command, although no trial is left."""
    with monkeypatch.context() as patch:
        patch.setattr("autotune.space.space.Space.runtimes", lambda space: [Runtime("xnnpack", 1)])
        assert len(study(options(tmp_path)).record.points) == 12
    record = study(options(tmp_path)).record
    assert len(record.points) == 24
    assert record.trials_done == 12


def test_stops_where_the_front_stands_still(tmp_path: Path) -> None:
    """After the stated number of trials, and says so."""
    reporter = SilentReporter()
    space = SPACE | {"prune": [0], "epochs": {"low": 1, "high": 30}}  # epochs make no toy file any better
    record = study(options(tmp_path, space=space, trials=60, patience=4), reporter=reporter).record
    assert record.trials_done < 20
    assert any("the front has not moved for 4 trials" in note for note in reporter.notes)


def test_a_kill_among_the_baselines_loses_none(tmp_path: Path) -> None:
    """They are asked again, once, whether or not the baseline is in the space."""
    for name, space in (("in", SPACE), ("out", {**SPACE, "quantize": ["dynamic", "int8", "qat"]})):
        folder = tmp_path / name
        folder.mkdir()
        first = study(options(folder, space=space, jobs=1), pool=Interrupting(2)).record
        assert first.trials_done < len(space["quantize"])
        record = study(options(folder, space=space)).record
        keys = [point.outcome.config.key for point in record.points]
        assert len(keys) == len(set(keys)) == 24
        plain = [point.outcome.config.recipe for point in record.points if not point.free][: len(space["quantize"])]
        assert {recipe.quantize for recipe in plain} == set(space["quantize"])


def test_relative_targets_speak_of_the_baseline(tmp_path: Path) -> None:
    """baseline-7% of accuracy is seven points below it; of 100 samples 3 lost may be that many, 5 lost may be more."""
    record = study(options(tmp_path, "accuracy>=baseline-7%", trials=EVERY)).record
    assert record.baseline is not None
    bound = record.baseline.metrics["accuracy"] - 0.04
    assert {point.feasible for point in record.points} == {True, False}
    for point in all_measured(record.points):
        assert point.feasible == (point.outcome.metrics["accuracy"] >= bound)


def test_the_winner_and_the_baseline_alone_are_tested(tmp_path: Path) -> None:
    """On the half that the search never saw, once; a second run does not do it again. Targets that are relative to
    the baseline are held against what it scores there.
    """
    summary = study(options(tmp_path))
    front = summary.record.front()
    assert front is not None
    pick = front.pick()
    assert pick is not None
    assert list(summary.record.tests) == [str(pick.trial), str(BASELINE)]
    assert summary.record.baseline_test is not None
    assert summary.record.baseline_test.scores["accuracy"] == pytest.approx(0.9)
    assert summary.record.tests[str(pick.trial)].certainty.samples == 100
    again = FakeDevice()
    study(options(tmp_path), again)
    assert again.calls == []


def test_groups_are_drawn_whole_to_the_end(tmp_path: Path) -> None:
    """From the data to what is kept of each file, on validation and on test: as many values as groups, and intervals
    that are wider than those of as many samples on their own.
    """
    asked = options(tmp_path, "accuracy>=baseline-20%", trials=4)
    alone = study(asked).record
    with np.load(tmp_path / "toy.npz") as file:
        np.savez(tmp_path / "grouped.npz", groups_test=np.arange(200) // 10, **file)
    grouped = dataclasses.replace(asked, data=str(tmp_path / "grouped.npz"), name="grouped")
    reporter = SilentReporter()
    record = study(grouped, reporter=reporter).record
    assert "intervals of the 100 test samples are of their 10 groups" in reporter.notes
    assert record.baseline is not None
    assert alone.baseline is not None
    assert record.baseline_test is not None
    for certainty in (record.baseline.certainty, record.baseline_test.certainty):
        assert (certainty.samples, certainty.groups, certainty.resampled) == (100, 10, False)
    low, high = record.baseline.interval(record.quality)
    before = alone.baseline.interval(record.quality)
    assert high - low > 1.5 * (before[1] - before[0])
    scores = read_scores(scores_path(record.folder, record.baseline.artifact, record.baseline.config.runtime.delegate))
    assert scores is not None
    assert scores.shape == (10,)
    for point in record.measured:
        low, high = point.held["accuracy>=baseline-20%"]
        assert low <= point.outcome.metrics["accuracy"] <= high


METRIC = """
import numpy as np

def data():
    y = np.arange(200) % 4
    x = y[:, None] + np.linspace(0, 0.5, 200)[:, None]
    return {"train": (x, y), "test": (x, y), "metric": "mine"}

def mine(labels, outputs, inputs):
    with open(__file__ + ".calls", "a") as file:
        file.write(f"{len(labels)}\\n")
    assert inputs.shape == (len(labels), 1)
    assert (inputs[:, 0].astype(int) == labels).all()
    return outputs.argmax(axis=1) == labels
"""


def test_a_metric_of_each_sample_is_called_once_for_a_file(tmp_path: Path) -> None:
    """With the inputs that go with the outputs; on the two splits, and for nothing else."""
    toy_files(tmp_path)
    (tmp_path / "mine.py").write_text(METRIC)
    asked = options(tmp_path, trials=4, space=SPACE | {"delegate": ["builtin"]})
    record = study(dataclasses.replace(asked, data=f"{tmp_path / 'mine.py'}:data")).record
    assert record.baseline is not None
    outcomes = [record.baseline, *(point.outcome for point in record.measured)]
    files = {(outcome.artifact, outcome.config.runtime.delegate) for outcome in outcomes}
    calls = (tmp_path / "mine.py.calls").read_text().split()
    assert calls == ["100"] * (len(files) + len(record.tests))
    assert record.quality.name == "mine"


def test_refused_configurations_are_infeasible(tmp_path: Path) -> None:
    """With the delegate's reason, never on the front, and the study goes on."""
    record = study(options(tmp_path, trials=EVERY), FakeDevice(refuses="builtin")).record
    refused = [point for point in record.points if point.outcome.state == "refused"]
    assert len(record.points) == EVERY
    assert {point.outcome.config.runtime.delegate for point in refused} == {"builtin"}
    assert {point.reason for point in refused} == {"builtin refuses the file"}
    front = record.front()
    assert front is not None
    assert not {point.trial for point in front.points} & {point.trial for point in refused}


def test_a_stage_that_refuses_is_not_built_again(tmp_path: Path) -> None:
    """The refusal is cached like an artifact."""

    def build(step: Any, *rest: Any) -> Artifact:
        if step.stage == "qat":
            raise Infeasible("this model can't")
        return toy_build(step, *rest)

    pool = FakePool(build=build)
    record = study(options(tmp_path, trials=EVERY), pool=pool).record
    reasons = {point.reason for point in record.points if point.outcome.config.recipe.quantize == "qat"}
    assert reasons == {"this model can't"}
    assert sum(step.stage == "qat" for step in pool.built) == 4


def test_a_fault_costs_the_trial_in_hand(tmp_path: Path) -> None:
    """It is queued again, the others are told, and the fault is neither cached nor an outcome."""
    lost = iter([True])

    def build(step: Any, *rest: Any) -> Artifact:
        if step.stage == "prune" and next(lost, False):
            raise Fault("a worker was lost")
        return toy_build(step, *rest)

    reporter = SilentReporter()
    record = study(options(tmp_path, trials=EVERY), pool=FakePool(build=build), reporter=reporter).record
    assert len(record.points) == EVERY
    assert all(point.outcome.state == "measured" for point in record.points)
    assert sum(record.failed.values()) == 1
    assert any("a worker was lost; queued again" in note for note in reporter.notes)


def test_where_no_worker_can_be_started_the_run_ends(tmp_path: Path) -> None:
    """In place of failing trial by trial; what was in hand is no failure, and the same command goes on."""
    broken = iter([True])

    def build(step: Any, *rest: Any) -> Artifact:
        if step.stage == "prune" and next(broken, False):
            raise Broken("the workers can't be started: no memory")
        return toy_build(step, *rest)

    with pytest.raises(Broken, match="no memory"):
        study(options(tmp_path, trials=EVERY), pool=FakePool(build=build))
    record = study(options(tmp_path, trials=EVERY), pool=FakePool(build=build)).record
    assert len(record.points) == EVERY
    assert record.failed == {}


def test_a_lost_connection_costs_the_measurement_in_hand(tmp_path: Path) -> None:
    """The same on the device's side, after the baseline."""
    device = FakeDevice()
    original, count = device.call, iter(range(1000))

    def call(what: str, runtime: Any) -> None:
        if what == "latency" and next(count) == 5 + LEAST_ROUNDS:
            raise Fault("the connection was lost")
        original(what, runtime)

    device.call = call  # type: ignore[method-assign]  # one fault, at a time of our choosing
    record = study(options(tmp_path), device).record
    assert record.trials_done == 12
    assert record.failed == {"the connection was lost": 1}


def test_our_own_defect_ends_one_trial_with_its_reason(tmp_path: Path) -> None:
    """Its traceback is in study.log, and the configuration is not tried again."""

    def build(step: Any, *rest: Any) -> Artifact:
        if step.parameters.get("scheme") == "int8":
            raise RuntimeError("Traceback …\nKeyError: 'kernel'")
        return toy_build(step, *rest)

    reporter = SilentReporter()
    record = study(options(tmp_path, trials=EVERY), pool=FakePool(build=build), reporter=reporter).record
    assert record.failed == {"KeyError: 'kernel'": EVERY // 4 // 2}
    assert len(record.points) == EVERY - EVERY // 4
    assert any("KeyError: 'kernel'; given up, see study.log" in note for note in reporter.notes)
    assert "Traceback …" in (record.folder / "study.log").read_text()


def test_a_broken_tracker_costs_no_trial(tmp_path: Path) -> None:
    """It is said while the study goes on, and at its end what makes up for it."""

    def none() -> Sequence[Tracker]:
        raise ConnectionError("server unreachable")

    reporter = SilentReporter()
    assert study(options(tmp_path), reporter=reporter, trackers=none).record.trials_done == 12
    *_, last = [note for note in reporter.notes if "server unreachable" in note]
    folder = tmp_path / "runs"
    assert last == f"tracking is behind (server unreachable); autotune sync toy --dir {folder} catches up"


def test_a_picture_that_can_not_be_drawn_ends_the_run(tmp_path: Path) -> None:
    """What a tracker in the study's folder raises is raised, as a full disk is, with all trials kept."""

    class Full(PictureTracker):
        def finish(self, record: Record) -> int:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        study(options(tmp_path, trials=3), local=[Full()])
    assert study(options(tmp_path, trials=3)).trials_before == 3


class Interrupting(FakePool):
    """After some builds presses Ctrl-C, as a terminal would, and never ends what comes after."""

    def __init__(self, after: int) -> None:
        super().__init__(1)
        self.left = after + 2  # the first calls open the model and look at its channels
        self.hanging: list[Future[Any]] = []
        self.closed = False

    def submit(self, function: Any, *arguments: Any) -> "Future[Any]":
        if self.closed:
            raise Fault("closed")
        self.left -= 1
        if self.left >= 0:
            return super().submit(function, *arguments)
        self.hanging.append(Future())
        if len(self.hanging) == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return self.hanging[-1]

    def close(self) -> None:
        self.closed = True
        for future in self.hanging:
            future.set_exception(Fault("closed"))
        super().close()


def test_interrupted_study_goes_on(tmp_path: Path) -> None:
    """What was finished is there, and the same command does the rest."""
    first = study(options(tmp_path, trials=EVERY, jobs=1), pool=Interrupting(6), local=[PictureTracker()])
    assert (first.record.folder / "front.png").is_file()
    done = {point.outcome.config.key for point in first.record.points}
    assert 0 < len(done) < EVERY
    assert first.notes == ["interrupted; the same command goes on from here"]
    second = study(options(tmp_path, trials=EVERY))
    assert second.trials_before == first.record.trials_done
    keys = [point.outcome.config.key for point in second.record.points]
    assert len(keys) == len(set(keys)) == EVERY


def press() -> None:
    """Ctrl-C, as a terminal would, from another thread."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.parametrize("shares_host", [True, False])
def test_a_measurement_ends_with_the_study_that_is_interrupted(tmp_path: Path, shares_host: bool) -> None:
    """Nothing is timed any more, the device is free, and the trials that were finished are there."""
    timed: list[bool] = []

    def quiet() -> None:
        timed.append(device.closed.is_set())
        if threading.current_thread() is not threading.main_thread() and not device.closed.is_set():
            press()
            assert device.closed.wait(LONG)

    device = FakeDevice(quiet=quiet)
    device.shares_host = shares_host
    summary = study(options(tmp_path, trials=EVERY), device)
    assert summary.notes == ["interrupted; the same command goes on from here"]
    assert summary.ended == 130
    assert eventually(lambda: device.take(False))
    assert not any(timed)
    assert summary.record.baseline is not None


def test_what_was_measured_when_a_study_is_interrupted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nobody had looked at it yet."""
    device, finished = FakeDevice(), list[str]()
    measure = Instrument.measure

    def interrupted(instrument: Instrument, outcomes: Sequence[Measured]) -> list[Any]:
        found = measure(instrument, outcomes)
        press()
        assert device.closed.wait(LONG)
        finished.extend(outcome.config.key for outcome in outcomes)
        return found

    monkeypatch.setattr(Instrument, "measure", interrupted)
    monkeypatch.setattr("autotune.study.scheduler.LAST_WORDS", LONG)  # however busy the machine is
    record = study(options(tmp_path, trials=EVERY), device).record
    assert finished
    assert {point.outcome.config.key for point in record.points} >= set(finished)


def test_a_study_interrupted_over_its_last_measurement_tells_what_it_has(tmp_path: Path) -> None:
    """The front is measured once more by the thread that is interrupted: every trial is there already."""
    device = FakeDevice()
    asked = options(tmp_path, trials=EVERY)
    summary = study(asked, device, reporter=Tells(lambda: setattr(device, "quiet", press)))
    assert summary.notes == ["interrupted; the same command goes on from here"]
    assert len(summary.record.points) == EVERY


def test_a_study_interrupted_before_there_is_anything_ends_so(tmp_path: Path) -> None:
    """There is no front to go on with."""
    with pytest.raises(KeyboardInterrupt):
        study(options(tmp_path), FakeDevice(quiet=press))


def test_timeout_begins_nothing_new(tmp_path: Path) -> None:
    """And says that the same command goes on."""
    summary = study(options(tmp_path, trials=EVERY, timeout=1e-6))
    assert summary.notes == ["the time is up; the same command goes on from here"]
    assert len(summary.record.points) == 1


@pytest.mark.parametrize("shares_host", [True, False])
def test_what_is_built_when_the_time_is_up_is_measured_and_told(
    tmp_path: Path, shares_host: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was paid for. What is not built stays unfinished, and is no failure."""
    evaluated, measure = set[str](), Scheduler._measure

    def late(rows: Scheduler, more: bool) -> None:
        waiting = {outcome.config.key for _, outcome in rows._waiting}
        if evaluated or not more:
            measure(rows, more)
        elif len(waiting) > 1:
            evaluated.update(waiting)
            raise TimeIsUpError

    with monkeypatch.context() as patched:
        patched.setattr(Scheduler, "_measure", late)
        device = FakeDevice()
        device.shares_host = shares_host
        summary = study(options(tmp_path, trials=EVERY), device)
    assert summary.notes == ["the time is up; the same command goes on from here"]
    assert evaluated <= {point.outcome.config.key for point in summary.record.points}
    assert len(summary.record.points) < EVERY
    assert not summary.record.failed
    assert len(study(options(tmp_path, trials=EVERY)).record.points) == EVERY


@pytest.mark.parametrize("what", ["model", "data", "space", "targets", "seed"])
def test_changed_studies_are_refused(tmp_path: Path, what: str) -> None:
    """Under the same name, with one line that says what changed; the study stays as it was."""
    asked = options(tmp_path, "latency<1ms")
    study(asked)
    before = (asked.folder / "toy" / "journal.log").read_bytes()
    if what == "model":
        asked.models[0].write_bytes(asked.models[0].read_bytes() + b"\0")
    if what == "data":
        with np.load(asked.data) as file:
            arrays = dict(file)
        arrays["x_test"][3] += 0.25
        np.savez(asked.data, **arrays)
    changes: dict[str, dict[str, Any]] = {
        "space": {"space": parse({**SPACE, "prune": [0, 0.6]}, "toy", (1, 2))},
        "targets": {"targets": parse_all(["latency<2ms"])[0]},
        "seed": {"seed": 1},
    }
    name = what.replace("model", "model (or version of what opens it)")
    other = "other" if what in ("data", "targets") else "another"
    with pytest.raises(UserError, match=f"started with .*{other} {re.escape(name)}"):
        study(dataclasses.replace(asked, **changes.get(what, {})))
    assert (asked.folder / "toy" / "journal.log").read_bytes() == before


def test_more_trials_may_be_asked_for(tmp_path: Path) -> None:
    """The same study goes on to the new number."""
    study(options(tmp_path, trials=5))
    assert study(options(tmp_path, trials=9)).record.trials_done == 9


@pytest.mark.parametrize(
    ("targets", "changes", "wrong"),
    [
        (["mae<1"], {}, "this task's metric is accuracy, not mae"),
        ([], {"space": {"delegate": ["gpu"]}}, "unknown delegate 'gpu'; device fake has xnnpack, builtin, reference"),
        ([], {"loss": "hindge"}, "--loss 'hindge' is unknown"),
        ([], {"metric": "mae"}, "metric 'mae' does not fit"),
    ],
)
def test_what_does_not_fit_leaves_nothing_behind(
    tmp_path: Path, targets: list[str], changes: dict[str, Any], wrong: str
) -> None:
    """One line, and no folder."""
    with pytest.raises(UserError, match=wrong):
        study(options(tmp_path, *targets, **changes))
    assert not (tmp_path / "runs").exists()


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    """Where studies should go there is a file."""
    (tmp_path / "runs").touch()
    with pytest.raises(UserError, match="is a file; choose a folder"):
        study(options(tmp_path))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that nobody can write to: /proc")  # noqa: PTH112
def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    """Nor made."""
    asked = options(tmp_path)
    with pytest.raises(UserError, match="can't write into /proc"):
        study(dataclasses.replace(asked, folder=Path("/proc/runs")))


def test_results_read_from_disk_are_those_of_the_run(tmp_path: Path) -> None:
    """What `front` and `pick` see is what the run saw, and every model is there."""
    record = study(options(tmp_path), local=[PictureTracker()]).record
    assert read(record.folder, "toy") == record
    for point in record.points:
        assert Path(str(point.model)).is_file()
    assert (record.folder / "front.png").is_file()


def test_a_full_disk_costs_the_trial_in_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that could not be kept is a fault of the machine: tried again, and said."""
    from autotune.compress.cache import ArtifactCache

    put, full = ArtifactCache.put, iter([False] * 4 + [True])

    def put_or_fail(self: ArtifactCache, key: str, artifact: Artifact) -> None:
        if next(full, False):
            raise OSError(28, "No space left on device")
        put(self, key, artifact)

    monkeypatch.setattr(ArtifactCache, "put", put_or_fail)
    reporter = SilentReporter()
    record = study(options(tmp_path), reporter=reporter).record
    assert record.trials_done == 12
    assert any("No space left on device; queued again" in note for note in reporter.notes)


def test_a_model_no_better_than_chance_is_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is asked about the form of the data; a good model is not."""
    reporter = SilentReporter()
    study(options(tmp_path), reporter=reporter)
    assert not any("are the samples in the form" in note for note in reporter.notes)
    monkeypatch.setattr("autotune.testing.fakes.toy_loss", lambda model: 0.8)
    study(options(tmp_path, name="bad"), reporter=reporter)
    assert any("are the samples in the form" in note for note in reporter.notes)


def test_several_models_are_a_dimension(tmp_path: Path) -> None:
    """Each is built and measured; the front spans them, and the first is the baseline."""
    asked = options(tmp_path, trials=100, space={"quantize": ["none", "int8"], "threads": [1, 2]})
    other = tmp_path / "other.keras"
    other.write_bytes(asked.models[0].read_bytes() + b"\0")  # another file, as a zip still whole
    pool = FakePool()
    summary = study(dataclasses.replace(asked, models=(asked.models[0], other)), pool=pool)
    recipes = [point.outcome.config.recipe for point in summary.record.points]
    assert sorted({recipe.model for recipe in recipes}) == ["other", "toy"]
    assert len(recipes) == 2 * 2 * 2
    assert summary.record.baseline is not None
    assert summary.record.baseline.config.recipe.model == "toy"
    assert len({step.key for step in pool.built}) == len(pool.built) == 2 * (1 + 2)
    front = summary.record.front()
    assert front is not None
    assert str(front.points[0].outcome.config).startswith(("toy: ", "other: "))


def test_models_of_one_name_are_refused(tmp_path: Path) -> None:
    """Results go by the name."""
    asked = options(tmp_path)
    (tmp_path / "sub").mkdir()
    twin = tmp_path / "sub" / "toy.keras"
    twin.write_bytes(asked.models[0].read_bytes())
    with pytest.raises(UserError, match=r"two models are called toy\.keras"):
        study(dataclasses.replace(asked, models=(asked.models[0], twin)))


def test_excluded_layers_are_part_of_the_study(tmp_path: Path) -> None:
    """Other exclusions are other files, and another study."""
    study(options(tmp_path))
    with pytest.raises(UserError, match="was started with another --exclude"):
        study(options(tmp_path, exclude=("dense",)))
    pool = FakePool()
    study(options(tmp_path, name="other", exclude=("dense",)), pool=pool)
    assert pool.built


def test_senseless_configurations_never_become_trials(tmp_path: Path) -> None:
    """A space of all schemes on XNNPACK alone has no int16x8, whatever the sampler proposes."""
    space = {"quantize": ["none", "int8", "int16x8"], "delegate": ["xnnpack"], "threads": [1, 2]}
    summary = study(options(tmp_path, trials=50, space=space))
    assert {point.outcome.config.recipe.quantize for point in summary.record.points} == {"none", "int8"}
    assert len(summary.record.points) == 4


def test_a_space_in_which_nothing_fits_is_refused(tmp_path: Path) -> None:
    """Before anything is written."""
    asked = options(tmp_path, space={"quantize": ["int16x8"], "delegate": ["xnnpack"]})
    with pytest.raises(UserError, match=r"nothing in it fits the model \(.+\); choose another"):
        study(asked)
    assert not (asked.folder / "toy").exists()


def test_excluding_a_layer_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the names of those that are."""
    with pytest.raises(UserError, match=r"--exclude 'conv\*': no layer with weights is called so; there are dense"):
        study(options(tmp_path, exclude=("dense", "conv*")))


def test_the_plain_schemes_go_by_the_space(tmp_path: Path) -> None:
    """On the delegates and thread counts that it has."""
    space = {"quantize": ["none", "int8"], "delegate": ["builtin"], "threads": [2], "prune": [0, 0.5], "epochs": 1}
    summary = study(options(tmp_path, trials=2, space=space))
    assert [str(point.outcome.config) for point in summary.record.points] == [
        "float on builtin, 2 threads",
        "int8 on builtin, 2 threads",
    ]


@pytest.mark.parametrize(("rounding", "mixed"), [("gptq", 0.0), ("nearest", 0.5)])
def test_plain_four_bits_are_those_that_are_any_good(tmp_path: Path, rounding: str, mixed: float) -> None:
    """Rounded together all layers have them; alone only those that bear it."""
    space = {"quantize": ["int4"], "rounding": [rounding], "mixed": [0, 0.5], "prune": [0, 0.5], "epochs": 1}
    recipe = study(options(tmp_path, trials=1, space=space)).record.points[0].outcome.config.recipe
    assert (recipe.quantize, recipe.rounding, recipe.mixed) == ("int4", rounding, mixed)


def test_outputs_that_are_not_finite_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that diverged costs its trial; the study goes on."""
    from autotune.testing import fakes

    outputs = fakes.FakeSession.outputs

    def diverged(self: Any, model: Path, runtime: Any, inputs: Path) -> Any:
        found = outputs(self, model, runtime, inputs)
        return found * np.nan if "prune" in model.read_text() else found

    monkeypatch.setattr(fakes.FakeSession, "outputs", diverged)
    record = study(options(tmp_path, trials=EVERY)).record
    reasons = {point.reason for point in record.points if point.outcome.config.recipe.prune}
    assert reasons == {"its outputs are not finite"}
    assert len(record.points) == EVERY


def test_nothing_but_the_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where time is up so early, the front is empty, and is shown so."""
    from autotune.terminal.study import print_summary

    space = {"quantize": ["int8"], "threads": [1, 2]}
    summary = study(options(tmp_path, "latency<1ms", space=space, timeout=1e-9))
    assert summary.record.points == []
    print_summary(summary, None)
    assert "nothing but the baseline was measured" in capsys.readouterr().out


def test_an_integer_input_gets_floats_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take bytes for its own integers; whatever computes in float takes them as they are kept."""
    types = dict[bool, set[str]]()
    outputs = FakeSession.outputs

    def noted(session: FakeSession, model: Path, runtime: Runtime, inputs: Path) -> Any:
        io = any(parameters.get("io") == "int8" for _, parameters in _history(model))
        types.setdefault(io, set()).add(str(np.load(inputs).dtype))
        return outputs(session, model, runtime, inputs)

    monkeypatch.setattr(FakeSession, "outputs", noted)
    asked = options(tmp_path, space={"quantize": ["none", "int8"], "io": ["float32", "int8"], "threads": [1]}, trials=4)
    with np.load(asked.data) as data:
        np.savez(asked.data, **{name: array.astype(np.uint8) for name, array in data.items()})
    study(asked)
    assert types == {False: {"uint8"}, True: {"float32"}}


def test_the_front_is_trained_on_all_samples_at_last(tmp_path: Path) -> None:
    """Every training of the search learns from some; what is on the front then once more from all, for no trial, and
    the same command has nothing to do.
    """
    pool, reporter = FakePool(), SilentReporter()
    asked = options(tmp_path, space=SPACE | {"threads": [1]}, train_samples=8)
    summary = study(asked, pool=pool, reporter=reporter)
    points = all_measured(summary.record.points)
    trained = [point for point in points if point.outcome.config.recipe.trains]
    some = {point.outcome.config.recipe for point in trained if point.outcome.config.recipe.samples == 8}
    every = {point.outcome.config.recipe for point in trained} - some
    assert {dataclasses.replace(recipe, samples=8) for recipe in every} <= some
    assert {point.free for point in trained if point.outcome.config.recipe in every} == {True}
    front = summary.record.front()
    assert front is not None
    on_front = {point.outcome.config.recipe for point in front.points}
    assert {dataclasses.replace(recipe, samples=8) for recipe in every} >= on_front & some
    assert f"training {len(every)} files of the front again, on all samples" in reporter.notes
    assert every
    assert {step.parameters.get("samples") for step in pool.built if step.trains} == {8, None}
    again = FakePool()
    assert len(study(asked, pool=again).record.points) == len(summary.record.points)
    assert again.built == []


def test_other_training_samples_are_another_study(tmp_path: Path) -> None:
    """Its trials would not be of one search."""
    study(options(tmp_path, train_samples=8, trials=2))
    with pytest.raises(UserError, match="'toy' was started with another --train-samples"):
        study(options(tmp_path, train_samples=9, trials=4))
