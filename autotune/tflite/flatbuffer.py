"""Reads a .tflite file: its weights, layer by layer, as they are shipped, and what it asks of a runtime."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from autotune.errors import UserError
from autotune.tflite.activation import activation
from autotune.tflite.ends import Ends, ends_of
from autotune.tflite.facts import FileFacts, LayerFacts, TensorFacts
from autotune.tflite.recurrent import RECURRENT
from autotune.tflite.tables import check_tables

_NUMPY = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT4: np.int8,  # two in a byte
    schema.TensorType.UINT8: np.uint8,  # as TensorFlow 1 quantized
}

_DENSE = 1 << 22
"""Values that any sparse tensor may have, zeros among them."""

_DENSE_RATIO = 1000
"""By how many times they may be more than are stored, where they are more than that."""

OUTPUT_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
"""Operators with a weight tensor (their second input), and its axis of output channels. Recurrent ones have several."""


def _names(codes: type) -> dict[int, str]:
    return {code: name for name, code in vars(codes).items() if not name.startswith("_")}


_OPERATORS = _names(schema.BuiltinOperator)
_TYPES = _names(schema.TensorType)


@dataclass(frozen=True)
class Layer:
    """An operator and its constant weights; of a recurrent operator one of its matrices.

    Attributes:
        name: of the weight tensor; the Keras layer's name is one component of this path.
        operator: its kind, as CONV_2D.
        outputs: names of the tensors that it makes.
        dtype: of the weights: float32, float16, int8, int4 or uint8.
        values: the weights; those of int4 as int8, those of uint8 as int16, counted from their zero point.
        axis: of the output channels in values.
        sparse: whether the file leaves out zeros.
    """

    name: str
    operator: str
    outputs: tuple[str, ...]
    dtype: str
    values: NDArray[np.generic]
    axis: int
    sparse: bool


def read_layers(file: bytes | bytearray) -> list[Layer]:
    """The operators with constant weights, in the order in which they run.

    Args:
        file: a .tflite file. In a bytearray, what is written to a layer's values is written to the
            file, but for int4, uint8 and sparse ones, whose values are unpacked copies.

    Raises:
        UserError: it is no whole .tflite file.
    """
    with reading():
        model = opened(file)
        return [layer for graph in model.subgraphs for layer in _layers(file, model, graph)]


def named(name: str, names: Collection[str]) -> bool:
    """Whether one of these is a tensor's name or a part of its path, or a pattern that a component of it matches."""
    path = name.replace(";", "/")
    return any(
        f"/{pattern}/".replace(";", "/") in f"/{path}/" or any(fnmatchcase(part, pattern) for part in path.split("/"))
        for pattern in names
    )


def read_weights(file: bytes) -> list[LayerFacts]:
    """The weight tensors of a file, in the order of the operators.

    Raises:
        UserError: it is no whole .tflite file.
    """
    return [
        {
            "name": layer.name,
            "operator": layer.operator,
            "shape": list(layer.values.shape),
            "dtype": layer.dtype,
            "weights": int(layer.values.size),
            "sparsity": float(np.mean(layer.values == 0)),
            "distinct": max(len(np.unique(channel)) for channel in np.moveaxis(layer.values, layer.axis, 0)),
        }
        for layer in read_layers(file)
    ]


def describe(file: bytes) -> FileFacts:
    """What a file takes, gives and needs.

    Raises:
        UserError: it is no whole .tflite file.
    """
    with reading():
        model = opened(file)
        main = model.subgraphs[0]
        operators = Counter(kind(model, operator) for graph in model.subgraphs for operator in graph.operators)
        return {
            "inputs": [tensor_facts(main.tensors[index]) for index in main.inputs],
            "outputs": [tensor_facts(main.tensors[index]) for index in main.outputs],
            "ends": ends_of(model),
            "signatures": [signature.signatureKey.decode() for signature in model.signatureDefs or ()],
            "custom_operators": sorted(set(operators) - set(_OPERATORS.values())),
            "quantized": any(_is_reduced(tensor) for graph in model.subgraphs for tensor in graph.tensors),
            "activations": [activation(int(output), _made_by(model, main)) for output in main.outputs],
            "operators": operators,
        }


def ends(file: bytes) -> Ends:
    """What a file's inputs and outputs are called.

    Raises:
        UserError: it is no whole .tflite file.
    """
    with reading():
        return ends_of(opened(file))


def ends_if_any(file: bytes) -> Ends | None:
    """The same; None for what is no .tflite file, which LiteRT refuses where it is run."""
    try:
        return ends(file)
    except UserError:
        return None


def activations(file: bytes) -> set[str]:
    """Names of the main graph's float32 tensors that are computed, inputs among them.

    Raises:
        UserError: it is no whole .tflite file.
    """
    with reading():
        model = opened(file)
        tensors = model.subgraphs[0].tensors
        return {tensors[index].name.decode() for index in computed_floats(file, model)}


def computed_floats(file: bytes, model: schema.ModelT) -> set[int]:
    """Numbers of the main graph's float32 tensors that are computed, inputs among them."""
    return {
        index
        for index, tensor in enumerate(model.subgraphs[0].tensors)
        if tensor.type == schema.TensorType.FLOAT32 and constant(file, model, tensor) is None
    }


@contextmanager
def reading() -> Iterator[None]:
    """Broken offsets in a file end in whatever they happen to point at.

    Raises:
        UserError: reading failed.
    """
    try:
        yield
    except Exception as error:
        raise UserError("not a whole .tflite file; convert the model again") from error


def opened(file: bytes | bytearray) -> schema.ModelT:
    """The file's tables; constants are views of its bytes."""
    if not schema.Model.ModelBufferHasIdentifier(file, 0):
        raise ValueError("no .tflite file")
    check_tables(file)
    return schema.ModelT.InitFromPackedBuf(file, 0)


def kind(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """An operator's kind, or the name of a custom one."""
    code = _code(model, operator)
    if code == schema.BuiltinOperator.CUSTOM:
        return str(model.operatorCodes[operator.opcodeIndex].customCode.decode())
    return _OPERATORS[code]


def constant(file: bytes | bytearray, model: schema.ModelT, tensor: schema.TensorT) -> NDArray[np.uint8] | None:
    """A constant tensor's bytes, which in large files lie behind the tables; None for what is computed."""
    buffer = model.buffers[tensor.buffer]
    if buffer.offset:
        return np.frombuffer(file, np.uint8, buffer.size, buffer.offset)
    data: NDArray[np.uint8] | None = buffer.data
    return data if data is not None and data.size else None  # LiteRT takes an empty buffer as none


def holds_weights(tensor: schema.TensorT) -> bool:
    """Whether a constant tensor's contents are weights: neither a shape nor an axis, an index or the like."""
    return is_quantized(tensor) or "FLOAT" in _TYPES[tensor.type]


def is_quantized(tensor: schema.TensorT) -> bool:
    """Whether a tensor's integers stand for real numbers: by scales of its own or its blocks'."""
    details = tensor.quantization
    if details is None:
        return False
    return details.details is not None or (details.scale is not None and len(details.scale) > 0)


def tensor_facts(tensor: schema.TensorT) -> TensorFacts:
    """A tensor's name, shapes and type, as describe() has them."""
    shape = [] if tensor.shape is None else [int(size) for size in tensor.shape]
    signature = tensor.shapeSignature
    return {
        "name": (tensor.name or b"").decode(),
        "shape": shape,
        "shape_signature": shape if signature is None or len(signature) == 0 else [int(size) for size in signature],
        "dtype": _TYPES[tensor.type].lower(),
    }


def _layers(file: bytes | bytearray, model: schema.ModelT, graph: schema.SubGraphT) -> Iterator[Layer]:
    producers = {output: operator for operator in graph.operators for output in operator.outputs}
    for operator in graph.operators:
        for index, axis in _weights(model, graph, operator):
            if index in producers:  # a DEQUANTIZE of float16, or of int8 where arithmetic is not; or a DENSIFY
                index = producers[index].inputs[0]
            tensor = graph.tensors[index]
            data = constant(file, model, tensor)
            if data is None or tensor.type not in _NUMPY:
                continue
            yield Layer(
                tensor.name.decode(),
                kind(model, operator),
                tuple(graph.tensors[output].name.decode() for output in operator.outputs),
                _TYPES[tensor.type].lower(),
                _values(data, tensor),
                axis,
                tensor.sparsity is not None,
            )


def _weights(model: schema.ModelT, graph: schema.SubGraphT, operator: schema.OperatorT) -> Iterator[tuple[int, int]]:
    """An operator's inputs that may be weights, and the axis of output channels in each."""
    name = _OPERATORS[_code(model, operator)]
    if name in OUTPUT_AXES:
        yield operator.inputs[1], OUTPUT_AXES[name]
    elif name in RECURRENT:
        for index in operator.inputs[1:]:
            if index >= 0 and len(graph.tensors[index].shape) == 2 and not graph.tensors[index].isVariable:
                yield index, 0


def _values(data: NDArray[np.uint8], tensor: schema.TensorT) -> NDArray[np.generic]:
    """The tensor as an array: a view of its bytes, or a copy where they need unpacking."""
    values = data.view(_NUMPY[tensor.type])
    if tensor.type == schema.TensorType.INT4:
        values = np.stack([values << 4 >> 4, values >> 4], axis=-1).ravel()[: np.prod(tensor.shape)]
    if tensor.type == schema.TensorType.UINT8:
        values = values.astype(np.int16) - tensor.quantization.zeroPoint.astype(np.int16)
    if tensor.sparsity is not None:
        values = _densified(values, tensor.sparsity, tensor.shape)
    return values.reshape(tensor.shape)


def _densified(
    values: NDArray[np.generic], sparsity: schema.SparsityParametersT, shape: NDArray[np.int32]
) -> NDArray[np.generic]:
    """Values of a sparse tensor, each at its place (the levels of TACO, Kjolstad et al., 2017, as the schema has them).

    Each level is dense or a list of indices; they follow sparsity.traversalOrder, in which numbers from
    the rank on are the inner dimensions of blocks, and sparsity.blockMap says of which dimension.
    """
    places = math.prod(int(length) for length in shape)
    if places > max(_DENSE, values.size * _DENSE_RATIO):
        raise ValueError("a sparse tensor would take more memory than its values are worth")
    levels = np.zeros((0, 1), np.int64)
    for level in sparsity.dimMetadata:
        if level.format == schema.DimensionType.DENSE:
            if level.denseSize * levels.shape[1] > places:
                raise ValueError("a sparse tensor's levels are larger than it")
            indices = np.tile(np.arange(level.denseSize), levels.shape[1])
            levels = np.vstack([np.repeat(levels, level.denseSize, axis=1), indices])
        else:
            edges = np.asarray(level.arraySegments.values, np.int64)
            counts = edges[1:] - edges[:-1]
            if counts.sum() != len(level.arrayIndices.values):
                raise ValueError("a sparse tensor's segments are not those of its indices")
            levels = np.vstack([np.repeat(levels, counts, axis=1), level.arrayIndices.values])
    order = [int(dimension) for dimension in sparsity.traversalOrder]
    rank = len(shape)
    where = np.zeros((rank, levels.shape[1]), np.int64)
    for dimension, indices in sorted(zip(order, levels, strict=True), key=lambda pair: pair[0]):
        if dimension < rank:
            where[dimension] = indices
        else:
            outer = sparsity.blockMap[dimension - rank]
            where[outer] = where[outer] * sparsity.dimMetadata[order.index(dimension)].denseSize + indices
    dense = np.zeros(shape, values.dtype)
    dense[tuple(where)] = values
    return dense


def _is_reduced(tensor: schema.TensorT) -> bool:
    return is_quantized(tensor) or tensor.type in (schema.TensorType.FLOAT16, schema.TensorType.INT4)


def _made_by(model: schema.ModelT, graph: schema.SubGraphT) -> Callable[[int], tuple[str, list[int]] | None]:
    """The kind of operator that makes a tensor, by its number, and the numbers of that one's inputs."""
    makers = {int(output): operator for operator in graph.operators for output in operator.outputs}

    def made_by(tensor: int) -> tuple[str, list[int]] | None:
        operator = makers.get(tensor)
        return None if operator is None else (kind(model, operator), [int(index) for index in operator.inputs])

    return made_by


def _code(model: schema.ModelT, operator: schema.OperatorT) -> int:
    entry = model.operatorCodes[operator.opcodeIndex]
    return int(max(entry.builtinCode, entry.deprecatedBuiltinCode))
