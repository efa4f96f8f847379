"""What is left of a cut layer's weights, fitted anew so that its outputs stay (He et al., arXiv:1707.06168).

Layer by layer, least squares from what the cut model gives to a layer, so far, to what the layer gave before the cut
and its activation. No labels are needed, and no training.
"""

from math import prod

import numpy as np

from autotune.compress.channels.graph import Call, Values, entered, last_uses
from autotune.compress.channels.groups import Groups, Labels
from autotune.compress.channels.moments import fitted_layers, rows_at, share_of, values_taken
from autotune.model.keras_types import KerasModel
from autotune.task.data import Array

MEMORY = 2**28
"""Bytes of what the two models give at any time, about; fewer samples where they would be more."""

RIDGE = 1e-3
"""Of the mean of the moments' diagonal: what pulls weights to what they were."""

BATCH_BYTES = 2**26
"""Of the values that a layer takes at all places of a batch, about."""


def refit(smaller: KerasModel, groups: Groups, removed: Labels, x: Array) -> None:
    """Fits the weights of a model that was cut, in place.

    Args:
        smaller: as surgery.without() gives it, with a bias in each layer that is fitted.
        groups: of the model that it was cut from.
        removed: labels of the channels that it lacks.
        x: inputs (n, *input shape), as the model takes them, in no order: the first are looked at.
    """
    x = x[: max(1, MEMORY // _bytes_of_a_sample(groups))]
    before = entered(groups.model.inputs, x)
    after: Values = dict(before)
    uses = last_uses(groups.calls)
    changed: set[int] = set()
    fitted = set(fitted_layers(groups))
    for number, call in enumerate(groups.calls):
        stays = np.isin(groups.made(call), removed, invert=True)
        if changed.isdisjoint(call.inputs) and stays.all():
            call.run(before)
            after |= {output: before[output] for output in call.outputs}
        else:
            if call.layer.name in fitted and not changed.isdisjoint(call.inputs):
                target = call.sums(before).numpy()[..., stays]
                _fit(call.of(smaller), np.asarray(after[call.inputs[0]]), target)
            else:
                call.run(before)
            call.of(smaller).run(after)
            changed.update(call.outputs)
        for tensor in [each for each in before if uses.get(each, -1) <= number]:
            del before[tensor], after[tensor]


def _bytes_of_a_sample(groups: Groups) -> int:
    """What the values of both models take that are needed at once, at most."""
    uses = last_uses(groups.calls)
    live: dict[int, int] = {}
    most = 1
    for number, call in enumerate(groups.calls):
        live |= {each: 8 * prod(shape) for each, shape in zip(call.inputs, call.shapes, strict=True)}
        live |= dict.fromkeys(call.outputs, 8 * prod(call.output_shape))
        most = max(most, sum(live.values()))
        live = {each: size for each, size in live.items() if uses.get(each, -1) > number}
    return most


def _fit(call: Call, taken: Array, target: Array) -> None:
    """Sets a layer's kernel and bias to those with which it gives the target (n, …, channels) for what it takes."""
    kernel, bias = call.layer.kernel.numpy(), call.layer.bias.numpy()
    count = values_taken(call)
    weights = np.append(kernel.reshape(count, -1), bias[np.newaxis], axis=0)
    moments, errors = _moments(call, taken, target, weights)
    moments[np.diag_indices(count)] += RIDGE * np.mean(np.diag(moments)[:count]) + 1e-9  # where all that it takes is 0
    weights += np.linalg.solve(moments, errors)
    call.layer.kernel.assign(weights[:count].reshape(kernel.shape))
    call.layer.bias.assign(weights[count])


def _moments(call: Call, taken: Array, target: Array, weights: Array) -> tuple[Array, Array]:
    """Sums over places drawn at random: of the products of what a layer multiplies by its kernel and bias (values + 1,
    values + 1), and of those with the errors of what these weights give (values + 1, channels).
    """
    share = share_of(call, len(taken))
    batch = max(1, BATCH_BYTES // (4 * prod(target.shape[1:-1]) * len(weights)))
    random = np.random.default_rng(0)
    moments, errors = np.zeros((len(weights), len(weights))), np.zeros(weights.shape)
    for start in range(0, len(taken), batch):
        rows, places = rows_at(call, taken[start : start + batch], share, random)
        outputs = target[start : start + batch].reshape(-1, target.shape[-1])[places]
        moments += rows.T @ rows
        errors += rows.T @ (outputs - rows @ weights)
    return moments, errors
