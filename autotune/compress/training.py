"""What the training stages share: fine-tuning, wrapping chosen layers, their kernels."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autotune.compress.stage import TrainingData
from autotune.config import TRAINING, Recipe

KERNELS = {
    "Conv1D": "kernel",
    "Conv2D": "kernel",
    "Conv2DTranspose": "kernel",
    "Conv3D": "kernel",
    "Dense": "kernel",
    "SeparableConv1D": "pointwise_kernel",
    "SeparableConv2D": "pointwise_kernel",
}
"""The layers that TFMOT both prunes and clusters, and the weight it acts on.

Depthwise kernels are left alone by TFMOT: nine weights a channel are soon missed.
"""


def settings(recipe: Recipe) -> dict[str, Any]:
    """The part of a recipe that says how to train."""
    return {name: getattr(recipe, name) for name in TRAINING}


def steps_of(parameters: Mapping[str, Any], data: TrainingData) -> int:
    """Training steps that fine_tune() will take."""
    return int(-(-len(data.x) // parameters["batch_size"]) * parameters["epochs"])


def fine_tune(model: Any, parameters: Mapping[str, Any], data: TrainingData, callbacks: list[Any]) -> dict[str, Any]:
    """Trains in place, with Adam and a constant learning rate.

    Returns:
        Facts: the training loss after each epoch.
    """
    import tf_keras

    tf_keras.utils.set_random_seed(data.seed)
    model.compile(tf_keras.optimizers.Adam(parameters["learning_rate"]), keras_loss(data.loss))
    history = model.fit(
        data.x, data.y, batch_size=parameters["batch_size"], epochs=parameters["epochs"], verbose=0, callbacks=callbacks
    )
    return {"epochs": parameters["epochs"], "loss": [float(value) for value in history.history["loss"]]}


def keras_loss(identifier: str) -> Any:
    """A tf_keras loss object from "NAME" or "NAME:logits"."""
    import tf_keras

    name, _, logits = identifier.partition(":")
    loss = tf_keras.losses.get(name)
    if not logits:
        return loss
    classes = {
        "sparse_categorical_crossentropy": tf_keras.losses.SparseCategoricalCrossentropy,
        "categorical_crossentropy": tf_keras.losses.CategoricalCrossentropy,
        "binary_crossentropy": tf_keras.losses.BinaryCrossentropy,
    }
    return classes[name](from_logits=True)


def wrap_layers(model: Any, wanted: Callable[[Any], bool], wrap: Callable[[Any], Any]) -> Any:
    """The model with some layers wrapped. The layers are shared: give it a model of your own.

    TFMOT's own wrapping of a whole model refuses models with a layer that it does not know,
    such as Rescaling.
    """
    import tf_keras

    return tf_keras.models.clone_model(model, clone_function=lambda layer: wrap(layer) if wanted(layer) else layer)


def compressible(layer: Any) -> bool:
    """Whether pruning and clustering act on this layer."""
    return type(layer).__name__ in KERNELS


def kernels(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The weights that pruning and clustering act on, by layer."""
    return {
        layer.name: getattr(layer, KERNELS[type(layer).__name__]).numpy()
        for layer in model.layers
        if compressible(layer)
    }
