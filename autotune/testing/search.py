"""A search without builds: what a sampler proposes is told the numbers that its file might have."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autotune.compress import pipeline
from autotune.config import Config, Recipe
from autotune.ledger.ledger import Ledger
from autotune.results.outcome import Measured, Refused
from autotune.search.feasibility import Gate
from autotune.search.search import Sampler, Search
from autotune.space.file import parse
from autotune.testing.fakes import toy_share
from autotune.testing.results import toy_meta, toy_outcome

SPACE: Mapping[str, object] = {
    "prune": [0, 0.5, 0.9],
    "cluster": [0, 16],
    "quantize": ["none", "dynamic", "int8"],
    "delegate": ["xnnpack", "builtin"],
    "threads": [1],
}
"""Of ToySearch, as a file would say it: 18 recipes on two runtimes each."""


class ToySearch:
    """A study of which a sampler proposes the trials, and a test says what becomes of them.

    Attributes:
        ledger: of the study; the baseline is measured.
        building: the open trials, by number.
        tried: recipes that were proposed, in order.
    """

    def __init__(self, folder: Path, sampler: Sampler, space: Mapping[str, object] = SPACE, seed: int = 0) -> None:
        """
        Args:
            folder: for the study's journal; there is none yet.
            sampler: that proposes.
            space: as a file would say it.
            seed: of whatever is drawn.
        """
        self._space = parse(dict(space), "toy", (1,))
        self.ledger = Ledger(folder, "toy", self._space, replace(toy_meta(), seed=seed))
        self.ledger.begin(_outcome(Config.of({})))
        self.building: dict[int, Config] = {}
        self.tried: list[Recipe] = []
        self._built: set[str] = set()
        gate = Gate(self.ledger, self._space.runtimes())
        search = Search(self.ledger, self._space, _steps, self._built.__contains__, gate, self.ledger.seed)
        self._propose = sampler(search)

    def propose(self) -> int | None:
        """Asks the sampler as a study does: its next trial's number, None where it has none (now).

        Raises:
            AssertionError: what it gives is no trial of its own, or one of a recipe that was tried.
        """
        trial = self._propose([config.recipe for config in self.building.values()])
        if trial is None:
            return None
        number, config = trial
        assert self.ledger.is_open(number), f"trial {number} was never asked for"
        assert number not in self.building, f"trial {number} was proposed already"
        assert self.ledger.admits(config), f"{config} is not in the space"
        assert config.recipe not in self.tried, f"{config.recipe} was tried already"
        self.building[number] = config
        self.tried.append(config.recipe)
        return number

    def proposed(self) -> int:
        """The number that propose() gives, where there has to be one."""
        number = self.propose()
        if number is None:
            raise AssertionError(f"nothing is proposed, though {self.tried} is not all that there is")
        return number

    def measure(self, number: int) -> None:
        """Ends a trial with the numbers of its file, on the other runtimes, too."""
        config = self.building.pop(number)
        self._built |= {step.key for step in _steps(config.recipe)}
        self.ledger.tell(number, _outcome(config), [])
        for runtime in self._space.runtimes():
            if runtime != config.runtime:
                self.ledger.add(_outcome(Config(config.recipe, runtime)), [])

    def refuse(self, number: int) -> None:
        """Ends a trial that can't be shipped."""
        refused = Refused(self.building.pop(number), "no kernels")
        self.ledger.tell(number, refused, [])

    def fail(self, number: int) -> None:
        """Ends a trial that the machine failed twice."""
        del self.building[number]
        self.ledger.fail(number, "lost", again=False)


def _steps(recipe: Recipe) -> Sequence[pipeline.Step]:
    return pipeline.steps(recipe, "toy")


def _outcome(config: Config) -> Measured:
    """The outcome of a file whose accuracy falls with compression, and its download and its latency as well."""
    recipe = config.recipe
    share = toy_share(recipe.prune, recipe.cluster, recipe.quantize)
    lost = 0.3 * recipe.prune**4 + (0.02 if recipe.cluster else 0.0) + (0.0 if recipe.quantize == "none" else 0.01)
    slow = {"xnnpack": 1.0, "builtin": 4.0}[config.runtime.delegate]
    latency_ms = slow * (1.0 if recipe.quantize == "none" else 0.4)
    return toy_outcome(0.9 - lost, latency_ms, 1000 * share, **config.canonical())
