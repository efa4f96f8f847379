"""How much each channel matters to what a model gives.

First-order Taylor, Molchanov et al., arXiv:1906.10771: the square of what the outputs would change by, to first order,
if a channel were 0. No labels are needed: what is looked at is the change of the outputs themselves, in terms of the
divergence from them (the Fisher information of a factor at each channel).
"""

import numpy as np
from numpy.typing import NDArray

from autotune.compress.channels.graph import Call, Values
from autotune.compress.channels.groups import Groups
from autotune.compress.channels.kinds import WIDTHS
from autotune.compress.distillation import softened
from autotune.model.keras_types import KerasTensor
from autotune.task.data import Array
from autotune.task.losses import BINARY, Loss

SAMPLES = 512
"""That are looked at, at most."""

BATCH = 32
"""Samples whose activations are held at once."""

PROBES = 4
"""Random sums of the outputs whose gradients are taken."""


def importance(groups: Groups, x: Array, loss: str) -> dict[str, list[float]]:
    """The importance of each channel.

    Args:
        groups: of a model.
        x: inputs (n, *input shape), as the model takes them.
        loss: as TrainingData.loss: says what the outputs are.

    Returns:
        By a group's name those of its channels, 0 or more; comparable throughout the model.
    """
    gates = _gates(groups)
    scores = np.zeros(1 + max(int(labels.max()) for labels in groups.labels.values()))
    random = np.random.default_rng(0)
    for start in range(0, min(len(x), SAMPLES), BATCH):
        scores += _squares(groups, gates, x[start : start + BATCH], loss, random, len(scores))
    return {group.name: (scores[group.labels] / min(len(x), SAMPLES)).tolist() for group in groups.groups}


def _gates(groups: Groups) -> list[int]:
    """The tensors that are looked at: what layers make, behind the batch normalisation of it where there is one."""
    users: dict[int, list[Call]] = {}
    for call in groups.calls:
        for tensor in call.inputs:
            users.setdefault(tensor, []).append(call)
    gates = []
    for call in groups.calls:
        if call.kind in WIDTHS and groups.of_label.keys() & groups.made(call).tolist():
            behind = users[call.outputs[0]]
            normalised = len(behind) == 1 and behind[0].kind == "BatchNormalization"
            gates.append((behind[0] if normalised else call).outputs[0])
    return gates


def _squares(
    groups: Groups, gates: list[int], x: Array, loss: str, random: np.random.Generator, count: int
) -> NDArray[np.float64]:
    """By label (count,) the squared changes, their mean over PROBES, their sum over samples (n, *input shape)."""
    import tensorflow as tf

    values: Values = {groups.entry: tf.constant(x)}
    with tf.GradientTape(persistent=True) as tape:
        for call in groups.calls:
            call.run(values)
            tape.watch([values[tensor] for tensor in call.outputs if tensor in gates])
        outputs = _distances(values[groups.exit], loss)
        signs = random.choice(np.array([-1, 1], np.float32), (PROBES, *outputs.shape))
        probes = [tf.reduce_sum(outputs * sign) for sign in signs]
    watched = [values[tensor] for tensor in gates]
    squares = np.zeros(count)
    for probe in probes:
        changes = np.zeros((count, len(x)))
        for tensor, gradient in zip(gates, tape.gradient(probe, watched), strict=True):
            if gradient is not None:
                change = tf.reduce_sum(gradient * values[tensor], list(range(1, len(gradient.shape) - 1)))
                np.add.at(changes, groups.labels[tensor], np.transpose(change))
        squares += np.sum(changes**2, axis=1) / PROBES
    return squares


def _distances(outputs: KerasTensor, loss: str) -> KerasTensor:
    """Outputs as points whose squared distance is, near by, the divergence of the outputs (Hellinger's, times 4)."""
    import tensorflow as tf

    task = Loss.parse(loss)
    if task is None or not task.name.endswith("crossentropy"):
        return outputs
    if task.name in BINARY:
        share = tf.sigmoid(outputs) if task.logits else outputs
        shares = tf.stack([share, 1 - share])
    else:
        shares = tf.nn.softmax(softened(outputs, logits=task.logits))
    points: KerasTensor = 2 * tf.sqrt(tf.maximum(shares, 1e-7))
    return points
