"""Samplers, as --sampler names them: each makes of what a study is about the function that proposes its trials."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.samplers import BaseSampler

from autotune.compress.pipeline import Step
from autotune.config import Config, Recipe
from autotune.space import Space
from autotune.study.asktell import Ledger
from autotune.study.ehvi import Ehvi
from autotune.study.gate import Gate

Choose = Callable[[Sequence[Recipe]], tuple[int, Config] | None]
"""Given what is being built, a new trial; None where there is none (now). Asked again after each outcome."""

DRAWN = 5000
"""Configurations to choose among where the space has too many to look at each."""


@dataclass(frozen=True)
class Search:
    """What a study is about, for a sampler. A plug-in is a function Search -> Choose (entry point autotune.samplers).

    Attributes:
        ledger: of the study; makes the trials, by ask_for(), or by ask() after sample_by() was given a
            sampler of Optuna.
        space: that may be tried.
        steps: a recipe's stages.
        built: whether there is a stage's artifact already, by its key.
        gate: knows what misses a target whatever it learns; such proposals are not built.
        seed: of whatever is drawn; another one in each run of a study.
    """

    ledger: Ledger
    space: Space
    steps: Callable[[Recipe], Sequence[Step]]
    built: Callable[[str], bool]
    gate: Gate
    seed: int

    def by(self, sampler: BaseSampler) -> Choose:
        """What a sampler of Optuna proposes."""
        self.ledger.sample_by(sampler)
        return lambda _: self.ledger.ask()

    def ask(self, recipe: Recipe) -> tuple[int, Config] | None:
        """A trial of a recipe on the first runtime that it may have; None where it has none, or was tried."""
        if self.ledger.tried(recipe):
            return None
        asked = (self.ledger.ask_for(Config(recipe, runtime)) for runtime in self.space.runtimes())
        return next(filter(None, asked), None)

    def configs(self) -> list[Config]:
        """All that may be tried, or DRAWN of them where they are too many to look at each."""
        return self.ledger.every(DRAWN)


def ehvi(search: Search) -> Choose:
    """Expected hypervolume improvement over cost: autotune's own."""
    recipes = [config.recipe for config in search.configs()]
    return Ehvi(search.ledger, recipes, search.space.runtimes(), search.steps, search.built, search.gate, search.seed)


def grid(search: Search) -> Choose:
    """One after the other, in the order of the space."""
    return these([config.recipe for config in search.configs()])(search)


def these(recipes: Sequence[Recipe]) -> Callable[[Search], Choose]:
    """Nothing but these, one after the other."""

    def sampler(search: Search) -> Choose:
        left = iter(recipes)
        return lambda _: next(filter(None, map(search.ask, left)), None)

    return sampler


def drawn(search: Search) -> Choose:
    """Evenly at random."""
    return lambda _: search.ledger.draw()


def tpe(search: Search) -> Choose:
    """Multivariate TPE with constraints (Bergstra et al., NeurIPS 2011; Ozaki et al., JAIR 2022)."""
    return search.by(optuna.samplers.TPESampler(seed=search.seed, multivariate=True))


def nsga2(search: Search) -> Choose:
    """NSGA-II (Deb et al., IEEE Transactions on Evolutionary Computation 6, 2002)."""
    return search.by(optuna.samplers.NSGAIISampler(seed=search.seed))
