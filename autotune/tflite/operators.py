"""What each operator of a .tflite file computes, keeps and moves, as far as the file tells without running it."""

import re
from dataclasses import dataclass
from math import ceil, prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from autotune.tflite.facts import Operator, TensorFacts
from autotune.tflite.flatbuffer import computed_floats, constant, holds_weights, kind, opened, reading, tensor_facts
from autotune.tflite.recurrent import RECURRENT

_UNPACKING = ("DEQUANTIZE", "DENSIFY")
"""Operators that float16 and sparse weights may pass through on their way to the one that uses them."""

_NO_OUTPUT = TensorFacts(name="", shape=[], shape_signature=[], dtype="")


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


def in_float(file: bytes) -> list[str]:
    """The kinds of operators in a file's main graph that take or give floats which are computed, save for those that
    make floats of integers or integers of floats.

    Args:
        file: a .tflite file.

    Raises:
        UserError: it is no whole .tflite file.
    """
    with reading():
        model = opened(file)
        floats = computed_floats(file, model)
        kinds = {
            kind(model, operator)
            for operator in model.subgraphs[0].operators or ()
            if floats & {*_indices(operator.inputs), *_indices(operator.outputs)}
        }
        return sorted(kinds - {"DEQUANTIZE", "QUANTIZE"})


class _Graph:
    def __init__(self, file: bytes, model: schema.ModelT, graph: schema.SubGraphT) -> None:
        self._file = file
        self._model = model
        self._graph = graph
        self._producers = {
            int(output): operator for operator in graph.operators or () for output in _indices(operator.outputs)
        }

    def rows(self) -> list[Operator]:
        return [self._row(operator) for operator in self._graph.operators or ()]

    def _row(self, operator: schema.OperatorT) -> Operator:
        inputs, outputs = _indices(operator.inputs), _indices(operator.outputs)
        name = kind(self._model, operator)
        constants = [] if name in _UNPACKING else [self._constant(index) for index in inputs]
        weights = [weight for weight in constants if weight is not None and holds_weights(weight.tensor)]
        sizes = [_shape(weight.tensor) for weight in weights]
        computed = [self._graph.tensors[index] for index in inputs + outputs if self._constant(index) is None]
        first = tensor_facts(self._graph.tensors[outputs[0]]) if outputs else _NO_OUTPUT
        shapes = [_shape(self._graph.tensors[index]) for index in inputs]
        return Operator(
            name=first["name"],
            kind=name,
            macs=_macs(name, operator, shapes, tuple(first["shape"]), sizes),
            parameters=sum(map(prod, sizes)),
            weight_bytes=sum(weight.stored for weight in weights),
            activation_bytes=sum(_size(tensor) for tensor in computed),
            output_shape=tuple(first["shape"]),
            output_dtype=first["dtype"],
        )

    def _constant(self, index: int) -> "_Constant | None":
        """The constant that an operator's input is or is unpacked from; None for what is computed."""
        producer = self._producers.get(index)
        if producer is not None:
            return self._constant(int(producer.inputs[0])) if kind(self._model, producer) in _UNPACKING else None
        tensor = self._graph.tensors[index]
        contents = constant(self._file, self._model, tensor)
        return None if contents is None else _Constant(tensor, contents)


@dataclass(frozen=True)
class _Constant:
    """A constant tensor, and its bytes."""

    tensor: schema.TensorT
    contents: NDArray[np.uint8]

    @property
    def stored(self) -> int:
        """Bytes that it takes in the file."""
        levels = self.tensor.sparsity.dimMetadata if self.tensor.sparsity is not None else ()
        lists = [indices for level in levels for indices in (level.arraySegments, level.arrayIndices)]
        return self.contents.nbytes + sum(int(indices.values.nbytes) for indices in lists if indices is not None)


_Shape = tuple[int, ...]


def _macs(name: str, operator: schema.OperatorT, inputs: list[_Shape], output: _Shape, weights: list[_Shape]) -> int:
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


def _indices(tensors: NDArray[np.int32] | None) -> list[int]:
    """Numbers of an operator's inputs or outputs, but for optional ones that are left out."""
    return [] if tensors is None else [int(index) for index in tensors if index >= 0]


def _shape(tensor: schema.TensorT) -> tuple[int, ...]:
    return tuple(tensor_facts(tensor)["shape"])


def _size(tensor: schema.TensorT) -> int:
    """Bytes of a tensor that is computed."""
    dtype = tensor_facts(tensor)["dtype"]
    width = re.search(r"\d+", dtype)
    bits = 8 if dtype == "bool" else int(width[0]) if width else 0
    return ceil(prod(_shape(tensor)) * bits / 8)
