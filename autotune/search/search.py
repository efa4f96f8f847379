"""What a study is about, as its sampler sees it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.config import Config, Recipe
from autotune.ledger.asked import Asked

if TYPE_CHECKING:  # a plug-in that is no sampler imports its types, too, and does without Optuna
    from optuna.samplers import BaseSampler

    from autotune.compress.pipeline import Step
    from autotune.ledger.ledger import Ledger
    from autotune.results.record import Begun
    from autotune.search.feasibility import Gate
    from autotune.space.space import Space

Proposer = Callable[[Sequence[Recipe]], Asked | None]
"""Given what is being built, a new trial; None where there is none (now). Asked again after each outcome."""

DRAWN = 5000
"""Configurations to choose among where the space has too many to look at each."""


@dataclass(frozen=True)
class Search:
    """What a study is about, for a sampler. A plug-in is a function Search -> Proposer (entry point autotune.samplers).

    Attributes:
        ledger: of the study; makes the trials, by ask_for(), or by ask() after sample_by() was given a
            sampler of Optuna.
        space: that may be tried.
        steps: a recipe's stages.
        built: whether there is a stage's artifact already, by its key.
        gate: knows what misses a target whatever it learns; such proposals are not built.
        seed: of whatever is drawn; another one in each run of a study.
    """

    ledger: "Ledger"
    space: "Space"
    steps: "Callable[[Recipe], Sequence[Step]]"
    built: Callable[[str], bool]
    gate: "Gate"
    seed: int

    def by(self, sampler: "BaseSampler") -> Proposer:
        """What a sampler of Optuna proposes, kept from proposing a recipe twice."""
        self.ledger.sample_by(sampler)
        return lambda _: self.ledger.ask()

    def ask(self, recipe: Recipe) -> Asked | None:
        """A trial of a recipe on the first runtime that it may have; None where it has none, or was tried."""
        if self.ledger.tried(recipe):
            return None
        trials = (self.ledger.ask_for(Config(recipe, runtime)) for runtime in self.space.runtimes())
        return next(filter(None, trials), None)

    def record(self) -> "Begun":
        """All that came of the trials so far: points with their outcomes, refused ones too, and the front."""
        return self.ledger.begun()

    def configs(self) -> list[Config]:
        """All that may be tried, or 5000 of them (DRAWN) where they are too many to look at each."""
        return self.ledger.every(DRAWN)


Sampler = Callable[[Search], Proposer]
"""A sampler: of what a study is about, it makes what proposes its trials."""
