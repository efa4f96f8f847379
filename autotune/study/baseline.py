"""The model as it is: what it tells before anything is searched, and what all that is searched is held against."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np

from autotune.config import Config
from autotune.errors import Fault, Infeasible, UserError
from autotune.results.outcome import Measured, Outcome, Refused
from autotune.study.builder import Builder
from autotune.study.evaluate import Evaluator
from autotune.study.instrument import Instrument
from autotune.study.latency_cache import CHANGED
from autotune.targets.metric import ACCURACY, LATENCY, Metric
from autotune.targets.target import Target
from autotune.task.labels import class_numbers
from autotune.task.task import Task

TRIES = 2
"""How often a configuration may meet a fault before it is given up."""


class BaselineCheck:
    """The original model, converted and nothing else."""

    def __init__(
        self,
        builder: Builder,
        evaluator: Evaluator,
        instrument: Instrument,
        building: Callable[[], AbstractContextManager[None]],
        note: Callable[[str], None],
    ) -> None:
        """
        Args:
            builder: of the study.
            evaluator: of the study.
            instrument: of the study.
            building: holds the device while it is built and evaluated.
            note: told of faults, and of a device that has changed.
        """
        self._builder = builder
        self._evaluator = evaluator
        self._instrument = instrument
        self._building = building
        self._note = note

    def measure(self, config: Config) -> Outcome:
        """Builds it, evaluates it and measures it; refused where it can't be run.

        Args:
            config: of the model as it is.

        Raises:
            Fault: a worker or the device failed as often as it may.
        """
        faults = 0
        while True:
            try:
                with self._building():
                    evaluated = self._evaluator.evaluate(config)
                return evaluated if isinstance(evaluated, Refused) else self._anchored(evaluated)
            except Fault as error:
                faults += 1
                if faults == TRIES:
                    raise
                self._note(f"the baseline: {error}; tried again")

    def is_there(self, baseline: Measured) -> bool:
        """Whether its file is the one that was measured, also where it has to be built again for that.

        Raises:
            Fault: a worker failed.
        """
        if self._builder.has(baseline):
            return True
        try:
            with self._building():
                return self._builder.rebuild(baseline)
        except Infeasible:
            return False

    def has_changed(self, baseline: Measured) -> bool:
        """Whether the device is another than in an earlier run, by how long its file takes; notes it.

        Raises:
            Fault: the device failed.
        """
        outcome = self._anchored(baseline)
        before = baseline.metrics[LATENCY.key]
        now = outcome.metrics[LATENCY.key] if isinstance(outcome, Measured) else None
        if now is not None and not abs(now / before - 1) > CHANGED:
            return False
        change = "does not run any more" if now is None else f"takes {now / before:.2f} times as long as then"
        self._note(
            f"the baseline {change}: trials of earlier runs compare with new ones on the front alone, "
            "which is measured once more"
        )
        return True

    def _anchored(self, evaluated: Measured) -> Outcome:
        """The same with its latency as it is now."""
        outcome, reason = self._instrument.anchor(evaluated)
        if isinstance(outcome, Fault):
            raise outcome
        if reason is not None:
            self._note(reason)
        return outcome


def check_measurable(
    targets: Sequence[Target], objectives: Sequence[Metric], metrics: Mapping[str, float], device: str
) -> None:
    """Holds targets and objectives against what was measured of the baseline.

    Raises:
        UserError: one is on something that the device can't tell.
    """
    wanted = [(f"target {target.text!r}", target.metric) for target in targets]
    wanted += [(f"objective {metric.name}", metric) for metric in objectives]
    for what, metric in wanted:
        if metric.key not in metrics:
            raise UserError(f"{what}: device {device} can't measure {metric.name}")


def no_better_than_chance(task: Task, baseline: Measured) -> str | None:
    """A warning where the model only guesses, else None.

    Data in a form that the model was not trained on is the commonest mistake of all.
    """
    if task.quality != ACCURACY:
        return None
    labels = class_numbers(task.answers, task.output)
    labels = labels[labels >= 0]  # the others don't count
    chance = float(np.unique(labels, return_counts=True)[1].max() / labels.size)
    if baseline.metrics[ACCURACY.key] > chance + baseline.certainty.standard_error:
        return None
    return (
        f"the model as it is scores {baseline.metrics[ACCURACY.key]:.1%}, no better than always naming "
        "one class: are the samples in the form (scaling, channels) that it was trained on?"
    )
