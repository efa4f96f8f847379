"""Models that come as a .tflite file."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autotune.compress.worker import start
from autotune.errors import UserError
from autotune.model.tflite import facts

start(2)

import tensorflow as tf  # noqa: E402  # after the legacy switch is set
import tf_keras  # noqa: E402

K = tf_keras.layers


def converted(model: Any, **options: Any) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    for name, value in options.items():
        setattr(converter, name, value)
    return bytes(converter.convert())


def small(activation: str = "linear", shape: tuple[int | None, ...] = (4,), **options: Any) -> Any:
    return tf_keras.Sequential(
        [K.InputLayer(shape, **options), K.Dense(3, activation=activation, bias_initializer="ones")]
    )


def samples() -> Any:
    for _ in range(4):
        yield [np.random.default_rng(0).normal(size=(1, 4)).astype(np.float32)]


INTEGER = {
    "optimizations": [tf.lite.Optimize.DEFAULT],
    "representative_dataset": samples,
    "inference_input_type": tf.int8,
    "inference_output_type": tf.int8,
}


@pytest.mark.parametrize(
    ("activation", "options", "expected"),
    [
        ("softmax", {}, ("softmax", False, "float32")),
        ("sigmoid", {}, ("sigmoid", False, "float32")),
        ("relu", {}, ("linear", False, "float32")),
        ("softmax", INTEGER, ("softmax", True, "int8")),
    ],
)
def test_facts(activation: str, options: dict[str, Any], expected: tuple[str, bool, str]) -> None:
    """Of float and of integer files: 4 · 3 weights and 3 biases (the converter leaves out those of 0)."""
    found = facts(converted(small(activation), **options))
    [entry], [end] = found.inputs, found.outputs
    assert (end.activation, found.quantized, entry.dtype) == expected
    assert end.dtype == expected[2]
    assert (entry.shape, end.shape, found.parameters) == ((4,), (3,), 15)
    assert (entry.quantization is not None) is expected[1]
    assert entry.quantization is None or entry.quantization[0] > 0


def two_signatures() -> bytes:
    module = tf.Module()
    spec = [tf.TensorSpec((1, 4), tf.float32)]
    functions = [tf.function(body, input_signature=spec) for body in (tf.nn.relu, tf.nn.tanh)]
    found = [function.get_concrete_function() for function in functions]
    module.functions = functions
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions(found, module).convert())


def custom_operator(**options: Any) -> Callable[[], bytes]:
    def made() -> bytes:
        entry = K.Input((4,))
        model = tf_keras.Model(entry, K.Lambda(lambda x: tf.math.betainc(x, x, tf.math.erf(x)))(entry))
        return converted(model, allow_custom_ops=True, **options)

    return made


def two_inputs() -> bytes:
    entries = [K.Input((2,)), K.Input((2,))]
    return converted(tf_keras.Model(entries, K.Add()(entries)))


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (custom_operator(), r"has operators that LiteRT has not \(Betainc, Erf\)"),
        (two_signatures, r"has several signatures"),
        (lambda: converted(small(shape=(None, 4))), r"input shape \(None, 4\) is not fixed"),
        (lambda: converted(small(batch_size=8)), "takes batches of 8 samples only"),
        (lambda: converted(small())[:200], "not a whole .tflite file"),
        (lambda: b"", "not a whole .tflite file"),
    ],
)
def test_refusals(make: Callable[[], bytes], wrong: str) -> None:
    """One line each, to which the file's name is added where it is known."""
    with pytest.raises(UserError, match=wrong) as caught:
        facts(make())
    assert "\n" not in str(caught.value)


def test_operators_of_tensorflow_are_refused() -> None:
    """A file that was converted with TensorFlow's operators needs TensorFlow's runtime."""
    entry = K.Input((4,))
    model = tf_keras.Model(entry, K.Lambda(tf.math.erf)(entry))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    with pytest.raises(UserError, match=r"has operators that LiteRT has not \(FlexErf\)"):
        facts(bytes(converter.convert()))
