"""What a layer multiplies by its kernel, at places drawn at random: what least squares are made of."""

from math import prod

import numpy as np

from autotune.compress.channels.graph import Call
from autotune.compress.channels.groups import Groups, Labels
from autotune.task.data import Array

FITTED = frozenset(("Conv1D", "Conv2D", "Dense"))
"""Kinds of layers whose weights can be fitted."""

LARGEST = 5_000
"""Values that a fitted layer takes at one place at most; moments are of the square of that."""

ROWS = 20_000
"""Places that are looked at; four for each value that a layer takes where that is more."""


def fitted_layers(groups: Groups) -> list[str]:
    """Names of a model's layers whose weights can be fitted: they are called once, all their outputs take the same
    values, and these are no more than LARGEST.
    """
    names = [call.layer.name for call in groups.calls]
    return [
        call.layer.name
        for call in groups.calls
        if call.kind in FITTED
        and getattr(call.layer, "groups", 1) == 1
        and names.count(call.layer.name) == 1
        and values_taken(call) <= LARGEST
    ]


def biases_behind(groups: Groups, removed: Labels, bias: float) -> dict[str, Array]:
    """What surgery.without() adds to the biases of the layers that are fitted when channels go, so that each has one.

    Args:
        groups: of the model.
        removed: labels of the channels that go.
        bias: of each channel; the converter leaves out what is 0.

    Returns:
        By a layer's name (channels,).
    """
    fitted = fitted_layers(groups)
    changed: set[int] = set()
    biases = {}
    for call in groups.calls:
        behind = not changed.isdisjoint(call.inputs)
        if behind and call.layer.name in fitted:
            biases[call.layer.name] = np.full(call.output_shape[-1], bias)
        if behind or np.isin(groups.made(call), removed).any():
            changed.update(call.outputs)
    return biases


def values_taken(call: Call) -> int:
    """Number of the values that a layer multiplies by its kernel at one place."""
    return prod(call.layer.kernel.shape[:-1])


def rows_at(call: Call, taken: Array, share: float, random: np.random.Generator) -> tuple[Array, Array]:
    """What a layer multiplies by its kernel and its bias at places drawn at random.

    Args:
        call: of the layer.
        taken: what it takes (n, …, channels).
        share: of the places that are drawn.
        random: draws them.

    Returns:
        The values (places, values + 1), of which the last is 1, and the numbers of the places (places,) among all.
    """
    rows = patches(call, taken).reshape(-1, values_taken(call))
    places = random.choice(len(rows), max(1, min(len(rows), round(share * len(rows)))), replace=False)
    return np.append(rows[places], np.ones((len(places), 1), np.float32), axis=1), places


def share_of(call: Call, samples: int) -> float:
    """The share of the places of so many samples at which a layer is looked at."""
    return max(ROWS, 4 * values_taken(call)) / (samples * prod(call.output_shape[:-1]))


def patches(call: Call, taken: Array) -> Array:
    """What a layer multiplies by its kernel (n, …, values) at each place of what it takes (n, …, channels)."""
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
