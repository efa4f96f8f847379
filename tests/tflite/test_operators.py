"""The table of operators counts what is in the file."""

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from autotune.compress import post_training
from autotune.errors import UserError
from autotune.tflite.facts import Operator
from autotune.tflite.operators import operators
from tests.compress import tables

KIND = tables.OPERATOR


@pytest.fixture(scope="module")
def network(resnet8: Any) -> bytes:
    """ResNet8 as a float file."""
    return bytes(resnet8.with_name("resnet8_float.tflite").read_bytes())


def test_resnet8(network: bytes) -> None:
    """12.5 million multiply-accumulates, as MLPerf Tiny has it.

    Of the Keras model's 78,666 parameters, batch normalisation's four for each of the seven layers' 240 channels
    are folded into the convolutions.
    """
    rows = operators(network)
    assert sum(row.macs for row in rows) == 12_501_632
    assert sum(row.parameters for row in rows) == 78_666 - 4 * 240
    assert sum(row.weight_bytes for row in rows) == 4 * (78_666 - 4 * 240)
    assert rows[0].kind == "CONV_2D"
    assert (rows[0].output_shape, rows[0].output_dtype) == ((1, 32, 32, 16), "float32")
    assert rows[0].activation_bytes == 4 * (32 * 32 * 3 + 32 * 32 * 16)
    assert {row.kind for row in rows if not row.macs} == {"ADD", "AVERAGE_POOL_2D", "RESHAPE", "SOFTMAX"}


@pytest.mark.parametrize(
    ("scheme", "size"),
    [("float16", 2 * 77_360 + 1384), ("dynamic", 77_360 + 1384), ("int8", 77_360 + 1384), ("int4", 77_360 // 2 + 1384)],
)
def test_schemes_change_bytes_only(network: bytes, scheme: str, size: int) -> None:
    """Weights and biases stay as many, also behind a DEQUANTIZE, and each takes the bytes of its type.

    The 346 biases stay 32 bits wide.
    """
    quantized = post_training.quantize(network, scheme, np.random.default_rng(0).random((2, 32, 32, 3), np.float32))
    rows = operators(quantized)
    assert sum(row.macs for row in rows) == 12_501_632
    assert sum(row.parameters for row in rows) == 77_706
    assert sum(row.weight_bytes for row in rows) == size
    assert all(row.parameters for row in rows if row.macs)
    activations = {row.activation_bytes for row in rows if row.kind == "SOFTMAX"}
    assert activations == {20 if scheme == "int8" else 80}


def test_names_shapes_and_types() -> None:
    """Of a small file, in order; a RESHAPE's shape is no parameter."""
    assert operators(tables.small()) == [
        Operator("tensor1", "CONV_2D", 64 * 4 * 27, 4 * 27 + 4, 448, 4 * (192 + 256), (1, 8, 8, 4), "float32"),
        Operator("tensor2", "RESHAPE", 0, 0, 0, 4 * 2 * 256, (1, 256), "float32"),
        Operator("tensor4", "FULLY_CONNECTED", 2560, 2570, 10280, 4 * 266, (1, 10), "float32"),
        Operator("tensor5", "SOFTMAX", 0, 0, 0, 80, (1, 10), "float32"),
    ]


COMPUTED = True
"""Marks inputs that are no constants."""


@pytest.mark.parametrize(
    ("kind", "inputs", "output", "options", "macs"),
    [
        # a group sees two of the four input channels
        (KIND.CONV_2D, [((1, 5, 5, 4), COMPUTED), ((6, 3, 3, 2), False)], (1, 3, 3, 6), None, 9 * 6 * 18),
        (KIND.DEPTHWISE_CONV_2D, [((1, 5, 5, 4), COMPUTED), ((1, 3, 3, 8), False)], (1, 3, 3, 8), None, 9 * 8 * 9),
        (KIND.FULLY_CONNECTED, [((7, 4), COMPUTED), ((3, 4), False)], (7, 3), None, 7 * 12),
        (
            KIND.TRANSPOSE_CONV,
            [((4,), False), ((6, 3, 3, 2), False), ((1, 5, 5, 2), COMPUTED)],
            (1, 11, 11, 6),
            None,
            25 * 2 * 9 * 6,
        ),
        (KIND.CONV_3D, [((1, 5, 5, 5, 2), COMPUTED), ((3, 3, 3, 2, 4), False)], (1, 3, 3, 3, 4), None, 27 * 4 * 27 * 2),
        (
            KIND.CONV_3D_TRANSPOSE,
            [((5,), False), ((2, 2, 2, 4, 3), False), ((1, 5, 5, 5, 3), COMPUTED)],
            (1, 10, 10, 10, 4),
            None,
            125 * 3 * 8 * 4,
        ),
        (KIND.BATCH_MATMUL, [((5, 2, 3), COMPUTED), ((5, 3, 4), COMPUTED)], (5, 2, 4), None, 5 * 2 * 3 * 4),
        (
            KIND.BATCH_MATMUL,
            [((5, 3, 2), COMPUTED), ((5, 3, 4), COMPUTED)],
            (5, 2, 4),
            schema.BatchMatMulOptionsT(adjX=True),
            5 * 2 * 3 * 4,
        ),
        # six steps, of four gates each: 3 inputs and 2 units to 2 units; biases and the states are no matrices
        (
            KIND.UNIDIRECTIONAL_SEQUENCE_LSTM,
            [((1, 6, 3), COMPUTED), *[((2, 3), False)] * 4, *[((2, 2), False)] * 4, ((2,), False), ((1, 2), COMPUTED)],
            (1, 6, 2),
            None,
            6 * 4 * (2 * 3 + 2 * 2),
        ),
        (KIND.MAX_POOL_2D, [((1, 4, 4, 2), COMPUTED)], (1, 2, 2, 2), None, 0),
        (KIND.PRELU, [((1, 4), COMPUTED), ((4,), False)], (1, 4), None, 0),
    ],
)
def test_multiply_accumulates(
    kind: int, inputs: list[tuple[tuple[int, ...], bool]], output: tuple[int, ...], options: Any, macs: int
) -> None:
    """Of each kind of operator, by the definition of what it computes."""
    model = tables.empty()
    numbers = [
        tables.tensor(model, shape, None if computed else np.ones(shape, np.float32)) for shape, computed in inputs
    ]
    tables.operator(model, kind, numbers, [tables.tensor(model, output)], options)
    (row,) = operators(tables.packed(model))
    assert row.macs == macs
    assert row.parameters == sum(int(np.prod(shape)) for shape, computed in inputs if not computed)
    assert row.output_shape == output


def test_sparse_weights() -> None:
    """Stored are values and indices; weights and multiply-accumulates are those of the whole matrix."""

    def encode(model: Any) -> None:
        tables.encode_sparsely(model, model.subgraphs[0].operators[2].inputs[1], np.eye(10, 256, dtype=np.float32))

    row, dense = (operators(file)[2] for file in (tables.edited(tables.small(), encode), tables.small()))
    assert (row.macs, row.parameters) == (dense.macs, dense.parameters)
    assert row.weight_bytes == 4 * (10 + 10 + 11) + 4 * 10  # values, columns and rows' edges; biases


def test_weights_that_are_unpacked() -> None:
    """DENSIFY and DEQUANTIZE in a row belong to the layer whose weights they make, and move nothing in an inference."""
    model = tables.empty()
    entry, stored = tables.tensor(model, (1, 4)), tables.tensor(model, (2, 4), np.ones(8, np.float16), type=1)
    dense, single, end = (tables.tensor(model, shape) for shape in ((2, 4), (2, 4), (1, 2)))
    tables.operator(model, KIND.DENSIFY, [stored], [dense])
    tables.operator(model, KIND.DEQUANTIZE, [dense], [single])
    tables.operator(model, KIND.FULLY_CONNECTED, [entry, single, -1], [end])
    rows = operators(tables.packed(model))
    assert [(row.parameters, row.weight_bytes, row.activation_bytes) for row in rows] == [*[(0, 0, 0)] * 2, (8, 16, 24)]


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("INT4", 2), ("INT8", 3), ("BOOL", 3), ("BFLOAT16", 6), ("COMPLEX64", 24), ("FLOAT8_E4M3FN", 3), ("STRING", 0)],
)
def test_sizes_of_activations(dtype: str, size: int) -> None:
    """Three values of each type; four bits each are two bytes."""
    model = tables.empty()
    entry = tables.tensor(model, (3,), type=getattr(tables.TYPE, dtype))
    tables.operator(model, KIND.RELU, [entry], [tables.tensor(model, (0,))])
    assert operators(tables.packed(model))[0].activation_bytes == size


def test_custom_operators_and_other_graphs() -> None:
    """Custom ones go by their names; a loop's body follows, once; what has no output has no name."""
    model = tables.empty()
    tables.operator(model, KIND.CUSTOM, [], [])
    model.operatorCodes[0].customCode = "Mine"
    body = schema.ModelT.InitFromPackedBuf(tables.small(), 0).subgraphs[0]
    model.buffers += [schema.BufferT(data=np.zeros(one, np.uint8)) for one in (432, 16, 8, 10240, 40)]
    model.operatorCodes += [schema.OperatorCodeT(builtinCode=one) for one in (KIND.RELU, KIND.WHILE)]
    for one in body.operators:
        one.opcodeIndex = 1
    model.subgraphs.append(body)
    rows = operators(tables.packed(model))
    assert [row.kind for row in rows] == ["Mine", *["RELU"] * 4]
    assert (rows[0].name, rows[0].output_shape, rows[0].output_dtype) == ("", (), "")


def test_weights_behind_the_tables() -> None:
    """Large files have them there."""
    assert operators(tables.behind(tables.small())) == operators(tables.small())


@pytest.mark.parametrize("file", [b"", b"PK\x03\x04" + bytes(1000), tables.small()[:5000]])
def test_what_is_no_file_is_refused(file: bytes) -> None:
    """In one line."""
    with pytest.raises(UserError, match=r"not a whole \.tflite file"):
        operators(file)
