"""Whether a .tflite file can be trained: what LiteRT gives decides."""

import pytest

from autotune.compress.worker import start
from autotune.model import tflite_layers
from autotune.model.tflite_call import Call
from autotune.model.tflite_keras import why_untrainable
from tests.compress import tables
from tests.model.test_tflite_layers import FILES

start(2)


def test_a_whole_file() -> None:
    """With a dynamic batch, in which LiteRT takes all samples together, too."""
    assert why_untrainable(tables.small()) is None


def test_a_layer_that_gives_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only large inputs show it."""
    monkeypatch.setitem(tflite_layers.LAYERS, "RELU", tflite_layers.LAYERS["RELU6"])
    assert "computes something else (outputs differ by 0." in str(why_untrainable(FILES["relu"]()))


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
