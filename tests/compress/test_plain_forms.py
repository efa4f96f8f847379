"""Forms of layers that are converted: the same outputs, by few operators."""

from typing import Any

import numpy as np
import pytest

from autotune.compress.convert import converted
from autotune.compress.plain_forms import in_plain_forms
from autotune.compress.worker import start
from autotune.tflite.flatbuffer import describe
from tests.compress.running import run

start(2)

import tf_keras  # noqa: E402  # after the legacy switch is set

L = tf_keras.layers
SERIES, IMAGE = (8, 6), (5, 4, 6)


@pytest.mark.parametrize(
    ("shape", "layer", "operators"),
    [
        (SERIES, lambda: L.Dense(3, activation="relu"), 3),
        (IMAGE, lambda: L.Dense(3, use_bias=False), 3),
        (IMAGE[-1:], lambda: L.Dense(3, activation="softmax"), 2),
        (SERIES, lambda: L.LayerNormalization(), 9),
        (IMAGE, lambda: L.LayerNormalization(axis=[1, 3], center=False), 8),
        (IMAGE, lambda: L.LayerNormalization(axis=-2, epsilon=0.1, scale=False), 8),
        (SERIES, lambda: L.Conv1D(3, 2, dilation_rate=2, padding="causal", activation="relu"), 4),
        (SERIES, lambda: L.Conv1D(3, 3, strides=2, padding="same"), 3),
        (SERIES, lambda: L.Conv1D(3, 3, dilation_rate=3, padding="same", use_bias=False), 3),
        (SERIES, lambda: L.Reshape((4, -1)), 1),
        (SERIES, lambda: L.TimeDistributed(L.LayerNormalization()), 11),
    ],
)
def test_outputs_stay_and_operators_are_few(shape: tuple[int, ...], layer: Any, operators: int) -> None:
    """For batches of any size; the model is afterwards what it was."""
    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential([L.Input(shape), layer()])
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=values.shape) for values in model.get_weights()])
    x = random.normal(size=(7, *shape)).astype(np.float32)
    file = converted(model)
    np.testing.assert_allclose(run(file, x), model.predict(x, verbose=0), atol=1e-5)
    assert describe(file)["operators"].total() <= operators
    assert not any("convolution_op" in vars(each) for each in model.submodules)


def test_lengths_that_are_left_open_stay_so() -> None:
    """There is no other form of those."""
    model = tf_keras.Sequential([L.Input((None, 6)), L.Conv1D(3, 2), L.Dense(2)])
    x = np.ones((2, 9, 6), np.float32)
    wanted = model(x)
    with in_plain_forms(model):
        np.testing.assert_allclose(model(x), wanted, atol=1e-6)
