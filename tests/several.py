"""A model of several inputs and outputs that are easily mixed up, its data, and its files by name."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autotune.compress.worker import start
from autotune.devices.runner import inference
from autotune.task.data.fields import Array, joined
from autotune.tflite.flatbuffer import ends
from autotune.tflite.state import state

start(2)

INPUTS = ("words", "image", "second", "first")
"""In the model's order, which is none that a converter would sort them into; the last two are of one shape."""

OUTPUTS = ("width", "height")
"""Likewise, both of one shape."""

WORDS = 20


def model(keras: Any) -> Any:  # either Keras, which have no types
    """Three features of a picture, words and two vectors; the outputs are of one shape and compute different things."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    words = keras.Input((6,), dtype="int32", name="words")
    image = keras.Input((8, 8, 1), name="image")
    second, first = keras.Input((4,), name="second"), keras.Input((4,), name="first")
    x = layers.Conv2D(12, 3, activation="relu", name="conv")(image)
    x = layers.Conv2D(12, 3, activation="relu", name="deeper")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    text = layers.Flatten(name="flat")(layers.Embedding(WORDS, 4, name="embedding")(words))
    x = layers.Concatenate(name="all")([x, text, layers.Dense(8, name="of_second")(second), first])
    x = layers.Dense(24, activation="relu", name="hidden")(x)
    outputs = [layers.Dense(3, name="width")(x), layers.Dense(3, activation="tanh", name="height")(x)]
    return keras.Model([words, image, second, first], outputs)


def inputs(count: int, seed: int = 0) -> dict[str, Array]:
    """Samples of each input, by its name."""
    random = np.random.default_rng(seed)
    return {
        "words": random.integers(0, WORDS, (count, 6)).astype(np.int32),
        "image": random.normal(size=(count, 8, 8, 1)).astype(np.float32),
        "second": random.normal(size=(count, 4)).astype(np.float32),
        "first": random.normal(size=(count, 4)).astype(np.float32),
    }


def labels(x: Mapping[str, Array]) -> dict[str, Array]:
    """What either output is to be."""
    return {
        "width": 2 * x["first"][:, :3] - x["second"][:, 1:],
        "height": np.tanh(x["second"][:, :3] + x["words"][:, :3] / WORDS),
    }


def trained(keras: Any) -> Any:  # as model()
    """The model, which has learned something."""
    made = model(keras)
    x = inputs(256)
    made.compile(
        keras.optimizers.Adam(0.01), {"width": "mse", "height": "mae"}, loss_weights={"width": 0.5, "height": 1.0}
    )
    made.fit(x, labels(x), epochs=12, verbose=0)
    return made


def as_file(made: Any, name: str = "model.keras") -> bytes:  # as model()
    """The file of a model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        made.save(path)
        return path.read_bytes()


def npz(path: Path, **changes: Array | None) -> None:
    """Data in order, with some keys changed, or left out where they are None."""
    arrays: dict[str, Any] = {}
    for split, seed in (("train", 0), ("test", 1)):
        x = inputs(60, seed)
        arrays |= {f"x_{split}:{name}": values for name, values in x.items()}
        arrays |= {f"y_{split}:{name}": values for name, values in labels(x).items()}
    arrays |= changes
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})


def outputs(file: bytes, x: Mapping[str, Array], batch: int = 1, delegate: str = "xnnpack") -> dict[str, Array]:
    """A file's outputs by their names, as the runner has them."""
    names = ends(file)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        path.write_bytes(file)
        samples = Path(folder, "x.npy")
        np.save(samples, joined(x))
        request = {
            "path": str(path),
            "inputs_path": str(samples),
            "from": 0,
            "to": len(next(iter(x.values()))),
            "batch": batch,
            "delegate": delegate,
            "threads": 1,
            "state": state(file),
            "ends": {"inputs": list(names.input_fields), "outputs": list(names.output_fields)},
        }
        _, data = inference.outputs(request)  # type: ignore[no-untyped-call]
        (Path(folder) / "y.npy").write_bytes(data)
        values = np.load(Path(folder) / "y.npy", allow_pickle=False)
    return {name: values[name] for name in values.dtype.names} if values.dtype.names else {"": values}
