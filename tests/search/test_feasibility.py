"""What is not built, since files of its structure miss a target whatever they learn."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from autotune.config import Config, Recipe, Runtime
from autotune.ledger.ledger import Ledger
from autotune.results.measurement import Measurement
from autotune.results.outcome import Measured, Outcome, Refused
from autotune.search.feasibility import Gate
from autotune.search.samplers import grid, tpe
from autotune.search.search import Proposer, Search
from autotune.space.file import parse
from autotune.targets.target import parse_all
from autotune.testing import FakePool, SilentReporter, toy_measurement, toy_meta, toy_outcome
from tests.study.test_driver import options, study

SPACE: dict[str, Any] = {
    "channels": [1.0, 0.5],
    "prune": [0, 0.5, 0.8],
    "prune_pattern": ["unstructured", "xnnpack"],
    "fine_tune": ["distill", "none"],
    "cluster": [0, 16],
    "quantize": ["none", "int8", "qat"],
    "mixed": [0, 0.3],
    "threads": [1, 2],
}


Planned = Callable[[Recipe, Runtime], Measurement | None]


class Told:
    """A study of the float file, 10 ms on one thread and 6 ms on two, with these targets."""

    def __init__(self, *targets: str, space: dict[str, Any] = SPACE, planned: Planned = lambda *_: None) -> None:
        self.targets = parse_all(list(targets))[0]
        texts = [target.text for target in self.targets]
        meta = toy_meta(*texts)
        parsed = parse(space, "toy", (1, 2))
        self.ledger = Ledger(Path(), "toy", parsed, meta, storage=optuna.storages.InMemoryStorage())
        self.baseline = timed(Recipe(), 1, 10)
        self.ledger.begin(self.baseline)
        self.gate = Gate(self.ledger, parsed.runtimes(), planned)
        self.add(timed(Recipe(), 1, 10), timed(Recipe(), 2, 6))

    def add(self, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            self.ledger.add(outcome, self.targets)


def timed(recipe: Recipe, threads: int, latency: float, verdict: str = "stable") -> Measured:
    """A file of 1 MB with an interval of 1 % to either side of its latency."""
    outcome = toy_outcome(0.9, latency, 1e6)
    outcome = replace(outcome, config=Config(recipe, Runtime("xnnpack", threads)))
    return outcome.with_latency(toy_measurement(latency, verdict))


PRUNED = Recipe(prune=0.5)


def test_a_structure_that_is_too_slow_on_every_runtime() -> None:
    """It misses by what the best runtime misses, with margin; pruned and clustered files are of it."""
    told = Told("latency<5ms")
    assert told.gate.misses(PRUNED) == {"latency<5ms": pytest.approx(6 * 1.01 / 5 - 1)}
    assert not told.gate.passes(Recipe(cluster=16))
    assert not told.gate.passes(Recipe(prune=0.8, cluster=16))


@pytest.mark.parametrize("recipe", [PRUNED, Recipe(quantize="int8", prune=0.5)])
def test_what_may_meet_the_targets_passes(recipe: Recipe) -> None:
    """On one runtime at least, or nobody knows."""
    assert Told("latency<7ms").gate.passes(recipe)


def test_only_what_is_sure_is_left_out() -> None:
    """An interval that reaches over the bound, or a device that was not quiet, leaves it open."""
    assert Told("latency<5.97ms").gate.passes(PRUNED)
    assert not Told("latency<5.9ms").gate.passes(PRUNED)
    told = Told("latency<5ms")
    told.add(
        timed(Recipe(quantize="int8"), 1, 9, "other processes used 1.0 cores"), timed(Recipe(quantize="int8"), 2, 9)
    )
    assert told.gate.passes(Recipe(quantize="int8", prune=0.5))


def test_a_runtime_that_was_not_measured_leaves_it_open() -> None:
    """It may be the fast one. One that refused the file is none."""
    told, int8 = Told("latency<5ms"), Recipe(quantize="int8")
    told.add(timed(int8, 1, 9))
    assert told.gate.passes(replace(int8, prune=0.5))
    refused = Refused(Config(int8, Runtime("xnnpack", 2)), "no", "0" * 64)
    told.add(refused)
    assert not told.gate.passes(replace(int8, prune=0.5))


def test_quality_and_download_are_never_known_before() -> None:
    """They are what training and compression change."""
    assert Told("accuracy>=99%", "download<1kB").gate.passes(PRUNED)
    assert not Told("accuracy>=99%", "size<1MB").gate.passes(PRUNED)


def test_where_the_structure_depends_on_the_weights() -> None:
    """Mixed precision spares what quantization hurts; sparse files are of a structure for each share of zeros."""
    told, mixed = Told("latency<5ms"), Recipe(quantize="int8", mixed=0.3)
    told.add(timed(mixed, 1, 9), timed(mixed, 2, 9))
    assert told.gate.passes(replace(mixed, prune=0.5))
    sparse = replace(PRUNED, prune_pattern="xnnpack")
    told.add(timed(sparse, 1, 9), timed(sparse, 2, 9))
    assert not told.gate.passes(replace(sparse, cluster=16))
    assert told.gate.passes(replace(sparse, prune=0.8))


CUT = Recipe(channels=0.5)


def test_an_untrained_file_with_fewer_channels_tells_of_the_trained_one() -> None:
    """Where it is too slow on every runtime, nothing is trained; where that is not sure, it is left open."""

    def planned(threads: int, latency: float, verdict: str = "stable") -> Planned:
        return lambda _, runtime: toy_measurement(latency, verdict) if runtime.threads <= threads else None

    assert Told("latency<5ms", planned=planned(2, 8)).gate.misses(CUT) == {"latency<5ms": pytest.approx(8 / 5 - 1)}
    assert Told("latency<5ms", planned=planned(2, 4)).gate.passes(CUT)
    assert Told("latency<5ms", planned=planned(1, 8)).gate.passes(CUT)
    assert Told("latency<5ms", planned=planned(2, 8, "other processes used 1.0 cores")).gate.passes(CUT)
    assert Told("accuracy>=90%", planned=planned(2, 8)).gate.passes(CUT)


def test_no_twin_of_what_was_planned() -> None:
    """Its latency is known already; else a twin is cut and nothing more."""
    assert Told("latency<5ms", planned=lambda *_: toy_measurement(4)).gate.twin(CUT) is None
    twin = Told("latency<5ms").gate.twin(CUT)
    assert twin is not None
    assert twin.recipe.key == replace(CUT, fine_tune="none").key


@pytest.mark.parametrize(
    ("recipe", "twin"),
    [
        (Recipe(prune=0.5, quantize="int8"), Recipe(quantize="int8")),
        (Recipe(cluster=16, quantize="int8"), Recipe(quantize="int8")),
        (
            Recipe(prune=0.5, prune_pattern="xnnpack", cluster=16),
            Recipe(prune=0.5, prune_pattern="xnnpack", fine_tune="none"),
        ),
        (Recipe(quantize="qat", prune=0.5), None),
        (Recipe(prune=0.5), None),
        (Recipe(quantize="int8"), None),
    ],
)
def test_untrained_twin(recipe: Recipe, twin: Recipe | None) -> None:
    """Of the structure, and without a training; none where it is known, trains all the same, or is the file itself."""
    found = Told("latency<5ms").gate.twin(recipe)
    assert (found and found.recipe.key) == (twin and twin.key)
    assert Told("accuracy>=90%").gate.twin(recipe) is None


QUICK = {"prune": [0, 0.5], "cluster": [0, 16, 8], "quantize": ["none", "int8"], "threads": [1], "epochs": 1}


@pytest.mark.parametrize("sampler", [tpe, grid])
def test_the_study_is_told_and_nothing_is_trained(tmp_path: Path, sampler: Any) -> None:
    """With its known violations, as a trial that counts for nothing; what can meet the target is all built."""
    pool, reporter = FakePool(), SilentReporter()
    asked = options(tmp_path, "latency<0.05ms", space=QUICK, sampler=sampler, trials=50, patience=None)
    record = study(asked, pool=pool, reporter=reporter).record
    left_out = [point for point in record.points if (point.reason or "").startswith("not built")]
    floats = [point for point in record.points if point.outcome.config.recipe.quantize == "none"]
    assert left_out
    assert all(point.free and not point.model for point in left_out)
    assert {point.reason for point in left_out} == {"not built: files of its structure miss latency<0.05ms"}
    assert [point.outcome.config.recipe.key for point in floats if point not in left_out] == [Recipe().key]
    told = f"{len(left_out)} configurations were not built: files of their structure miss a target, whatever they learn"
    assert told in reporter.notes
    assert record.trials_done == 1 + 6
    trials = optuna.load_study(study_name="toy", storage=_journal(record.folder)).trials
    missed = [trial.constraints for trial in trials if trial.number in {point.trial for point in left_out}]
    assert all(found["latency<0.05ms"] == pytest.approx(1.0) for found in missed)


def _journal(folder: Path) -> Any:
    from autotune.ledger.journal import storage

    return storage(folder)


def test_where_nothing_can_meet_the_target(tmp_path: Path) -> None:
    """The search ends once that is known, with what takes no training."""
    pool = FakePool()
    asked = options(tmp_path, "latency<0.001ms", space=QUICK, trials=50, patience=None)
    record = study(asked, pool=pool).record
    assert not any(step.trains for step in pool.built)
    front = record.front()
    assert front is not None
    assert front.pick() is None
    assert front.nearest() is not None


@pytest.mark.parametrize(("target", "trained"), [("latency<0.05ms", True), ("latency<0.03ms", False)])
def test_the_twin_comes_first(tmp_path: Path, target: str, trained: bool) -> None:
    """Its structure is measured before what would train, which is then built or left out."""
    wanted = Recipe(prune=0.5, quantize="int8", io="int8", epochs=1)

    def once(search: Search) -> Proposer:
        left = [wanted]
        return lambda _: search.ask(left.pop()) if left else None

    pool = FakePool()
    space = {"prune": [0, 0.5], "quantize": ["none", "int8"], "io": ["float32", "int8"], "threads": [1], "epochs": 1}
    record = study(options(tmp_path, target, space=space, sampler=once, trials=50), pool=pool).record
    found = {point.outcome.config.recipe.key: point.outcome for point in record.points}
    twin, other = found[replace(wanted, prune=0.0).key], found[wanted.key]
    assert twin.state == "measured"
    assert (other.state == "measured") == trained
    if trained:
        built = [step.key for step in pool.built]
        assert built.index(str(twin.artifact)) < built.index(str(other.artifact))
