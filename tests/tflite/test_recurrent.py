"""What of LiteRT's recurrent operators is in a file, and what of them stays float."""

from typing import Any

import numpy as np
import pytest

from autotune.compress import oneshot
from autotune.compress.post_training import quantize
from autotune.model.tflite import facts
from autotune.tflite.flatbuffer import describe, read_weights
from autotune.tflite.recurrent import left_float
from tests.compress import tables
from tests.tflite import stateful

LINE = "LiteRT's quantizer leaves UNIDIRECTIONAL_SEQUENCE_RNN float: 67% of the weights"


def test_their_weights_count() -> None:
    """Both matrices beside that of the dense layer: 16 weights each; state and biases are none of them."""
    file = stateful.variables()
    layers = read_weights(file)
    assert [layer["operator"] for layer in layers] == ["UNIDIRECTIONAL_SEQUENCE_RNN"] * 2 + ["FULLY_CONNECTED"]
    assert [layer["weights"] for layer in layers] == [16, 16, 16]
    assert len(facts(file).layers) == 3


@pytest.mark.parametrize("scheme", ["int8", "dynamic", "float16"])
def test_what_stays_float_is_told(scheme: str) -> None:
    """Of the file as it came, and of each that a scheme made of it."""
    file = stateful.variables()
    shape = describe(file)["inputs"][0]["shape"]
    quantized = quantize(file, scheme, np.ones((1, *shape[1:]), np.float32))
    assert facts(file).left_float == left_float(read_weights(quantized)) == LINE
    assert left_float(read_weights(tables.small())) == ""


def test_they_are_pruned_and_clustered_in_one_shot() -> None:
    """As any other layer: what is asked of each layer's weights is in each."""
    pruned = read_weights(oneshot.prune(stateful.variables(), 0.8))
    assert [layer["sparsity"] >= 0.8 for layer in pruned] == [True] * 3

    def randomized(model: Any) -> None:
        for buffer in model.buffers:
            if buffer.data is not None and len(buffer.data) == 4 * 16:
                buffer.data = np.random.default_rng(0).normal(size=16).astype(np.float32).view(np.uint8)

    file = tables.edited(stateful.variables(), randomized)
    assert [layer["distinct"] for layer in read_weights(file)] == [4] * 3
    assert [layer["distinct"] <= 2 for layer in read_weights(oneshot.cluster(file, 2))] == [True] * 3
