"""Layers of Keras in the forms of which LiteRT's converter makes the fewest operators."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from autotune.model.keras_types import KerasLayer, KerasModel, KerasObject, KerasTensor

_Call = Callable[..., KerasTensor]


@contextmanager
def in_plain_forms(model: KerasModel) -> Iterator[None]:
    """Has some layers compute the same by other functions of TensorFlow while this lasts.

    Dense layers that take more axes than a batch and one multiply rows. Keras leaves it to tf.tensordot(), which finds
    out the shapes of batches of any size as it runs: 12 operators of a file for each layer. It also puts a reshape
    between a kernel and the product, which keeps the kernel float where fake quantization lies behind it.

    Layer normalisation is its formula, 9 operators. Keras makes a batch normalisation of it, in a shape that is found
    out as it runs: 22, two of which transpose.

    A convolution of one dimension is one of two, between reshapes. Keras has EXPAND_DIMS, which LiteRT's quantizer
    leaves float, and where it is dilated values are moved to and fro.

    A reshape whose sizes are known but for the batch's is given these. Keras asks for the shape of what it takes, and
    LiteRT's quantizer makes floats of integers for that alone.

    Args:
        model: a tf_keras model; layers that others wrap, too.
    """
    changed: list[tuple[KerasLayer, str, _Call | None]] = []
    try:
        for layer in model.submodules:
            for kind, name, form in _forms():
                if isinstance(layer, kind):
                    changed.append((layer, name, vars(layer).get(name)))
                    setattr(layer, name, form(layer))
        yield
    finally:
        for layer, name, before in changed:
            delattr(layer, name)
            if before is not None:  # by Keras' own wrapping
                setattr(layer, name, before)


def _forms() -> list[tuple[KerasObject, str, Callable[[KerasLayer], _Call]]]:
    """For kinds of layers the method that is replaced, and by what."""
    from tf_keras import layers

    return [
        (layers.Dense, "call", _rows),
        (layers.LayerNormalization, "call", _normalisation),
        (layers.Conv1D, "convolution_op", _row),
        (layers.Reshape, "call", _reshaped),
    ]


def _rows(layer: KerasLayer) -> _Call:
    import tensorflow as tf

    usual: _Call = type(layer).call.__get__(layer)

    def call(inputs: KerasTensor) -> KerasTensor:
        shape = inputs.shape
        if len(shape) <= 2 or None in shape[1:]:
            return usual(inputs)
        outputs = usual(tf.reshape(inputs, (-1, shape[-1])))
        result: KerasTensor = tf.reshape(outputs, (-1, *shape[1:-1], outputs.shape[-1]))
        return result

    return call


def _normalisation(layer: KerasLayer) -> _Call:
    import tensorflow as tf

    def call(inputs: KerasTensor) -> KerasTensor:
        axes = list(layer.axis)
        shape = [size if axis in axes else 1 for axis, size in enumerate(inputs.shape)]
        mean = tf.reduce_mean(inputs, axes, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(inputs, mean), axes, keepdims=True)
        result: KerasTensor = (inputs - mean) * tf.math.rsqrt(variance + layer.epsilon)
        if layer.gamma is not None:
            result *= tf.reshape(layer.gamma, shape)
        if layer.beta is not None:
            result += tf.reshape(layer.beta, shape)
        return result

    return call


def _row(layer: KerasLayer) -> _Call:
    import tensorflow as tf

    usual: _Call = type(layer).convolution_op.__get__(layer)

    def convolution_op(inputs: KerasTensor, kernel: KerasTensor) -> KerasTensor:
        [rate], [stride] = layer.dilation_rate, layer.strides
        shape = inputs.shape
        if layer.groups > 1 or layer.data_format != "channels_last" or len(shape) != 3 or None in shape[1:]:
            return usual(inputs, kernel)
        padding = "SAME" if layer.padding == "same" else "VALID"  # a causal one is done before
        image = tf.reshape(inputs, (-1, 1, *shape[1:]))
        outputs = tf.nn.conv2d(image, kernel[tf.newaxis], [1, stride], padding, dilations=[1, rate])
        result: KerasTensor = tf.reshape(outputs, (-1, *outputs.shape[2:]))
        return result

    return convolution_op


def _reshaped(layer: KerasLayer) -> _Call:
    import tensorflow as tf

    usual: _Call = type(layer).call.__get__(layer)

    def call(inputs: KerasTensor) -> KerasTensor:
        if None in inputs.shape[1:]:
            return usual(inputs)
        result: KerasTensor = tf.reshape(inputs, (-1, *layer.compute_output_shape(inputs.shape)[1:]))
        return result

    return call
