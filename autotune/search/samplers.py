"""Samplers, as --sampler names them: each makes of what a study is about the function that proposes its trials."""

from collections.abc import Callable, Sequence

import optuna

from autotune.config import Recipe
from autotune.search.ehvi import Ehvi
from autotune.search.search import Proposer, Search


def ehvi(search: Search) -> Proposer:
    """Expected hypervolume improvement over cost: autotune's own."""
    return Ehvi(search)


def grid(search: Search) -> Proposer:
    """One after the other, in the order of the space."""
    return these([config.recipe for config in search.configs()])(search)


def these(recipes: Sequence[Recipe]) -> Callable[[Search], Proposer]:
    """Nothing but these, one after the other."""

    def sampler(search: Search) -> Proposer:
        left = iter(recipes)
        return lambda _: next(filter(None, map(search.ask, left)), None)

    return sampler


def drawn(search: Search) -> Proposer:
    """Evenly at random."""
    return lambda _: search.ledger.draw()


def tpe(search: Search) -> Proposer:
    """Multivariate TPE with constraints (Bergstra et al., NeurIPS 2011; Ozaki et al., JAIR 2022)."""
    return search.by(optuna.samplers.TPESampler(seed=search.seed, multivariate=True))


def nsga2(search: Search) -> Proposer:
    """NSGA-II (Deb et al., IEEE Transactions on Evolutionary Computation 6, 2002)."""
    return search.by(optuna.samplers.NSGAIISampler(seed=search.seed))
