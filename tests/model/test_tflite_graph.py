"""A .tflite file's graph as a Keras model: converted again it is the same file but for its names."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from autotune.compress.convert import converted
from autotune.compress.worker import start
from autotune.model.artifact import pack
from autotune.model.load import open_base
from autotune.model.tflite_graph import as_keras
from autotune.model.tflite_keras import why_untrainable
from autotune.tflite.flatbuffer import describe, named, read_layers
from autotune.tflite.structure import structure
from tests.compress import tables
from tests.compress.running import run
from tests.compress.tables import OPERATOR
from tests.model.test_load import resnet8_tflite

start(2)

import tf_keras  # noqa: E402  # after the legacy switch is set

K = tf_keras.layers


def functional(shape: tuple[int, ...], body: Callable[[Any], Any]) -> Any:
    """A model with weights unlike those that layers begin with."""
    entry = tf_keras.Input(shape)
    model = tf_keras.Model(entry, body(entry))
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape) * 0.3)
    return model


def residual(x: Any) -> Any:
    x = K.ReLU()(K.BatchNormalization()(K.Conv2D(4, 3, padding="same")(x)))
    y = K.ReLU(6.0)(K.BatchNormalization()(K.DepthwiseConv2D(3, padding="same")(x)))
    x = K.ReLU()(K.Add()([x, K.Conv2D(4, 1)(y)]))
    x = K.Multiply()([x, K.Conv2D(4, 1, activation="sigmoid")(K.GlobalAveragePooling2D(keepdims=True)(x))])
    return K.Dense(3, activation="softmax")(K.GlobalAveragePooling2D()(x))


def u_net(x: Any) -> Any:
    skip = K.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = K.Conv2D(6, 3, padding="same", activation="relu")(K.MaxPool2D()(skip))
    x = K.Concatenate()([K.UpSampling2D(interpolation="bilinear")(x), skip])
    x = K.Conv2DTranspose(4, 2, strides=2, activation="relu")(x)
    return K.Conv2D(2, 1, activation="softmax")(K.UpSampling2D()(x))


def of_steps(x: Any) -> Any:
    x = K.MaxPool1D(2)(K.Conv1D(4, 3, activation="relu", padding="same")(x))
    return K.Dense(2)(K.GlobalAveragePooling1D()(x))


def dense(x: Any) -> Any:
    return K.Dense(1, activation="sigmoid")(K.Dense(5, activation="tanh")(K.Dense(8, activation="relu")(x)))


def before_activation(x: Any) -> Any:
    x = K.Conv2D(4, 3, padding="same")(x)
    x = K.Add()([x, K.Conv2D(4, 3, padding="same")(K.ReLU()(K.BatchNormalization()(x)))])
    return K.Dense(3)(K.Flatten()(K.ReLU()(K.BatchNormalization()(x))))


def dilated(x: Any) -> Any:
    return K.DepthwiseConv2D(3, dilation_rate=2)(K.Conv2D(4, 3, dilation_rate=2, padding="same")(x))


MODELS = {
    "residual": ((8, 8, 3), residual),
    "u-net": ((8, 8, 3), u_net),
    "steps": ((16, 3), of_steps),
    "dense": ((10,), dense),
    "before activation": ((8, 8, 3), before_activation),
    "dilated": ((12, 12, 3), dilated),
}


@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(name: str) -> None:
    """The same outputs, and as many operators of each kind, weights in the same order among them."""
    shape, body = MODELS[name]
    model = functional(shape, body)
    file = converted(model)
    assert why_untrainable(file) is None
    again = converted(as_keras(file))
    assert describe(again)["operators"] == describe(file)["operators"]
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    np.testing.assert_allclose(run(again, x), np.asarray(model(x)), rtol=1e-5, atol=1e-5)


def test_resnet8_there_and_back() -> None:
    """The file of MLPerf Tiny: what is converted again is measured as the file itself would be."""
    file = Path(resnet8_tflite()).read_bytes()
    assert why_untrainable(file) is None
    assert structure(converted(as_keras(file))) == structure(file)


def test_names_are_those_of_the_file() -> None:
    """Whole, or by a component: whatever is excluded by them in the file is in the model, and in its own file."""
    file = converted(functional((8, 8, 3), residual))
    names = [layer.name for layer in read_layers(file)]
    model = as_keras(file)
    weighted = [layer.name for layer in model.layers if layer.weights and type(layer).__name__ != "BatchNormalization"]
    again = [layer.name for layer in read_layers(converted(model))]
    assert len(set(weighted)) == len(names)
    for whole in names:
        for excluded in (whole, whole.split(";")[0].split("/")[-2]):
            assert [named(each, [excluded]) for each in weighted] == [named(each, [excluded]) for each in names]
            assert [named(each, [excluded]) for each in again] == [named(each, [excluded]) for each in names]


def test_convolutions_have_weights_of_the_usual_scale() -> None:
    """But for the last; their factors are those of batch normalisations, which fold again. Noise stays noise."""

    def body(x: Any) -> Any:
        return K.Conv2D(2, 1)(K.DepthwiseConv2D(3)(K.Conv2D(4, 3, name="first")(x)))

    model = functional((8, 8, 3), body)
    first, offset = model.get_layer("first").get_weights()
    model.get_layer("first").set_weights([first * [1e-5, 0.5, 1, 0] / 255, offset])
    file = converted(model)
    twin = as_keras(file)
    kinds = [type(layer).__name__ for layer in twin.layers]
    normalised = ["Conv2D", "BatchNormalization", "DepthwiseConv2D", "BatchNormalization"]
    assert kinds == ["InputLayer", *normalised, "Conv2D"]
    noise, *sizes = np.sqrt(np.mean(np.square(twin.layers[1].get_weights()[0]), axis=(0, 1, 2)))
    usual = np.sqrt(2 / 27)
    np.testing.assert_allclose(sizes, [usual, usual, 0], rtol=1e-5)
    assert 0 < noise < 0.01 * usual
    assert structure(converted(twin)) == structure(file)


def test_weights_that_are_shared_stay_so() -> None:
    """Two operators of one tensor are one layer, called twice."""
    model = tables.empty()
    weights = tables.tensor(model, (4, 4), np.eye(4, dtype=np.float32) * 2)
    ends = [tables.tensor(model, (1, 4)) for _ in range(3)]
    for entry, end in pairwise(ends):
        tables.operator(model, OPERATOR.FULLY_CONNECTED, [entry, weights], [end], schema.FullyConnectedOptionsT())
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = ends[:1], ends[-1:]
    twice = as_keras(tables.packed(model))
    assert [type(layer).__name__ for layer in twice.layers] == ["InputLayer", "Dense"]
    np.testing.assert_array_equal(np.asarray(twice(np.ones((1, 4), np.float32))), 4)


def test_tables_are_shared_by_what_they_hold() -> None:
    """Two tables of one size for the same indices are two layers; one table for two tensors of indices is one."""
    model, random = tables.empty(), np.random.default_rng(0)
    entry = tables.tensor(model, (1, 5), type=schema.TensorType.INT32)

    def whole(*values: int) -> int:
        return tables.tensor(model, (len(values),), np.array(values, np.int32), type=schema.TensorType.INT32)

    def looked_up(table: int, indices: int) -> int:
        rows = tables.tensor(model, (1, 3, 4))
        tables.operator(model, OPERATOR.GATHER, [table, indices], [rows], schema.GatherOptionsT())
        return rows

    def sum_of(a: int, b: int) -> int:
        total = tables.tensor(model, (1, 3, 4))
        tables.operator(model, OPERATOR.ADD, [a, b], [total], schema.AddOptionsT())
        return total

    first, last = (tables.tensor(model, (1, 3), type=schema.TensorType.INT32) for _ in range(2))
    for begin, part in enumerate((first, last)):
        tables.operator(model, OPERATOR.SLICE, [entry, whole(0, begin), whole(1, 3)], [part], schema.SliceOptionsT())
    one, other = (tables.tensor(model, (9, 4), random.normal(size=(9, 4)).astype(np.float32)) for _ in range(2))
    end = sum_of(sum_of(looked_up(one, first), looked_up(other, first)), looked_up(one, last))
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = [entry], [end]
    file = tables.packed(model)
    assert why_untrainable(file) is None
    assert [type(layer).__name__ for layer in as_keras(file).layers].count("Embedding") == 2


def test_the_model_is_saved_and_opened(tmp_path: Path) -> None:
    """Also its operators that Keras has no layer for, as later stages keep whole models."""
    shape, body = MODELS["before activation"]
    model = as_keras(converted(functional(shape, body)))
    model.save(tmp_path / "model.keras")
    again = open_base((tmp_path / "model.keras").read_bytes())
    x = np.ones((2, *shape), np.float32)
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(model(x)))
    assert "Operation" in [type(layer).__name__ for layer in again.layers]


def test_open_base_gives_the_weights_of_a_stage() -> None:
    """Of a file, as of a Keras model."""
    file = tables.small()
    halved = [weight / 2 for weight in as_keras(file).get_weights()]
    model = open_base(file, pack(halved))
    for weight, wanted in zip(model.get_weights(), halved, strict=True):
        np.testing.assert_array_equal(weight, wanted)
