"""Channels that change nothing beyond float rounding, and the model without them.

A channel is dead where every layer that sums over channels either ignores it or is given a constant in its place; what
the constant gives then goes into that layer's bias. Constants come from layers whose weights for a channel are
rounding noise. They are followed through what treats each channel alone by running it, since padding adds to them at
borders.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotune.compress.channels.graph import Call, Values
from autotune.compress.channels.groups import Groups, Labels, groups_of
from autotune.compress.channels.kinds import DEPTHWISE, MERGING, PASSING, RESHAPING, WIDTHS, kind_of, mixes, obstacle
from autotune.compress.channels.surgery import without
from autotune.task.data import Array

NOISE = 1e-6
"""Of a layer's largest weight: what is smaller is rounding noise."""


@dataclass(frozen=True)
class Dead:
    """Channels of a model that change nothing.

    Attributes:
        labels: of them.
        biases: by the name of a layer behind them what is to be added to its bias (channels,).
    """

    labels: Labels
    biases: dict[str, Array]


def dead_channels(groups: Groups) -> Dead:
    """Finds them; of each group one channel stays at least.

    Args:
        groups: of a model.
    """
    constants = _Constants(groups)
    summing = [call for call in groups.calls if kind_of(call) in WIDTHS and _follows(call)]
    alive = set[int]()
    for call in summing:
        labels = groups.taken(call)
        alive.update(labels[~constants.spared(call)].tolist())
    gone = np.array(
        [
            label
            for group in groups.groups
            for label in group.labels[int(alive.isdisjoint(group.labels.tolist())) :].tolist()
            if label not in alive
        ],
        np.int64,
    )
    biases = {call.layer.name: constants.given(call, np.isin(groups.taken(call), gone)) for call in summing}
    return Dead(gone, {name: bias for name, bias in biases.items() if bias.any()})


def without_dead(groups: Groups, excluded: tuple[str, ...] = ()) -> Groups:
    """Those of the model without channels that change nothing, and without those that then change nothing either.

    Args:
        groups: of a model.
        excluded: as groups_of() took it.
    """
    dead = dead_channels(groups)
    while dead.labels.size:
        groups = groups_of(without(groups, dead.labels, dead.biases), excluded)
        dead = dead_channels(groups)
    return groups


class _Constants:
    """Which channels of which tensors are the same number everywhere, whatever the input is."""

    def __init__(self, groups: Groups) -> None:
        self._calls = groups.calls
        self._times = Counter(id(call.layer) for call in groups.calls)
        self._values: Values = {}  # (1, *shape), 0 where nothing is known
        self._known: dict[int, NDArray[np.bool_]] = {}  # by channel
        for tensor in groups.model.inputs:
            self._unknown(id(tensor), tuple(tensor.shape[1:]))
        for call in groups.calls:
            self._follow(call)

    def spared(self, call: Call) -> NDArray[np.bool_]:
        """Which of the channels that a summing layer takes it can do without."""
        largest = self._largest(call)
        ignored = largest.max(axis=1, initial=0) <= NOISE * largest.max(initial=0)
        constant = self._known[call.inputs[0]]
        if not _is_absorbing(call) or self._times[id(call.layer)] > 1:
            constant = constant & (self._constant(call.inputs[0]) == 0)
        return np.asarray(ignored | constant)

    def given(self, call: Call, gone: NDArray[np.bool_]) -> Array:
        """What the constants among some channels that a summing layer takes give to its outputs (channels,)."""
        _, sums = _matrices(call)
        return np.asarray(np.where(gone & self._known[call.inputs[0]], self._constant(call.inputs[0]), 0) @ sums)

    def _constant(self, tensor: int) -> Array:
        """What a tensor holds (channels,), 0 where it is no constant."""
        values: Array = np.array(self._values[tensor])
        return np.asarray(values.reshape(-1, values.shape[-1])[0])

    def _unknown(self, tensor: int, shape: tuple[int, ...]) -> None:
        import tensorflow as tf

        self._values[tensor] = tf.zeros((1, *shape))
        self._known[tensor] = np.zeros(shape[-1:] or 1, bool)

    def _follow(self, call: Call) -> None:
        """Adds what a call gives; a channel of several values is no constant."""
        import tensorflow as tf

        kind = kind_of(call)
        known = self._passed(call, kind) if _follows(call) and not mixes(call) else None
        if known is None:
            for output, shape in zip(call.outputs, call.output_shapes, strict=True):
                self._unknown(output, shape)
            return
        (output,) = call.outputs
        if kind in WIDTHS:
            self._values[output] = tf.constant(_without_inputs(call))
        else:
            call.run(self._values)
        values = np.reshape(self._values[output], (-1, call.output_shape[-1]))
        known = known & (np.ptp(values, axis=0) <= NOISE * np.abs(values).max(axis=0))
        self._known[output] = known
        self._values[output] = self._values[output] * known

    def _passed(self, call: Call, kind: str) -> NDArray[np.bool_] | None:
        """Which channels of a call's output are constant if they are the same at all places; None where none are."""
        known = [self._known[tensor] for tensor in call.inputs]
        width = call.output_shape[-1]
        if kind in WIDTHS:
            largest = self._largest(call)
            return np.asarray(largest.max(axis=0) <= NOISE * largest.max())
        if kind in DEPTHWISE:
            kernel = np.abs(call.layer.depthwise_kernel.numpy())
            noise = kernel.max(axis=tuple(range(kernel.ndim - 2))) <= NOISE * kernel.max()
            return np.asarray(np.repeat(known[0], width // len(known[0])) | noise.reshape(-1))
        if kind == "BatchNormalization":
            if any(kind_of(each) in WIDTHS and self._normalisation(each) is call for each in self._calls):
                return known[0]  # what is noise behind both
            gain = np.abs(_gain(call))
            return np.asarray(known[0] | (gain <= NOISE * gain.max()))
        if kind == "Multiply":
            zeros = [each & (self._constant(tensor) == 0) for tensor, each in zip(call.inputs, known, strict=True)]
            return np.asarray(np.all(np.broadcast_arrays(*known), axis=0) | np.any(np.broadcast_arrays(*zeros), axis=0))
        if kind in MERGING:
            return np.asarray(np.all(np.broadcast_arrays(*known), axis=0))
        if kind in RESHAPING | {"Concatenate"}:
            return self._moved(call, known)
        return known[0] if kind in PASSING else None

    def _moved(self, call: Call, known: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """What is known of a reshaped or concatenated output: the layer moves this as it moves values."""
        import tensorflow as tf

        flags: Values = {
            tensor: tf.broadcast_to(tf.constant(each, tf.float32), (1, *shape))
            for tensor, each, shape in zip(call.inputs, known, call.shapes, strict=True)
        }
        call.run(flags)
        return np.asarray(np.reshape(flags[call.outputs[0]], (-1, call.output_shape[-1])).min(axis=0) == 1)

    def _largest(self, call: Call) -> Array:
        """As _matrices() has it, behind the batch normalisation."""
        largest, _ = _matrices(call)
        return np.asarray(largest * self._gain(call))

    def _gain(self, call: Call) -> Array:
        """By what the batch normalisation behind a layer multiplies (channels,); 1 where there is none."""
        normalisation = self._normalisation(call)
        return np.ones(call.output_shape[-1]) if normalisation is None else np.abs(_gain(normalisation))

    def _normalisation(self, call: Call) -> Call | None:
        """The batch normalisation that alone takes what a layer gives."""
        users = [each for each in self._calls if call.outputs[0] in each.inputs]
        alone = len(users) == 1 and self._times[id(call.layer)] == 1
        return users[0] if alone and users[0].kind == "BatchNormalization" and _follows(users[0]) else None


def _follows(call: Call) -> bool:
    """Whether channels can be followed through a call."""
    return obstacle(call) is None


def _is_absorbing(call: Call) -> bool:
    """Whether a constant that a summing layer takes gives the same at all places, at borders too."""
    size = np.prod(getattr(call.layer, "kernel_size", 1))
    transposed = call.kind.endswith("Transpose")
    return call.kind == "Dense" or (not transposed and bool(size == 1 or call.layer.padding == "valid"))


def _matrices(call: Call) -> tuple[Array, Array]:
    """Of a summing layer's weights from each channel that it takes to each that it gives (inputs, outputs): the
    largest, without their signs, and the sum.
    """
    layer = call.layer
    if call.kind.startswith("Separable"):
        depthwise, pointwise = (weight.numpy() for weight in (layer.depthwise_kernel, layer.pointwise_kernel))
        taps = depthwise.reshape(-1, *depthwise.shape[-2:])
        pointwise = pointwise.reshape(*taps.shape[1:], -1)
        each = np.abs(taps).max(axis=0)[..., np.newaxis] * np.abs(pointwise)
        return each.max(axis=1), np.einsum("tim,imo->io", taps, pointwise)
    kernel = layer.kernel.numpy()
    taps = kernel.reshape(-1, *kernel.shape[-2:])
    if call.kind.endswith("Transpose"):
        taps = np.swapaxes(taps, 1, 2)
    return np.abs(taps).max(axis=0), taps.sum(axis=0)


def _without_inputs(call: Call) -> Array:
    """What a summing layer gives (1, *shape) where its weights are 0."""
    import tensorflow as tf

    bias = tf.zeros(call.output_shape[-1:]) if call.layer.bias is None else call.layer.bias
    return np.broadcast_to(call.layer.activation(bias[tf.newaxis]), (1, *call.output_shape))


def _gain(call: Call) -> Array:
    """By what a batch normalisation multiplies each channel (channels,)."""
    normalisation = call.layer
    factor = normalisation.gamma if normalisation.scale else 1.0
    return np.array(factor / np.sqrt(normalisation.moving_variance + normalisation.epsilon))
