"""Conversion: recurrent layers, a machine that fails, models within models, and files that came as .tflite."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress import pipeline
from autotune.compress.convert import converted, keeping_dimensions
from autotune.compress.keras_preprocessing import joined, split, unfolded
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import Recipe, Runtime
from autotune.devices.client.local import LocalDevice
from autotune.errors import Fault, Infeasible
from autotune.model.keras_facts import layers_of
from autotune.model.load import import_model
from autotune.tflite.flatbuffer import describe, read_layers
from tests.compress import running

start(2)

import tensorflow as tf  # noqa: E402  # after the legacy switch is set
import tf_keras  # noqa: E402

K = tf_keras.layers
X = np.random.default_rng(0).normal(size=(110, 6, 4)).astype(np.float32)
DATA = TrainingData(X, np.arange(110) % 3, X[:8], "sparse_categorical_crossentropy", 0)


def recurrent(*layers: Any) -> Any:
    return tf_keras.Sequential([K.InputLayer((6, 4)), *layers, K.Dense(3, activation="softmax")])


def nested() -> Any:
    return recurrent(tf_keras.Sequential([K.InputLayer((6, 4)), K.LSTM(2)]))


def built(model: Any, scheme: str, folder: Path) -> list[bytes]:
    """What the stages of a recipe make: the float .tflite file, and the quantized one."""
    model.save(folder / "m.keras")
    base = import_model((folder / "m.keras").read_bytes(), "m.keras")
    assert base.facts["untrainable"] is None
    made: list[bytes] = []
    for step in pipeline.steps(Recipe(quantize=scheme), "task"):
        made.append(pipeline.build(step, base.data, made[-1] if made else None, DATA).data)
    return made


def run(file: bytes, folder: Path, delegate: str) -> Any:
    """The outputs for X, more samples than are evaluated at once, as a device sees them."""
    model, inputs = folder / "model.tflite", folder / "inputs.npy"
    model.write_bytes(file)
    np.save(inputs, X)
    with LocalDevice().open() as session:
        return session.outputs(model, Runtime(delegate), inputs)


@pytest.mark.parametrize(
    "make",
    [lambda: recurrent(K.LSTM(8)), lambda: recurrent(K.GRU(8)), nested],
    ids=["lstm", "gru", "nested"],
)
def test_recurrent_models_keep_no_state(make: Any, tmp_path: Path) -> None:
    """One sample at a time, each as if it were the first; all kernels are there to be quantized."""
    model = make()
    plain, dynamic = built(model, "dynamic", tmp_path)
    for delegate in ("xnnpack", "builtin"):
        np.testing.assert_allclose(run(plain, tmp_path, delegate), np.asarray(model(X)), atol=1e-5)
        np.testing.assert_allclose(run(dynamic, tmp_path, delegate), np.asarray(model(X)), atol=2e-2)
    assert describe(plain)["operators"]["WHILE"] == 1
    assert [layer.dtype for layer in read_layers(plain)] == ["float32"] * 3
    assert [layer.dtype for layer in read_layers(dynamic)] == ["int8"] * 3


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (MemoryError(), (Fault, "converter stopped: MemoryError")),
        (OSError(28, "No space left on device"), (Fault, "converter stopped: .*No space left")),
        (tf.errors.ResourceExhaustedError(None, None, "No space\nleft"), (Fault, "converter stopped: No space left")),
        (ValueError("no\nkernel"), (Infeasible, "converter refuses the model: no kernel")),
    ],
)
def test_only_what_would_happen_again_is_infeasible(
    raised: Exception, told: tuple[type[Exception], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk says nothing of the model."""

    def convert(self: Any) -> bytes:
        raise raised

    model = tf_keras.Sequential([K.InputLayer((4,)), K.Dense(3)])
    converter = type(tf.lite.TFLiteConverter.from_keras_model(model))
    monkeypatch.setattr(converter, "convert", convert)
    kind, line = told
    with pytest.raises(kind, match=line) as caught:
        converted(model)
    assert "\n" not in str(caught.value)


def test_inputs_that_skip_what_prepares_them() -> None:
    """As in a residual block around a normalisation: they were out of reach of the rest of the model. What Keras calls
    this one's inputs may be the model's own name.
    """
    tf_keras.backend.clear_session()
    entry = K.Input((6, 4), name="input_3")
    x = K.Dense(4)(K.LayerNormalization()(entry))
    model = tf_keras.Model(entry, K.Dense(3)(K.Flatten()(K.Add()([entry, x]))))
    tf_keras.backend.clear_session()
    assert np.array_equal(joined(*split(model))(X), model(X))
    assert converted(unfolded(model, X))


def test_dimensions_are_kept_in_nested_models() -> None:
    """At any depth; outputs stay."""

    def around(*layers: Any) -> Any:
        return tf_keras.Sequential([K.InputLayer((8, 8, 3)), K.Conv2D(3, 3, padding="same"), *layers])

    model = around(around(around(K.GlobalAveragePooling2D())), K.Dense(2))
    twin = keeping_dimensions(model)
    assert [layer.keepdims for layer in layers_of(twin) if isinstance(layer, K.GlobalAveragePooling2D)] == [True]
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(twin(x)), np.asarray(model(x)))


def test_loops_can_not_be_calibrated(tmp_path: Path) -> None:
    """What lies within them is no tensor of the main graph."""
    with pytest.raises(Infeasible, match="recurrent layers are loops") as caught:
        built(recurrent(K.GRU(2)), "int8", tmp_path)
    assert "\n" not in str(caught.value)


def residual_file() -> bytes:
    """A .tflite of which nothing else is there: a residual block with what Keras has a layer for, and what not."""
    entry = tf_keras.Input((8, 8, 3))
    x = K.Conv2D(8, 3, padding="same", activation="relu", name="first")(entry)
    x = K.Add()([x, K.Conv2D(8, 3, padding="same", name="second")(K.ReLU()(K.BatchNormalization()(x)))])
    x = K.Dense(3, activation="softmax", name="last")(K.Flatten()(K.MaxPool2D()(x)))
    model = tf_keras.Model(entry, x)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.05, 0.3, weight.shape) for weight in model.get_weights()])
    return converted(model)


IMAGES = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype(np.float32)
TEACHING = TrainingData(IMAGES, np.arange(64) % 3, IMAGES[:8], "sparse_categorical_crossentropy", 0)


@pytest.fixture(scope="module")
def given() -> bytes:
    return import_model(residual_file(), "m.tflite").data


def trained(given: bytes, recipe: Recipe, data: TrainingData = TEACHING) -> bytes:
    parent: bytes | None = None
    for step in pipeline.steps(recipe, "task"):
        parent = pipeline.build(step, given, parent, data).data
    assert parent is not None
    return parent


def test_a_given_file_stays_as_it_is_without_training(given: bytes) -> None:
    """The baseline, and what schemes after training work on."""
    assert trained(given, Recipe()) == given


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(prune=0.5, quantize="int8", epochs=1),
        Recipe(prune=0.5, cluster=4, quantize="qat", epochs=1),
    ],
    ids=["pruned", "all"],
)
def test_a_given_file_is_trained(given: bytes, recipe: Recipe) -> None:
    """By distillation from itself; what was asked for is in the file, whose operators are those it had."""
    file = trained(given, recipe)
    layers = read_layers(file)
    assert [layer.dtype for layer in layers] == ["int8"] * 3
    for layer in layers:
        assert np.mean(layer.values == 0) >= 0.99 * recipe.prune
        channels = np.moveaxis(layer.values, layer.axis, 0)
        assert not recipe.cluster or max(len(np.unique(channel)) for channel in channels) <= recipe.cluster
    operators = dict(describe(file)["operators"])
    operators.pop("QUANTIZE", 0)
    operators.pop("DEQUANTIZE", 0)
    assert operators == describe(given)["operators"]


def test_training_keeps_what_a_file_has_learnt() -> None:
    """Of pixels, whose weights are so small that steps of the usual size would be as large as they are."""
    tf_keras.utils.set_random_seed(0)
    pixels = np.random.default_rng(0).uniform(0, 255, (64, 8, 8, 3)).astype(np.float32)
    layers = [K.Conv2D(8, 3, activation="relu"), K.Conv2D(8, 3, activation="relu"), K.Flatten(), K.Dense(3)]
    model = tf_keras.Sequential([K.InputLayer((8, 8, 3)), *layers])
    first, *rest = model.get_weights()
    model.set_weights([first / 255, *rest])
    quantities = TrainingData(pixels, np.zeros((64, 3), np.float32), pixels[:8], "mse", 0)
    again = trained(converted(model), Recipe(prune=0.1, epochs=2), quantities)
    wanted = np.asarray(model(pixels))
    assert np.mean(np.square(running.run(again, pixels) - wanted)) < 0.02 * wanted.var()


def test_layers_of_a_given_file_are_left_alone(given: bytes) -> None:
    """By their name in the file."""
    names = [layer.name for layer in read_layers(given)]
    second = next(name for name in names if "second" in name)
    file = trained(given, Recipe(prune=0.5, epochs=1), replace(TEACHING, excluded=(second,)))
    zeros = [float(np.mean(layer.values == 0)) for layer in read_layers(file)]
    assert [share > 0.4 for share in zeros] == ["second" not in name for name in names]
