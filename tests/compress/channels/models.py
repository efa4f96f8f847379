"""Small models with all that channels may go through."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.flat import flattened
from autotune.compress.worker import start
from autotune.model.load import import_model

start(2)
tf_keras = pytest.importorskip("tf_keras")
K = tf_keras.layers

SHAPE = (8, 8, 3)


def residual(x: Any) -> Any:
    """Additions and a depthwise layer: all that meet in one go together."""
    x = skip = K.Conv2D(8, 3, padding="same", activation="relu", name="stem")(x)
    x = K.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = K.BatchNormalization(momentum=0.5, name="norm")(x)
    x = K.ReLU(6.0)(K.Conv2D(12, 1, name="wide")(x))
    x = K.Conv2D(8, 1, name="narrow")(x)
    x = K.ReLU()(K.Add()([x, skip]))
    return K.GlobalAveragePooling2D()(x)


def squeezed(x: Any) -> Any:
    """Squeeze and excite: factors for each channel, and one for each place."""
    x = K.Conv2D(8, 3, activation="swish", name="body")(x)
    gate = K.Reshape((1, 1, 8))(K.GlobalAveragePooling2D()(x))
    gate = K.Conv2D(4, 1, activation="relu", name="squeeze")(gate)
    x = K.Multiply()([x, K.Conv2D(8, 1, activation="sigmoid", name="excite")(gate)])
    x = K.Multiply()([x, K.Conv2D(1, 3, padding="same", activation="tanh", name="place")(x)])
    return K.GlobalMaxPooling2D()(x)


def joined(x: Any) -> Any:
    """A concatenation whose parts meet other channels."""
    a, b = K.Conv2D(4, 3, name="a")(x), K.Conv2D(6, 3, strides=1, name="b")(x)
    x = K.Concatenate()([a, b])
    x = K.Add()([x, K.Conv2D(10, 1, name="c")(K.LeakyReLU()(x))])
    return K.Flatten()(K.AveragePooling2D(2)(x))


def flat(x: Any) -> Any:
    """Channels become features and come back."""
    x = K.Conv2D(6, 3, strides=2, padding="same", name="conv")(x)
    x = K.PReLU(name="prelu")(K.MaxPooling2D(2)(x))
    x = K.Dense(20, activation="elu", name="hidden")(K.Dropout(0.2)(K.Flatten()(x)))
    x = K.Reshape((2, 2, 5))(x)
    x = K.Conv2DTranspose(7, 3, strides=2, padding="same", name="up")(x)
    x = K.UpSampling2D(2)(K.ZeroPadding2D(1)(x))
    x = K.SeparableConv2D(9, 3, depth_multiplier=2, activation="gelu", name="separable")(x)
    return K.GlobalAveragePooling2D()(K.Cropping2D(1)(x))


def nested(x: Any) -> Any:
    """A model in a model, and a layer that is called twice."""
    entry = K.Input((6, 6, 8))
    y = K.BatchNormalization(name="inner_norm")(K.Conv2D(8, 3, padding="same", name="inner")(entry))
    body = tf_keras.Model(entry, K.Add()([entry, y]), name="body")
    twice = K.Conv2D(8, 1, name="twice")
    x = body(K.Conv2D(8, 3, name="outer")(x))
    return K.GlobalAveragePooling2D()(twice(K.Activation("relu")(twice(x))))


def sequence(x: Any) -> Any:
    """Convolutions in time, causal ones too; rows of an image become time."""
    x = K.Reshape((8, 24))(x)
    x = K.Conv1D(8, 3, padding="causal", activation="relu", name="causal")(x)
    x = K.MaxPooling1D(2)(K.Permute((1, 2))(x))
    x = K.Dense(10, activation="relu", name="each")(x)
    x = K.Conv1D(6, 2, dilation_rate=2, use_bias=False, name="dilated")(x)
    return K.Flatten()(K.BatchNormalization(momentum=0.5, name="norm")(x))


def operators(x: Any) -> Any:
    """Functions of TensorFlow between layers."""
    import tensorflow as tf

    x = K.Conv2D(8, 3, name="first")(x)
    y = K.Conv2D(8, 1, name="second")(tf.nn.relu(x * 2.0 + 1.0))
    return K.GlobalAveragePooling2D()(x + y)


def grouped(x: Any) -> Any:
    """A grouped convolution behind what can be cut, whose own channels can't."""
    x = K.Conv2D(8, 3, activation="relu", name="first")(x)
    x = K.Conv2D(4, 1, activation="relu", name="before")(x)
    x = K.Conv2D(6, 3, strides=2, padding="same", groups=2, activation="relu", name="grouped")(x)
    return K.Flatten()(K.Conv2D(8, 1, activation="relu", name="behind")(x))


def learned(x: Any) -> Any:
    """An activation with weights of its own, within the layer."""
    x = K.Conv2D(8, 3, activation=K.PReLU(shared_axes=[1, 2]), name="first")(x)
    return K.GlobalAveragePooling2D()(K.Conv2D(8, 1, activation="relu", name="second")(x))


ZOO: dict[str, Callable[[Any], Any]] = {
    each.__name__: each for each in (residual, squeezed, joined, flat, nested, sequence, operators, grouped, learned)
}


def made(body: Callable[[Any], Any], *, seed: int = 0, activation: str = "softmax") -> Any:
    """A flat model of this body, with weights of which none is like another."""
    entry = K.Input(SHAPE)
    model = flattened(tf_keras.Model(entry, K.Dense(4, activation=activation, name="head")(body(entry))))
    random = np.random.default_rng(seed)
    for layer in model.layers:
        weights = [random.normal(0, each.shape[0] ** -0.5 / 2, each.shape) for each in layer.get_weights()]
        if isinstance(layer, K.BatchNormalization):
            weights = [1 + np.abs(each) for each in weights]
        layer.set_weights(weights)
    return model


def samples(count: int = 16) -> np.ndarray[Any, Any]:
    """Inputs."""
    return np.random.default_rng(1).normal(size=(count, *SHAPE)).astype(np.float32)


def as_base(model: Any) -> bytes:
    """A model as stages are given it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return import_model(path.read_bytes(), path.name).data
