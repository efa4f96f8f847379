"""The layers of a Keras model before its first weights, and whether integers can hold what they take."""

import numpy as np

from autotune.compress.preprocessing import is_lost, rounded
from autotune.compress.training import wrap_layers
from autotune.model.keras_facts import fresh_inputs
from autotune.model.keras_types import KerasLayer, KerasModel, KerasTensor
from autotune.task.data import Array
from autotune.task.data.fields import nested

BATCH = 100
"""Calibration samples that are run at once."""


def stays_float(model: KerasModel, calibration: Array) -> bool:
    """Whether what is before the first weights is to stay float: where the model takes integers, looks up what it
    takes, or takes features of so different scale that one integer type can't hold them.

    Args:
        model: a tf_keras model.
        calibration: inputs (m, *input shape), as the model takes them.
    """
    import tf_keras

    border = _border(model)
    if not border or not all(entry.dtype.is_floating for entry in model.inputs):
        return bool(border)
    before = tf_keras.Model(model.inputs, border)
    if any(type(layer).__name__ == "Embedding" for layer in before.layers):
        return True
    exact, coarse = (_outputs(before, x, len(border)) for x in (calibration, rounded(calibration, 8)))
    return any(
        is_lost(float(np.abs(moved - values).max()), float(values.min()), float(values.max()))
        for values, moved in zip(exact, coarse, strict=True)
    )


def split(model: KerasModel) -> tuple[KerasModel, KerasModel]:
    """What is before the first weights of a model, and the rest; both share its layers."""
    import tf_keras

    border = _border(model)
    numbers = [name.removeprefix("input_") for name in model.input_names if name.startswith("input_")]
    most = max((int(number) for number in numbers if number.isdecimal()), default=0)
    while tf_keras.backend.get_uid("input") < most:  # from 1 in a new session: the rest's inputs are named by it
        pass
    return tf_keras.Model(model.inputs, border), tf_keras.Model(border, model.outputs)


def unfolded(model: KerasModel, calibration: Array) -> KerasModel:
    """The model with each batch normalisation before its first weights as a Rescaling, where those are to stay float.

    LiteRT's converter folds the former into a dense layer behind it, whose weights are then of as different scale as
    the features; constants of two dimensions it leaves alone. Outputs are unchanged, and layers shared.

    Args:
        model: a tf_keras model.
        calibration: inputs (m, *input shape), as the model takes them.
    """
    before = split(model)[0].layers if _border(model) else []
    normalising = [layer for layer in before if type(layer).__name__ == "BatchNormalization" and _of_last_axis(layer)]
    if not normalising or not stays_float(model, calibration):
        return model
    return wrap_layers(model, normalising.__contains__, _rescaling)


def _of_last_axis(normalisation: KerasLayer) -> bool:
    return list(normalisation.axis) == [len(normalisation.input_shape) - 1]


def _rescaling(normalisation: KerasLayer) -> KerasLayer:
    """A batch normalisation over the last axis, as it is when nothing is trained."""
    import tf_keras

    factor = (normalisation.gamma if normalisation.scale else 1.0) / np.sqrt(
        normalisation.moving_variance + normalisation.epsilon
    )
    offset = (normalisation.beta if normalisation.center else 0.0) - normalisation.moving_mean * factor
    return tf_keras.layers.Rescaling(
        np.array(factor)[np.newaxis], np.array(offset)[np.newaxis], name=normalisation.name
    )


def joined(before: KerasModel, rest: KerasModel) -> KerasModel:
    """One model again of those that split() gave."""
    import tf_keras

    entries = fresh_inputs(before)
    return tf_keras.Model(entries, rest(before(entries)))


def _border(model: KerasModel) -> list[KerasTensor]:
    """The tensors that layers before the first weights give to those behind, and the model's inputs that these take
    beside them; none where there is nothing before the first weights.

    Weights are of two dimensions or more; those of Normalization are none, and indices are looked up first, which are
    integers, or floats as Keras' inputs are where nothing else is said.
    """
    import tensorflow as tf

    entries = {id(tensor) for tensor in model.inputs}
    prepared = set(entries)
    border = dict[int, KerasTensor]()
    for layer in model.layers:
        nodes = [node for node in layer.inbound_nodes if not node.is_input]
        taken = [tensor for node in nodes for tensor in node.keras_inputs]
        plain = type(layer).__name__ in ("Normalization", "Embedding") or all(
            len(weight.shape) < 2 for weight in layer.weights
        )
        if len(nodes) == 1 and plain and prepared.issuperset(map(id, taken)):
            prepared.update(map(id, tf.nest.flatten(nodes[0].outputs)))
        else:
            border |= {id(tensor): tensor for tensor in taken if id(tensor) in prepared}
    return [] if border.keys() <= entries else list(border.values())


def _outputs(model: KerasModel, x: Array, count: int) -> list[Array]:
    outputs = model.predict(nested(x), batch_size=BATCH, verbose=0)
    return [outputs] if count == 1 else outputs
