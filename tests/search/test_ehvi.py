"""autotune's own search: the training comes first that is worth most for its work."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest

from autotune.compress import pipeline
from autotune.config import Config, Recipe
from autotune.ledger.asked import Asked
from autotune.ledger.ledger import Ledger
from autotune.results.outcome import Measured, Refused
from autotune.search.feasibility import Gate
from autotune.search.samplers import ehvi, grid
from autotune.search.search import Proposer, Search
from autotune.space.file import parse
from autotune.testing import toy_meta, toy_outcome

SPACE: dict[str, Any] = {
    "prune": [0, 0.3, 0.5, 0.7, 0.9],
    "cluster": [0, 32, 8],
    "quantize": ["none", "dynamic", "int8", "qat"],
    "threads": [1],
    "epochs": [5],
}


def measured(config: Config) -> Measured:
    recipe = config.recipe
    share = {"none": 1.0}.get(recipe.quantize, 0.25)
    lost = 0.5 * recipe.prune**4 + {0: 0.0, 32: 0.005, 8: 0.05}[recipe.cluster] + 0.003 * (recipe.quantize != "none")
    download = 1e6 * share * (1 - 0.8 * recipe.prune) * {0: 1.0, 32: 0.6, 8: 0.4}[recipe.cluster]
    return toy_outcome(0.9 - lost, 10 * share, download, **config.canonical())


class Study:
    """A search whose outcomes are known.

    Attributes:
        built: stages that there are.
        tried: recipes in order.
    """

    def __init__(
        self,
        space: dict[str, Any] = SPACE,
        sampler: Any = ehvi,
        told: Sequence[str] = ("none", "dynamic", "int8"),
    ) -> None:
        meta = toy_meta()
        parsed = parse(space, "toy", (1,))
        storage = optuna.storages.InMemoryStorage()
        self.ledger = Ledger(Path(), "toy", parsed, meta, storage=storage)
        baseline = measured(Config.of({}))
        self.ledger.begin(baseline)
        self.baseline = baseline
        self.built: set[str] = set()
        self.tried: list[Recipe] = []
        gate = Gate(self.ledger, parsed.runtimes())
        self.choose: Proposer = sampler(Search(self.ledger, parsed, self.steps, self.built.__contains__, gate, 0))
        for scheme in told:
            self.tell(self.ledger.ask_for(Config.of({"quantize": scheme})))

    def steps(self, recipe: Recipe) -> list[pipeline.Step]:
        return pipeline.steps(recipe, "task")

    def tell(self, asked: Asked | None) -> Recipe:
        assert asked is not None
        number, config = asked
        self.built.update(step.key for step in self.steps(config.recipe))
        self.tried.append(config.recipe)
        self.ledger.tell(number, measured(config), [])
        return config.recipe


@pytest.mark.parametrize("prune", [0.5, 0.7])
def test_what_was_trained_already_comes_first(prune: float) -> None:
    """Its files cost next to nothing, be it of this study or of an earlier one."""
    study = Study()
    study.built.update(step.key for step in study.steps(Recipe(prune=prune, epochs=5)))
    chosen = study.tell(study.choose([]))
    assert (chosen.prune, chosen.cluster) == (prune, 0)
    assert chosen.quantize != "qat"


def test_most_of_the_front_after_a_part_of_the_work() -> None:
    """After a third of the trainings there is more of it than in the order of the space, and nearly all."""
    volumes = []
    for sampler in (ehvi, grid):
        study = Study(sampler=sampler)
        while _trainings(study, study.tried) < 15:
            study.tell(study.choose([]))
        volumes.append(study.ledger.begun().hypervolume())
    study = Study()
    while asked := study.choose([]):
        study.tell(asked)
    whole = study.ledger.begun().hypervolume()
    assert volumes[0] > 0.99 * whole
    assert volumes[0] > volumes[1]
    assert len(study.tried) == 5 * 3 * 4


def _trainings(study: Study, recipes: Sequence[Recipe]) -> int:
    return len({step.key for recipe in recipes for step in study.steps(recipe) if step.trains})


def test_waits_for_a_training_that_is_under_way() -> None:
    """What builds on it would only stand in its way; something else is built meanwhile."""
    study = Study()
    asked = study.choose([])
    assert asked is not None
    building = asked.config.recipe
    other = study.choose([building])
    assert other is not None
    busy = {step.key for step in study.steps(building) if step.trains}
    assert not busy & {step.key for step in study.steps(other.config.recipe) if step.trains}


def test_nothing_is_left_but_what_waits() -> None:
    """None then, and again something after it was told."""
    study = Study(SPACE | {"prune": [0, 0.5], "cluster": 0, "quantize": ["none", "dynamic", "int8"]})
    asked = study.choose([])
    assert asked is not None
    assert study.choose([asked.config.recipe]) is None
    study.tell(asked)
    assert study.choose([]) is not None


def test_nothing_to_learn_from() -> None:
    """A device may refuse all that was tried: then something else is tried."""
    study = Study(told=())
    asked = study.choose([])
    assert asked is not None
    study.ledger.tell(asked.number, Refused(asked.config, "no kernels"), [])
    other = study.choose([])
    assert other is not None
    assert other.config.recipe != asked.config.recipe


@pytest.mark.parametrize("seed", [0, 1])
def test_a_space_without_end(seed: int) -> None:
    """Is searched among configurations that are drawn."""
    study = Study({"prune": {"low": 0.0, "high": 0.9}, "quantize": ["none", "dynamic", "int8"], "threads": [1]})
    for _ in range(5):
        study.tell(study.choose([]))
    assert len({recipe.key for recipe in study.tried}) == 8
