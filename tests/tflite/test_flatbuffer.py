"""What is read from a .tflite file is what is in it."""

import numpy as np
import pytest

from autotune.compress import oneshot, post_training
from autotune.compress.worker import start
from autotune.errors import Infeasible, UserError
from autotune.tflite.flatbuffer import activations, describe, named, read_layers, read_weights
from tests.compress import tables

WIDE = "wide"
"""A layer of more than 256 KiB, over which LiteRT's quantizer writes weights behind the tables."""


@pytest.fixture(scope="module")
def file() -> bytes:
    """A float file of four layers; a kernel of 9 weights a channel, so that 4-bit pairs cross channels."""
    start(2)
    import tensorflow as tf
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    entry = tf_keras.Input((8, 8, 1))
    x = tf_keras.layers.Conv2D(5, 3, activation="relu", name="first")(entry)
    x = tf_keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = tf_keras.layers.Dense(900, name=WIDE)(tf_keras.layers.Flatten()(x))
    model = tf_keras.Model(entry, tf_keras.layers.Dense(3, activation="softmax", name="last")(x))
    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


@pytest.fixture(scope="module")
def calibration() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)


def test_layers_come_with_names_kinds_and_shapes(file: bytes) -> None:
    """All four layers, in the order in which they run, each found by its Keras name."""
    layers = read_layers(file)
    assert [layer.operator for layer in layers] == ["CONV_2D", "DEPTHWISE_CONV_2D", *["FULLY_CONNECTED"] * 2]
    assert [named(layer.name, [name]) for layer, name in zip(layers, ("first", "depthwise", WIDE, "last"), strict=True)]
    assert [layer.values.shape for layer in layers] == [(5, 3, 3, 1), (1, 3, 3, 5), (900, 80), (3, 900)]
    assert {layer.dtype for layer in layers} == {"float32"}


def test_a_name_matches_whole_components_only() -> None:
    """conv2d is not conv2d_1, but conv2d_* is; a fused tensor has the names of all that went into it."""
    assert named("model/conv2d_1/Conv2D", {"conv2d_1"})
    assert not named("model/conv2d_1/Conv2D", {"conv2d"})
    assert named("model/relu/Relu;model/conv2d/Conv2D", {"conv2d"})
    assert named("model/conv2d/Conv2D", {"model/conv2d/Conv2D"})
    assert named("model/conv2d_1/Conv2D", {"conv2d_*"})


def test_float_weights_can_be_written(file: bytes) -> None:
    """What is written to a layer of a bytearray is in the file, and nothing else changes."""
    copy = bytearray(file)
    read_layers(copy)[0].values[...] = 7
    changed = read_weights(bytes(copy))
    assert changed[0]["distinct"] == 1
    assert changed[1:] == read_weights(file)[1:]
    assert len(copy) == len(file)


@pytest.mark.parametrize(
    ("scheme", "dtypes"),
    [
        ("float16", ["float16"] * 4),
        ("weight_int8", ["int8"] * 4),
        ("int8", ["int8"] * 4),
        ("int4", ["int4", "int8", "int4", "int4"]),
    ],
)
def test_weights_of_every_type_are_read(file: bytes, calibration: np.ndarray, scheme: str, dtypes: list[str]) -> None:
    """Quantized weights, those behind a DEQUANTIZE too, are the float ones but for each channel's scale."""
    original, quantized = read_layers(file), read_layers(post_training.quantize(file, scheme, calibration))
    assert [layer.dtype for layer in quantized] == dtypes
    for before, after in zip(original, quantized, strict=True):
        assert after.values.shape == before.values.shape
        for one, other in zip(*(np.moveaxis(layer.values, layer.axis, 0) for layer in (before, after)), strict=True):
            assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


def test_four_bit_weights_are_counted_one_by_one(file: bytes, calibration: np.ndarray) -> None:
    """Two to a byte in the file, but their zeros and distinct values are those of single weights."""
    copy = bytearray(file)
    weights = read_layers(copy)[2].values
    weights[...] = np.where(np.arange(weights.size).reshape(weights.shape) % 4, 0, np.sign(weights))
    row = read_weights(post_training.quantize(bytes(copy), "int4", calibration))[2]
    assert (row["dtype"], row["weights"], row["sparsity"], row["distinct"]) == ("int4", 72_000, 0.75, 3)


def test_weights_behind_the_tables_are_read(file: bytes, calibration: np.ndarray) -> None:
    """A large file keeps its buffers outside of the flatbuffer."""
    mixed = post_training.quantize(file, "dynamic", calibration, [WIDE])
    assert [row["dtype"] for row in read_weights(mixed)] == ["int8", "int8", "float32", "int8"]
    assert np.array_equal(read_layers(mixed)[2].values, read_layers(file)[2].values)
    assert activations(mixed) == activations(file)


def test_a_file_is_described(file: bytes, calibration: np.ndarray) -> None:
    """Inputs and outputs with the dynamic batch, signatures, operators; what the outputs are is seen through casts."""
    facts = describe(file)
    (entry,), (exit_,) = facts["inputs"], facts["outputs"]
    assert (entry["shape"], entry["shape_signature"], entry["dtype"]) == ([1, 8, 8, 1], [-1, 8, 8, 1], "float32")
    assert (exit_["shape"], exit_["dtype"]) == ([1, 3], "float32")
    assert facts["signatures"] == ["serving_default"]
    assert facts["custom_operators"] == []
    assert facts["operators"]["FULLY_CONNECTED"] == 2
    assert (facts["quantized"], facts["activations"]) == (False, ["softmax"])
    quantized = describe(post_training.quantize(file, "int8", calibration))
    assert (quantized["quantized"], quantized["activations"]) == (True, ["softmax"])
    assert describe(post_training.quantize(file, "float16", calibration))["quantized"]
    assert describe(post_training.quantize(file, "int8_io", calibration))["inputs"][0]["dtype"] == "int8"


def test_weights_that_tensorflow_1_quantized() -> None:
    """Are counted from their zero point: a weight of that value is zero."""
    file = tables.quantized_by_tensorflow_1()
    (row,) = read_weights(file)
    assert (row["dtype"], row["shape"], row["weights"]) == ("uint8", [3, 4], 12)
    assert row["sparsity"] == 1 / 12
    assert (read_layers(file)[0].values[0, 0], describe(file)["quantized"]) == (0, True)


def test_activation_behind_a_reshape() -> None:
    """A LOGISTIC whose values the file only gives another shape is what its outputs are."""
    model = tables.empty()
    numbers, shares, rows = (tables.tensor(model, shape) for shape in ((1, 4), (1, 4), (1, 2, 2)))
    shape = tables.tensor(model, (3,), np.array([-1, 2, 2], np.int32), type=tables.TYPE.INT32)
    tables.operator(model, tables.OPERATOR.LOGISTIC, [numbers], [shares])
    tables.operator(model, tables.OPERATOR.RESHAPE, [shares, shape], [rows])
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = [numbers], [rows]
    assert describe(tables.packed(model))["activations"] == ["sigmoid"]


@pytest.mark.parametrize("share", [0, 1e-4, 0.1, 0.5, 0.999])
def test_a_damaged_file_is_refused(file: bytes, share: float) -> None:
    """A file that was cut off gives one line, wherever it ends."""
    with pytest.raises(UserError, match=r"not a whole \.tflite file"):
        describe(file[: int(share * len(file))])


def test_another_kind_of_file_is_refused() -> None:
    """A zip archive is not read as a flatbuffer."""
    for reader in (describe, read_weights, read_layers):
        with pytest.raises(UserError, match=r"not a whole \.tflite file"):
            reader(b"PK\x03\x04" + bytes(1000))


@pytest.mark.parametrize("block", [1, 4])
def test_sparse_weights_are_read_as_dense_ones(block: int) -> None:
    """The sparse encoding, of single weights and of blocks, is the same layer; nothing more can be done to it."""
    start(2)
    import tensorflow as tf
    import tf_keras

    model = tf_keras.Sequential([tf_keras.layers.Input((64,)), tf_keras.layers.Dense(32)])
    kernel, bias = model.get_weights()
    mask = np.random.default_rng(0).random((64 // block, 32)) > 0.85
    model.set_weights([kernel * np.repeat(mask, block, axis=0), bias])
    dense = bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    sparse = bytes(converter.convert())
    for one, other in zip(read_layers(bytearray(sparse)), read_layers(dense), strict=True):
        assert np.array_equal(one.values, other.values)
        assert (one.sparse, other.sparse) == (True, False)
    with pytest.raises(Infeasible, match="encoded sparsely"):
        post_training.quantize(sparse, "int8", np.zeros((1, 64), np.float32))
    with pytest.raises(Infeasible, match="no layer to prune"):
        oneshot.prune(sparse, 0.9)
