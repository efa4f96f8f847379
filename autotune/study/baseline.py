"""What the model as it is tells before anything is searched."""

from collections.abc import Mapping, Sequence

import numpy as np

from autotune.data import one_hot
from autotune.errors import UserError
from autotune.outcome import Outcome
from autotune.target import ACCURACY, Target
from autotune.task import Task


def check_measurable(targets: Sequence[Target], metrics: Mapping[str, float], device: str) -> None:
    """Holds the targets against what was measured of the baseline.

    Raises:
        UserError: one is on something that the device can't tell.
    """
    for target in targets:
        if target.metric.key not in metrics:
            raise UserError(f"target {target.text!r}: device {device} can't measure {target.metric.name}")


def no_better_than_chance(task: Task, baseline: Outcome) -> str | None:
    """A warning where the model only guesses, else None.

    Data in a form that the model was not trained on is the commonest mistake of all.
    """
    if task.quality != ACCURACY:
        return None
    labels = task.data.validation.y
    labels = labels.argmax(axis=-1) if one_hot(labels) else labels
    chance = float(np.unique(labels, return_counts=True)[1].max() / labels.size)
    if baseline.metrics[ACCURACY.key] > chance + baseline.facts["standard_error"]:
        return None
    return (
        f"the model as it is scores {baseline.metrics[ACCURACY.key]:.1%}, no better than always naming "
        "one class: are the samples in the form (scaling, channels) that it was trained on?"
    )
