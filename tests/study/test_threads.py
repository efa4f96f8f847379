"""What an evaluation takes for granted: that a file's outputs are the same on any number of threads."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress import pipeline
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import Recipe, Runtime
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions, Session
from autotune.model.load import import_model

Array = np.ndarray[Any, Any]
SCHEMES = ("none", "dynamic", "int8")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """With inputs.npy and a file for each scheme, of convolutions that are worth more than one thread."""
    start(2)
    import keras

    keras.utils.set_random_seed(0)
    entry = keras.Input((48, 48, 3))
    x = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(entry)
    x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = skip = keras.layers.Conv2D(64, 1, activation="relu")(x)
    x = keras.layers.Conv2D(64, 3, padding="same")(x)
    x = keras.layers.ReLU()(keras.layers.Add()([x, skip]))
    x = keras.layers.Conv2D(128, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(x))
    model = keras.Model(entry, keras.layers.Dense(10)(x))
    inputs = np.random.default_rng(0).normal(size=(16, 48, 48, 3)).astype(np.float32)
    data = TrainingData(inputs, np.arange(16) % 10, inputs, "sparse_categorical_crossentropy", 0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / "model.keras")
        base = import_model((folder / "model.keras").read_bytes(), "model.keras").data
        for scheme in SCHEMES:
            parent: bytes | None = None
            for step in pipeline.steps(Recipe(quantize=scheme), "threads"):
                parent = pipeline.build(step, base, parent, data).data
            assert parent is not None
            (folder / f"{scheme}.tflite").write_bytes(parent)
        np.save(folder / "inputs.npy", inputs)
        yield folder


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with LocalDevice(options=MeasureOptions(delegates=("xnnpack", "builtin"))).open() as session:
        yield session


def outputs(session: Session, folder: Path, scheme: str, delegate: str, threads: int) -> Array:
    return session.outputs(folder / f"{scheme}.tflite", Runtime(delegate, threads), folder / "inputs.npy")


@pytest.mark.parametrize(
    ("scheme", "delegate"), [("none", "xnnpack"), ("dynamic", "xnnpack"), ("int8", "xnnpack"), ("int8", "builtin")]
)
def test_threads_change_no_bit(scheme: str, delegate: str, session: Session, folder: Path) -> None:
    """XNNPACK's, and of integer arithmetic the built-in kernels': threads share outputs, and no output's sum."""
    one = outputs(session, folder, scheme, delegate, 1)
    assert one.std() > 0
    for threads in (2, 3):
        np.testing.assert_array_equal(one, outputs(session, folder, scheme, delegate, threads))


@pytest.mark.parametrize("scheme", ["none", "dynamic"])
def test_built_in_float_kernels_differ_by_rounding(scheme: str, session: Session, folder: Path) -> None:
    """With threads they add up in another order: that is far below what tells one sample from another."""
    one = outputs(session, folder, scheme, "builtin", 1)
    for threads in (2, 3):
        other = outputs(session, folder, scheme, "builtin", threads)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * one.std())
        np.testing.assert_array_equal(one.argmax(axis=1), other.argmax(axis=1))
