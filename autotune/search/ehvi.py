"""autotune's own search: the training comes next whose files are expected to move the front most for its work.

Expected hypervolume improvement (Emmerich et al., IEEE Transactions on Evolutionary Computation 10, 2006) over cost.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.config import Recipe
from autotune.ledger.asked import Asked
from autotune.search.acquisition import Acquisition
from autotune.search.search import Search
from autotune.search.surrogate import Features, Prediction

WEIGHED = 200
"""Trainings that are weighed against each other at most; drawn where there are more."""

OVERHEAD = 0.5
"""What a file costs besides its training (conversion, quantization, evaluation), in epochs of training."""


@dataclass(frozen=True)
class _Candidate:
    """A recipe that may be built, and the keys of its stages that train, in order, with their epochs."""

    recipe: Recipe
    trainings: dict[str, float]


class Ehvi:
    """Proposes trials by expected hypervolume improvement over cost."""

    def __init__(self, search: Search) -> None:
        """
        Args:
            search: what the study is about.
        """
        self._search = search
        self._ledger = search.ledger
        self._random = random.Random(search.seed)  # noqa: S311  # draws trials, not secrets
        every = {config.recipe.key: config.recipe for config in search.configs()}
        self._left = {key: _Candidate(recipe, self._trainings(recipe)) for key, recipe in every.items()}
        self._features = Features(every.values())
        self._evidence = search.gate.evidence
        self._quality = Prediction()
        self._download = Prediction()

    def __call__(self, under_way: Sequence[Recipe]) -> Asked | None:
        """A trial of the best recipe, None where all are tried or wait for a training that is under way."""
        self._left = {key: left for key, left in self._left.items() if key not in self._ledger.recipes}
        busy = {key for recipe in under_way for key in self._trainings(recipe) if not self._search.built(key)}
        groups: dict[str, list[_Candidate]] = defaultdict(list)
        for candidate in self._left.values():
            if not busy & candidate.trainings.keys():
                groups[next(reversed(candidate.trainings), "")].append(candidate)
        if not groups:
            return None
        drawn = sorted(groups) if len(groups) <= WEIGHED else self._random.sample(sorted(groups), WEIGHED)
        recipe = self._best([groups[key] for key in drawn])
        return None if recipe is None else self._search.ask(recipe)

    def _best(self, groups: Sequence[Sequence[_Candidate]]) -> Recipe | None:
        """The recipe that gains most by itself, of the group with the highest expected gain over cost.

        Only what meets the targets counts; where nothing is expected to, all that is not known to miss one.
        """
        record = self._ledger.begun()
        recipes = [candidate.recipe for group in groups for candidate in group]
        if not record.measured:
            return self._random.choice(recipes)  # there is nothing to learn from
        self._evidence.see(record)
        acquisition = Acquisition(record, self._evidence, recipes, self._features, self._quality, self._download)
        for meeting in (True, False):
            if not meeting:
                passes = self._search.gate.passes
                passing = ([candidate for candidate in group if passes(candidate.recipe)] for group in groups)
                groups = [group for group in passing if group]
                if not groups:
                    return None
            gains = [acquisition.gain([each.recipe for each in group], meeting=meeting) for group in groups]
            if max(gains) > 0:
                break
        order = [gain / self._cost(group[0]) for gain, group in zip(gains, groups, strict=True)]
        best = groups[order.index(max(order))]
        return max(
            (candidate.recipe for candidate in best), key=lambda recipe: acquisition.gain([recipe], meeting=meeting)
        )

    def _cost(self, candidate: _Candidate) -> float:
        """A candidate's cost in epochs of training."""
        return OVERHEAD + sum(epochs for key, epochs in candidate.trainings.items() if not self._search.built(key))

    def _trainings(self, recipe: Recipe) -> dict[str, float]:
        return {step.key: float(step.parameters.get("epochs", 1)) for step in self._search.steps(recipe) if step.trains}
