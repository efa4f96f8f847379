"""How many rows there are for a model's indices."""

from pathlib import Path
from typing import Any

import pytest

from autotune.compress.worker import start
from autotune.model.indices import rows
from autotune.model.load import import_model

start(2)

import keras  # noqa: E402  # after the legacy switch is set
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402


def sequential(library: Any, dtype: str = "float32") -> Any:
    return library.Sequential(
        [
            library.layers.InputLayer(shape=(6,), dtype=dtype, name="ids")
            if library is keras
            else library.layers.InputLayer((6,), dtype=dtype, name="ids"),
            library.layers.Embedding(30, 4),
            library.layers.Flatten(),
            library.layers.Dense(2),
        ]
    )


def several() -> Any:
    """Two inputs share an embedding, one of them has another of fewer rows, and a third has none as it is."""
    a, b, c = (tf_keras.Input((6,), dtype="int32", name=name) for name in "abc")
    layers = tf_keras.layers
    shared = layers.Embedding(30, 4)
    each = [shared(a), shared(b), layers.Embedding(7, 4)(a), layers.Embedding(9, 4)(tf.minimum(c, 8))]
    return tf_keras.Model([a, b, c], layers.Dense(2)(layers.Concatenate()(each)))


def base(model: Any, folder: Path) -> bytes:
    model.save(folder / "m.keras")
    return import_model((folder / "m.keras").read_bytes(), "m.keras").data


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_an_embedding_behind_the_input(library: Any, dtype: str, tmp_path: Path) -> None:
    """By the input's name, of whatever type it is."""
    model = sequential(library, dtype)
    assert rows(base(model, tmp_path)) == {"ids": 30}


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_table_in_a_file(dtype: str) -> None:
    """Floats are made indices on their way to it."""
    file = tf.lite.TFLiteConverter.from_keras_model(sequential(tf_keras, dtype)).convert()
    assert rows(file) == {"ids": 30}


def test_the_fewest_rows_count(tmp_path: Path) -> None:
    """Of several inputs and embeddings; what is computed before an embedding is not known."""
    assert rows(base(several(), tmp_path)) == {"a": 7, "b": 30}
    assert rows(tf.lite.TFLiteConverter.from_keras_model(several()).convert()) == {"a": 7, "b": 30}


def test_a_model_without_indices(tmp_path: Path) -> None:
    """Has no rows for any."""
    model = tf_keras.Sequential([tf_keras.layers.InputLayer((4,)), tf_keras.layers.Dense(2)])
    assert rows(base(model, tmp_path)) == {}
    assert rows(tf.lite.TFLiteConverter.from_keras_model(model).convert()) == {}
