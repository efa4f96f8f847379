"""A file run piece by piece gives what it gives as a whole."""

import numpy as np
import pytest

from autotune.compress.calibration import outputs_of, run_each
from autotune.compress.rounding.layers import assign, loaded, name, packed, places, values
from autotune.compress.rounding.walk import Walk, largest
from tests.compress.rounding.models import branches, inputs
from tests.tflite import stateful


def test_each_layer_s_inputs_are_those_of_the_whole_file() -> None:
    """Through branches that join, and a layer that is called twice; the outputs too, from wherever the walk is."""
    file, x = branches(), inputs(5)
    model = loaded(file)
    walk = Walk(model, x)
    wanted = outputs_of(file, x)
    graph = model.subgraphs[0]
    for place in places(model):
        walk.to(place.operator)
        tensor = graph.tensors[place.x].name.decode()
        for interpreter, got in zip(run_each(file, x, keep_all=True), walk.values(place.x), strict=True):
            index = next(row["index"] for row in interpreter.get_tensor_details() if row["name"] == tensor)
            np.testing.assert_allclose(got, interpreter.get_tensor(index), atol=1e-4)
        np.testing.assert_allclose(walk.outputs(3), wanted[:3], atol=1e-5)


def test_weights_that_change_are_those_that_count() -> None:
    """From the layer on that the walk has come to."""
    file, x = branches(), inputs(5)
    model = loaded(file)
    walk = Walk(model, x)
    for place in places(model):
        walk.to(place.operator)
        assign(model, place.weights, values(model, place.weights) * np.float32(1.5))
    np.testing.assert_allclose(walk.outputs(5), outputs_of(packed(model), x), atol=1e-5)


def test_state_begins_anew_for_each_sample() -> None:
    """As the file that sums up what it is given would show."""
    file = stateful.variables()
    x = np.ones((3, *loaded(file).subgraphs[0].tensors[0].shape[1:]), np.float32)
    outputs = Walk(loaded(file), x).outputs(3)
    np.testing.assert_array_equal(outputs, outputs_of(file, x))
    assert (outputs == outputs[0]).all()


def test_memory_is_that_of_the_widest_place() -> None:
    """Of inputs of 9x8x3 four bytes each, three tensors of 5x8x8 where the second branch ends."""
    assert largest(loaded(branches())) == pytest.approx(3 * 5 * 8 * 8 * 4, rel=0.35)


def test_a_bias_that_is_shared_is_parted() -> None:
    """Converters make one of all that are zero; but of a layer that is called twice it is no layer's own."""
    model = loaded(branches())
    graph = model.subgraphs[0]
    uses = [int(tensor) for operator in graph.operators for tensor in operator.inputs]
    rows = places(model)
    assert 1 <= sum(place.bias is None for place in rows) < len(rows) / 2
    assert all(place.bias is None or uses.count(place.bias) == 1 for place in rows)
    np.testing.assert_allclose(outputs_of(packed(model), inputs(3)), outputs_of(branches(), inputs(3)), atol=1e-6)


def test_excluded_layers_are_left_out() -> None:
    """By a name or a pattern."""
    model = loaded(branches())
    rows = [name(model, place) for place in places(model, ["depth*", "last"])]
    assert 0 < len(rows) < len(places(model))
    assert not any("depthwise" in layer or "last" in layer for layer in rows)
