"""What is to be built next, where an earlier run was cut off."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.config import Config
from autotune.ledger.ledger import Ledger
from autotune.search.feasibility import Gate
from autotune.search.proposals import Proposals
from autotune.space.file import parse
from autotune.testing import toy_measurement, toy_meta, toy_outcome
from tests.ledger.test_ledger import SPACE, ledger, tell


def test_what_was_cut_off_is_begun_once(tmp_path: Path) -> None:
    """With all its runtimes: when its trial is told and they are not yet, they do not lack."""
    first = ledger(tmp_path)
    asked = first.ask()
    assert asked is not None
    study = ledger(tmp_path)  # the next run's
    space = parse(SPACE, "toy", (1, 2))
    proposals = Proposals(study, space, ["model"], 10, lambda _: None, Gate(study, space.runtimes()))
    unfinished = proposals.unfinished()
    row = next(unfinished)
    assert row.trial is not None
    assert [config.runtime.threads for config in row.configs] in ([1, 2], [2, 1])
    tell(study, row.trial, row.configs[0])
    assert list(unfinished) == []


@pytest.mark.parametrize(("refused", "scheme"), [("", "int8"), ("int8", "none")])
def test_each_share_of_the_channels_is_a_baseline(tmp_path: Path, refused: str, scheme: str) -> None:
    """As int8; as another scheme where fewer channels make that no faster."""
    space = parse({"channels": [1, 0.8, 0.5], "quantize": ["none", "int8"], "threads": [1]}, "toy", (1,))

    def fits(config: Config) -> bool:
        return config.recipe.channels == 1 or config.recipe.quantize != refused

    study = Ledger(tmp_path, "toy", space, toy_meta(), fits)
    study.begin(toy_outcome(0.9, 10.0, 1000))
    proposals = Proposals(study, space, [""], 10, lambda _: None, Gate(study, space.runtimes()))
    plain, trained = proposals.baselines()
    assert [(row.recipe.channels, row.recipe.quantize) for row in plain] == [(1.0, "none"), (1.0, "int8")]
    assert [(row.recipe.channels, row.recipe.quantize) for row in trained] == [(0.8, scheme), (0.5, scheme)]


@pytest.mark.parametrize("shares", [[1, 0.5], [0.5, 1]])
def test_the_plain_ways_keep_all_channels(tmp_path: Path, shares: list[float]) -> None:
    """Whichever share a space names first."""
    dimensions = {"channels": shares, "prune": [0, 0.5], "quantize": ["none", "qat"], "threads": [1]}
    space = parse(dimensions, "toy", (1,))
    study = Ledger(tmp_path, "toy", space, toy_meta(), lambda _: True)
    study.begin(toy_outcome(0.9, 10.0, 1000))
    plain, trained = Proposals(study, space, [""], 10, lambda _: None, Gate(study, space.runtimes())).baselines()
    cut = [row.recipe for row in (*plain, *trained) if row.recipe.channels < 1]
    assert [(recipe.prune, recipe.quantize) for recipe in cut] == [(0, "none")]


def test_a_share_is_tried_with_a_scheme_that_passes(tmp_path: Path) -> None:
    """Where the first one misses a target for sure, the next is a baseline."""
    space = parse({"channels": [1, 0.5], "quantize": ["none", "int8"], "threads": [1]}, "toy", (1,))
    meta = replace(toy_meta(), targets=("latency<20ms",))
    study = Ledger(tmp_path, "toy", space, meta, lambda _: True)
    study.begin(toy_outcome(0.9, 10.0, 1000))
    slow = toy_measurement(40.0)
    gate = Gate(study, space.runtimes(), lambda recipe, _: slow if recipe.quantize == "int8" else None)
    _, trained = Proposals(study, space, [""], 10, lambda _: None, gate).baselines()
    assert [row.recipe.quantize for row in trained if row.recipe.channels < 1] == ["none"]
