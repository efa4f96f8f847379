"""Two samplers: any of Optuna's, and one that looks next to what is best so far."""

from collections.abc import Sequence

import optuna

from autotune.extend import Asked, Proposer, Recipe, Search


def nsga3(search: Search) -> Proposer:
    return search.by(optuna.samplers.NSGAIIISampler(seed=search.seed))


def neighbours(search: Search) -> Proposer:
    values = {config.recipe: set(config.recipe.canonical().items()) for config in search.configs()}

    def propose(under_way: Sequence[Recipe]) -> Asked | None:
        points = search.record().front().points
        best = [set(point.outcome.config.recipe.canonical().items()) for point in points]

        def distance(recipe: Recipe) -> int:
            return min((len(values[recipe] ^ other) for other in best), default=0)

        trials = map(search.ask, sorted(values, key=distance))
        return next(filter(None, trials), None)

    return propose
