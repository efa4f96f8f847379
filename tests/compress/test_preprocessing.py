"""What comes before a model's first weights: where integers can't hold it, it stays float, in every integer scheme."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress import pipeline, post_training
from autotune.compress.preprocessing import is_lost, preprocessing, rounded
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import Recipe
from autotune.errors import Infeasible
from autotune.model.load import import_model
from autotune.tflite.flatbuffer import describe, read_weights
from tests.compress.running import run

SCALES = np.array([2000.0, 1.0, 0.01, 5.0], np.float32)
"""Of the four features; the model adds up all of them, each worth as much."""


def model(*before: Any) -> Any:
    """Two dense layers that sum up what the layers before them give."""
    import tf_keras

    ones = "ones"
    rest = [tf_keras.layers.Dense(2, kernel_initializer=ones), tf_keras.layers.Dense(1, kernel_initializer=ones)]
    return tf_keras.Sequential([tf_keras.layers.Input((4,)), *before, *rest])


def saved(made: Any, folder: Any) -> bytes:
    made.save(folder / "model.keras")
    return import_model((folder / "model.keras").read_bytes(), "model.keras").data


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    start(2)
    return (np.random.default_rng(0).random((200, 4)) * SCALES).astype(np.float32)


@pytest.fixture(scope="module")
def of_scales(x: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Normalization of features from 0.01 to 2000."""
    import tf_keras

    made = model(tf_keras.layers.Normalization(mean=SCALES / 2, variance=SCALES**2 / 12))
    return saved(made, tmp_path_factory.mktemp("scales"))


def build(base: bytes, recipe: Recipe, data: TrainingData) -> Any:
    parent = None
    for step in pipeline.steps(recipe, "task"):
        artifact = pipeline.build(step, base, parent, data)
        parent = artifact.data
    return artifact


@pytest.mark.parametrize("scheme", ["int8", "int16x8", "qat"])
def test_features_of_different_scale_are_kept(scheme: str, of_scales: bytes, x: np.ndarray) -> None:
    """The file computes what the float model does; one scale for all four features leaves nothing of three."""
    wanted = 2 * ((x - SCALES / 2) / (SCALES / 12**0.5)).sum(axis=1, keepdims=True)
    recipe = Recipe(quantize=scheme, fine_tune="labels", epochs=1, learning_rate=0.0)
    artifact = build(of_scales, recipe, TrainingData(x, wanted, x, "mse", 0))
    assert {layer["dtype"] for layer in artifact.facts["layers"]} == {"int8"}
    assert np.abs(run(artifact.data, x) - wanted).max() < 0.05 * np.ptp(wanted)


@pytest.mark.parametrize("scheme", ["none", "dynamic", "int8"])
def test_batch_normalisation_that_prepares_is_not_folded(scheme: str, x: np.ndarray, tmp_path: Any) -> None:
    """Nor do a dense layer's weights get the features' scales from it, which no integer type holds."""
    import tf_keras

    made = model(tf_keras.layers.BatchNormalization(epsilon=0.0))
    made.layers[0].set_weights([np.ones(4), np.zeros(4), SCALES / 2, SCALES**2 / 12])
    made.layers[1].bias.assign([1.0, 1.0])  # LiteRT's converter folds into a layer that has one
    wanted = made.predict(x, verbose=0)
    file = build(saved(made, tmp_path), Recipe(quantize=scheme), TrainingData(x, wanted, x, "mse", 0)).data
    assert np.abs(run(file, x) - wanted).max() < (1e-3 if scheme == "none" else 0.05 * np.ptp(wanted))


def test_an_integer_input_does_not_hold_them(of_scales: bytes, x: np.ndarray) -> None:
    """So it is refused, with what to do."""
    with pytest.raises(Infeasible, match="no integer input holds features of such different scale"):
        build(of_scales, Recipe(quantize="int8", io="int8"), TrainingData(x, x[:, 0], x, "mse", 0))


@pytest.mark.parametrize(
    ("scheme", "dtype"), [("int8", "float32"), ("int16x8", "float32"), ("qat", "float32"), ("int8", "uint8")]
)
def test_indices_are_what_they_are(scheme: str, dtype: str, x: np.ndarray, tmp_path: Any) -> None:
    """Of an embedding behind an input of floats, which is Keras' own, or of small integers: a cast makes indices of
    them. A scale of eight bits took rows beside those that were asked for, and a static scheme fell over the cast.
    """
    import tf_keras

    layers = tf_keras.layers
    entry, lookup = layers.Input((3,), dtype=dtype), layers.Embedding(200, 2)
    made = tf_keras.Model(entry, layers.Dense(1, kernel_initializer="ones")(layers.Flatten()(lookup(entry))))
    lookup.set_weights([np.where(np.arange(200) % 2, 1.0, -1.0)[:, np.newaxis] * np.ones((200, 2))])
    tokens = np.random.default_rng(0).integers(0, 200, (200, 3)).astype(dtype)
    wanted = 4.0 * (tokens % 2).sum(axis=1, keepdims=True) - 6
    recipe = Recipe(quantize=scheme, fine_tune="labels", epochs=1, learning_rate=0.0)
    artifact = build(saved(made, tmp_path), recipe, TrainingData(tokens, wanted, tokens, "mse", 0))
    assert {layer["dtype"] for layer in artifact.facts["layers"]} == {"int8"}
    assert np.abs(run(artifact.data, tokens) - wanted).max() < 0.2


def test_a_quantized_input_holds_no_indices(x: np.ndarray, tmp_path: Any) -> None:
    """So it is refused, with what to do."""
    import tf_keras

    made = tf_keras.Sequential(
        [tf_keras.layers.Input((3,)), tf_keras.layers.Embedding(9, 2), tf_keras.layers.Flatten()]
    )
    tokens = np.ones((2, 3), np.float32)
    with pytest.raises(Infeasible, match="a quantized input holds no indices"):
        build(saved(made, tmp_path), Recipe(quantize="int8", io="int8"), TrainingData(tokens, tokens, tokens, "mse", 0))


def test_features_of_one_scale_stay_integers(x: np.ndarray) -> None:
    """Pixels that are scaled cost nothing, and the file has no float arithmetic."""
    import tensorflow as tf
    import tf_keras

    alike = tf_keras.layers.Normalization(mean=[124.0, 116.0, 104.0, 100.0], variance=[3400.0, 3200.0, 3300.0, 3000.0])
    file = bytes(tf.lite.TFLiteConverter.from_keras_model(model(alike)).convert())
    pixels = np.random.default_rng(0).integers(0, 256, (50, 4)).astype(np.float32)
    operators = describe(post_training.quantize(file, "int8_io", pixels))["operators"]
    assert not operators["DEQUANTIZE"]
    assert operators["FULLY_CONNECTED"] == 2
    assert len(preprocessing(file).outputs) == sum(operators.values()) - 2 > 0


def test_a_file_without_weights_has_no_preprocessing() -> None:
    """There is nothing that it would prepare for."""
    import tensorflow as tf

    start(2)
    spec = tf.TensorSpec([1, 4], tf.float32)
    sums = tf.function(lambda x: tf.reduce_sum(x * x, 1)).get_concrete_function(spec)
    file = bytes(tf.lite.TFLiteConverter.from_concrete_functions([sums]).convert())
    assert read_weights(file) == []
    assert preprocessing(file).outputs == ()


@pytest.mark.parametrize(("scales", "lost"), [((1, 1), False), ((1, 3), False), ((1, 10), True)])
def test_what_one_scale_for_all_costs(scales: tuple[int, int], lost: bool) -> None:
    """Half a step where features are alike, so many times more of the smaller one as they differ."""
    x = np.random.default_rng(0).random((1000, 2)) * scales
    values, moved = x / scales, rounded(x, 8) / scales
    assert is_lost(float(np.abs(moved - values).max()), 0.0, 1.0) == lost


def test_integers_are_rounded_to_integers() -> None:
    """What takes integers is tried with some that there are."""
    x = np.array([[0, 1, 2, 1000]], np.int32)
    assert rounded(x, 8).dtype == np.int32
    assert rounded(x, 8).tolist() == [[0, 0, 4, 1000]]


def test_pixels_that_are_rescaled_to_powers_of_two(tmp_path: Path) -> None:
    """As for MobileNet, to -1 … 1: LiteRT's kernel took the offset's 16-bit addition for shifts, and refused it."""
    import tensorflow as tf
    import tf_keras

    start(2)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 6, 6, 3)).astype(np.float32)
    pixels[0], pixels[1] = 0, 255  # else no range ends at a power of two
    before = tf_keras.layers.Rescaling(1 / 127.5, offset=-1)
    convolution = tf_keras.layers.Conv2D(4, 3, padding="same")  # the offset can't be folded into it
    net = tf_keras.Sequential([tf_keras.layers.Input((6, 6, 3)), before, convolution, tf_keras.layers.Flatten()])
    file = post_training.quantize(tf.lite.TFLiteConverter.from_keras_model(net).convert(), "int16x8", pixels)
    assert np.allclose(run(file, pixels), net.predict(pixels, verbose=0), atol=0.05)
