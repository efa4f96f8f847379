"""Whether a .tflite file can be trained: what LiteRT gives decides."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from autotune.compress.worker import start
from autotune.model import tflite_layers
from autotune.model.tflite_call import Call
from autotune.model.tflite_keras import why_untrainable
from tests.compress import tables
from tests.compress.tables import OPERATOR
from tests.model.test_tflite_layers import FILES, IMAGE, one

start(2)


def test_a_whole_file() -> None:
    """With a dynamic batch, in which LiteRT takes all samples together, too."""
    assert why_untrainable(tables.small()) is None


def test_a_layer_that_gives_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only large inputs show it."""
    monkeypatch.setitem(tflite_layers.LAYERS, "RELU", tflite_layers.LAYERS["RELU6"])
    assert "computes something else (outputs differ by 0." in str(why_untrainable(FILES["relu"]()))


def test_a_layer_that_gives_no_number_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only large inputs show it, whatever is right before."""
    import tensorflow as tf

    def overflowing(call: Call) -> object:
        return call.make("Activation", activation=lambda x: tf.nn.relu(x) + 0 * tf.exp(x))(call.tensor())

    monkeypatch.setitem(tflite_layers.LAYERS, "RELU", overflowing)
    assert "computes something else (outputs differ by nan)" in str(why_untrainable(FILES["relu"]()))


def test_small_outputs_are_compared_in_their_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a regression whose outputs are all near 0 a layer that gives 0 computes something else."""
    weights = np.full((7, 144), 1e-8, np.float32)
    file = one(OPERATOR.FULLY_CONNECTED, IMAGE, [weights], (1, 7), schema.FullyConnectedOptionsT())
    assert why_untrainable(file) is None
    dense = tflite_layers.LAYERS["FULLY_CONNECTED"]
    monkeypatch.setitem(tflite_layers.LAYERS, "FULLY_CONNECTED", lambda call: dense(call) * 0)
    assert "computes something else" in str(why_untrainable(file))


def test_layers_that_do_not_go_together_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Keras says of them."""

    def broken(call: Call) -> object:
        return call.make("Permute", dims=[1])(call.tensor())

    monkeypatch.setitem(tflite_layers.LAYERS, "RELU", broken)
    line = str(why_untrainable(FILES["relu"]()))
    assert line.startswith("its operator RELU has no Keras layer here (")
    assert "\n" not in line


def test_what_is_no_file_is_one_line() -> None:
    """Nothing is raised."""
    line = str(why_untrainable(tables.small()[:400]))
    assert line.startswith("it can't be read into Keras layers: ")
