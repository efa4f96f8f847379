"""What is left of a cut layer's weights, fitted anew so that its outputs stay (He et al., arXiv:1707.06168).

Layer by layer, least squares from what the cut model gives to a layer, so far, to what the layer gave before the cut
and its activation. No labels are needed, and no training.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from autotune.compress.channels.graph import Call, Values, last_uses
from autotune.compress.channels.groups import Groups, Labels
from autotune.model.keras_types import KerasLayer, KerasModel, KerasTensor
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

Rows = NDArray[np.float32]


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
    random = np.random.default_rng(0)
    for number, call in enumerate(groups.calls):
        layer = smaller.get_layer(call.layer.name)
        stays = np.isin(groups.made(call), removed, invert=True)
        if changed.isdisjoint(call.inputs) and stays.all():
            call.run(before)
            after |= {output: before[output] for output in call.outputs}
        else:
            changed.update(call.outputs)
            if call.kind in FITTED and not changed.isdisjoint(call.inputs):
                target = _linear(call, call.layer, before)
                _fit(call, layer, after[call.inputs[0]], tf.gather(target, np.flatnonzero(stays), axis=-1), random)
            else:
                call.run(before)
            call.run(after, layer)
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


def _linear(call: Call, layer: KerasLayer, values: Values) -> KerasTensor:
    """Adds what a call gives to values; what its layer gave before the activation is returned."""
    import tf_keras

    activation, layer.activation = layer.activation, tf_keras.activations.linear
    try:
        call.run(values)
    finally:
        layer.activation = activation
    output = values[call.outputs[0]]
    values[call.outputs[0]] = activation(output)
    return output


def _fit(call: Call, layer: KerasLayer, taken: KerasTensor, target: KerasTensor, random: np.random.Generator) -> None:
    """Sets a layer's kernel and bias to those with which it gives the target (n, …, channels) for what it takes."""
    kernel = layer.kernel.numpy()
    count = prod(kernel.shape[:-1])
    if count > LARGEST:
        return
    rows, outputs = _sampled(call, layer, taken, target, max(ROWS, 4 * count), random)
    if layer.bias is not None:
        rows = np.append(rows, np.ones((len(rows), 1), np.float32), axis=1)
        weights = np.append(kernel.reshape(count, -1), layer.bias.numpy()[np.newaxis], axis=0)
    else:
        weights = kernel.reshape(count, -1)
    moments = (rows.T @ rows).astype(np.float64)
    errors = (rows.T @ (outputs - rows @ weights)).astype(np.float64)
    moments[np.diag_indices(count)] += RIDGE * np.mean(np.diag(moments)[:count])
    weights = weights + np.linalg.solve(moments, errors).astype(np.float32)
    layer.kernel.assign(weights[:count].reshape(kernel.shape))
    if layer.bias is not None:
        layer.bias.assign(weights[count])


def _sampled(
    call: Call, layer: KerasLayer, taken: KerasTensor, target: KerasTensor, count: int, random: np.random.Generator
) -> tuple[Rows, Rows]:
    """At places drawn at random what a layer multiplies by its kernel (places, values), and the targets there."""
    outputs = np.reshape(target, (len(target), -1, target.shape[-1]))
    places = min(outputs.shape[1], -(-count // len(outputs)))
    chosen = np.array([random.permutation(outputs.shape[1])[:places] for _ in outputs])
    rows = [
        np.take_along_axis(
            np.reshape(_patches(call, layer, taken[index : index + 1]), (1, outputs.shape[1], -1)),
            chosen[index, np.newaxis, :, np.newaxis],
            1,
        )
        for index in range(len(outputs))
    ]
    return np.concatenate(rows, axis=1)[0], np.take_along_axis(outputs, chosen[..., np.newaxis], 1).reshape(
        -1, outputs.shape[-1]
    )


def _patches(call: Call, layer: KerasLayer, taken: KerasTensor) -> KerasTensor:
    """What a layer multiplies by its kernel at each place (n, …, values)."""
    import tensorflow as tf

    if call.kind == "Dense":
        return taken
    if call.kind == "Conv1D":
        if layer.padding == "causal":
            taken = tf.pad(taken, [[0, 0], [layer.dilation_rate[0] * (layer.kernel_size[0] - 1), 0], [0, 0]])
        taken = taken[:, :, tf.newaxis]
    pad = [1] * (2 - len(layer.kernel_size))
    sizes, strides, rates = ([1, *each, *pad, 1] for each in (layer.kernel_size, layer.strides, layer.dilation_rate))
    padding = "SAME" if layer.padding == "same" else "VALID"
    patches: KerasTensor = tf.image.extract_patches(taken, sizes, strides, rates, padding)
    return patches
