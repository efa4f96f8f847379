"""What is left of a cut layer's weights, fitted anew so that its outputs stay (He et al., arXiv:1707.06168).

Layer by layer, least squares from what the cut model gives to a layer, so far, to what the layer gave before the cut
and its activation. No labels are needed, and no training.
"""

from collections import Counter
from math import prod

import numpy as np

from autotune.compress.channels.graph import Call, Values, last_uses
from autotune.compress.channels.groups import Groups, Labels
from autotune.model.keras_types import KerasModel
from autotune.task.data import Array

FITTED = frozenset(("Conv1D", "Conv2D", "Dense"))
"""Layers that are fitted; others have what is left of their weights."""

SAMPLES = 512
"""That are looked at, at most."""

MEMORY = 2**28
"""Bytes of what the two models give at any time, about; fewer samples where they would be more."""

ROWS = 20_000
"""Places at which a layer's outputs are fitted; where it takes more than a quarter as many values, four for each."""

LARGEST = 6_000
"""Values that a layer takes at one place at most; their moments, of which there are the square, fit into memory."""

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
        x: inputs (n, *input shape), as the model takes them.
    """
    import tensorflow as tf

    x = x[: max(1, min(SAMPLES, MEMORY // _bytes_of_a_sample(groups)))]
    before: Values = {groups.entry: tf.constant(x)}
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
                target = _linear(call, before)[..., stays]
                _fit(call.of(smaller), np.array(after[call.inputs[0]]), target)
            else:
                call.run(before)
            call.of(smaller).run(after)
            changed.update(call.outputs)
        for tensor in [each for each in before if uses.get(each, -1) <= number]:
            del before[tensor], after[tensor]


def fitted_layers(groups: Groups) -> list[str]:
    """Names of the layers of a model that refit() fits."""
    times = Counter(call.layer.name for call in groups.calls)
    return [call.layer.name for call in groups.calls if call.kind in FITTED and times[call.layer.name] == 1]


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


def _linear(call: Call, values: Values) -> Array:
    """Adds what a call gives to values; what its layer gave before the activation (n, …, channels) is returned."""
    import tf_keras

    activation, call.layer.activation = call.layer.activation, tf_keras.activations.linear
    try:
        call.run(values)
    finally:
        call.layer.activation = activation
    output = values[call.outputs[0]]
    values[call.outputs[0]] = activation(output)
    return np.asarray(output)


def _fit(call: Call, taken: Array, target: Array) -> None:
    """Sets a layer's kernel and bias to those with which it gives the target (n, …, channels) for what it takes."""
    kernel, bias = call.layer.kernel.numpy(), call.layer.bias.numpy()
    count = prod(kernel.shape[:-1])
    if count > LARGEST:
        return
    weights = np.append(kernel.reshape(count, -1), bias[np.newaxis], axis=0)
    moments, errors = _moments(call, taken, target, weights, max(ROWS, 4 * count))
    moments[np.diag_indices(count)] += RIDGE * np.mean(np.diag(moments)[:count])
    weights += np.linalg.solve(moments, errors)
    call.layer.kernel.assign(weights[:count].reshape(kernel.shape))
    call.layer.bias.assign(weights[count])


def _moments(call: Call, taken: Array, target: Array, weights: Array, rows: int) -> tuple[Array, Array]:
    """Sums over places drawn at random: of the products of what a layer's weights, and its bias, are multiplied by
    (values, values), and of their products with the errors of what it gives (values, channels).
    """
    places = prod(target.shape[1:-1])
    share = min(places, -(-rows // len(taken)))
    batch = max(1, BATCH_BYTES // (4 * places * len(weights)))
    random = np.random.default_rng(0)
    moments, errors = np.zeros((len(weights), len(weights))), np.zeros(weights.shape)
    for start in range(0, len(taken), batch):
        patches = _patches(call, taken[start : start + batch]).reshape(-1, len(weights) - 1)
        outputs = target[start : start + batch].reshape(-1, target.shape[-1])
        chosen = random.choice(len(outputs), len(outputs) * share // places, replace=False)
        inputs = np.append(patches[chosen], np.ones((len(chosen), 1), np.float32), axis=1)
        moments += inputs.T @ inputs
        errors += inputs.T @ (outputs[chosen] - inputs @ weights)
    return moments, errors


def _patches(call: Call, taken: Array) -> Array:
    """What a layer multiplies by its kernel at each place (n, …, values)."""
    import tensorflow as tf

    layer = call.layer
    if call.kind == "Dense":
        return taken
    if call.kind == "Conv1D":
        if layer.padding == "causal":
            before = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
            taken = np.pad(taken, [(0, 0), (before, 0), (0, 0)])
        taken = taken[:, :, np.newaxis]
    one = [1] * (2 - len(layer.kernel_size))
    sizes, strides, rates = ([1, *each, *one, 1] for each in (layer.kernel_size, layer.strides, layer.dilation_rate))
    padding = "SAME" if layer.padding == "same" else "VALID"
    return np.asarray(tf.image.extract_patches(taken, sizes, strides, rates, padding))
