"""Activation functions of Keras 3 that tf_keras has not, or has with other numbers."""

from autotune.model.keras_types import KerasTensor


def hard_sigmoid(x: KerasTensor) -> KerasTensor:
    """relu6(x + 3) / 6; tf_keras's own is steeper: 0.2 x + 0.5, clipped."""
    import tensorflow as tf

    y: KerasTensor = tf.nn.relu6(x + 3.0) * (1.0 / 6.0)
    return y


def hard_silu(x: KerasTensor) -> KerasTensor:
    """The product of x and hard_sigmoid(x), in the form that LiteRT's converter makes one operator of."""
    import tensorflow as tf

    y: KerasTensor = x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)
    return y


def hard_tanh(x: KerasTensor) -> KerasTensor:
    """x, clipped to -1 … 1."""
    import tensorflow as tf

    y: KerasTensor = tf.clip_by_value(x, -1.0, 1.0)
    return y


def log_sigmoid(x: KerasTensor) -> KerasTensor:
    """The logarithm of the sigmoid."""
    import tensorflow as tf

    y: KerasTensor = tf.math.log_sigmoid(x)
    return y


NAMES = {
    "hard_sigmoid": "autotune>hard_sigmoid",
    "hard_silu": "autotune>hard_silu",
    "hard_swish": "autotune>hard_silu",
    "hard_tanh": "autotune>hard_tanh",
    "log_sigmoid": "autotune>log_sigmoid",
}
"""Keras 3's names of them, and those that tf_keras finds them by after register()."""


def register() -> None:
    """Makes them known to tf_keras; without it a model that has one of them can't be opened."""
    import tf_keras

    for function in (hard_sigmoid, hard_silu, hard_tanh, log_sigmoid):
        tf_keras.utils.register_keras_serializable("autotune")(function)
