"""Keras 3 models as tf_keras ones: the same outputs, or a refusal that says why."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autotune.compress.translate import translate
from autotune.compress.worker import start
from autotune.errors import UserError

start(2)

import keras  # noqa: E402  # after the legacy switch is set

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


MODELS: dict[str, Callable[[], Any]] = {
    "sequential": lambda: keras.Sequential(
        [keras.Input((8, 8, 3)), L.Rescaling(1 / 255), L.Conv2D(4, 3), L.MaxPooling2D(), L.Flatten(), L.Dense(2)]
    ),
    "residual": lambda: functional((8, 8, 3), residual),
    "shared layer": lambda: functional((4,), shared),
    "nested model": lambda: functional((4,), nested),
    "nested model as output": lambda: functional((4,), nested_twice),
    "separable": lambda: functional((8, 8, 2), lambda x: L.SeparableConv2D(4, 3)(L.ZeroPadding2D(1)(x))),
    "one-dimensional": lambda: functional((16, 2), lambda x: L.GlobalMaxPooling1D()(L.Conv1D(4, 3)(x))),
    "recurrent": lambda: functional((6, 3), lambda x: L.GRU(4)(L.LSTM(5, return_sequences=True)(x))),
    "dropout": lambda: functional((5,), lambda x: L.Dense(3, activation="softmax")(L.Dropout(0.5)(x))),
    "layer normalisation": lambda: functional((5,), lambda x: L.PReLU()(L.LayerNormalization()(x))),
    "transposed": lambda: functional((4, 4, 2), lambda x: L.UpSampling2D()(L.Conv2DTranspose(3, 2, strides=2)(x))),
}


@pytest.mark.parametrize("name", MODELS)
def test_computes_the_same(name: str) -> None:
    """With weights that are not the initial ones, on inputs other than those of the check inside."""
    keras.utils.set_random_seed(1)
    model = MODELS[name]()
    random = np.random.default_rng(1)
    model.set_weights([weight + np.abs(random.normal(0, 0.1, weight.shape)) for weight in model.get_weights()])
    inputs = random.normal(size=(3, *model.input_shape[1:])).astype(np.float32)
    twin = translate(model)
    assert type(twin).__module__.startswith("tf_keras")
    np.testing.assert_allclose(np.asarray(twin(inputs)), np.asarray(model(inputs)), rtol=1e-3, atol=1e-4)


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
    with pytest.raises(UserError, match="RMSNormalization"):
        translate(model)


def test_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A translation that loses the weights does not pass its own check."""
    monkeypatch.setattr("autotune.compress.translate._copy_weights", lambda source, target: None)
    with pytest.raises(UserError, match="computes something else"):
        translate(MODELS["residual"]())
