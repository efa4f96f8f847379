"""Any sampler of Optuna, kept from proposing what was tried, or what is not to be."""

from collections.abc import Callable, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

Params = dict[str, Any]
"""A trial's values by the names of its dimensions, as Optuna has them."""


class NoRepeats(BaseSampler):
    """A sampler that proposes again by itself what is not new: a trial that is dropped costs a write for each value.

    Attributes:
        left: proposals until it is content with one that is not new.
    """

    def __init__(self, sampler: BaseSampler, is_new: Callable[[Params], bool], only: Params) -> None:
        """
        Args:
            sampler: that proposes.
            is_new: whether values were not proposed before; those of `only` may lack.
            only: values of dimensions that are not for the sampler to choose.
        """
        self._sampler = sampler
        self._is_new = is_new
        self._only = only
        self.left = 0

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See Optuna."""
        space = self._sampler.infer_relative_search_space(study, trial)
        return {name: distribution for name, distribution in space.items() if name not in self._only}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> Params:
        """See Optuna. Empty while values are still drawn one by one, at random."""
        while True:
            self.left -= 1
            params = self._sampler.sample_relative(study, trial, search_space)
            if self.left <= 0 or not params or self._is_new(params):
                return params

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # Any: as Optuna has it
        """See Optuna."""
        if param_name in self._only:
            return self._only[param_name]
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """See Optuna."""
        self._sampler.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """See Optuna."""
        self._sampler.after_trial(study, trial, state, values)
