"""A .tflite operator that Keras has no layer for, as a layer. Imports TensorFlow: for workers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from autotune.json_object import JsonObject
from autotune.model.keras3_activations import hard_silu, hard_tanh
from autotune.model.keras_types import KerasConfig, KerasTensor
from autotune.task.data import Array

_Function = Callable[..., KerasTensor]

FUNCTIONS: dict[str, _Function] = {
    "ADD": tf.add,
    "SUB": tf.subtract,
    "MUL": tf.multiply,
    "DIV": tf.divide,
    "MAXIMUM": tf.maximum,
    "MINIMUM": tf.minimum,
    "POW": tf.pow,
    "SQUARED_DIFFERENCE": tf.math.squared_difference,
    "BATCH_MATMUL": tf.matmul,
    "ABS": tf.abs,
    "EXP": tf.exp,
    "LOG": tf.math.log,
    "NEG": tf.negative,
    "SQRT": tf.sqrt,
    "RSQRT": tf.math.rsqrt,
    "SQUARE": tf.square,
    "CAST": tf.cast,
    "GELU": tf.nn.gelu,
    "HARD_SWISH": hard_silu,
    "RELU_N1_TO_1": hard_tanh,
    "LOG_SOFTMAX": tf.nn.log_softmax,
    "MEAN": tf.reduce_mean,
    "SUM": tf.reduce_sum,
    "REDUCE_MAX": tf.reduce_max,
    "REDUCE_MIN": tf.reduce_min,
    "EXPAND_DIMS": tf.expand_dims,
    "RESHAPE": tf.reshape,
    "PAD": tf.pad,
    "SLICE": tf.slice,
    "STRIDED_SLICE": tf.strided_slice,
    "SPACE_TO_DEPTH": tf.nn.space_to_depth,
    "DEPTH_TO_SPACE": tf.nn.depth_to_space,
    "RESIZE_BILINEAR": lambda x, **options: tf.raw_ops.ResizeBilinear(images=x, **options),
    "RESIZE_NEAREST_NEIGHBOR": lambda x, **options: tf.raw_ops.ResizeNearestNeighbor(images=x, **options),
}
"""What TensorFlow has for it; the converter makes the same operator of it again."""

_MOVES = ("DEPTH_TO_SPACE", "EXPAND_DIMS", "PAD", "RESHAPE", "SLICE", "SPACE_TO_DEPTH", "STRIDED_SLICE")
"""Those that give each value another place."""


@tf_keras.utils.register_keras_serializable("autotune")
class Operation(tf_keras.layers.Layer):  # type: ignore[misc]  # tf_keras has no types
    """One of FUNCTIONS, with what of its inputs is constant.

    Args:
        operator: its name.
        constants: inputs that are constant, float32, by their place among all; as lists.
        options: of the function, by its names.
        keywords: of any layer.
    """

    def __init__(
        self,
        operator: str,
        constants: Mapping[str, Any] | None = None,  # Any: nested lists of numbers
        options: JsonObject | None = None,
        **keywords: Any,  # Any: as layers take them
    ) -> None:
        super().__init__(**keywords)
        self.operator = operator
        self.constants = {place: np.asarray(values, np.float32).tolist() for place, values in (constants or {}).items()}
        self.options = dict(options or {})

    @property
    def moves(self) -> bool:
        """Whether its outputs are values of its inputs, so that their scale is the same when they are quantized."""
        return self.operator in _MOVES

    def call(self, inputs: KerasTensor | list[KerasTensor]) -> KerasTensor:
        """The function of the inputs, a tensor or several, with the constants at their places."""
        arguments: list[KerasTensor | Array] = [*inputs] if isinstance(inputs, list | tuple) else [inputs]
        for place in sorted(self.constants, key=int):
            arguments.insert(int(place), np.asarray(self.constants[place], np.float32))
        return FUNCTIONS[self.operator](*arguments, **self.options)

    def get_config(self) -> KerasConfig:
        """All of it, as JSON has it."""
        own = {"operator": self.operator, "constants": self.constants, "options": self.options}
        return {**super().get_config(), **own}
