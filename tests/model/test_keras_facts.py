"""What a tf_keras model tells of itself: what its outputs are, wherever their activation is."""

from collections.abc import Callable
from typing import Any

import pytest

from autotune.compress.worker import start
from autotune.model.keras_facts import activations

start(2)

import tensorflow as tf  # noqa: E402  # after the legacy switch is set
import tf_keras  # noqa: E402

L = tf_keras.layers


def head(activation: str) -> Any:
    return tf_keras.Sequential([L.InputLayer((4,)), L.Dense(4, activation=activation)])


def twice(model: Any) -> Any:
    return tf_keras.Sequential([L.InputLayer((4,)), tf_keras.Sequential([L.InputLayer((4,)), model])])


BODIES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "nested twice": (lambda x: twice(head("sigmoid"))(x), "sigmoid"),
    "Softmax layer": (lambda x: L.Softmax()(L.Dense(4)(x)), "softmax"),
    "behind reshapes": (lambda x: L.Flatten()(L.Reshape((2, 2))(L.Activation("sigmoid")(x))), "sigmoid"),
    "behind dropout and a cast": (lambda x: tf.cast(L.Dropout(0.5)(head("softmax")(x)), tf.float64), "softmax"),
    "one of two": (lambda x: head("softmax")(x)[:, 1:2], "sigmoid"),
    "each step": (lambda x: L.TimeDistributed(head("softmax"))(L.RepeatVector(3)(x)), "softmax"),
    "a gate": (lambda x: L.LSTM(2, activation="sigmoid")(L.Reshape((4, 1))(x)), "linear"),
    "scaled": (lambda x: L.Rescaling(2.0)(head("sigmoid")(x)), "linear"),
    "logits": (lambda x: head("linear")(x), "linear"),
}


@pytest.mark.parametrize("name", BODIES)
def test_activation_is_found(name: str) -> None:
    """Through nested models, wrappers, reshapes, casts and slices, and not where something is computed behind it."""
    body, expected = BODIES[name]
    entry = tf_keras.Input((4,))
    assert activations(tf_keras.Model(entry, body(entry))) == [expected]
