"""Dense layers of more than one axis, as LiteRT's converter does best: rows of a matrix, whatever the axes are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from autotune.model.keras_types import KerasLayer, KerasModel, KerasTensor


@contextmanager
def by_rows(model: KerasModel) -> Iterator[None]:
    """Has dense layers multiply rows while this lasts, if what they take has more axes than a batch and one.

    Keras leaves it to tf.tensordot(), which finds out the shapes of batches of any size as it runs: 12 operators of a
    file for each layer. It also puts a reshape between a kernel and the product, which keeps the kernel float where
    fake quantization lies behind it.

    Args:
        model: a tf_keras model; layers that others wrap, too.
    """
    import tf_keras

    layers = [layer for layer in model.submodules if isinstance(layer, tf_keras.layers.Dense)]
    for layer in layers:
        layer.call = _of_rows(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _of_rows(layer: KerasLayer) -> Callable[[KerasTensor], KerasTensor]:
    """What a dense layer computes, by rows."""
    import tensorflow as tf

    usual: Callable[[KerasTensor], KerasTensor] = type(layer).call.__get__(layer)

    def call(inputs: KerasTensor) -> KerasTensor:
        shape = inputs.shape
        if len(shape) <= 2 or None in shape[1:]:
            return usual(inputs)
        outputs = usual(tf.reshape(inputs, (-1, shape[-1])))
        result: KerasTensor = tf.reshape(outputs, (-1, *shape[1:-1], outputs.shape[-1]))
        return result

    return call
