"""Trains the benchmarks' network with depthwise layers: `python -m benchmarks.depthwise` writes depthwise.keras here.

A small MobileNet (Howard et al., arXiv:1704.04861) for 32x32 images learns CIFAR-10 from ResNet8's outputs on 2000
images, flipped, shifted and blended; about ten minutes on one core. The file is kept: tables can be made again by it.
"""

from pathlib import Path

import numpy as np

from autotune.compress.stage import TrainingData
from autotune.compress.training import fine_tune
from autotune.compress.worker import start
from autotune.model.keras_types import KerasModel, KerasTensor
from autotune.model.load import import_model

SHARED = Path(__file__).parents[2] / "shared"
MODEL = Path(__file__).with_name("depthwise.keras")
BLOCKS = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1))
"""Channels and stride of each."""

EPOCHS = 150


def network() -> KerasModel:
    """A convolution, depthwise-separable blocks, the mean over the image and a dense layer; takes pixels, 0 to 255."""
    import tf_keras

    layers = tf_keras.layers

    def normalised(x: KerasTensor) -> KerasTensor:
        y: KerasTensor = layers.ReLU()(layers.BatchNormalization()(x))
        return y

    entry = tf_keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, -1)(entry)
    x = normalised(layers.Conv2D(24, 3, padding="same", use_bias=False)(x))
    for channels, stride in BLOCKS:
        x = normalised(layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x))
        x = normalised(layers.Conv2D(channels, 1, use_bias=False)(x))
    return tf_keras.Model(entry, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def main() -> None:
    """Trains, writes, and says how good it is."""
    start(1)
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    teacher = import_model((SHARED / "models" / "resnet8.keras").read_bytes(), "resnet8.keras")
    data = np.load(SHARED / "data" / "cifar10_subset.npz")
    x = data["x_train"].astype(np.float32)
    lessons = TrainingData(x, data["y_train"], x[:100], "sparse_categorical_crossentropy", 0)
    settings = {"fine_tune": "distill", "augment": "mix", "epochs": EPOCHS, "learning_rate": 3e-3, "batch_size": 32}
    model = network()
    fine_tune(model, teacher.data, settings, lessons, [])
    model.compile(metrics=["accuracy"], loss="sparse_categorical_crossentropy")
    print(
        "accuracy on the test images", model.evaluate(data["x_test"].astype(np.float32), data["y_test"], verbose=0)[1]
    )
    model.save(MODEL)


if __name__ == "__main__":
    main()
