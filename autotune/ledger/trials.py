"""Optuna's trials: queued, asked for, added; and counted, since to ask Optuna for their number it looks at each."""

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from autotune.config import Value
from autotune.json_object import JsonObject
from autotune.space.space import Categorical, Dimension, Space


class Trials:
    """The trials of one study, which nobody else writes to.

    Attributes:
        before: how many there were at first.
    """

    def __init__(self, study: optuna.Study, space: Space) -> None:
        """Trials that were under way are queued once more.

        Args:
            study: it.
            space: what is sampled.
        """
        self._study = study
        self._distributions = {name: _distribution(dim) for name, dim in space.free().items()}
        trials = study.get_trials(deepcopy=False)
        self.before = self._count = len(trials)
        self._waiting = sum(trial.state == TrialState.WAITING for trial in trials)
        for trial in trials:
            if trial.state == TrialState.RUNNING:
                study.tell(trial.number, state=TrialState.FAIL)
                self.queue(trial.params)

    @property
    def queued(self) -> bool:
        """Whether any wait to be asked for."""
        return self._waiting > 0

    def queue(self, params: dict[str, Value]) -> None:
        """Has a trial of these values asked for, after those that are queued already."""
        self._study.enqueue_trial(params)
        self._count += 1
        self._waiting += 1

    def ask(self, sampler: BaseSampler) -> optuna.Trial:
        """The trial that was queued first, else a new one.

        Args:
            sampler: of the values of a new one.
        """
        self._study.sampler = sampler
        trial = self._study.ask(self._distributions)
        if trial.number < self._count:
            self._waiting -= 1
        else:
            self._count += 1
        return trial

    def add(
        self,
        params: dict[str, Value],
        state: TrialState,
        attributes: JsonObject,
        values: list[float] | None = None,
        constraints: dict[str, float] | None = None,
    ) -> FrozenTrial:
        """A trial that nobody asked for.

        Args:
            params: its values of the dimensions.
            state: in which it ended.
            attributes: of the user, kept with it.
            values: of the objectives, None where it has none.
            constraints: by name, above 0 where violated.
        """
        trial = optuna.trial.create_trial(
            state=state,
            params=params,
            distributions=self._distributions,
            user_attrs=attributes,
            values=values,
            constraints=constraints,
        )
        self._study.add_trial(trial)
        trial.number = self._count
        self._count += 1
        return trial


def _distribution(dim: Dimension) -> BaseDistribution:
    if isinstance(dim, Categorical):
        return CategoricalDistribution(dim.values)
    if isinstance(dim.low, int):
        return IntDistribution(int(dim.low), int(dim.high), log=dim.log, step=1 if dim.log else int(dim.step or 1))
    return FloatDistribution(dim.low, dim.high, log=dim.log, step=dim.step)
