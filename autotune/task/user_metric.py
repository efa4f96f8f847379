"""Metrics that are functions of the user's own. They import the user's file: for workers."""

import inspect

import numpy as np

from autotune.errors import UserError
from autotune.results.significance import normal
from autotune.task import user_code
from autotune.task.data import Array
from autotune.task.score import Score, mean_of, resampled, shares

INPUTS = "inputs"
"""A third parameter of this name gets them though it has a default; any other only without one."""


def score_with(scorer: str, outputs: Array, labels: Array, inputs: Array, groups: Array | None = None) -> Score:
    """What the user's metric says of a model's outputs.

    Args:
        scorer: FILE.py:FUNCTION. It is called as FUNCTION(labels, outputs), or FUNCTION(labels, outputs, inputs) where
            it takes three, and returns a number, or one for each sample, (n,). Then it is called this once; else for
            each resample, too, see score.resampled().
        outputs: (n, *output shape), float32.
        labels: (n, …), as Split.y.
        inputs: (n, *input shape), as Split.x.
        groups: as Split.groups.

    Returns:
        Of the number or mean; nothing is known of its bounds, save where each sample is 0 or 1.

    Raises:
        UserError: there is no such function, it fails, or it returns something else.
    """
    each = _finite(scorer, labels, outputs, inputs)
    if each.ndim == 0:

        def of_some(some: Array) -> float:
            return float(_called(scorer, labels[some], outputs[some], inputs[some]))

        return resampled(of_some, float(each), len(labels), groups, None)
    if np.isin(each, (0, 1)).all():
        return shares(each.astype(bool), groups)
    return mean_of(each, groups, lambda value, error, _: normal(value, error, None, None))


def value_with(scorer: str, outputs: Array, labels: Array, inputs: Array) -> float:
    """The number or mean alone, by one call. Arguments and errors are those of score_with()."""
    return float(_finite(scorer, labels, outputs, inputs).mean())


def _finite(scorer: str, labels: Array, outputs: Array, inputs: Array) -> Array:
    """The user's scores, which have to be finite.

    Raises:
        UserError: as score_with().
    """
    value = _called(scorer, labels, outputs, inputs)
    if not np.isfinite(value).all():
        raise UserError(f"{scorer}: returned NaN or infinity")
    return value


def _called(scorer: str, labels: Array, outputs: Array, inputs: Array) -> Array:
    """What the user's function gives.

    Raises:
        UserError: as score_with().
    """
    arguments = (labels, outputs, inputs) if _takes_inputs(user_code.function(scorer)) else (labels, outputs)
    returned = user_code.call(scorer, *arguments)
    with user_code.guarded(scorer):
        value = np.asarray(returned, float)
    if value.shape not in ((), (len(labels),)):
        raise UserError(f"{scorer}: returned an array of shape {value.shape}, not a number or one for each sample")
    return value


def _takes_inputs(function: user_code.Function) -> bool:
    """Whether the third parameter is for the inputs; one that has a default of its own is an option of the metric's."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # some that are written in C don't tell
        return False
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 2 and (positional[2].default is inspect.Parameter.empty or positional[2].name == INPUTS)
