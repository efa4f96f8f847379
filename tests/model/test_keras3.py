"""Keras 3 models as tf_keras ones: the same outputs, or a refusal that says why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.worker import start
from autotune.errors import UserError
from autotune.model.keras3 import random_inputs, structured, translate

start(2)

import keras  # noqa: E402  # after the legacy switch is set
import tf_keras  # noqa: E402

L = keras.layers


def functional(shape: tuple[int, ...], body: Callable[[Any], Any]) -> Any:
    entry = keras.Input(shape)
    return keras.Model(entry, body(entry))


def residual(x: Any) -> Any:
    x = L.Conv2D(4, 3, padding="same")(x)
    y = L.BatchNormalization()(x)
    y = L.DepthwiseConv2D(3, padding="same")(L.ReLU(max_value=6)(y))
    x = L.Concatenate()([L.Add()([x, y]), x])
    return L.Dense(3)(L.GlobalAveragePooling2D(keepdims=True)(x))


def shared(x: Any) -> Any:
    layer = L.Dense(4, activation="tanh")
    return L.Average()([layer(x), layer(L.Dense(4)(x))])


def nested(x: Any) -> Any:
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, activation="relu"), L.Dense(4)])
    return L.Dense(2)(inner(L.Dense(4)(x)))


def nested_twice(x: Any) -> Any:
    entry = keras.Input((4,))
    inner = keras.Model(entry, L.Dense(4)(entry))
    return inner(L.ReLU()(inner(x)))


def two_inputs() -> Any:
    left, right = keras.Input((4,), name="left"), keras.Input((6,), name="right")
    joined = L.Concatenate()([L.Dense(3)(right), L.Dense(3)(left)])
    return keras.Model([left, right], [L.Dense(2, name="first")(joined), L.Dense(1, name="second")(joined)])


def named_inputs() -> Any:
    left, right = keras.Input((4,), name="left"), keras.Input((6,), name="right")
    joined = L.Concatenate()([L.Dense(3)(right), L.Dense(3)(left)])
    return keras.Model({"right": right, "left": left}, {"sum": L.Dense(2)(joined), "all": L.Dense(1)(joined)})


def shared_nested(x: Any) -> Any:
    """A nested model called twice, with another nested in it and two inputs."""
    entry = keras.Input((4,))
    core = keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization(), L.Dense(4)])
    other = keras.Input((4,))
    inner = keras.Model([entry, other], L.Add()([core(entry), core(core(other))]))
    y = L.Dense(4)(x)
    return L.Concatenate()([inner([x, y]), inner([y, x])])


def several_outputs_nested(x: Any) -> Any:
    entry = keras.Input((4,))
    inner = keras.Model(entry, [L.Dense(3)(entry), L.Dense(2)(entry)])
    first, second = inner(x)
    return L.Concatenate()([second, first])


def encoder_decoder(x: Any) -> Any:
    outputs, hidden, cell = L.LSTM(3, return_sequences=True, return_state=True)(x)
    return L.LSTM(3)(outputs, initial_state=[hidden, cell])


def masked(x: Any) -> Any:
    x = L.Masking()(x)
    return L.Dense(2)(L.GRU(3)(L.LSTM(4, return_sequences=True)(x)))


def embedded(x: Any) -> Any:
    x = L.Embedding(10, 4, mask_zero=True)(x)
    return L.Dense(2)(L.Bidirectional(L.LSTM(3))(x))


def attention(x: Any) -> Any:
    y = L.Dense(4)(x)
    x = L.LayerNormalization()(L.Add()([x, L.MultiHeadAttention(2, 3)(x, y)]))
    x = x + L.MultiHeadAttention(2, 3)(query=x, value=y, key=x)
    return L.Concatenate()([L.Attention()([x, y]), L.AdditiveAttention()([x, y])])


def operations(x: Any) -> Any:
    y = keras.ops.relu(L.Dense(4)(x / 2.0) * 3.0 - 1.0)
    return keras.ops.maximum(x, y) * y + x - 0.5


def frozen(x: Any) -> Any:
    """Batch normalisation that stays in inference, and a layer that is not trained."""
    x = L.BatchNormalization()(L.Conv2D(3, 1, trainable=False)(x), training=False)
    return L.GlobalAveragePooling2D()(x)


def in_time(x: Any) -> Any:
    entry = keras.Input((4,))
    inner = keras.Model(entry, L.Dense(2)(L.BatchNormalization()(L.Dense(3)(entry))))
    return L.TimeDistributed(inner)(L.TimeDistributed(L.Dense(4))(x))


def merged(x: Any) -> Any:
    y = L.Dense(4)(x)
    pairs = [layer()([x, y]) for layer in (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum)]
    return L.Concatenate()([*pairs, L.Dot(1)([x, y])])


def activated(name: str) -> Callable[[], Any]:
    return lambda: functional((5,), lambda x: L.Activation(name)(L.Dense(4, activation=name)(x)))


ACTIVATIONS = (
    *("elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear"),
    *("log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus"),
    *("softsign", "swish", "tanh"),
)


def stack(shape: tuple[int, ...], *layers: Any) -> Callable[[], Any]:
    """A model of layers that are made anew by each test, since they are called once."""
    return lambda: keras.Sequential([keras.Input(shape), *(layer() for layer in layers)])


IMAGE, SERIES, VOLUME, VECTOR = (8, 8, 3), (8, 4), (4, 4, 4, 2), (6,)


MODELS: dict[str, Callable[[], Any]] = {
    "sequential": lambda: keras.Sequential(
        [keras.Input((8, 8, 3)), L.Rescaling(1 / 255), L.Conv2D(4, 3), L.MaxPooling2D(), L.Flatten(), L.Dense(2)]
    ),
    "residual": lambda: functional((8, 8, 3), residual),
    "shared layer": lambda: functional((4,), shared),
    "nested model": lambda: functional((4,), nested),
    "nested model as output": lambda: functional((4,), nested_twice),
    "nested model, shared, of two inputs": lambda: functional((4,), shared_nested),
    "nested model of two outputs": lambda: functional((4,), several_outputs_nested),
    "sequential in sequential": lambda: keras.Sequential(
        [keras.Input((4,)), keras.Sequential([L.Dense(3), L.BatchNormalization()]), L.Dense(2)]
    ),
    "two inputs and outputs": two_inputs,
    "named inputs and outputs": named_inputs,
    "operations": lambda: functional((4,), operations),
    "frozen": lambda: functional((4, 4, 2), frozen),
    "merging": lambda: functional((4,), merged),
    "conv1d": stack(SERIES, lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2), lambda: L.Conv1DTranspose(3, 2)),
    "conv2d": stack(
        IMAGE, lambda: L.Conv2D(6, 3, groups=3, use_bias=False), lambda: L.Conv2DTranspose(3, 2, strides=2)
    ),
    "conv3d": stack(VOLUME, lambda: L.Conv3D(3, 2), lambda: L.Conv3DTranspose(2, 2)),
    "depthwise": stack(IMAGE, lambda: L.DepthwiseConv2D(3, depth_multiplier=2), lambda: L.SeparableConv2D(4, 3)),
    "depthwise1d": stack(SERIES, lambda: L.DepthwiseConv1D(3), lambda: L.SeparableConv1D(4, 3)),
    "einsum dense": stack(SERIES, lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d")),
    "regularised": stack(
        VECTOR,
        lambda: L.Dense(
            3, kernel_regularizer="l2", bias_constraint=keras.constraints.NonNeg(), kernel_initializer="he_normal"
        ),
    ),
    "normalisation": stack(
        IMAGE, L.BatchNormalization, L.LayerNormalization, lambda: L.GroupNormalization(3), L.UnitNormalization
    ),
    "pooling1d": stack(SERIES, L.MaxPooling1D, lambda: L.AveragePooling1D(2), L.GlobalMaxPooling1D),
    "pooling2d": stack(IMAGE, L.MaxPooling2D, lambda: L.AveragePooling2D(3, padding="same"), L.GlobalAveragePooling2D),
    "pooling3d": stack(VOLUME, lambda: L.MaxPooling3D(1), lambda: L.AveragePooling3D(2), L.GlobalAveragePooling3D),
    "global": stack(SERIES, lambda: L.GlobalAveragePooling1D(keepdims=True), L.Flatten),
    "global2d": stack(IMAGE, lambda: L.GlobalMaxPooling2D(keepdims=True), L.Flatten),
    "global3d": stack(VOLUME, L.GlobalMaxPooling3D),
    "padding1d": stack(SERIES, lambda: L.ZeroPadding1D(1), lambda: L.Cropping1D((0, 1)), L.UpSampling1D),
    "padding2d": stack(
        IMAGE, lambda: L.ZeroPadding2D(((0, 1), (2, 3))), L.Cropping2D, lambda: L.UpSampling2D(interpolation="bilinear")
    ),
    "padding3d": stack(VOLUME, L.ZeroPadding3D, lambda: L.Cropping3D((1, 0, 1)), L.UpSampling3D),
    "shapes": stack(
        VECTOR, lambda: L.RepeatVector(4), lambda: L.Permute((2, 1)), lambda: L.Reshape((-1, 8)), L.Flatten
    ),
    "activations": stack(
        VECTOR,
        lambda: L.ReLU(max_value=6, negative_slope=0.1, threshold=0.2),
        lambda: L.LeakyReLU(negative_slope=0.3),
        L.PReLU,
        L.ELU,
        L.Softmax,
    ),
    "regularisation": stack(
        IMAGE,
        lambda: L.Dropout(0.5, seed=1),
        lambda: L.SpatialDropout2D(0.5),
        lambda: L.GaussianDropout(0.5),
        lambda: L.AlphaDropout(0.5),
        lambda: L.GaussianNoise(0.5),
        L.ActivityRegularization,
    ),
    "spatial dropout": stack(SERIES, lambda: L.SpatialDropout1D(0.5)),
    "preprocessing": stack(
        IMAGE,
        lambda: L.Rescaling([0.1, 0.2, 0.3], offset=-1),
        lambda: L.Resizing(6, 5),
        lambda: L.CenterCrop(4, 4),
        lambda: L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0]),
    ),
    "normalization with weights": stack(VECTOR, L.Normalization),
    "augmentation": stack(
        IMAGE,
        lambda: L.RandomFlip("horizontal", seed=3),
        lambda: L.RandomRotation(0.1),
        lambda: L.RandomZoom(0.1),
        lambda: L.RandomTranslation(0.1, 0.1),
        lambda: L.RandomContrast(0.1),
        lambda: L.RandomBrightness(0.1),
        lambda: L.RandomHue(0.1),
        lambda: L.RandomErasing(),
        lambda: L.Conv2D(2, 3),
    ),
    "category encoding": stack(VECTOR, lambda: L.CategoryEncoding(8, output_mode="multi_hot"), lambda: L.Dense(2)),
    "embedding": stack(VECTOR, lambda: L.Embedding(10, 4), L.Flatten, lambda: L.Dense(2)),
    "embedding, masked": lambda: functional((5,), embedded),
    "masked": lambda: functional((6, 3), masked),
    "simple rnn": stack(
        SERIES, lambda: L.SimpleRNN(3, return_sequences=True), lambda: L.SimpleRNN(2, go_backwards=True)
    ),
    "lstm": stack(SERIES, lambda: L.LSTM(3, recurrent_activation="hard_sigmoid", use_bias=False, unroll=True)),
    "gru": stack(SERIES, lambda: L.GRU(3, reset_after=False, return_sequences=True), lambda: L.GRU(2)),
    "cells": stack(SERIES, lambda: L.RNN([L.LSTMCell(3), L.GRUCell(4), L.SimpleRNNCell(2)])),
    "bidirectional": stack(
        SERIES,
        lambda: L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="sum"),
        lambda: L.Bidirectional(L.LSTM(3), backward_layer=L.LSTM(2, go_backwards=True)),
    ),
    "conv lstm": stack((3, 6, 6, 2), lambda: L.ConvLSTM2D(2, 3)),
    "states": lambda: functional((6, 3), encoder_decoder),
    "in time": lambda: functional((5, 4), in_time),
    "attention": lambda: functional((5, 4), attention),
    "16 bits": stack(VECTOR, lambda: L.Dense(3, dtype="mixed_float16"), lambda: L.Dense(2, dtype="float32")),
    **{name: activated(name) for name in ACTIVATIONS},
}


@pytest.mark.parametrize("name", MODELS)
def test_computes_the_same(name: str) -> None:
    """With weights that are not the initial ones, on inputs other than those of the check inside."""
    keras.utils.set_random_seed(1)
    model = MODELS[name]()
    random = np.random.default_rng(1)
    model.set_weights([_moved(weight, random) for weight in model.get_weights()])
    for layer in model.layers:
        if isinstance(layer, L.Normalization):
            layer.finalize_state()  # as opening a file does
    inputs = [values[::-1] * np.asarray(0.5, values.dtype) for values in random_inputs(model)]
    twin = translate(model)
    assert type(twin).__module__.startswith("tf_keras")
    _assert_close(twin(_plain(inputs), training=False), model(structured(model, inputs), training=False), name)
    assert [layer.trainable for layer in twin.layers] == [True] * len(twin.layers) or name == "frozen"


def _moved(weight: Any, random: np.random.Generator) -> Any:
    if not np.issubdtype(weight.dtype, np.floating):
        return weight
    return weight + np.abs(random.normal(0, 0.1, weight.shape))


def _plain(inputs: list[Any]) -> Any:
    return inputs if len(inputs) > 1 else inputs[0]


def _assert_close(ours: Any, theirs: Any, name: str) -> None:
    rough = 10 if name == "16 bits" else 1
    for left, right in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
        np.testing.assert_allclose(np.asarray(left), np.asarray(right), rtol=1e-3 * rough, atol=1e-4 * rough)


def test_subclassed_model_is_refused() -> None:
    """What has no config can't be translated."""

    class Custom(keras.Model):  # type: ignore[misc]  # keras has no types
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(UserError, match="Custom model can't be translated"):
        translate(Custom())


def test_layer_without_counterpart_is_refused() -> None:
    """The message says which."""
    model = functional((4, 4), lambda x: L.RMSNormalization()(x))
    with pytest.raises(UserError, match=r"layer 'rms_normalization\w*' \(RMSNormalization\) is not known"):
        translate(model)


@pytest.mark.parametrize(
    ("layer", "wrong"),
    [
        (lambda: L.AdaptiveAveragePooling2D(2, name="pool"), r"layer 'pool' \(AdaptiveAveragePooling2D\) is not known"),
        (
            lambda: L.Resizing(4, 4, pad_to_aspect_ratio=True, name="fit"),
            r"layer 'fit' \(Resizing\) has pad_to_aspect_ratio",
        ),
        (lambda: L.SpectralNormalization(L.Dense(3), name="sn"), r"layer 'sn' \(SpectralNormalization\): Unknown"),
        (lambda: L.Lambda(lambda x: x, name="code"), r"layer 'code' \(Lambda\) is not known"),
        (lambda: L.Activation("sparsemax", name="odd"), r"layer 'odd' \(Activation\): .*sparsemax"),
    ],
)
def test_refusals_name_the_layer(layer: Any, wrong: str) -> None:
    """By its name and its class, also where the layer is in a nested model."""
    inner = keras.Sequential([keras.Input((8, 8, 3)), layer()])
    for model in (functional((8, 8, 3), lambda x: layer()(x)), functional((8, 8, 3), lambda x: inner(x))):
        with pytest.raises(UserError, match=wrong) as caught:
            translate(model)
        assert "\n" not in str(caught.value)


def test_operation_without_counterpart_is_refused() -> None:
    """What keras.ops does that is no layer."""
    model = functional((4,), lambda x: keras.ops.sin(x))
    with pytest.raises(UserError, match=r"operation 'sin\w*' \(Sin\) is not known"):
        translate(model)


def test_custom_layer_is_refused() -> None:
    """Also one that is registered: the class is made for Keras 3."""

    @keras.saving.register_keras_serializable("mine")
    class Twice(keras.Layer):  # type: ignore[misc]  # keras has no types
        def call(self, x: Any) -> Any:
            return 2 * x

    with pytest.raises(UserError, match=r"layer 'twice' \(Twice\) is not known"):
        translate(functional((4,), lambda x: Twice(name="twice")(x)))


def test_survives_being_saved(tmp_path: Path) -> None:
    """The twin opens from its file, activations of Keras 3 included, and computes the same."""
    model = stack(
        SERIES, lambda: L.GRU(3, recurrent_activation="hard_sigmoid"), lambda: L.Dense(3, activation="hard_swish")
    )()
    inputs = random_inputs(model)[0]
    translate(model).save(tmp_path / "twin.keras")
    twin = tf_keras.models.load_model(tmp_path / "twin.keras")
    _assert_close(twin(inputs), model(inputs), "")


def test_difference_names_the_first_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a layer computes something else, the message says which."""
    monkeypatch.setattr("autotune.model.keras3_layers.NAMES", {})
    model = stack(VECTOR, lambda: L.Dense(3), lambda: L.Activation("hard_sigmoid", name="odd"), lambda: L.Dense(2))()
    with pytest.raises(UserError, match=r"first after layer 'odd' \(Activation\)"):
        translate(model)


def test_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A translation that loses the weights does not pass its own check."""
    monkeypatch.setattr("autotune.model.keras3._copy_weights", lambda source, target: None)
    with pytest.raises(UserError, match="computes something else"):
        translate(MODELS["residual"]())
