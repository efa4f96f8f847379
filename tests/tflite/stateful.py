"""Files that keep state from one inference to the next: each answers with the sum of all that it was ever given."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.compress import tables
from tests.compress.tables import OPERATOR, TYPE, operator, tensor

UNITS = 4
"""Numbers in a sample, and in its answer."""


def variables() -> bytes:
    """By LiteRT's own recurrent operator, which keeps it in a variable tensor; its weights are those of one to one."""
    model = tables.empty()
    entry = tensor(model, [1, 1, UNITS])
    once = np.eye(UNITS, dtype=np.float32)
    weights, recurrent = tensor(model, once.shape, once), tensor(model, once.shape, once)
    bias = tensor(model, [UNITS], np.zeros(UNITS, np.float32))
    kept = tensor(model, [1, UNITS], isVariable=True)
    sums = tensor(model, [1, 1, UNITS])
    options = schema.SequenceRNNOptionsT()
    operator(model, OPERATOR.UNIDIRECTIONAL_SEQUENCE_RNN, [entry, weights, recurrent, bias, kept], [sums], options)
    return _answering(model, entry, sums)


def resources() -> bytes:
    """By a resource variable, as streaming models have them: zero in a fresh interpreter."""
    model = tables.empty()
    entry, before, sums = (tensor(model, [1, UNITS]) for _ in range(3))
    handle = tensor(model, [], type=TYPE.RESOURCE)
    operator(model, OPERATOR.CALL_ONCE, [], [], schema.CallOnceOptionsT(initSubgraphIndex=1))
    operator(model, OPERATOR.VAR_HANDLE, [], [handle], _named())
    operator(model, OPERATOR.READ_VARIABLE, [handle], [before], schema.ReadVariableOptionsT())
    operator(model, OPERATOR.ADD, [before, entry], [sums], schema.AddOptionsT())
    operator(model, OPERATOR.ASSIGN_VARIABLE, [handle, sums], [], schema.AssignVariableOptionsT())
    model.subgraphs.append(_beginning(model))
    return _answering(model, entry, sums)


def _named() -> schema.VarHandleOptionsT:
    return schema.VarHandleOptionsT(container="", sharedName="sum")


def _beginning(model: schema.ModelT) -> schema.SubGraphT:
    """A graph that sets the variable to zero."""
    main = model.subgraphs[0]
    graph = model.subgraphs[0] = schema.SubGraphT(tensors=[], inputs=[], outputs=[], operators=[])
    zero = tensor(model, [1, UNITS], np.zeros((1, UNITS), np.float32))
    handle = tensor(model, [], type=TYPE.RESOURCE)
    operator(model, OPERATOR.VAR_HANDLE, [], [handle], _named())
    operator(model, OPERATOR.ASSIGN_VARIABLE, [handle, zero], [], schema.AssignVariableOptionsT())
    for one in graph.tensors:
        one.name = f"begin/{one.name}"
    model.subgraphs[0] = main
    return graph


def _answering(model: schema.ModelT, entry: int, sums: int) -> bytes:
    """The file: its answer is the sums, by a layer that can be quantized."""
    answer = tensor(model, [1, UNITS])
    weights = tensor(model, [UNITS, UNITS], np.eye(UNITS, dtype=np.float32))
    bias = tensor(model, [UNITS], np.zeros(UNITS, np.float32))
    operator(model, OPERATOR.FULLY_CONNECTED, [sums, weights, bias], [answer], schema.FullyConnectedOptionsT())
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = [entry], [answer]
    return tables.packed(model)
