"""What the model as it is tells before anything is searched."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np

from autotune.config import Config
from autotune.errors import Fault, UserError
from autotune.results.outcome import Measured, Outcome, Refused
from autotune.study.evaluate import Evaluator
from autotune.study.instrument import Instrument
from autotune.targets.metric import ACCURACY, Metric
from autotune.targets.target import Target
from autotune.task.labels import class_numbers
from autotune.task.task import Task

TRIES = 2
"""How often a configuration may meet a fault before it is given up."""


def measured(
    config: Config,
    evaluator: Evaluator,
    instrument: Instrument,
    building: Callable[[], AbstractContextManager[None]],
    note: Callable[[str], None],
) -> Outcome:
    """The baseline, built, evaluated and measured; refused where it can't be run.

    Args:
        config: of the model as it is.
        evaluator: of the study.
        instrument: of the study.
        building: holds the device while that is built and evaluated.
        note: told of faults, and of a device that has changed.

    Raises:
        Fault: the device failed as often as it may.
    """
    for left in reversed(range(TRIES)):
        try:
            with building():
                evaluated = evaluator.evaluate(config)
            return evaluated if isinstance(evaluated, Refused) else anchored(evaluated, instrument, note)
        except Fault as error:
            if not left:
                raise
            note(f"the baseline: {error}; tried again")
    raise AssertionError("unreachable")


def anchored(evaluated: Measured, instrument: Instrument, note: Callable[[str], None]) -> Outcome:
    """The baseline with its latency as it is now.

    Raises:
        Fault: the device failed.
    """
    outcome, why = instrument.anchor(evaluated)
    if isinstance(outcome, Fault):
        raise outcome
    if why is not None:
        note(why)
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
    labels = class_numbers(task.data.validation.y, task.output)
    labels = labels[labels >= 0]  # the others don't count
    chance = float(np.unique(labels, return_counts=True)[1].max() / labels.size)
    if baseline.metrics[ACCURACY.key] > chance + baseline.certainty.standard_error:
        return None
    return (
        f"the model as it is scores {baseline.metrics[ACCURACY.key]:.1%}, no better than always naming "
        "one class: are the samples in the form (scaling, channels) that it was trained on?"
    )
