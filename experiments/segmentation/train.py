"""Makes a segmentation task's data and model: segmentation.npz and segmentation.keras, beside this file.

    python experiments/segmentation/train.py

A small U-Net (O. Ronneberger et al., 2015) says of each pixel of a drawn picture whether it is ground or which shape.
Nothing is downloaded: shapes.py draws the pictures.
"""

from pathlib import Path

import keras
import numpy as np

from experiments.shapes import KINDS, SIZE, scene
from experiments.splits import Array, made

HERE = Path(__file__).parent
CLASSES = 1 + len(KINDS)
SEEN = 4_000
"""Samples that the model is trained on; the file has the first of them."""


def main() -> None:
    """Draws, trains, saves, and prints what the model scores."""
    random = np.random.default_rng(0)
    splits = made(HERE / "segmentation.npz", lambda count: drawn(random, count), SEEN)

    keras.utils.set_random_seed(0)
    model = network()
    train, test = splits["train"], splits["test"]
    epochs, batch = 6, 32
    rate = keras.optimizers.schedules.CosineDecay(4e-3, epochs * len(train["x"]) // batch)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train["x"], train["y"], batch_size=batch, epochs=epochs, verbose=2)
    model.save(HERE / "segmentation.keras")
    decided = model.predict(test["x"], verbose=0).argmax(axis=-1)
    print(f"{model.count_params()} parameters, mean intersection over union on x_test {miou(test['y'], decided):.3f}")


def drawn(random: np.random.Generator, count: int) -> dict[str, Array]:
    """Pictures (count, SIZE, SIZE, 3) and their masks (count, SIZE, SIZE), both uint8."""
    scenes = [scene(random) for _ in range(count)]
    return {"x": np.stack([each.picture for each in scenes]), "y": np.stack([each.mask for each in scenes])}


def network() -> keras.Model:
    """Down by convolutions and pooling, up by transposed convolutions, with a bridge at each size."""
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    bridges = []
    for filters in (8, 16, 32):
        x = block(x, filters)
        bridges.append(x)
        x = keras.layers.MaxPooling2D()(x)
    x = block(block(x, 64), 64)
    for filters, bridge in zip((32, 16, 8), reversed(bridges), strict=True):
        x = keras.layers.Conv2DTranspose(filters, 2, strides=2)(block(x, 2 * filters))
        x = keras.layers.Concatenate()([x, bridge])
    outputs = keras.layers.Conv2D(CLASSES, 3, padding="same", activation="softmax", name="mask")(x)
    return keras.Model(inputs, outputs, name="segmentation")


def block(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Convolution, normalisation, rectifier."""
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def miou(truth: Array, decided: Array) -> float:
    """The mean over classes of intersection over union, of all pixels together."""
    pairs = [(truth == k, decided == k) for k in range(CLASSES)]
    return float(np.mean([(left & right).sum() / (left | right).sum() for left, right in pairs]))


if __name__ == "__main__":
    main()
