"""Makes a pose task's data and model: pose.npz and pose.keras, beside this file.

    python experiments/pose/train.py

A small convolutional network gives where the joints of a drawn stick figure are. Left limbs are bright, right ones
dark, and lines that belong to nobody are in the way. Nothing is downloaded.
"""

from pathlib import Path

import keras
import numpy as np
from PIL import Image, ImageDraw

from experiments.shapes import SIZE, noisy
from experiments.splits import Array, made

HERE = Path(__file__).parent

HEAD, NECK, HIP = 0, 1, 2
LIMBS = {"left arm": (NECK, 3, 4), "right arm": (NECK, 5, 6), "left leg": (HIP, 7, 8), "right leg": (HIP, 9, 10)}
"""Where a limb begins, its elbow or knee, its hand or foot: indices of keypoints."""
KEYPOINTS = 11
COLORS = {"left": (250, 220, 120), "right": (90, 60, 40), "middle": (230, 90, 90)}
SEEN = 6_000
"""Samples that the model is trained on; the file has the first of them."""


def main() -> None:
    """Draws, trains, saves, and prints what the model scores."""
    random = np.random.default_rng(0)
    splits = made(HERE / "pose.npz", lambda count: drawn(random, count), SEEN)

    keras.utils.set_random_seed(0)
    model = network()
    train, test = splits["train"], splits["test"]
    epochs, batch = 14, 32
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * len(train["x"]) // batch)
    model.compile(keras.optimizers.Adam(rate), "mae")
    model.fit(train["x"], train["y"], batch_size=batch, epochs=epochs, verbose=2)
    model.save(HERE / "pose.keras")
    shares = [correct(model.predict(test["x"], verbose=0), test["y"], within) for within in (0.05, 0.1, 0.2)]
    shown = ", ".join(f"{share:.3f}" for share in shares)
    print(f"{model.count_params()} parameters, correct keypoints of x_test within 0.05, 0.1 and 0.2: {shown}")


def drawn(random: np.random.Generator, count: int) -> dict[str, Array]:
    """Pictures (count, SIZE, SIZE, 3), uint8, and keypoints (count, KEYPOINTS, 2), float32: x and y from 0 to 1."""
    poses = [pose(random) for _ in range(count)]
    return {"x": np.stack([picture(random, each) for each in poses]), "y": np.stack(poses)}


def pose(random: np.random.Generator) -> Array:
    """A figure that is wholly within the picture; (KEYPOINTS, 2), float32, as shares of the picture."""
    while True:
        scale, lean = random.uniform(0.7, 1.2), random.normal(0, 0.25)
        points = np.zeros((KEYPOINTS, 2))
        points[HIP] = random.uniform(0.2, 0.8, 2)
        points[NECK] = points[HIP] + scale * 0.24 * _direction(np.pi + lean)
        points[HEAD] = points[NECK] + scale * 0.1 * _direction(np.pi + lean + random.normal(0, 0.3))
        for limb, (start, joint, end) in LIMBS.items():
            side = 1 if limb.startswith("left") else -1
            spread, length = (1.2, 0.13) if limb.endswith("arm") else (0.4, 0.16)
            angle = lean + side * abs(random.normal(spread, spread / 2))
            points[joint] = points[start] + scale * length * _direction(angle)
            points[end] = points[joint] + scale * length * _direction(angle + random.normal(0, 0.6))
        if (points > 0.03).all() and (points < 0.97).all():
            return points.astype(np.float32)


def picture(random: np.random.Generator, points: Array) -> Array:
    """A figure as it is drawn: (SIZE, SIZE, 3), uint8."""
    red, green, blue = map(int, random.integers(120, 190, 3))
    image = Image.new("RGB", (SIZE, SIZE), (red, green, blue))
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(0, 4)):
        strange = random.uniform(0, SIZE, 2), random.uniform(0, SIZE, 2)
        draw.line([(float(x), float(y)) for x, y in strange], COLORS[str(random.choice(list(COLORS)))], 2)
    joints = [(float(x), float(y)) for x, y in points * SIZE]
    for limb, chain in LIMBS.items():
        draw.line([joints[index] for index in chain], COLORS[limb.split()[0]], 2)
    draw.line([joints[HIP], joints[NECK]], COLORS["middle"], 3)
    x, y = joints[HEAD]
    draw.ellipse([x - 3, y - 3, x + 3, y + 3], COLORS["middle"])
    return noisy(random, image)


def network() -> keras.Model:
    """Convolutions that halve the picture's sides, and two dense layers."""
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    for filters in (16, 24, 48):
        x = block(block(x, filters, strides=2), filters)
    x = keras.layers.Flatten()(block(x, 16))
    x = keras.layers.Dense(96, activation="relu")(x)
    x = keras.layers.Dense(KEYPOINTS * 2, activation="sigmoid")(x)
    return keras.Model(inputs, keras.layers.Reshape((KEYPOINTS, 2))(x), name="pose")


def block(x: keras.KerasTensor, filters: int, strides: int = 1) -> keras.KerasTensor:
    """Convolution, normalisation, rectifier."""
    x = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def correct(predicted: Array, true: Array, within: float) -> float:
    """The share of keypoints that are off by no more than this share of the larger side of the box around a figure."""
    sides = (true.max(axis=1) - true.min(axis=1)).max(axis=-1)
    return float((np.linalg.norm(predicted - true, axis=-1) <= within * sides[:, np.newaxis]).mean())


def _direction(angle: float) -> Array:
    """One step as x and y: 0 is down, more is to the figure's left, which is the viewer's right."""
    return np.array([np.sin(angle), np.cos(angle)])


if __name__ == "__main__":
    main()
