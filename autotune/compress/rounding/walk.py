"""A float file run piece by piece on samples, so that weights may change between the pieces."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

from autotune.compress.calibration import interpreter_of
from autotune.errors import Infeasible, one_line
from autotune.task.data import Array
from autotune.task.data.fields import joined, parts
from autotune.tflite.ends import ends_of
from autotune.tflite.flatbuffer import tensor_facts

Values = NDArray[np.generic]


class Walk:
    """Where the samples are in a model's main graph: before an operator, with all that later ones take.

    Weights may be changed in the model at any time: each piece runs with those of its moment.
    """

    def __init__(self, model: schema.ModelT, inputs: Array) -> None:
        """
        Args:
            model: with all constants in its buffers.
            inputs: (n, *input shape), as the model takes them.
        """
        self._model = model
        self._graph = model.subgraphs[0]
        self._lives = _lives(self._graph)
        self._at = 0
        self._ends = ends_of(model)
        entries = [int(entry) for entry in self._graph.inputs]
        columns = [
            parts(inputs)[name].astype(tensor_facts(self._graph.tensors[entry])["dtype"], copy=False)
            for name, entry in zip(self._ends.input_fields, entries, strict=True)
        ]
        self._samples: list[dict[int, Values]] = [
            {entry: value[np.newaxis] for entry, value in zip(entries, values, strict=True)}
            for values in zip(*columns, strict=True)
        ]

    def __len__(self) -> int:
        """Its samples."""
        return len(self._samples)

    def to(self, operator: int) -> None:
        """Runs all samples up to an operator, without it.

        Raises:
            Infeasible: LiteRT can't.
        """
        if operator == self._at:
            return
        ahead = _live(self._lives, operator)
        made = [tensor for tensor in ahead if self._lives[tensor][0] >= self._at]
        for sample, values in zip(self._samples, self._run(operator, made, self._samples), strict=True):
            sample |= dict(zip(made, values, strict=True))
            for tensor in sample.keys() - set(ahead):
                del sample[tensor]
        self._at = operator

    def values(self, tensor: int) -> Iterator[NDArray[np.float32]]:
        """What a tensor is for each sample, (1, …) each; it must be one that the next operator takes."""
        return (sample[tensor].astype(np.float32, copy=False) for sample in self._samples)

    def outputs(self, samples: int) -> Array:
        """The model's outputs for the first samples, as weights are now, float64. The walk stays where it is.

        Raises:
            Infeasible: LiteRT can't.
        """
        exits = [int(exit_) for exit_ in self._graph.outputs]
        some = self._samples[:samples]
        made = [exit_ for exit_ in exits if self._lives[exit_][0] >= self._at]  # the others are there already
        runs = self._run(len(self._graph.operators), made, some)
        ends = [sample | dict(zip(made, run, strict=True)) for sample, run in zip(some, runs, strict=True)]
        columns = {
            name: [end[exit_] for end in ends] for name, exit_ in zip(self._ends.output_fields, exits, strict=True)
        }
        return joined({name: np.concatenate(values).astype(float) for name, values in columns.items()})

    def _run(self, operator: int, made: Sequence[int], samples: Sequence[dict[int, Values]]) -> Iterator[list[Values]]:
        """Some of the tensors that the operators from here on make, for each sample."""
        operators = self._graph.operators[self._at : operator]
        taken = {int(tensor) for each in operators for tensor in each.inputs}
        entries = [tensor for tensor in _live(self._lives, self._at) if tensor in taken]
        shapes = {tensor: samples[0][tensor].shape for tensor in entries}
        interpreter = interpreter_of(self._piece(operators, shapes, made))
        places, exits = interpreter.get_input_details(), interpreter.get_output_details()
        for sample in samples:
            interpreter.reset_all_variables()
            for place, tensor in zip(places, shapes, strict=True):
                interpreter.set_tensor(place["index"], sample[tensor])
            try:
                interpreter.invoke()
            except RuntimeError as error:
                raise Infeasible(f"LiteRT can't run the file: {one_line(error)}") from error
            yield [interpreter.get_tensor(place["index"]) for place in exits]

    def _piece(
        self, operators: list[schema.OperatorT], entries: Mapping[int, tuple[int, ...]], exits: Sequence[int]
    ) -> bytes:
        """A file of some operators, with no other constants than theirs and those of loops' bodies.

        Args:
            operators: that follow one another.
            entries: the shapes of the tensors that they take; what the model says of them may be that of another batch.
            exits: the tensors that are its outputs.
        """
        model, graph = self._model, self._graph
        tensors = list(graph.tensors)
        for tensor, shape in entries.items():
            tensors[tensor] = copy(tensors[tensor])
            tensors[tensor].shape, tensors[tensor].shapeSignature = list(shape), None
        used = [tensors[tensor] for each in operators for tensor in each.inputs if tensor >= 0]
        used += [tensor for body in model.subgraphs[1:] for tensor in body.tensors]
        buffers = {tensor.buffer for tensor in used}
        empty = schema.BufferT()
        main = schema.SubGraphT(tensors=tensors, inputs=list(entries), outputs=list(exits), operators=operators)
        piece = schema.ModelT(
            version=model.version,
            operatorCodes=model.operatorCodes,
            subgraphs=[main, *model.subgraphs[1:]],
            buffers=[buffer if index in buffers else empty for index, buffer in enumerate(model.buffers)],
        )
        return bytes(flatbuffer_utils.convert_object_to_bytearray(piece))


def largest(model: schema.ModelT) -> int:
    """Bytes that a walk holds for a sample, at most, each value taken for four."""
    graph = model.subgraphs[0]
    lives = _lives(graph)
    sizes = {tensor: 4 * prod(int(size) for size in graph.tensors[tensor].shape) for tensor in lives}
    return max(sum(map(sizes.__getitem__, _live(lives, at))) for at in range(len(graph.operators)))


_Lives = dict[int, tuple[int, int]]
"""Of each computed tensor the operators that make it and use it last; -1 for inputs, their number for outputs."""


def _lives(graph: schema.SubGraphT) -> _Lives:
    made = {int(tensor): -1 for tensor in graph.inputs}
    last: dict[int, int] = {}
    for index, operator in enumerate(graph.operators):
        made |= {int(tensor): index for tensor in operator.outputs}
        last |= {int(tensor): index for tensor in operator.inputs}
    last |= {int(tensor): len(graph.operators) for tensor in graph.outputs}
    return {tensor: (made[tensor], last.get(tensor, -1)) for tensor in made}


def _live(lives: _Lives, operator: int) -> list[int]:
    """The tensors that are made before an operator, and used by it or later."""
    return [tensor for tensor, (made, last) in lives.items() if made < operator <= last]
