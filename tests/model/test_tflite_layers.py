"""Operators of a .tflite file as Keras layers: what LiteRT gives, or a line that says which operator is none."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from autotune.compress.worker import start
from autotune.model.tflite_graph import as_keras
from autotune.model.tflite_keras import why_untrainable
from tests.compress import tables
from tests.compress.tables import OPERATOR, TYPE

start(2)

RELU = schema.ActivationFunctionType
VALID, SAME = schema.Padding.VALID, schema.Padding.SAME
RANDOM = np.random.default_rng(0)


def floats(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(size=shape).astype(np.float32)


def whole(*values: Any) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def one(
    code: int,
    shape: tuple[int, ...],
    constants: list[Any],
    out: tuple[int, ...],
    options: Any = None,
    at: int = 0,
    dtype: int = TYPE.FLOAT32,
) -> bytes:
    """A file of one operator: of one image (or whatever has this shape) and constants, None for the image again."""
    model = tables.empty()
    entry = tables.tensor(model, (1, *shape), type=dtype)
    inputs = []
    for values in constants:
        kind = TYPE.INT32 if values is not None and values.dtype == np.int32 else TYPE.FLOAT32
        inputs.append(entry if values is None else tables.tensor(model, values.shape, values, type=kind))
    inputs.insert(at, entry)
    end = tables.tensor(model, out)
    tables.operator(model, code, inputs, [end], options)
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = [entry], [end]
    return tables.packed(model)


def convolution(**fields: Any) -> Any:
    return schema.Conv2DOptionsT(**{"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1} | fields)


def depthwise(**fields: Any) -> Any:
    ones = dict.fromkeys(("strideW", "strideH", "depthMultiplier", "dilationWFactor", "dilationHFactor"), 1)
    return schema.DepthwiseConv2DOptionsT(**ones | fields)


def pool(**fields: Any) -> Any:
    sizes = {"filterWidth": 2, "filterHeight": 3, "strideW": 2, "strideH": 1}
    return schema.Pool2DOptionsT(**sizes | fields)


IMAGE = (6, 6, 4)
PADS = whole([0, 0], [1, 2], [0, 1], [0, 0])

FILES: dict[str, Callable[[], bytes]] = {
    "conv same strided relu6": lambda: one(
        OPERATOR.CONV_2D,
        IMAGE,
        [floats(5, 3, 3, 4), floats(5)],
        (1, 3, 3, 5),
        convolution(padding=SAME, strideW=2, strideH=2, fusedActivationFunction=RELU.RELU6),
    ),
    "conv valid dilated relu": lambda: one(
        OPERATOR.CONV_2D,
        IMAGE,
        [floats(5, 2, 3, 4), floats(5)],
        (1, 5, 2, 5),
        convolution(padding=VALID, dilationWFactor=2, fusedActivationFunction=RELU.RELU),
    ),
    "conv in groups": lambda: one(
        OPERATOR.CONV_2D, IMAGE, [floats(6, 3, 3, 2), floats(6)], (1, 6, 6, 6), convolution(padding=SAME)
    ),
    "conv clipped": lambda: one(
        OPERATOR.CONV_2D,
        IMAGE,
        [floats(5, 1, 1, 4), floats(5)],
        (1, 6, 6, 5),
        convolution(fusedActivationFunction=RELU.RELU_N1_TO_1),
    ),
    "depthwise multiplied": lambda: one(
        OPERATOR.DEPTHWISE_CONV_2D,
        IMAGE,
        [floats(1, 3, 3, 8), floats(8)],
        (1, 4, 4, 8),
        depthwise(padding=VALID, depthMultiplier=2),
    ),
    "transposed": lambda: one(
        OPERATOR.TRANSPOSE_CONV,
        IMAGE,
        [whole(1, 12, 12, 3), floats(3, 3, 3, 4)],
        (1, 12, 12, 3),
        schema.TransposeConvOptionsT(padding=SAME, strideW=2, strideH=2),
        at=2,
    ),
    "dense of an image": lambda: one(
        OPERATOR.FULLY_CONNECTED, IMAGE, [floats(7, 144), floats(7)], (1, 7), schema.FullyConnectedOptionsT()
    ),
    "add of itself": lambda: one(
        OPERATOR.ADD, IMAGE, [None], (1, *IMAGE), schema.AddOptionsT(fusedActivationFunction=RELU.RELU)
    ),
    "constant minus": lambda: one(OPERATOR.SUB, IMAGE, [floats(4)], (1, *IMAGE), schema.SubOptionsT(), at=1),
    "divided by a constant": lambda: one(
        OPERATOR.DIV, IMAGE, [1 + floats(1, 1, 1, 4) ** 2], (1, *IMAGE), schema.DivOptionsT()
    ),
    "at least": lambda: one(OPERATOR.MAXIMUM, IMAGE, [floats(1)], (1, *IMAGE), schema.MaximumMinimumOptionsT()),
    "mean of columns": lambda: one(OPERATOR.MEAN, IMAGE, [whole(2)], (1, 6, 4), schema.ReducerOptionsT(keepDims=False)),
    "mean, dimensions kept": lambda: one(
        OPERATOR.MEAN, IMAGE, [whole(1, 2)], (1, 1, 1, 4), schema.ReducerOptionsT(keepDims=True)
    ),
    "sum": lambda: one(OPERATOR.SUM, IMAGE, [whole(-1)], (1, 6, 6), schema.ReducerOptionsT(keepDims=False)),
    "average pool": lambda: one(
        OPERATOR.AVERAGE_POOL_2D, IMAGE, [], (1, 6, 3, 4), pool(padding=SAME, fusedActivationFunction=RELU.RELU6)
    ),
    "max pool": lambda: one(OPERATOR.MAX_POOL_2D, IMAGE, [], (1, 4, 3, 4), pool(padding=VALID)),
    "pad": lambda: one(OPERATOR.PAD, IMAGE, [PADS], (1, 9, 7, 4), schema.PadOptionsT()),
    "pad with ones": lambda: one(
        OPERATOR.PADV2, IMAGE, [PADS, np.array(1, np.float32)], (1, 9, 7, 4), schema.PadV2OptionsT()
    ),
    "mirror pad": lambda: one(
        OPERATOR.MIRROR_PAD, IMAGE, [PADS], (1, 9, 7, 4), schema.MirrorPadOptionsT(mode=schema.MirrorPadMode.REFLECT)
    ),
    "reshape": lambda: one(OPERATOR.RESHAPE, IMAGE, [whole(1, 12, 12)], (1, 12, 12), schema.ReshapeOptionsT()),
    "squeeze": lambda: one(OPERATOR.SQUEEZE, (1, 1, 4), [], (1, 4), schema.SqueezeOptionsT(squeezeDims=whole(1, 2))),
    "expand": lambda: one(OPERATOR.EXPAND_DIMS, (6, 4), [whole(-2)], (1, 6, 1, 4), schema.ExpandDimsOptionsT()),
    "transpose": lambda: one(OPERATOR.TRANSPOSE, IMAGE, [whole(0, 3, 1, 2)], (1, 4, 6, 6), schema.TransposeOptionsT()),
    "concatenation": lambda: one(
        OPERATOR.CONCATENATION, IMAGE, [None], (1, 6, 6, 8), schema.ConcatenationOptionsT(axis=-1)
    ),
    "bilinear": lambda: one(
        OPERATOR.RESIZE_BILINEAR,
        IMAGE,
        [whole(12, 18)],
        (1, 12, 18, 4),
        schema.ResizeBilinearOptionsT(halfPixelCenters=True),
    ),
    "bilinear, corners aligned": lambda: one(
        OPERATOR.RESIZE_BILINEAR,
        IMAGE,
        [whole(9, 12)],
        (1, 9, 12, 4),
        schema.ResizeBilinearOptionsT(alignCorners=True),
    ),
    "nearest": lambda: one(
        OPERATOR.RESIZE_NEAREST_NEIGHBOR, IMAGE, [whole(9, 12)], (1, 9, 12, 4), schema.ResizeNearestNeighborOptionsT()
    ),
    "cropped": lambda: one(
        OPERATOR.STRIDED_SLICE,
        IMAGE,
        [whole(0, 1, 1, 0), whole(1, -1, 5, 4), whole(1, 1, 2, 1)],
        (1, 4, 2, 4),
        schema.StridedSliceOptionsT(),
    ),
    "slice": lambda: one(
        OPERATOR.SLICE, IMAGE, [whole(0, 0, 2, 1), whole(1, 6, 3, -1)], (1, 6, 3, 3), schema.SliceOptionsT()
    ),
    "softmax": lambda: one(OPERATOR.SOFTMAX, (10,), [], (1, 10), schema.SoftmaxOptionsT(beta=1.0)),
    "prelu": lambda: one(OPERATOR.PRELU, IMAGE, [floats(1, 1, 4)], (1, *IMAGE)),
    "leaky relu": lambda: one(OPERATOR.LEAKY_RELU, IMAGE, [], (1, *IMAGE), schema.LeakyReluOptionsT(alpha=0.2)),
    "gelu": lambda: one(OPERATOR.GELU, IMAGE, [], (1, *IMAGE), schema.GeluOptionsT(approximate=True)),
    "depth to space": lambda: one(
        OPERATOR.DEPTH_TO_SPACE, IMAGE, [], (1, 12, 12, 1), schema.DepthToSpaceOptionsT(blockSize=2)
    ),
    "attention": lambda: one(
        OPERATOR.BATCH_MATMUL, (6, 4), [None], (1, 6, 6), schema.BatchMatMulOptionsT(adjX=False, adjY=True)
    ),
    "pixels": lambda: one(OPERATOR.CAST, IMAGE, [], (1, *IMAGE), schema.CastOptionsT(), dtype=TYPE.UINT8),
    "embedding": lambda: one(
        OPERATOR.GATHER, (5,), [floats(9, 3)], (1, 5, 3), schema.GatherOptionsT(), at=1, dtype=TYPE.INT32
    ),
    **{
        name.lower(): partial(one, getattr(OPERATOR, name), IMAGE, [], (1, *IMAGE))
        for name in ("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "ELU", "HARD_SWISH", "ABS", "NEG", "SQUARE")
    },
}


@pytest.mark.parametrize("name", FILES)
def test_a_layer_gives_what_litert_gives(name: str) -> None:
    """On random inputs of two scales, for batches of one in the file and of four in the model."""
    assert why_untrainable(FILES[name]()) is None


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "an operator without a layer": (
        lambda: one(OPERATOR.FLOOR, IMAGE, [], (1, *IMAGE)),
        "its operator FLOOR has no Keras layer here",
    ),
    "another temperature": (
        lambda: one(OPERATOR.SOFTMAX, (10,), [], (1, 10), schema.SoftmaxOptionsT(beta=2.0)),
        "its operator SOFTMAX has no Keras layer here (of another temperature)",
    ),
    "over samples": (
        lambda: one(OPERATOR.MEAN, IMAGE, [whole(0)], (1, *IMAGE), schema.ReducerOptionsT(keepDims=True)),
        "its operator MEAN has no Keras layer here (over samples)",
    ),
    "computed weights": (
        lambda: one(OPERATOR.FULLY_CONNECTED, (4,), [None], (1, 1), schema.FullyConnectedOptionsT()),
        "its operator FULLY_CONNECTED has no Keras layer here (weights or settings of it are computed)",
    ),
    "another activation": (
        lambda: one(
            OPERATOR.ADD, IMAGE, [None], (1, *IMAGE), schema.AddOptionsT(fusedActivationFunction=RELU.SIGN_BIT)
        ),
        "its operator ADD has no Keras layer here (for its activation)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_layer_is_named(name: str) -> None:
    """In one line."""
    make, line = REFUSED[name]
    assert why_untrainable(make()) == line


def test_layers_that_others_know() -> None:
    """Convolutions, dense layers and pooling are Keras' own, which can be pruned, clustered and quantized."""
    kinds = {name: type(as_keras(FILES[name]()).layers[-1]).__name__ for name in FILES}
    for name, kind in {
        "conv valid dilated relu": "Conv2D",
        "depthwise multiplied": "DepthwiseConv2D",
        "transposed": "Conv2DTranspose",
        "dense of an image": "Dense",
        "mean, dimensions kept": "GlobalAveragePooling2D",
        "pad": "ZeroPadding2D",
        "bilinear": "UpSampling2D",
        "embedding": "Embedding",
    }.items():
        assert kinds[name] == kind
