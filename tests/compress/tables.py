"""Small .tflite files made table by table, and edited ones: no TensorFlow, and kinds that no converter makes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

TYPE, OPERATOR = schema.TensorType, schema.BuiltinOperator


def empty() -> Any:
    """A model with one graph in which nothing is yet."""
    graph = schema.SubGraphT(tensors=[], inputs=[], outputs=[], operators=[])
    tables: dict[str, Any] = {"operatorCodes": [], "buffers": [schema.BufferT()], "signatureDefs": []}
    return schema.ModelT(version=3, subgraphs=[graph], **tables)


def packed(model: Any) -> bytes:
    builder = schema.flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def edited(file: bytes, change: Callable[[Any], None]) -> bytes:
    """The file with its tables changed."""
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    change(model)
    return packed(model)


def behind(file: bytes) -> bytes:
    """The file with its constants behind the tables, as large ones have them."""
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    constants = [one for one in model.buffers if one.data is not None]
    contents = [bytes(one.data) for one in constants]
    for one, content in zip(constants, contents, strict=True):
        one.data, one.offset, one.size = None, 1, len(content)  # a place holder, as 0 would not be written
    place = len(packed(model))
    for one in constants:
        one.offset = place
        place += one.size
    return packed(model) + b"".join(contents)


def buffer(model: Any, values: NDArray[Any]) -> int:
    """The number of a new buffer."""
    model.buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
    return len(model.buffers) - 1


def tensor(model: Any, shape: Sequence[int], values: NDArray[Any] | None = None, **fields: Any) -> int:
    """The number of a new tensor of the first graph: float32, and computed unless it has values."""
    tensors = model.subgraphs[0].tensors
    number = 0 if values is None else buffer(model, values)
    tensors.append(schema.TensorT(shape=list(shape), buffer=number, name=f"tensor{len(tensors)}", **fields))
    return len(tensors) - 1


def operator(model: Any, code: int, inputs: Sequence[int], outputs: Sequence[int], options: Any = None) -> Any:
    """A new operator of the first graph."""
    old = min(code, OPERATOR.PLACEHOLDER_FOR_GREATER_OP_CODES)
    model.operatorCodes.append(schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=old, version=1))
    made = schema.OperatorT(opcodeIndex=len(model.operatorCodes) - 1, inputs=list(inputs), outputs=list(outputs))
    if options is not None:
        made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        made.builtinOptions = options
    model.subgraphs[0].operators.append(made)
    return made


def small() -> bytes:
    """A whole float file: a convolution of an 8x8 image with a dynamic batch, flattened, 10 units, and a softmax."""
    model, random = empty(), np.random.default_rng(0)

    def weights(*shape: int) -> int:
        return tensor(model, shape, random.normal(size=shape).astype(np.float32))

    image = tensor(model, (1, 8, 8, 3), shapeSignature=[-1, 8, 8, 3])
    features = tensor(model, (1, 8, 8, 4), shapeSignature=[-1, 8, 8, 4])
    flat = tensor(model, (1, 256), shapeSignature=[-1, 256])
    shape = tensor(model, (2,), np.array([-1, 256], np.int32), type=TYPE.INT32)
    units, shares = (tensor(model, (1, 10), shapeSignature=[-1, 10]) for _ in range(2))
    convolution = schema.Conv2DOptionsT(strideW=1, strideH=1)
    operator(model, OPERATOR.CONV_2D, [image, weights(4, 3, 3, 3), weights(4)], [features], convolution)
    operator(model, OPERATOR.RESHAPE, [features, shape], [flat])
    dense = schema.FullyConnectedOptionsT()
    operator(model, OPERATOR.FULLY_CONNECTED, [flat, weights(10, 256), weights(10)], [units], dense)
    operator(model, OPERATOR.SOFTMAX, [units], [shares], schema.SoftmaxOptionsT(beta=1.0))
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = [image], [shares]
    return packed(model)


def quantized_by_tensorflow_1() -> bytes:
    """A whole file of 4 inputs, 3 units and a softmax, uint8 throughout, each tensor with one scale and zero point."""
    model, random = empty(), np.random.default_rng(0)

    def scaled(shape: Sequence[int], scale: float, zero: int, values: NDArray[Any] | None = None, **of: Any) -> int:
        scales, zeros = np.array([scale], np.float32), np.array([zero], np.int64)
        kept = schema.QuantizationParametersT(scale=scales, zeroPoint=zeros)
        return tensor(model, shape, values, quantization=kept, **({"type": TYPE.UINT8} | of))

    weights = random.integers(0, 256, (3, 4), dtype=np.uint8)
    weights[0, 0] = 131  # that is, zero
    entry, units, shares = scaled((1, 4), 1 / 32, 128), scaled((1, 3), 1 / 16, 128), scaled((1, 3), 1 / 256, 0)
    constants = [
        scaled((3, 4), 1 / 64, 131, weights),
        scaled((3,), 1 / 2048, 0, np.array([100, -200, 0], np.int32), type=TYPE.INT32),
    ]
    operator(model, OPERATOR.FULLY_CONNECTED, [entry, *constants], [units], schema.FullyConnectedOptionsT())
    operator(model, OPERATOR.SOFTMAX, [units], [shares], schema.SoftmaxOptionsT(beta=1.0))
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = [entry], [shares]
    return packed(model)


def encode_sparsely(model: Any, index: int, values: NDArray[np.float32], kind: str = "Int32") -> None:
    """Gives a matrix of the first graph these values, (rows, columns), without the zeros among them.

    The columns of those that are left are Int32, Uint16 or Uint8.
    """
    rows, columns = np.nonzero(values)
    edges = np.concatenate([[0], np.cumsum(np.count_nonzero(values, axis=1))])
    matrix = model.subgraphs[0].tensors[index]
    matrix.buffer = buffer(model, values[rows, columns])
    matrix.shape = list(values.shape)
    places = getattr(schema, f"{kind}VectorT")(values=columns.astype(kind.lower()))
    matrix.sparsity = schema.SparsityParametersT(
        traversalOrder=[0, 1],
        dimMetadata=[
            schema.DimensionMetadataT(format=schema.DimensionType.DENSE, denseSize=len(values)),
            schema.DimensionMetadataT(
                format=schema.DimensionType.SPARSE_CSR,
                arraySegmentsType=schema.SparseIndexVector.Int32Vector,
                arraySegments=schema.Int32VectorT(values=edges.astype(np.int32)),
                arrayIndicesType=getattr(schema.SparseIndexVector, f"{kind}Vector"),
                arrayIndices=places,
            ),
        ],
    )
