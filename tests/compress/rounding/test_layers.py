"""Which layers of a file can be rounded together."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from autotune.compress.rounding.layers import loaded, places
from tests.compress import tables
from tests.compress.tables import OPERATOR


def file(*, reshaped: bool, constant: bool) -> bytes:
    """Of a dense layer, whose weights come out of a reshape, or whose input is a constant that is added."""
    model = tables.empty()
    entry, product, end = (tables.tensor(model, (1, 4)) for _ in range(3))
    weights = tables.tensor(model, (2, 8) if reshaped else (4, 4), np.ones(16, np.float32))
    if reshaped:
        shape = tables.tensor(model, (2,), np.array([4, 4], np.int32), type=schema.TensorType.INT32)
        made = tables.tensor(model, (4, 4))
        tables.operator(model, OPERATOR.RESHAPE, [weights, shape], [made])
        weights = made
    x = tables.tensor(model, (1, 4), np.ones(4, np.float32)) if constant else entry
    tables.operator(model, OPERATOR.FULLY_CONNECTED, [x, weights, -1], [product], schema.FullyConnectedOptionsT())
    tables.operator(model, OPERATOR.ADD, [entry, product], [end], schema.AddOptionsT())
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = [entry], [end]
    return tables.packed(model)


@pytest.mark.parametrize(("reshaped", "constant", "count"), [(False, False, 1), (True, False, 0), (False, True, 0)])
def test_weights_and_inputs_are_what_they_seem(*, reshaped: bool, constant: bool, count: int) -> None:
    """Weights that are computed are none, nor is there anything to round by where the input is always the same."""
    assert len(places(loaded(file(reshaped=reshaped, constant=constant)))) == count
