"""The ledger on real Optuna: what is told survives, nothing is asked twice."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from autotune.config import Config, Runtime
from autotune.ledger import journal
from autotune.ledger.journal import read
from autotune.ledger.ledger import Ledger
from autotune.results.outcome import Measured, Refused
from autotune.results.record import Begun
from autotune.space.file import parse
from autotune.targets.target import Target, parse_all
from autotune.testing import toy_measurement, toy_meta, toy_outcome

SPACE = {"prune": [0, 0.5, 0.75], "quantize": ["none", "int8"], "threads": [1, 2], "epochs": {"low": 1, "high": 3}}
META = toy_meta("latency<5ms")
RECIPES = 2 + 2 * 2 * 3
"""Dense ones, and pruned ones with their epochs."""

BASELINE = toy_outcome(0.9, 10.0, 1000)


def bare(folder: Path, space: dict[str, Any] | None = None) -> Ledger:
    """A study as its journal has it; new, it has not begun."""
    folder.mkdir(exist_ok=True)
    study = Ledger(folder, "toy", parse(space or SPACE, "toy", (1, 2)), META)
    study.sample_by(optuna.samplers.TPESampler(seed=study.seed, multivariate=True))
    return study


def ledger(folder: Path, space: dict[str, Any] | None = None) -> Ledger:
    """A study that has begun."""
    study = bare(folder, space)
    if not isinstance(study.record(), Begun):
        study.begin(BASELINE)
    return study


def other(config: Config) -> Config:
    """The same on the other number of threads."""
    return replace(config, runtime=Runtime(threads=3 - config.runtime.threads))


def targets() -> list[Target]:
    return parse_all(META.targets)[0]


def outcome(config: Config, latency_ms: float = 1.0) -> Measured:
    return toy_outcome(0.8, latency_ms, 500, **config.canonical())


def tell(study: Ledger, number: int, config: Config, latency_ms: float = 1.0) -> None:
    study.tell(number, outcome(config, latency_ms), targets())


def begun(folder: Path, trials: int) -> Ledger:
    """A study with a baseline and so many trials."""
    study = ledger(folder)
    for _ in range(trials):
        asked = study.ask()
        assert asked is not None
        tell(study, *asked)
    return study


def test_asks_every_recipe_once_and_no_more(tmp_path: Path) -> None:
    """Until the space is exhausted, on one runtime each: settings of training don't make two of what does not train."""
    study, seen = ledger(tmp_path), set()
    while asked := study.ask():
        number, config = asked
        assert config.recipe.key not in seen
        seen.add(config.recipe.key)
        tell(study, number, config)
    assert len(seen) == RECIPES


def test_what_is_proposed_again_costs_few_trials(tmp_path: Path) -> None:
    """The sampler repeats itself in memory: once it has learned enough, a configuration costs one more at most."""
    study = ledger(tmp_path)
    for number, config in iter(study.ask, None):
        tell(study, number, config)
        study.add(outcome(other(config)), targets())
    trials = optuna.load_study(study_name="toy", storage=journal.storage(tmp_path)).trials
    tenth = [trial.number for trial in trials if trial.state.is_finished() and trial.values][9]
    assert len(trials) - tenth - 1 <= 3 * (RECIPES - 5) + 1


def test_never_asks_what_is_under_way(tmp_path: Path) -> None:
    """Many may be open at a time, all different."""
    study = ledger(tmp_path)
    keys = [asked.config.key for asked in (study.ask() for _ in range(12)) if asked]
    assert len(set(keys)) == 12


def test_what_is_told_is_read_again(tmp_path: Path) -> None:
    """Outcomes, violations and the baseline survive on disk, without loss."""
    study = ledger(tmp_path)
    asked = study.ask()
    assert asked is not None
    number, config = asked
    tell(study, number, config, latency_ms=10.0)
    record = read(tmp_path, "toy").begun()
    assert record.baseline == BASELINE
    [point] = record.points
    assert (point.trial, point.outcome) == (number, outcome(config, 10.0))
    assert point.violations == {"latency<5ms": 1.0}
    assert not point.feasible


def test_constraints_reach_optuna(tmp_path: Path) -> None:
    """As Optuna's own constraints, at or below 0 where the target is met; refused ones have no values."""
    study = ledger(tmp_path)
    for latency in (2.5, 10.0):
        asked = study.ask()
        assert asked is not None
        tell(study, *asked, latency_ms=latency)
    asked = study.ask()
    assert asked is not None
    study.tell(asked.number, Refused(asked.config, "no kernels"), targets())
    trials = optuna.load_study(study_name="toy", storage=journal.storage(tmp_path)).trials
    finished = [trial for trial in trials if trial.state.name in ("COMPLETE", "PRUNED")]
    assert [dict(trial.constraints) for trial in finished] == [
        {"latency<5ms": -0.5},
        {"latency<5ms": 1.0},
        {"refused": 1.0},
    ]
    assert [trial.values for trial in finished][2] is None
    assert read(tmp_path, "toy").points[2].reason == "no kernels"


def test_constraints_are_met_with_margin(tmp_path: Path) -> None:
    """A latency just below the bound whose interval reaches beyond it is told as missed, and read as it was told."""
    study = ledger(tmp_path)
    asked = study.ask()
    assert asked is not None
    study.tell(asked.number, outcome(asked.config, 4.97).with_latency(toy_measurement(4.97)), targets())
    [trial] = optuna.load_study(study_name="toy", storage=journal.storage(tmp_path)).trials
    [point] = read(tmp_path, "toy").points
    assert trial.constraints == point.violations == {"latency<5ms": pytest.approx(4.97 * 1.01 / 5 - 1)}
    assert trial.constraints["latency<5ms"] > 0


def test_objectives_are_optunas(tmp_path: Path) -> None:
    """Directions and values; what the device could not tell is without end, not without a trial."""
    meta = replace(META, objectives=("quality", "size", "memory"))
    study = Ledger(tmp_path, "toy", parse(SPACE, "toy", (1, 2)), meta)
    study.sample_by(optuna.samplers.TPESampler(seed=0, multivariate=True))
    study.begin(replace(BASELINE, metrics=BASELINE.metrics | {"memory_bytes": 2e6}))
    for memory in ({"memory_bytes": 1e6}, {}):
        asked = study.ask()
        assert asked is not None
        found = outcome(asked.config)
        study.tell(asked.number, replace(found, metrics=found.metrics | memory), [])
    assert study.ask() is not None
    found_again = optuna.load_study(study_name="toy", storage=journal.storage(tmp_path))
    assert [direction.name for direction in found_again.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    assert [trial.values for trial in found_again.trials[:2]] == [[0.8, 600.0, 1e6], [0.8, 600.0, math.inf]]
    assert [metric.name for metric in read(tmp_path, "toy").objectives] == ["accuracy", "size", "memory"]


def test_sampler_moves_towards_the_feasible(tmp_path: Path) -> None:
    """With constraints told, the second half of the trials meets the target more often than chance."""
    space = {
        "prune": {"low": 0.0, "high": 0.9},
        "threads": [1, 2, 4, 8],
        "quantize": ["none", "int8", "dynamic", "float16"],
    }
    study, met = ledger(tmp_path, space), []
    for _ in range(60):
        asked = study.ask()
        assert asked is not None
        number, config = asked
        feasible = config.runtime.threads == 8  # one in four by chance
        tell(study, number, config, latency_ms=1.0 if feasible else 50.0)
        met.append(feasible)
    assert sum(met[30:]) > 15


def test_what_was_under_way_is_asked_again(tmp_path: Path) -> None:
    """After a kill: finished trials stay, open ones come first, none is repeated."""
    study = ledger(tmp_path)
    done, open_ = study.ask(), study.ask()
    assert done is not None
    assert open_ is not None
    tell(study, *done)
    again = ledger(tmp_path)
    assert again.queued
    first = again.again()
    assert first is not None
    assert first.config.key == open_[1].key
    assert again.again() is None
    rest = {asked.config.recipe.key for asked in iter(again.ask, None)}
    assert done[1].recipe.key not in rest
    assert open_[1].recipe.key not in rest
    assert len(rest) == RECIPES - 2


def test_reopening_twice_loses_nothing(tmp_path: Path) -> None:
    """A second kill before anything was told queues the same configurations once more."""
    opened = {asked.config.key for asked in (ledger(tmp_path).ask() for _ in range(1)) if asked}
    ledger(tmp_path)
    asked = ledger(tmp_path).again()
    assert asked is not None
    assert {asked.config.key} == opened


def test_failed_trials_are_queued_again_where_they_should_be(tmp_path: Path) -> None:
    """A fault of the machine costs a trial's number, not its configuration."""
    study = ledger(tmp_path)
    first, second = study.ask(), study.ask()
    assert first is not None
    assert second is not None
    study.fail(first[0], "worker lost", again=True)
    study.fail(second[0], "our defect", again=False)
    asked = study.again()
    assert asked is not None
    assert asked.config.key == first.config.key
    assert second[1].key not in {one[1].key for one in iter(study.ask, None)}
    assert study.record().failed == {"worker lost": 1, "our defect": 1}


def test_asking_for_a_configuration(tmp_path: Path) -> None:
    """One of the space, once; one outside never."""
    study = ledger(tmp_path)
    wanted = Config.of({"prune": 0.5, "quantize": "int8", "threads": 2, "epochs": 2})
    asked = study.ask_for(wanted)
    assert asked is not None
    assert asked.config == wanted
    assert study.ask_for(wanted) is None
    assert study.ask_for(Config.of({"prune": 0.6})) is None


def test_what_comes_with_a_trial_is_told_and_not_counted(tmp_path: Path) -> None:
    """Its file on another runtime: the sampler sees it with its constraints, and nobody is asked for it again."""
    study = ledger(tmp_path)
    asked = study.ask()
    assert asked is not None
    tell(study, *asked)
    study.add(outcome(other(asked.config), 10.0), targets())
    study.add_failed(other(asked.config), "lost")
    record = read(tmp_path, "toy")
    assert [(point.free, point.violations) for point in record.points] == [
        (False, {"latency<5ms": -0.8}),
        (True, {"latency<5ms": 1.0}),
    ]
    assert record.trials_done == study.trials_asked == 1
    assert record.failed == {"lost": 1}
    assert study.seen(other(asked.config))
    assert ledger(tmp_path).seen(other(asked.config))
    trials = optuna.load_study(study_name="toy", storage=journal.storage(tmp_path)).trials
    assert trials[1].constraints == {"latency<5ms": 1.0}
    assert trials[1].values == [0.8, 10.0, 500.0]


def test_what_it_knows_is_what_is_read(tmp_path: Path) -> None:
    """The record that is kept up is that of the journal, however trials end, and in whatever order."""
    study = ledger(tmp_path)
    asked = [one for one in (study.ask() for _ in range(6)) if one]
    for number, config in reversed(asked[3:]):
        tell(study, number, config, latency_ms=1.0 + 2 * number)
        study.add(outcome(other(config), 9.0), targets())
        assert study.record() == read(tmp_path, "toy")
    study.tell(asked[0].number, Refused(asked[0].config, "no kernels"), targets())
    study.fail(asked[1].number, "lost", again=True)
    study.add_failed(other(asked[1].config), "lost")
    assert study.record() == read(tmp_path, "toy")
    assert study.queued
    again = study.again()
    assert again is not None
    assert not study.queued
    tell(study, *again)
    study.note_remeasured({str(asked[3].number): toy_measurement(9.0)})
    record = study.record()
    assert record == read(tmp_path, "toy")
    assert (record.trials_done, study.trials_asked, len(record.points)) == (5, 6, 8)
    assert record.points == sorted(record.points, key=lambda point: point.trial)


def test_drawing_and_listing(tmp_path: Path) -> None:
    """Each recipe is drawn once; what may be tried is listed whole, or drawn where it has no end."""
    study = ledger(tmp_path)
    drawn = [config.recipe.key for _, config in iter(study.draw, None)]
    assert len(drawn) == len(set(drawn)) == RECIPES
    assert len(study.every(5)) == 2 * RECIPES
    endless = ledger(tmp_path / "endless", {"prune": {"low": 0.1, "high": 0.9}, "threads": [1]})
    assert len({config.key for config in endless.every(50)}) == 50


def test_what_is_not_to_be_proposed_can_be_asked_for(tmp_path: Path) -> None:
    """By a sampler of Optuna, drawn and listed a dimension keeps its value; another one is there for who names it."""
    space = parse({"prune": [0.2, 0.4, 0.6], "samples": [100, 900], "threads": [1]}, "toy", (1,))
    study = Ledger(tmp_path, "toy", space, META, only={"samples": 100})
    study.begin(BASELINE)
    study.sample_by(optuna.samplers.TPESampler(seed=0, multivariate=True, n_startup_trials=1))
    assert {config.recipe.samples for config in study.every(100)} == {100}
    for propose in (study.ask, study.draw, study.ask):
        asked = propose()
        assert asked is not None
        assert asked.config.recipe.samples == 100
        tell(study, *asked)
    assert (study.ask(), study.draw()) == (None, None)
    trial = study.ask_for(Config.of({"prune": 0.2, "samples": 900}))
    assert trial is not None
    assert trial.config.recipe.samples == 900


def test_a_half_written_line_is_taken_back(tmp_path: Path) -> None:
    """A writer killed in the middle of a line, its lock still there, does no harm."""
    study = ledger(tmp_path)
    asked = study.ask()
    assert asked is not None
    tell(study, *asked)
    file_of = tmp_path / journal.JOURNAL
    with file_of.open("a") as file:
        file.write('{"op_code": 4, "worker_id": "x')
    file_of.with_name(file_of.name + ".lock").touch()
    study = ledger(tmp_path)
    assert len(study.record().points) == 1
    asked = study.ask()
    assert asked is not None
    tell(study, *asked)
    assert len(read(tmp_path, "toy").points) == 2
