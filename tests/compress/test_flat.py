"""Nested models laid flat: the same function, each layer in the model itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autotune.compress.flat import flattened, learned_activation

tf_keras = pytest.importorskip("tf_keras")
K = tf_keras.layers

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def inner(name: str, *more: Any) -> Any:
    layers = [K.Dense(4, activation="relu", name="dense"), K.BatchNormalization(name="norm"), *more]
    return tf_keras.Sequential([K.Input((4,)), *layers], name=name)


def twice(x: Any) -> Any:
    """A model that is called twice, and has one of two inputs within."""
    a, b = K.Input((4,)), K.Input((4,))
    two = tf_keras.Model([a, b], K.Add()([inner("deep")(a), b]))
    shared = inner("shared")
    return two([shared(x), shared(K.ReLU()(x))])


def prepared(x: Any) -> Any:
    """Normalization that was adapted, in a model of its own."""
    normalization = K.Normalization()
    normalization.adapt(3 * X + 1)
    return inner("body")(tf_keras.Sequential([K.Input((4,)), normalization])(x))


CASES: dict[str, Callable[[Any], Any]] = {
    "one": lambda x: K.Dense(2, name="dense")(inner("body")(x)),
    "in another": lambda x: inner("outer", inner("body"), K.Dense(3, name="last"))(x),
    "twice": twice,
    "prepared": prepared,
    "learned activation": lambda x: inner("body", K.Dense(3, activation=K.PReLU(), name="last"))(x),
}


@pytest.mark.parametrize("case", CASES)
def test_computes_the_same(case: str) -> None:
    """Whatever is nested, named alike, shared or adapted; and the model is left as it was."""
    entry = K.Input((4,))
    model = tf_keras.Model(entry, CASES[case](entry))
    model.set_weights([np.abs(np.random.default_rng(1).normal(size=each.shape)) for each in model.get_weights()])
    if case == "prepared":
        model = _reopened(model)
    before = model(X).numpy()
    flat = flattened(model)
    assert not any(hasattr(layer, "layers") or learned_activation(layer) for layer in flat.layers)
    assert np.allclose(flat(X), before, atol=1e-5)
    flat.set_weights([np.zeros_like(each) for each in flat.get_weights()])
    assert np.array_equal(model(X).numpy(), before)


def _reopened(model: Any) -> Any:
    """As stages open it: what is adapted is in its weights."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        return tf_keras.models.load_model(f"{folder}/model.keras", compile=False)


def test_a_flat_model_is_itself() -> None:
    """Nothing is copied that need not be."""
    model = tf_keras.Sequential([K.Input((4,)), K.Dense(2)])
    assert flattened(model) is model
