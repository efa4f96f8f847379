"""How much each channel matters to what a model gives, when the weights behind are fitted to what stays.

Channels of a group are taken out one after another, always the one whose loss costs least. What it costs is the error
that least squares leave in what the layers behind give: the optimal brain surgeon's, of all weights of a channel at
once (Kurtic et al., ZipLM, arXiv:2302.04089). Errors of different layers are compared by what they do to the model's
outputs: the Fisher information of the divergence from them, for which no labels are needed, and the divergence itself
with half of a group's channels. What can't be fitted counts by first-order Taylor (Molchanov et al., arXiv:1906.10771)
in the same unit. docs/decisions/032 compares.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from autotune.compress.channels.graph import Call, Values, entered, last_uses
from autotune.compress.channels.groups import Group, Groups
from autotune.compress.channels.kinds import WIDTHS, kind_of
from autotune.compress.channels.moments import fitted_layers, rows_at, share_of, values_taken
from autotune.compress.distillation import softened
from autotune.model.keras_types import KerasTensor
from autotune.task.data import Array
from autotune.task.losses import BINARY, Loss, of_outputs

BATCH = 32
"""Samples whose activations are held at once, at most."""

MEMORY = 2**29
"""Bytes of these activations and of their gradients, about; fewer samples where they would be more."""

PROBES = 4
"""Random sums of the outputs whose gradients are taken."""

TRIED = 128
"""Samples on which half of a group is tried."""

STEPS = 64
"""In which the channels of a group go, at most."""

TELLING = 0.01
"""Of what all channels of a group cost: of a half that costs less the divergence says nothing about the others."""

CONSTANT = 1e-6
"""Of a channel's mean square: a smaller variance is rounding noise of float32 sums."""

RIDGE = 1e-3
"""Of the mean of the moments' diagonal, which is added to it."""


def importance(groups: Groups, x: Array, loss: str) -> dict[str, list[float]]:
    """The importance of each channel.

    Args:
        groups: of a model.
        x: inputs (n, *input shape), as the model takes them, in no order: some are looked at more closely.
        loss: as TrainingData.loss: says what the outputs are.

    Returns:
        By a group's name those of its channels, 0 or more, in the unit of the outputs' divergence: what it costs that
        the channel goes behind all that are less important. Comparable throughout the model.
    """
    readers = _readers(groups, len(x))
    random = np.random.default_rng(0)
    batch = max(1, min(BATCH, MEMORY // _bytes_of_a_sample(groups, readers.values())))
    for start in range(0, len(x), batch):
        _look(groups, readers, x[start : start + batch], loss, random)
    for reader in readers.values():
        reader.sensitivity /= PROBES * len(x)
        reader.changes /= PROBES * len(x)
    trial = _Trial(groups, x[:TRIED], loss, batch)
    return {group.name: _costs(groups, group, readers.values(), trial) for group in groups.groups}


@dataclass
class _Reader:
    """A call that reads channels, and what was seen of it.

    Attributes:
        call: of a layer.
        share: of places that are looked at; 0 where it can't be fitted.
        moments: sums of products of the values that it multiplies by its kernel and bias (values + 1, values + 1).
        sensitivity: by what it gives (channels,), the divergence of the model's outputs for a squared error of 1.
        changes: by what it takes (channels,), the divergence where a channel is at its mean; 0 where it can be fitted.
        sums: of what it takes (channels,), at all places seen so far; likewise.
        places: their number.
    """

    call: Call
    share: float
    moments: Array
    sensitivity: Array
    changes: Array
    sums: Array
    places: int = 0

    def look(self, taken: KerasTensor, random: np.random.Generator) -> None:
        """Adds the moments of what the layer takes (n, …, channels), or only their sums where it can't be fitted."""
        if self.share:
            rows, _ = rows_at(self.call, taken.numpy(), self.share, random)
            self.moments += rows.T @ rows
        else:
            channels = taken.numpy().reshape(-1, taken.shape[-1])
            self.sums += channels.sum(axis=0)
            self.places += len(channels)

    def weigh(self, values: Array, gradients: Array) -> None:
        """Adds what a random sum of the model's outputs says: its gradients by what the layer gives before its
        activation, or takes where it can't be fitted (n, …, channels).
        """
        if self.share:
            self.sensitivity += np.square(gradients).reshape(-1, gradients.shape[-1]).sum(axis=0)
        else:
            changes = (gradients * (values - self.sums / self.places)).sum(axis=tuple(range(1, values.ndim - 1)))
            self.changes += np.square(changes).sum(axis=0)


def _readers(groups: Groups, samples: int) -> dict[int, _Reader]:
    """By what it gives, which no other call does, each call that sums over channels which can be cut."""
    fitted = set(fitted_layers(groups))
    readers = {}
    for call in groups.calls:
        if kind_of(call) in WIDTHS and groups.of_label.keys() & groups.taken(call).tolist():
            fits = call.layer.name in fitted
            size = values_taken(call) + 1 if fits else 0
            readers[call.outputs[0]] = _Reader(
                call,
                share_of(call, samples) if fits else 0.0,
                np.zeros((size, size), np.float32),
                np.zeros(call.output_shape[-1]),
                np.zeros(call.shapes[0][-1]),
                np.zeros(call.shapes[0][-1]),
            )
    return readers


def _bytes_of_a_sample(groups: Groups, readers: Iterable[_Reader]) -> int:
    """What _look() holds of one: what all layers give, with gradients, and what the largest reader is fitted by."""
    given = sum(prod(shape) for call in groups.calls for shape in call.output_shapes)
    rows = (prod(reader.call.output_shape[:-1]) * values_taken(reader.call) for reader in readers if reader.share)
    return 4 * (2 * given + max(rows, default=0))


def _look(groups: Groups, readers: dict[int, _Reader], x: Array, loss: str, random: np.random.Generator) -> None:
    """Adds what is seen on some samples (n, *input shape) to that of the readers."""
    import tensorflow as tf

    values = entered(groups.model.inputs, x)
    watched: dict[int, KerasTensor] = {}
    with tf.GradientTape(persistent=True) as tape:
        for call in groups.calls:
            reader = readers.get(call.outputs[0])
            if reader is None:
                call.run(values)
                continue
            taken = values[call.inputs[0]]
            reader.look(taken, random)
            tape.watch(taken)
            if reader.share:
                watched[call.outputs[0]] = call.sums(values)
            else:
                watched[call.outputs[0]] = taken
                call.run(values)
        outputs = _all_distances([values[exit_] for exit_ in groups.exits], loss)
        signs = random.choice(np.array([-1, 1], np.float32), (PROBES, *outputs.shape))
        probes = [tf.reduce_sum(outputs * sign) for sign in signs]
    for probe in probes:
        gradients = tape.gradient(probe, watched, unconnected_gradients="zero")
        for output, tensor in watched.items():
            readers[output].weigh(tensor.numpy(), gradients[output].numpy())


def _all_distances(outputs: Sequence[KerasTensor], loss: str) -> KerasTensor:
    """_distances() of a model's output; of several side by side, each as its loss counts."""
    import tensorflow as tf

    losses = of_outputs(loss) if len(outputs) > 1 else None
    if losses is None:
        return _distances(outputs[0], loss)
    rows = [
        tf.reshape(each.weight**0.5 * _distances(output, each.loss), (output.shape[0], -1))
        for output, each in zip(outputs, losses.values(), strict=True)
    ]
    joined: KerasTensor = tf.concat(rows, axis=1)
    return joined


def _distances(outputs: KerasTensor, loss: str) -> KerasTensor:
    """Outputs as points whose squared distance is, near by, the divergence of the outputs (Hellinger's, times 4)."""
    import tensorflow as tf

    task = Loss.parse(loss)
    if task is None or not task.name.endswith("crossentropy"):
        return outputs
    if task.name in BINARY:
        share = tf.sigmoid(outputs) if task.logits else outputs
        shares = tf.stack([share, 1 - share], axis=-1)
    else:
        shares = tf.nn.softmax(softened(outputs, logits=task.logits))
    points: KerasTensor = 2 * tf.sqrt(tf.maximum(shares, 1e-7))
    return points


def _costs(groups: Groups, group: Group, readers: Iterable[_Reader], trial: "_Trial") -> list[float]:
    """What it costs (width,) that each channel of a group goes, behind those that cost less."""
    fits = []
    unfitted = np.zeros(group.width)
    for reader in readers:
        numbers = group.numbers(groups.taken(reader.call))
        if reader.share and (numbers >= 0).any():
            fits.append(_Fit(reader, numbers))
        elif not reader.share:
            np.add.at(unfitted, numbers[numbers >= 0], reader.changes[numbers >= 0])
    costs = np.zeros(group.width)
    silent = unfitted == 0
    for fit in fits:
        silent[fit.varying()] = False
    if silent.any():  # without them half of a group would tell nothing where it is silent
        for fit in fits:
            fit.remove(np.flatnonzero(silent))
    stay = np.flatnonzero(~silent)
    half = stay.size / 2
    step = -(-group.width // STEPS)
    highest = seen = divergence = 0.0
    while stay.size > step:
        each = unfitted[stay] + sum(fit.costs(stay) for fit in fits)
        order = np.argsort(each, kind="stable")[:step]
        costs[stay[order]] = np.maximum(each[order], highest)  # what goes later never counts less
        highest = costs[stay[order]].max()
        for fit in fits:
            fit.remove(stay[order])
        if stay.size > half >= stay.size - order.size and not unfitted.any():
            seen, divergence = costs.sum(), trial.divergence(fits)
        stay = np.delete(stay, order)
    costs[stay] = highest or unfitted[stay] + sum(fit.costs(stay) for fit in fits)  # the latter where no other costs
    factor = divergence / seen if seen > TELLING * costs.sum() else 1.0
    return [float(cost * factor) for cost in costs]


class _Fit:
    """A layer's weights while channels go that it reads: fitted to what is left, by moments about the mean."""

    def __init__(self, reader: _Reader, numbers: NDArray[np.int64]) -> None:
        """
        Args:
            reader: the layer.
            numbers: in the group of the channels that it takes, below 0 for others.
        """
        kernel = reader.call.layer.kernel.numpy().astype(np.float64)
        moments = reader.moments.astype(np.float64) / reader.moments[-1, -1]
        covariance = moments[:-1, :-1] - np.outer(moments[-1, :-1], moments[-1, :-1])
        self._varying = np.diag(covariance) > CONSTANT * np.diag(moments)[:-1]
        covariance[np.diag_indices_from(covariance)] += RIDGE * np.mean(np.diag(covariance)) + 1e-9
        self._inverse = np.linalg.inv(covariance)
        self._weights = kernel.reshape(len(covariance), -1)
        self._sensitivity = reader.sensitivity
        self._numbers = np.tile(numbers, len(covariance) // len(numbers))
        self._rows = np.arange(len(covariance))
        self._means = moments[-1, :-1]
        self.call = reader.call

    def varying(self) -> NDArray[np.int64]:
        """Channels of the group that it was not always given the same of, before any goes."""
        numbers = np.unique(self._numbers[self._varying])
        return numbers[numbers >= 0]

    def costs(self, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """What the loss of each of these channels costs."""
        return np.array([self._cost(np.flatnonzero(self._numbers == channel)) for channel in channels])

    def _cost(self, rows: NDArray[np.int64]) -> float:
        weights = self._weights[rows]
        squares = np.sum(weights * np.linalg.solve(self._inverse[np.ix_(rows, rows)], weights), axis=0)
        return float(squares @ self._sensitivity)

    def remove(self, channels: NDArray[np.int64]) -> None:
        """Fits the weights to what is left without these channels."""
        gone = np.isin(self._numbers, channels)
        factor = np.linalg.solve(self._inverse[np.ix_(gone, gone)], self._inverse[gone][:, ~gone]).T
        self._weights = self._weights[~gone] - factor @ self._weights[gone]
        self._inverse = self._inverse[np.ix_(~gone, ~gone)] - factor @ self._inverse[gone][:, ~gone]
        self._numbers, self._rows = self._numbers[~gone], self._rows[~gone]

    def run(self, values: Values) -> None:
        """Adds what the layer gives, with its weights as they are fitted, to the values of what it takes."""
        kernel = self.call.layer.kernel.numpy()
        fitted = np.zeros((len(self._means), kernel.shape[-1]))
        fitted[self._rows] = self._weights
        offset = (self._means @ (kernel.reshape(fitted.shape) - fitted)).astype(np.float32)
        self.call.layer.kernel.assign(fitted.reshape(kernel.shape))
        self.call.run(values, lambda sums: sums + offset)
        self.call.layer.kernel.assign(kernel)


class _Trial:
    """Some samples, and what a model gives for them."""

    def __init__(self, groups: Groups, x: Array, loss: str, batch: int) -> None:
        self._groups = groups
        self._x = x
        self._loss = loss
        self._batch = batch
        self._uses = {**last_uses(groups.calls), **dict.fromkeys(groups.exits, len(groups.calls))}
        self._outputs = self._run([])

    def divergence(self, fits: Iterable[_Fit]) -> float:
        """Of the outputs, where some layers' weights are those that were fitted; the mean over samples."""
        return float(np.square(self._run(fits) - self._outputs).sum() / len(self._x))

    def _run(self, fits: Iterable[_Fit]) -> Array:
        """Outputs as _all_distances() has them."""
        by_layer = {fit.call.layer.name: fit for fit in fits}
        outputs = []
        for start in range(0, len(self._x), self._batch):
            values = entered(self._groups.model.inputs, self._x[start : start + self._batch])
            for number, call in enumerate(self._groups.calls):
                by_layer.get(call.layer.name, call).run(values)
                for tensor in [each for each in values if self._uses.get(each, -1) <= number]:
                    del values[tensor]
            outputs.append(_all_distances([values[exit_] for exit_ in self._groups.exits], self._loss))
        return np.concatenate(outputs)
