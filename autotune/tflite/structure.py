"""What of a .tflite file decides how fast it runs: its structure, which is all but the contents of its weights."""

import json
from hashlib import sha256
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from autotune.tflite.flatbuffer import constant, holds_weights, is_quantized, opened, reading

_IGNORED = {
    ("SubGraphT", "name"),
    ("SubGraphT", "tensors"),  # each is described where it is used
    ("SubGraphT", "debugMetadataIndex"),
    ("OperatorT", "debugMetadataIndex"),
    ("TensorT", "name"),
    ("TensorT", "buffer"),
    ("TensorT", "hasRank"),  # tells no rank from rank 0, and only newer converters say it
    ("QuantizationParametersT", "min"),
    ("QuantizationParametersT", "max"),
}
"""Fields of the schema's tables that say nothing of speed."""

_COUNTED = {
    ("QuantizationParametersT", "scale"),
    ("QuantizationParametersT", "zeroPoint"),
    ("Int32VectorT", "values"),  # these three are the indices of a sparse tensor
    ("Uint16VectorT", "values"),
    ("Uint8VectorT", "values"),
}
"""Lists whose values follow from the weights, but not their number."""

_TENSORS = {
    ("SubGraphT", "inputs"),
    ("SubGraphT", "outputs"),
    ("OperatorT", "inputs"),
    ("OperatorT", "outputs"),
    ("OperatorT", "intermediates"),
    ("BlockwiseQuantizationT", "scales"),
    ("MultiAxisQuantizationT", "scales"),
}
"""Tensors by their number in the graph."""

_PRECISION = b"reduced_precision_support"
"""The one kind of metadata that changes how a file runs: with it XNNPACK computes in float16 where it can."""


def structure(file: bytes) -> str:
    """The fingerprint of what decides how fast a file runs.

    It covers each subgraph's inputs, outputs and operators in their order, with versions, all options
    and the tensors' shapes, types, granularity of quantization and sparse encoding; which tensors
    are constant; and contents of constants that are no weights, as shapes and axes. It doesn't cover the values
    of weights and what follows from them (scales, zero points, where a sparse tensor's zeros are), names,
    signatures, descriptions, metadata but for the hint of precision, nor how tensors, buffers and kinds of
    operators are numbered, so that it is no matter which of them are stored once for being equal.

    Args:
        file: a .tflite file.

    Returns:
        A sha256, 64 hexadecimal digits.

    Raises:
        UserError: it is no whole .tflite file.
    """
    with reading():
        model = opened(file)
        hints = [constant(file, model, row) for row in model.metadata or () if row.name == _PRECISION]
        facts = {
            "subgraphs": [_Graph(file, model, graph).plain(graph) for graph in model.subgraphs],
            "precision": [_digest(hint) for hint in hints if hint is not None],
        }
        return _digest(json.dumps(facts, sort_keys=True).encode())


def _digest(contents: Any) -> str:  # bytes or an array of them, which numpy does not call a Buffer
    return sha256(contents).hexdigest()


class _Graph:
    """A subgraph's tables as what JSON has."""

    def __init__(self, file: bytes, model: schema.ModelT, graph: schema.SubGraphT) -> None:
        self._file = file
        self._model = model
        self._graph = graph
        self._order: dict[int, int] = {}  # of computed tensors, as they are come across

    def plain(self, value: object) -> object:
        if isinstance(value, np.ndarray):
            return value.tolist() or None  # readers see no difference between no list and an empty one
        if isinstance(value, list):
            return [self.plain(each) for each in value] or None
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if hasattr(value, "__dict__"):
            return {
                field: self._field(value, field, content)
                for field, content in vars(value).items()
                if (type(value).__name__, field) not in _IGNORED
            }
        return value

    def _field(self, table: Any, field: str, content: Any) -> object:  # Any: of whatever table of the schema
        place = (type(table).__name__, field)
        if place in _COUNTED:
            return 0 if content is None else len(content)
        if place in _TENSORS:
            return [] if content is None else [self._tensor(int(index)) for index in np.atleast_1d(content)]
        if place == ("OperatorT", "opcodeIndex"):
            return self.plain(self._model.operatorCodes[content])
        if place == ("OperatorT", "largeCustomOptionsOffset"):  # they lie behind the tables
            return _digest(self._file[content : content + table.largeCustomOptionsSize])
        if place == ("TensorT", "quantization") and not is_quantized(table):
            return None  # ranges that a converter has seen, at most
        return self.plain(content)

    def _tensor(self, index: int) -> object:
        if index < 0:  # an optional input that is left out
            return None
        tensor = self._graph.tensors[index]
        contents = constant(self._file, self._model, tensor)
        facts = self.plain(tensor)
        if contents is None:
            return ["computed", self._order.setdefault(index, len(self._order)), facts]
        if holds_weights(tensor):
            return ["weights", contents.nbytes, facts]
        return ["constant", _digest(contents), facts]
