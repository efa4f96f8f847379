"""What each operator of a .tflite file computes, keeps and moves, as far as the file tells without running it."""

import re
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

from autotune.tflite.flatbuffer import constant, holds_weights, kind, opened, reading, tensor_facts
from autotune.tflite.recurrent import RECURRENT

_UNPACKING = ("DEQUANTIZE", "DENSIFY")
"""Operators that float16 and sparse weights may pass through on their way to the one that uses them."""

_NO_OUTPUT: dict[str, Any] = {"name": "", "shape": (), "dtype": ""}


@dataclass(frozen=True)
class Operator:
    """One operator, in one inference.

    Attributes:
        name: of its first output tensor, "" where it has none.
        kind: as CONV_2D, or a custom operator's name.
        macs: multiply-accumulates with the weights (or of two matrices), those with padding and with
            zeros of sparse weights among them; 0 for what has none, as pooling, and for what is not
            known: custom operators, STABLEHLO_*, and a recurrent one's products of single values.
        parameters: number of its constant weights, biases among them; not shapes or axes.
        weight_bytes: what these take in the file: 4-bit ones half a byte each, sparse ones their
            values and indices.
        activation_bytes: of inputs and outputs that are computed; 0 for strings and resources.
        output_shape: of its first output, with the batch; dimensions that are dynamic are 1 in most files.
        output_dtype: of its first output, as float32.
    """

    name: str
    kind: str
    macs: int
    parameters: int
    weight_bytes: int
    activation_bytes: int
    output_shape: tuple[int, ...]
    output_dtype: str


def operators(file: bytes) -> list[Operator]:
    """The operators of a file, in the order in which they run.

    Figures are of one inference with the shapes in the file, in which a dynamic batch is 1. The bodies
    of WHILE, IF, CALL_ONCE and the like are subgraphs, which follow the main one and are counted as
    passed once each: a loop takes a multiple of that. Weights that several operators use are counted for
    each; those that are unpacked by an operator of their own (DEQUANTIZE, DENSIFY) for the one that uses them.

    Args:
        file: a .tflite file.

    Raises:
        UserError: it is no whole .tflite file.
    """
    with reading():
        model = opened(file)
        return [row for graph in model.subgraphs for row in _Graph(file, model, graph).rows()]


class _Graph:
    def __init__(self, file: bytes, model: Any, graph: Any) -> None:
        self._file = file
        self._model = model
        self._graph = graph
        self._producers = {
            int(output): operator for operator in graph.operators or () for output in _indices(operator.outputs)
        }

    def rows(self) -> list[Operator]:
        return [self._row(operator) for operator in self._graph.operators or ()]

    def _row(self, operator: Any) -> Operator:
        inputs, outputs = _indices(operator.inputs), _indices(operator.outputs)
        name = kind(self._model, operator)
        constants = [] if name in _UNPACKING else [self._constant(index) for index in inputs]
        weights = [tensor for tensor in constants if tensor is not None and holds_weights(tensor)]
        computed = [self._graph.tensors[index] for index in inputs + outputs if self._constant(index) is None]
        first = tensor_facts(self._graph.tensors[outputs[0]]) if outputs else _NO_OUTPUT
        shapes = [_shape(self._graph.tensors[index]) for index in inputs]
        return Operator(
            name=first["name"],
            kind=name,
            macs=_macs(name, operator, shapes, tuple(first["shape"]), [_shape(tensor) for tensor in weights]),
            parameters=sum(prod(_shape(tensor)) for tensor in weights),
            weight_bytes=sum(self._stored(tensor) for tensor in weights),
            activation_bytes=sum(_size(tensor) for tensor in computed),
            output_shape=tuple(first["shape"]),
            output_dtype=first["dtype"],
        )

    def _constant(self, index: int) -> Any:
        """The constant tensor that an operator's input is or is unpacked from; None for what is computed."""
        producer = self._producers.get(index)
        if producer is not None:
            return self._constant(int(producer.inputs[0])) if kind(self._model, producer) in _UNPACKING else None
        tensor = self._graph.tensors[index]
        return None if constant(self._file, self._model, tensor) is None else tensor

    def _stored(self, tensor: Any) -> int:
        """Bytes of a constant tensor in the file."""
        contents = constant(self._file, self._model, tensor)
        assert contents is not None
        levels = tensor.sparsity.dimMetadata if tensor.sparsity is not None else ()
        lists = [one for level in levels for one in (level.arraySegments, level.arrayIndices) if one is not None]
        return contents.nbytes + sum(int(one.values.nbytes) for one in lists)


def _macs(
    name: str, operator: Any, inputs: list[tuple[int, ...]], output: tuple[int, ...], weights: list[tuple[int, ...]]
) -> int:
    """Multiply-accumulates by the shapes of an operator's inputs, its first output, and its weights."""
    match name:
        case "CONV_2D":  # filters (output channels, height, width, input channels of a group)
            return prod(output) * prod(inputs[1][1:])
        case "DEPTHWISE_CONV_2D":  # (1, height, width, output channels)
            return prod(output) * prod(inputs[1][1:3])
        case "CONV_3D":  # (depth, height, width, input channels of a group, output channels)
            return prod(output) * prod(inputs[1][:-1])
        case "TRANSPOSE_CONV" | "CONV_3D_TRANSPOSE":  # after the output's shape; input channels are last in both
            return prod(inputs[2]) * prod(inputs[1][:-1])
        case "FULLY_CONNECTED":  # (units, inputs)
            return prod(inputs[0]) * inputs[1][0]
        case "BATCH_MATMUL":
            return prod(output) * inputs[0][-2 if getattr(operator.builtinOptions, "adjX", False) else -1]
        case _ if name in RECURRENT:  # each step multiplies by each matrix once
            return prod(inputs[0][:-1]) * sum(prod(shape) for shape in weights if len(shape) == 2)
    return 0


def _indices(tensors: Any) -> list[int]:
    """Numbers of an operator's inputs or outputs, but for optional ones that are left out."""
    return [] if tensors is None else [int(index) for index in tensors if index >= 0]


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor_facts(tensor)["shape"])


def _size(tensor: Any) -> int:
    """Bytes of a tensor that is computed."""
    dtype = tensor_facts(tensor)["dtype"]
    width = re.search(r"\d+", dtype)
    bits = 8 if dtype == "bool" else int(width[0]) if width else 0
    return ceil(prod(_shape(tensor)) * bits / 8)
