"""Small float files with layers of every kind, and inputs for them."""

import functools
from typing import Any

import numpy as np

from autotune.compress.worker import start


def converted(model: Any) -> bytes:
    import tensorflow as tf

    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


@functools.cache
def branches() -> bytes:
    """Convolutions of every kind in two branches that join, a layer that is called twice, a transposed one, dense."""
    start(2)
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    entry = tf_keras.Input((9, 8, 3))
    x = layers.Conv2D(8, (3, 2), strides=(2, 1), padding="same", activation="relu", name="strided")(entry)
    left = layers.Conv2D(8, 3, dilation_rate=(1, 2), padding="same", groups=2, activation="relu", name="grouped")(x)
    twice = layers.Conv2D(8, 1, activation="relu", name="twice")
    right = twice(twice(layers.DepthwiseConv2D((2, 3), padding="same", name="depthwise")(x)))
    x = layers.Add()([left, right])
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, name="multiplied")(x)
    x = layers.Conv2D(6, 2, padding="valid", use_bias=False, name="unbiased")(x)
    x = layers.Conv2DTranspose(4, (2, 3), strides=(2, 1), padding="same", activation="relu", name="transposed")(x)
    x = layers.Flatten()(x)
    model = tf_keras.Model(entry, layers.Dense(5, activation="softmax", name="last")(x))
    random = np.random.default_rng(0)
    for name in ("strided", "depthwise", "multiplied", "transposed", "last"):  # the others' biases stay zero
        kernel, bias = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([kernel * (3), random.normal(0, 0.1, bias.shape)])
    return converted(model)


def inputs(count: int = 64) -> np.ndarray[Any, Any]:
    """For branches(): neighbours are alike, as in images."""
    rough = np.random.default_rng(0).normal(size=(count, 9, 8, 3))
    smooth = rough + np.roll(rough, 1, axis=1) + np.roll(rough, 1, axis=2)
    return (smooth + 0.5).astype(np.float32)


@functools.cache
def dense() -> tuple[bytes, np.ndarray[Any, Any]]:
    """A file with two wide layers, and inputs whose features have few causes, as those of trained layers have."""
    start(2)
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    model = tf_keras.Sequential([layers.Input((64,)), layers.Dense(48, "relu"), layers.Dense(4)])
    random = np.random.default_rng(0)
    x = random.normal(size=(256, 12)) @ random.normal(size=(12, 64)) + 0.1 * random.normal(size=(256, 64))
    return converted(model), x.astype(np.float32)


@functools.cache
def tokens() -> tuple[bytes, np.ndarray[Any, Any]]:
    """A file of an embedding and a dense layer, and inputs of whole numbers for it."""
    start(2)
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    entry = tf_keras.Input((6,), dtype="int32")
    x = layers.Flatten()(layers.Embedding(30, 8, embeddings_initializer="random_normal")(entry))
    model = tf_keras.Model(entry, layers.Dense(4)(x))
    return converted(model), np.random.default_rng(0).integers(0, 30, (100, 6)).astype(np.int32)


@functools.cache
def recurrent() -> tuple[bytes, np.ndarray[Any, Any]]:
    """A file of a recurrent layer, as a loop, and a dense one behind it, and inputs for it."""
    start(2)
    import tf_keras

    from autotune.compress.convert import for_one_sample

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    model = tf_keras.Sequential([layers.Input((5, 3)), layers.GRU(8), layers.Dense(4)])
    x = np.random.default_rng(0).normal(size=(50, 5, 3)).astype(np.float32)
    return bytes(for_one_sample(model).convert()), x
