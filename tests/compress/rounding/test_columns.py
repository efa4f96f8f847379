"""A layer's columns times its weights are what LiteRT computes."""

import itertools
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from autotune.compress.convert import for_one_sample
from autotune.compress.rounding.columns import columns
from autotune.compress.rounding.layers import loaded, places, values
from autotune.compress.worker import start


def kinds() -> list[tuple[str, dict[str, Any]]]:
    """Layers of Keras with what they are called with."""
    convolutions = [
        ("Conv2D", {"kernel_size": kernel, "strides": strides, "padding": padding})
        for kernel, strides, padding in itertools.product([(3, 2), (1, 1)], [(1, 1), (2, 3)], ["same", "valid"])
    ]
    transposed = [
        ("Conv2DTranspose", {"kernel_size": kernel, "strides": strides, "padding": padding})
        for kernel, strides, padding in itertools.product([(3, 2), (2, 5)], [(1, 1), (2, 3)], ["same", "valid"])
    ]
    return [
        *convolutions,
        *transposed,
        ("Conv2D", {"kernel_size": 3, "dilation_rate": (2, 1), "padding": "same"}),
        ("Conv2D", {"kernel_size": 3, "dilation_rate": 2, "padding": "valid"}),
        ("Conv2D", {"kernel_size": 3, "groups": 2, "padding": "same"}),
        ("DepthwiseConv2D", {"kernel_size": 3, "padding": "same"}),
        ("DepthwiseConv2D", {"kernel_size": (2, 3), "strides": 2, "depth_multiplier": 3, "padding": "valid"}),
        ("Dense", {}),
    ]


@pytest.mark.parametrize(("name", "options"), kinds())
def test_columns_times_weights_are_the_outputs(name: str, options: dict[str, Any]) -> None:
    """Of every output, in the order of the file's weights."""
    start(2)
    import tf_keras

    tf_keras.utils.set_random_seed(1)
    filters = {} if name == "DepthwiseConv2D" else {"units" if name == "Dense" else "filters": 6}
    layer = getattr(tf_keras.layers, name)(**filters, **options, use_bias=False)
    model = tf_keras.Sequential([tf_keras.layers.Input((7, 10, 4)), layer])
    file = bytes(for_one_sample(model).convert())  # of other batches dilations become operators of their own
    x = np.random.default_rng(0).normal(size=(1, 7, 10, 4)).astype(np.float32)
    interpreter = Interpreter(model_content=file)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    wanted = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    tables = loaded(file)
    (place,) = places(tables)
    layout = columns(tables, place, x.shape)
    weights = np.moveaxis(values(tables, place.weights), place.axis, 0).reshape(layout.groups, -1, layout.size)
    got = np.einsum("ngc,grc->ngr", layout.of(x, 10**6, 0), weights)
    np.testing.assert_allclose(got.reshape(wanted.shape), wanted, atol=1e-5)
    some = layout.of(x, 5, 3)
    assert some.shape == (5, layout.groups, layout.size)
    assert {row.tobytes() for row in some} <= {row.tobytes() for row in layout.of(x, 10**6, 0)}
