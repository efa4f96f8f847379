"""A file for XNNPACK's sparse kernels, which Arm has and x86 has not, and its dense twin."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from autotune.compress import pipeline
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import Recipe
from autotune.model.load import import_model

SIZE, CHANNELS, BLOCKS, CLASSES = 32, 128, 3, 10

SPARSE = Recipe(
    prune=0.85,
    prune_pattern="xnnpack",
    prune_schedule="constant",
    fine_tune="labels",  # in one short epoch: random weights have nothing to lose
    epochs=1,
    batch_size=8,
)


def images(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Random inputs (count, 32, 32, 3) of 0..1."""
    return np.random.default_rng(0).random((count, SIZE, SIZE, 3), np.float32)


def pair() -> tuple[bytes, bytes]:
    """The dense and the sparse .tflite of one model with random weights, built as in a study.

    The two have the same layers and shapes: the sparse one's weights of 1x1 convolutions are encoded
    without their zeros, and it has a DENSIFY operator before each for kernels that can't read them so.
    """
    start(2)
    base = import_model(_model(), "sparse.keras").data
    x = images(16)
    data = TrainingData(x, np.arange(len(x)) % CLASSES, x, "sparse_categorical_crossentropy", 0)

    def built(recipe: Recipe) -> bytes:
        file: bytes | None = None
        for step in pipeline.steps(recipe, "sparse"):
            file = pipeline.build(step, base, file, data).data
        assert file is not None
        return file

    return built(Recipe()), built(SPARSE)


def _model() -> bytes:
    """A .keras file of the graph that the policy asks for: 1x1 and depthwise convolutions and nothing else
    between a 3x3 convolution of stride 2 and a pooling that keeps its dimensions.
    """
    import keras

    keras.utils.set_random_seed(0)
    convolution = partial(keras.layers.Conv2D, activation="relu", kernel_initializer="he_normal")
    depthwise = partial(
        keras.layers.DepthwiseConv2D,
        padding="same",
        activation="relu",
        depthwise_initializer=keras.initializers.RandomNormal(stddev=0.5),  # the default's outputs fade away
    )
    layers = [keras.Input((SIZE, SIZE, 3)), keras.layers.ZeroPadding2D(1), convolution(CHANNELS // 8, 3, strides=2)]
    for _ in range(BLOCKS):
        layers += [convolution(CHANNELS, 1), depthwise(3)]
    layers += [keras.layers.GlobalAveragePooling2D(keepdims=True), keras.layers.Flatten()]
    layers.append(keras.layers.Dense(CLASSES, activation="softmax"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sparse.keras"
        keras.Sequential(layers).save(path)
        return path.read_bytes()
