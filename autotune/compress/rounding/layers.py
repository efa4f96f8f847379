"""The layers of a .tflite file whose weights can be rounded together, as places in its tables."""

from collections import Counter
from collections.abc import Collection, Iterator
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

from autotune.tflite.flatbuffer import OUTPUT_AXES, kind, named, opened, reading


@dataclass(frozen=True)
class Place:
    """An operator of the main graph, and its tensors by their numbers.

    Attributes:
        operator: its number in the graph.
        kind: one of flatbuffer.OUTPUT_AXES.
        x: its input.
        weights: its weights; where they are unpacked by a DEQUANTIZE, what that takes.
        bias: its bias, None where it has none.
    """

    operator: int
    kind: str
    x: int
    weights: int
    bias: int | None

    @property
    def axis(self) -> int:
        """Of the output channels in the weights."""
        return OUTPUT_AXES[self.kind]


def loaded(file: bytes) -> schema.ModelT:
    """A file's tables with all constants in its buffers, free to be changed.

    Layers that share a bias, as converters make one of all that are zero, have each its own, unless they share
    weights, too.

    Raises:
        UserError: it is no whole .tflite file.
    """
    with reading():
        opened(file)
        model = flatbuffer_utils.read_model_from_bytearray(file)
        _part_biases(model)
        return model


def _part_biases(model: schema.ModelT) -> None:
    graph = model.subgraphs[0]
    uses = _uses(graph)
    for place in list(weighted(model)):
        if place.bias is not None and uses[place.bias] > 1 and uses[place.weights] == 1:
            tensor = copy(graph.tensors[place.bias])
            tensor.name += f"_{place.operator}".encode()
            inputs = graph.operators[place.operator].inputs
            inputs[inputs.index(place.bias)] = len(graph.tensors)
            graph.tensors.append(tensor)


def packed(model: schema.ModelT) -> bytes:
    """The reverse of loaded()."""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def weighted(model: schema.ModelT) -> Iterator[Place]:
    """The operators of the main graph that multiply by weights, in the order in which they run."""
    graph = model.subgraphs[0]
    makers = {int(output): operator for operator in graph.operators for output in operator.outputs}
    for index, operator in enumerate(graph.operators):
        name = kind(model, operator)
        if name not in OUTPUT_AXES:
            continue
        inputs = [int(tensor) for tensor in operator.inputs]
        x, bias = (inputs[2], inputs[3:4]) if name == "TRANSPOSE_CONV" else (inputs[0], inputs[2:3])
        weights, maker = inputs[1], makers.get(inputs[1])
        if maker is not None and kind(model, maker) == "DEQUANTIZE":
            weights = int(maker.inputs[0])
        yield Place(index, name, x, weights, bias[0] if bias and bias[0] >= 0 else None)


def places(model: schema.ModelT, excluded: Collection[str] = ()) -> list[Place]:
    """The layers of a float file to be rounded together, in the order in which they run.

    Weights that several operators share are one layer, at the first of these; such that something else takes, too,
    are none, nor are those of an operator whose input is constant. A bias that is not the layer's own is none either.

    Args:
        model: as loaded() gives it.
        excluded: names of Keras layers (or patterns, as conv*), or of weight tensors, that are left out.
    """
    graph = model.subgraphs[0]
    uses = _uses(graph)
    rows = list(weighted(model))
    shared = Counter((place.weights, place.kind) for place in rows)
    first = {place.weights: place for place in reversed(rows)}
    constants = {place.weights for place in rows if _is_constant(model, place.x)}
    return [
        place if place.bias is None or _own(model, place.bias, uses) else replace(place, bias=None)
        for place in rows
        if place is first[place.weights]
        and uses[place.weights] == shared[place.weights, place.kind]
        and _is_float(model, place.weights)
        and place.weights not in constants
        and not named(graph.tensors[place.weights].name.decode(), excluded)
    ]


def name(model: schema.ModelT, place: Place) -> str:
    """Of the weight tensor."""
    return str(model.subgraphs[0].tensors[place.weights].name.decode())


def values(model: schema.ModelT, tensor: int) -> NDArray[np.float32]:
    """A constant's values."""
    entry = model.subgraphs[0].tensors[tensor]
    return np.frombuffer(bytes(model.buffers[entry.buffer].data), np.float32).reshape(entry.shape)


def along(scales: NDArray[np.float32], axis: int, dimensions: int) -> NDArray[np.float32]:
    """Scales of output channels (n,) in a shape that fits weights of so many dimensions, with the channels there."""
    return scales.reshape([-1 if dimension == axis else 1 for dimension in range(dimensions)])


def assign(model: schema.ModelT, tensor: int, new: NDArray[np.float32]) -> None:
    """Gives a constant other values; where tensors share a buffer, one of its own."""
    entry = model.subgraphs[0].tensors[tensor]
    if sum(other.buffer == entry.buffer for graph in model.subgraphs for other in graph.tensors) > 1:
        entry.buffer = len(model.buffers)
        model.buffers.append(schema.BufferT())
    model.buffers[entry.buffer].data = np.frombuffer(new.astype(np.float32).tobytes(), np.uint8)


def _uses(graph: schema.SubGraphT) -> Counter[int]:
    """How often operators take each tensor."""
    return Counter(int(tensor) for operator in graph.operators for tensor in operator.inputs)


def _own(model: schema.ModelT, bias: int, uses: Counter[int]) -> bool:
    return _is_float(model, bias) and uses[bias] == 1


def _is_float(model: schema.ModelT, tensor: int) -> bool:
    """Whether a tensor is constant, dense float32."""
    entry = model.subgraphs[0].tensors[tensor]
    return entry.type == schema.TensorType.FLOAT32 and entry.sparsity is None and _is_constant(model, tensor)


def _is_constant(model: schema.ModelT, tensor: int) -> bool:
    data = model.buffers[model.subgraphs[0].tensors[tensor].buffer].data
    return data is not None and len(data) > 0
