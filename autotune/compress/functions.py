"""Functions of TensorFlow between a model's layers, as layers that others can wrap. Imports TensorFlow: for workers."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from autotune.model.keras_types import KerasConfig, KerasLayer, KerasObject, KerasTensor

FUNCTIONS = ("SlicingOpLambda", "TFOpLambda")
"""The kinds of layers that functions are, whose arguments a wrapping would lose."""

_MOVING = ("concat", "expand_dims", "identity", "reshape", "split", "squeeze", "stack", "transpose", "unstack")
"""Those that compute nothing: what they give has the scale of what they take."""

_LAYERS: dict[str, Callable[[str], KerasLayer]] = {
    "nn.relu": lambda name: tf_keras.layers.ReLU(name=name),
    "nn.relu6": lambda name: tf_keras.layers.ReLU(6.0, name=name),
    "nn.softmax": lambda name: tf_keras.layers.Activation("softmax", name=name),
    "math.sigmoid": lambda name: tf_keras.layers.Activation("sigmoid", name=name),
    "math.tanh": lambda name: tf_keras.layers.Activation("tanh", name=name),
}
"""What Keras has for functions of one tensor and nothing else, which TFMOT knows."""

_SUMS = ("__operators__.add", "math.add")


class Function(tf_keras.layers.Layer):  # type: ignore[misc]  # tf_keras has no types
    """A function of tensors alone: what else it takes is a part of it.

    Args:
        function: TensorFlow's public name of it.
        arguments: JSON of the list of its arguments and their dictionary by keyword, null for each tensor.
        places: of the tensors among all arguments, in tf.nest.flatten()'s order.
        keywords: of any layer.
    """

    def __init__(self, function: str, arguments: str, places: list[int], **keywords: Any) -> None:  # Any: as any layer
        super().__init__(**keywords)
        self.function, self.arguments, self.places = function, arguments, places
        self._computes = _named(function)

    def call(self, inputs: KerasTensor | list[KerasTensor]) -> KerasTensor:
        """The function of a tensor, or of several."""
        structure = json.loads(self.arguments)
        flat = tf.nest.flatten(structure)
        for place, tensor in zip(self.places, tf.nest.flatten(inputs), strict=True):
            flat[place] = tensor
        arguments, keywords = tf.nest.pack_sequence_as(structure, flat)
        return self._computes(*arguments, **keywords)

    def get_config(self) -> KerasConfig:
        """All of it, as JSON has it."""
        own = {"function": self.function, "arguments": self.arguments, "places": list(self.places)}
        return {**super().get_config(), **own}


def computes(layer: KerasLayer) -> bool:
    """Whether a layer is a function that makes other values."""
    return _is_function(layer) and _symbol(layer) not in _MOVING


def as_layer(node: KerasObject, name: str) -> KerasLayer | None:
    """A layer in place of a function that makes other values, to be called with the tensors that the function takes;
    None where there is none, since its arguments are no JSON.

    Args:
        node: of the model, where the function is called.
        name: for the layer.
    """
    arguments = [list(node.call_args), dict(node.call_kwargs)]
    flat = tf.nest.flatten(arguments)
    places = [place for place, value in enumerate(flat) if is_symbolic(value)]
    symbol = _symbol(node.layer)
    if len(flat) == len(places) == 1 and symbol in _LAYERS:
        return _LAYERS[symbol](name)
    if [value for value in flat if value is not None] == [flat[place] for place in places] and symbol in _SUMS:
        return tf_keras.layers.Add(name=name)
    rest = [None if place in places else value for place, value in enumerate(flat)]
    try:
        text = json.dumps(tf.nest.pack_sequence_as(arguments, rest), default=lambda value: np.asarray(value).tolist())
    except (TypeError, ValueError):
        return None
    return Function(node.layer.get_config()["function"], text, places, name=name)


def is_symbolic(value: object) -> bool:
    """Whether an argument is a tensor of the model; Keras' own question refuses what is no tensor at all."""
    return hasattr(value, "_keras_history")


def _is_function(layer: KerasLayer) -> bool:
    return type(layer).__name__ == "TFOpLambda"


def _symbol(layer: KerasLayer) -> str:
    return str(layer.get_config()["function"]).removeprefix("compat.v1.")


def _named(function: str) -> Callable[..., KerasTensor]:
    """The function of this public name, as Keras finds it."""
    from tf_keras.src.layers.core.tf_op_layer import TFOpLambda  # public in no form

    computes: Callable[..., KerasTensor] = TFOpLambda.from_config({"function": function}).function
    return computes
