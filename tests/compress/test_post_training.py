"""Each scheme of LiteRT's quantizer: what was asked is in the file, and it computes what the float file does."""

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from autotune.compress.oneshot import prune
from autotune.compress.post_training import SCHEMES, most_sensitive, quantize, sensitivity
from autotune.compress.rounding.write import with_room
from autotune.compress.worker import start
from autotune.config import FOUR_BITS, MIXABLE
from autotune.errors import Infeasible, UserError
from autotune.tflite.flatbuffer import describe, named, read_layers, read_weights
from tests.tflite import stateful

WEIGHTS = {
    scheme: {"float16": "float16", "int4": "int4", "w4a8": "int4", "w4a8_io": "int4"}.get(scheme, "int8")
    for scheme in SCHEMES
}


def converted(model: Any) -> bytes:
    import tensorflow as tf

    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


@pytest.fixture(scope="module")
def file() -> bytes:
    """A float file: no layer but the last has 1024 weights; the first has outliers, which 4 bits take badly."""
    start(2)
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    entry = tf_keras.Input((8, 8, 1))
    x = skip = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(entry)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Conv2D(8, 1, name="pointwise")(x)
    x = layers.Flatten()(layers.Add()([x, skip]))
    model = tf_keras.Model(entry, layers.Dense(4, activation="softmax", name="last")(x))
    kernel, bias = model.get_layer("first").get_weights()
    kernel[0, 0] *= 10
    model.get_layer("first").set_weights([kernel, bias])
    return converted(model)


@pytest.fixture(scope="module")
def regression() -> bytes:
    """A float file whose output is a number."""
    start(2)
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    return converted(tf_keras.Sequential([layers.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(1)]))


@pytest.fixture(scope="module")
def calibration() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 8, 8, 1)).astype(np.float32)


def outputs(file: bytes, inputs: np.ndarray) -> np.ndarray:
    """What LiteRT computes, integers in the units that they stand for."""
    interpreter = Interpreter(model_content=file)
    interpreter.allocate_tensors()
    entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    results = []
    for sample in inputs:
        if entry["dtype"] == np.int8:
            scale, zero = entry["quantization"]
            sample = np.clip(np.round(sample / scale + zero), -128, 127)
        interpreter.set_tensor(entry["index"], sample[np.newaxis].astype(entry["dtype"]))
        interpreter.invoke()
        result = interpreter.get_tensor(exit_["index"])[0].astype(float)
        scale, zero = exit_["quantization"]
        results.append((result - zero) * scale if scale else result)
    return np.array(results)


@pytest.mark.parametrize("noise", [0.0, 1e-12])
@pytest.mark.parametrize("scheme", ["int8", "int8_io", "int16x8", "w4a8"])
def test_biases_of_empty_channels_are_kept(scheme: str, noise: float) -> None:
    """In convolutions and dense layers a channel of zeros, or of noise, gives its bias; it was cut off. The file is the
    quantizer's own where there is none.
    """
    start(2)
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(4, 3, name="first"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.Flatten(),
            layers.Dense(5, name="last"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(30, 6, 6, 2)).astype(np.float32)
    whole = converted(model)
    assert quantize(whole, scheme, x) == with_room(quantize(whole, scheme, x), whole)
    for layer in (model.get_layer(name) for name in ("first", "depthwise", "last")):
        kernel, bias = layer.get_weights()
        axis = 2 if layer.name == "depthwise" else -1
        np.moveaxis(kernel, axis, 0)[:2] *= noise
        bias[:2] = 0.7, -0.4
        layer.set_weights([kernel, bias])
    exact = model.predict(x, verbose=0)
    gap = np.abs(outputs(quantize(converted(model), scheme, x), x) - exact).max()
    assert gap < (0.25 if scheme == "w4a8" else 0.03) * np.abs(exact).max()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_scheme_is_in_the_file(file: bytes, calibration: np.ndarray, scheme: str) -> None:
    """Every layer has the scheme's type, however small; depthwise ones, without 4-bit kernels, have int8."""
    quantized = quantize(file, scheme, calibration)
    for row in read_weights(quantized):
        depthwise = row["operator"] == "DEPTHWISE_CONV_2D" and WEIGHTS[scheme] == "int4"
        assert row["dtype"] == ("int8" if depthwise else WEIGHTS[scheme])
    facts = describe(quantized)
    ends = {facts[end][0]["dtype"] for end in ("inputs", "outputs")}
    assert ends == {"int8" if scheme.endswith("_io") else "float32"}
    assert facts["signatures"] == ["serving_default"]
    assert len(quantized) < len(file)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_scheme_computes_the_same(file: bytes, calibration: np.ndarray, scheme: str) -> None:
    """Probabilities agree with the float file's."""
    gap = np.abs(outputs(quantize(file, scheme, calibration), calibration) - outputs(file, calibration)).max()
    assert gap < {"int4": 0.25, "w4a8": 0.25, "w4a8_io": 0.25, "float16": 0.005}.get(scheme, 0.05)


def test_a_peak_in_calibration_is_kept(regression: bytes) -> None:
    """One sample ten times the others, the last, widens the ranges: its output is not cut off."""
    calibration = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    calibration[-1] *= 10
    wanted = outputs(regression, calibration)
    got = outputs(quantize(regression, "int8", calibration), calibration)
    assert abs(got[-1] - wanted[-1]) < 0.03 * np.abs(wanted).max()


@pytest.mark.parametrize("scheme", MIXABLE)
def test_spared_layers_stay_more_precise(file: bytes, calibration: np.ndarray, scheme: str) -> None:
    """The one that is named, and no other: int8 in place of int4, else float32; the file runs."""
    quantized = quantize(file, scheme, calibration, ["last"])
    for before, after in zip(read_layers(quantize(file, scheme, calibration)), read_layers(quantized), strict=True):
        spared = "int8" if scheme in FOUR_BITS else "float32"
        assert after.dtype == (spared if named(after.name, ["last"]) else before.dtype)
    assert np.allclose(outputs(quantized, calibration).sum(axis=1), 1, atol=0.05)


def test_the_layer_with_outliers_is_the_most_sensitive(file: bytes, calibration: np.ndarray) -> None:
    """Each 4-bit layer has an error, and with the worst spared the file is nearer to the float one."""
    errors = sensitivity(file, "int4", calibration)
    assert [named(name, ["first", "pointwise", "last"]) for name in errors] == [True] * 3
    assert all(error > 0 for error in errors.values())
    worst = most_sensitive(errors, 0.1)
    assert named(worst[0], ["first"])
    wanted = outputs(file, calibration)
    plain, mixed = (outputs(quantize(file, "int4", calibration, spared), calibration) for spared in ([], worst))
    assert np.abs(mixed - wanted).mean() < np.abs(plain - wanted).mean()


@pytest.mark.parametrize("scheme", MIXABLE)
def test_every_mixed_scheme_has_errors_by_layer(regression: bytes, scheme: str) -> None:
    """Where the output is a number: its squared error, with 4 bits larger than with 8."""
    inputs = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    errors = sensitivity(regression, scheme, inputs)
    assert list(errors) == [layer.name for layer in read_layers(regression)]
    if scheme != "int4":
        coarse = sensitivity(regression, "int4", inputs)
        assert all(0 < errors[name] < coarse[name] for name in errors)


def test_a_share_of_layers_is_rounded_up() -> None:
    """A tenth of four layers is one, a half is two; worst first."""
    errors = {"a": 1.0, "b": 4.0, "c": 3.0, "d": 2.0}
    assert most_sensitive(errors, 0) == []
    assert most_sensitive(errors, 0.1) == ["b"]
    assert most_sensitive(errors, 0.5) == ["b", "c"]
    assert most_sensitive(errors, 1) == ["b", "c", "d", "a"]


@pytest.mark.parametrize("scheme", ["int4", "int8", "dynamic"])
def test_pruned_files_are_quantized(file: bytes, calibration: np.ndarray, scheme: str) -> None:
    """Zeros stay zeros, and a channel that lost all its weights is no trouble."""
    pruned = prune(file, 0.95)
    quantized = quantize(pruned, scheme, calibration)
    for before, after in zip(read_weights(pruned), read_weights(quantized), strict=True):
        assert after["sparsity"] >= before["sparsity"]
    assert np.isfinite(outputs(quantized, calibration)).all()


def test_what_can_not_be_quantized_says_so(file: bytes, calibration: np.ndarray) -> None:
    """A file that is quantized already, all layers spared, a file that is none."""
    with pytest.raises(Infeasible, match="quantized already"):
        quantize(quantize(file, "dynamic", calibration), "int8", calibration)
    with pytest.raises(Infeasible, match="dynamic quantization left every layer as it was"):
        quantize(file, "dynamic", calibration, [layer.name for layer in read_layers(file)])
    with pytest.raises(UserError, match="not a whole"):
        quantize(b"no model", "dynamic", calibration)


def test_ranges_must_be_finite(file: bytes, calibration: np.ndarray) -> None:
    """A sample with NaN has no range."""
    calibration = calibration.copy()
    calibration[3, 0, 0, 0] = np.nan
    with pytest.raises(Infeasible, match=r"calibration gives .* no finite range"):
        quantize(file, "int8", calibration)


@pytest.mark.parametrize("stateful_file", [stateful.variables(), stateful.resources()], ids=["variables", "resources"])
def test_calibration_and_sensitivity_see_each_sample_as_the_first(stateful_file: bytes) -> None:
    """Of a file that sums up what it is given: else its range would be that of the sum over all samples, and the
    answer of 8 bits be off by as much.
    """
    shape = describe(stateful_file)["inputs"][0]["shape"]
    ones = np.ones((50, *shape[1:]), np.float32)
    quantized = quantize(stateful_file, "int8", ones)
    runner = Interpreter(model_content=quantized)
    runner.allocate_tensors()
    exits = [row["quantization"][0] for row in runner.get_tensor_details() if row["dtype"] == np.int8]
    assert max(exits) < 2 / 255
    assert all(error < 1e-3 for error in sensitivity(stateful_file, "int8", ones).values())
