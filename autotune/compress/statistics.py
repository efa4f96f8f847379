"""Statistics of batch normalisations that have seen no samples, as those of a model that was made of a .tflite file."""

import numpy as np

from autotune.model.keras_types import KerasLayer, KerasModel
from autotune.model.tflite_weights import UNSEEN
from autotune.task.data import Array
from autotune.task.data.fields import nested

BATCH = 100
"""Samples that are run at once."""


def see(model: KerasModel, x: Array) -> None:
    """Gives them mean and variance of what they take, in place, so that training begins with what inference gives.

    Factors and offsets make up for it: outputs stay what they were.

    Args:
        model: a tf_keras model.
        x: samples (n, *input shape), as it takes them.
    """
    import tf_keras

    unseen = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization" and _is_unseen(layer)]
    if not unseen:
        return
    taken = tf_keras.Model(model.inputs, [layer.input for layer in unseen])
    sums = [np.zeros((2, layer.input_shape[-1])) for layer in unseen]
    counts = [0] * len(unseen)
    for start in range(0, len(x), BATCH):
        outputs = taken(nested(x[start : start + BATCH]), training=False)
        for place, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
            values = np.asarray(output, np.float64).reshape(-1, output.shape[-1])
            sums[place] += [values.sum(axis=0), np.square(values).sum(axis=0)]
            counts[place] += len(values)
    for layer, (first, second), count in zip(unseen, sums, counts, strict=True):
        mean = first / count
        variance = np.maximum(second / count - np.square(mean), 0)
        factor, offset = layer.gamma.numpy(), layer.beta.numpy()
        layer.set_weights([factor * np.sqrt(variance + layer.epsilon), offset + factor * mean, mean, variance])


def _is_unseen(layer: KerasLayer) -> bool:
    return not layer.moving_mean.numpy().any() and bool((layer.moving_variance.numpy() == UNSEEN).all())
