"""Samplers, as --sampler names them: each makes of what a study is about the function that proposes its trials."""

from collections.abc import Callable, Sequence

import optuna

from autotune.config import Recipe
from autotune.search.ehvi import Ehvi
from autotune.search.search import Choose, Search


def ehvi(search: Search) -> Choose:
    """Expected hypervolume improvement over cost: autotune's own."""
    return Ehvi(search)


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
