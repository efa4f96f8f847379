"""Channels that change nothing are left out, and the outputs stay; those that change something are not."""

from dataclasses import replace

import numpy as np
import pytest

from autotune.compress.channels.dead import dead_channels, without_dead
from autotune.compress.channels.groups import groups_of
from autotune.compress.channels.stages import Trim
from autotune.compress.stage import TrainingData
from autotune.model.load import open_base
from tests.compress.channels.models import ZOO, K, as_base, made, samples, tf_keras


def widths(model: object) -> dict[str, int]:
    return {group.name: group.width for group in groups_of(model).groups}


def silence(model: object, name: str, channels: list[int], bias: float, noise: float = 1e-9) -> None:
    """Lets a layer give nothing but its bias, and rounding noise, in some channels."""
    layer = model.get_layer(name)  # type: ignore[attr-defined]
    kernel, biases = layer.get_weights()
    kernel[..., channels] = noise * np.random.default_rng(2).normal(size=kernel[..., channels].shape)
    biases[channels] = bias
    layer.set_weights([kernel, biases])


@pytest.mark.parametrize("case", ZOO)
def test_nothing_is_dead_in_a_model_that_uses_all(case: str) -> None:
    """Nothing is taken out, and the model is itself."""
    model = made(ZOO[case])
    assert without_dead(groups_of(model)).model is model


@pytest.mark.parametrize(("bias", "left"), [(-1.0, 9), (0.5, 9)])
def test_a_constant_goes_into_the_bias_behind(bias: float, left: int) -> None:
    """Of a ReLU's zeros nothing is left, and of other numbers what a 1x1 convolution makes of them."""
    model = made(ZOO["residual"])
    silence(model, "wide", [1, 5, 6], bias)
    smaller = without_dead(groups_of(model)).model
    assert widths(smaller) == {"stem": 8, "wide": left}
    assert np.allclose(smaller.predict(samples(), verbose=0), model.predict(samples(), verbose=0), atol=1e-6)


def depthwise(bias: float, kernel: int, padding: str) -> object:
    """Channels that are constant go through a depthwise layer, a normalisation and a pool to a convolution."""

    def body(x: object) -> object:
        x = K.Conv2D(6, 1, activation="relu", name="first")(x)
        x = K.BatchNormalization(name="norm")(K.DepthwiseConv2D(3, padding="same", name="depthwise")(x))
        x = K.MaxPooling2D(2)(K.ReLU()(x))
        return K.GlobalAveragePooling2D()(K.Conv2D(5, kernel, padding=padding, use_bias=False, name="last")(x))

    model = made(body, seed=3)
    silence(model, "first", [0, 4], bias)
    return model


@pytest.mark.parametrize(
    ("bias", "kernel", "padding", "left"),
    [
        (-1.0, 1, "same", 4),
        (-1.0, 3, "valid", 4),
        (1.0, 1, "valid", 6),  # the depthwise layer's own padding makes other values at borders
    ],
)
def test_constants_go_through_what_treats_channels_alone(bias: float, kernel: int, padding: str, left: int) -> None:
    """A layer that has no bias gets one; where padding makes a border, what is not 0 there stays."""
    model = depthwise(bias, kernel, padding)
    smaller = without_dead(groups_of(model)).model
    assert widths(smaller)["first"] == left
    expected = model.predict(samples(), verbose=0)  # type: ignore[attr-defined]
    assert np.allclose(smaller.predict(samples(), verbose=0), expected, atol=1e-6)


def test_a_constant_at_a_border_stays_unless_it_is_zero() -> None:
    """Behind a depthwise layer's bias, a 3x3 convolution that pads sees more than the constant."""
    model = depthwise(-1.0, 3, "same")
    positive = model.get_layer("norm")  # type: ignore[attr-defined]
    gamma, beta, mean, variance = positive.get_weights()
    beta[[0, 4]] = [5.0, -20.0]  # behind the ReLU a number, and 0
    positive.set_weights([gamma, beta, mean, variance])
    smaller = without_dead(groups_of(model)).model
    assert widths(smaller)["first"] == 5
    expected = model.predict(samples(), verbose=0)  # type: ignore[attr-defined]
    assert np.allclose(smaller.predict(samples(), verbose=0), expected, atol=1e-6)


def test_what_nobody_reads_goes_and_what_it_alone_read() -> None:
    """Channels that the layer behind ignores; then those that only they were made of."""
    model = made(ZOO["residual"])
    narrow, wide = model.get_layer("narrow"), model.get_layer("wide")
    kernel, bias = narrow.get_weights()
    kernel[..., [2, 3], :] = 1e-9
    narrow.set_weights([kernel, bias])
    expected = model.predict(samples(), verbose=0)
    assert dead_channels(groups_of(model)).labels.size == 2
    smaller = without_dead(groups_of(model)).model
    assert widths(smaller) == {"stem": 8, "wide": 10}
    assert np.array_equal(smaller.get_layer("wide").get_weights()[1], np.delete(wide.get_weights()[1], [2, 3]))
    assert np.allclose(smaller.predict(samples(), verbose=0), expected, atol=1e-6)


def test_small_weights_that_a_normalisation_makes_large_count() -> None:
    """What only they read is not ignored."""

    def body(x: object) -> object:
        x = K.Conv2D(5, 1, use_bias=False, name="reader")(K.Conv2D(6, 3, activation="relu", name="first")(x))
        return K.GlobalAveragePooling2D()(K.ReLU()(K.BatchNormalization(name="norm")(x)))

    model = made(body)
    (kernel,) = model.get_layer("reader").get_weights()
    kernel[..., 2, 1:] = 0
    kernel[..., 0] *= 1e-7
    model.get_layer("reader").set_weights([kernel])
    gamma, *others = model.get_layer("norm").get_weights()
    gamma[0] *= 1e7
    model.get_layer("norm").set_weights([gamma, *others])
    assert without_dead(groups_of(model)).model is model


def test_factors_of_zero_need_no_other() -> None:
    """Squeeze and excite: what is 0 stays so, whatever the factor is."""
    model = made(ZOO["squeezed"])
    model = tf_keras.models.clone_model(
        model,
        clone_function=lambda layer: type(layer).from_config(
            layer.get_config() | ({"activation": "relu"} if layer.name == "body" else {})
        ),
    )
    silence(model, "body", [0, 3], -1.0)
    expected = model.predict(samples(), verbose=0)
    smaller = without_dead(groups_of(model)).model
    assert widths(smaller) == {"body": 6, "squeeze": 4}
    assert np.allclose(smaller.predict(samples(), verbose=0), expected, atol=1e-6)


def test_one_channel_stays_where_all_are_dead() -> None:
    """A layer has one channel at least."""
    model = made(ZOO["residual"])
    silence(model, "wide", list(range(12)), -1.0, noise=0.0)
    smaller = without_dead(groups_of(model)).model
    assert widths(smaller)["stem"] == 8
    assert smaller.get_layer("wide").filters == 1


def data(model: object) -> tuple[bytes, TrainingData]:
    x = samples(32)
    return as_base(model), TrainingData(x, np.arange(32) % 4, x, "sparse_categorical_crossentropy", 0)


def test_the_stage_says_what_was_dead() -> None:
    """By layer, with the multiply-accumulates and parameters of both models."""
    model = made(ZOO["residual"])
    silence(model, "wide", [1, 5, 6], -1.0)
    base, lessons = data(model)
    artifact = Trim().build(base, None, {}, lessons)
    dead = artifact.facts["dead"]
    assert dead["channels"] == {"wide": [12, 9]}
    assert dead["macs"][1] < dead["macs"][0]
    assert dead["parameters"] == [each.count_params() for each in (open_base(base), open_base(artifact.data))]


def test_without_dead_channels_the_model_is_what_it_was() -> None:
    """To the byte."""
    base, lessons = data(made(ZOO["residual"]))
    artifact = Trim().build(base, None, {}, lessons)
    assert artifact.data == base
    assert artifact.facts["dead"]["channels"] == {}


def test_nothing_is_left_out_where_outputs_would_differ() -> None:
    """What is noise beside the other weights may still saturate where inputs are large."""
    model = made(
        lambda x: K.GlobalAveragePooling2D()(K.Conv2D(6, 1, activation="tanh", name="only")(x)), activation="linear"
    )
    silence(model, "only", [1], 0.0)
    assert without_dead(groups_of(model)).model is not model
    base, lessons = data(model)
    for factor in (1e9, np.nan):
        artifact = Trim().build(base, None, {}, replace(lessons, calibration=lessons.calibration * np.float32(factor)))
        assert artifact.data == base
        assert "other outputs" in artifact.facts["dead"]["reason"]
