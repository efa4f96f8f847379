"""Batch normalisations that have seen nothing yet: training begins with what inference gives."""

from typing import Any

import numpy as np

from autotune.compress.statistics import see
from autotune.compress.worker import start
from autotune.model.tflite_graph import as_keras
from tests.compress import tables

start(2)

import tf_keras  # noqa: E402  # after the legacy switch is set

X = np.random.default_rng(0).uniform(0, 255, (130, 8, 8, 3)).astype(np.float32)


def of_file() -> Any:
    return as_keras(tables.small())


def logits(model: Any, *, training: bool) -> Any:
    return np.asarray(tf_keras.Model(model.inputs, model.layers[-2].output)(X, training=training))


def test_outputs_stay() -> None:
    """At inference, and so they are in training, on the same samples."""
    model = of_file()
    wanted = logits(model, training=False)
    tolerance = 1e-3 * np.abs(wanted).max()
    assert not np.allclose(logits(of_file(), training=True), wanted, atol=tolerance)
    see(model, X)
    np.testing.assert_allclose(logits(model, training=False), wanted, atol=tolerance / 10)
    np.testing.assert_allclose(logits(model, training=True), wanted, atol=tolerance)


def test_statistics_are_of_all_samples() -> None:
    """Of more than are run at once."""
    model = of_file()
    see(model, X)
    convolved = np.asarray(tf_keras.Model(model.inputs, model.layers[1].output)(X), np.float64)
    _, _, mean, variance = model.layers[2].get_weights()
    np.testing.assert_allclose(mean, convolved.mean(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(variance, convolved.var(axis=(0, 1, 2)), rtol=1e-4)


def test_what_has_seen_samples_is_left_alone() -> None:
    """Such as a user's own layers."""
    layers = [tf_keras.layers.InputLayer((8, 8, 3)), tf_keras.layers.BatchNormalization()]
    model = tf_keras.Sequential(layers)
    model(X, training=True)
    weights = model.get_weights()
    see(model, X + 100)
    for weight, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, before)
