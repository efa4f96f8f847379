"""One operator of a .tflite file, as layers are made of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from autotune.errors import UserError
from autotune.json_object import JsonObject
from autotune.model.keras_types import KerasTensor
from autotune.task.data import Array

_ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: None,
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU_N1_TO_1: "RELU_N1_TO_1",
    schema.ActivationFunctionType.RELU6: "relu6",
    schema.ActivationFunctionType.TANH: "tanh",
}
"""What may be fused into an operator."""

_PADDINGS = {schema.Padding.SAME: "same", schema.Padding.VALID: "valid"}


Layer = Callable[[KerasTensor | Sequence[KerasTensor]], KerasTensor]
"""A layer that is made: from what it takes to what it gives."""


class Make(Protocol):
    """Makes a layer, or gives the one that was made of the same weights."""

    def __call__(self, kind: str, weights: Sequence[Array] = (), /, **config: object) -> Layer:
        """The layer.

        Args:
            kind: of tf_keras.layers, or "Operation".
            weights: of the layer, in its order.
            config: of the layer, without a name.
        """
        ...


@dataclass(frozen=True)
class Call:
    """One operator as it is used.

    Attributes:
        kind: as CONV_2D.
        options: its table in the file.
        inputs: tensors of the model that is made; arrays where they are constant, None where they are left out.
        shape: of its (first) output, for a batch of 1.
        dtype: of that, by NumPy's name.
        inner: whether an operator with weights is behind it.
        make: makes layers.
    """

    kind: str
    options: Any  # one of the schema's many tables
    inputs: tuple[KerasTensor | Array | None, ...]
    shape: tuple[int, ...]
    dtype: str
    inner: bool
    make: Make

    def refused(self, why: str) -> UserError:
        """The reason for which there is no layer for it."""
        return UserError(f"its operator {self.kind} has no Keras layer here ({why})")

    def tensor(self, place: int = 0) -> KerasTensor:
        """An input that is computed."""
        value = self.inputs[place]
        if value is None or isinstance(value, np.ndarray):
            raise self.refused("it computes with constants alone")
        return value

    def constant(self, place: int) -> Array:
        """An input that is constant."""
        value = self.inputs[place] if place < len(self.inputs) else None
        if not isinstance(value, np.ndarray):
            raise self.refused("weights or settings of it are computed")
        return value

    def whole(self, place: int) -> list[int]:
        """A constant input of whole numbers."""
        return [int(value) for value in self.constant(place).ravel()]

    def bias(self, place: int) -> list[Array]:
        """A constant input that may be left out."""
        return [self.constant(place)] if place < len(self.inputs) and self.inputs[place] is not None else []

    def operation(
        self,
        inputs: KerasTensor | Sequence[KerasTensor] | None = None,
        constants: JsonObject | None = None,
        **options: object,
    ) -> KerasTensor:
        """Itself, where Keras has no layer."""
        inputs = self.tensor() if inputs is None else inputs
        return self.make("Operation", operator=self.kind, constants=constants or {}, options=options)(inputs)


Build = Callable[[Call], KerasTensor]


def shape_of(tensor: KerasTensor) -> tuple[int, ...]:
    """Without the batch."""
    return tuple(size or 0 for size in tensor.shape[1:])


def activated(call: Call, x: KerasTensor, code: int) -> KerasTensor:
    """With an activation that is fused into the operator."""
    if code not in _ACTIVATIONS:
        raise call.refused("for its activation")
    name = _ACTIVATIONS[code]
    if name is None:
        return x
    if name == "RELU_N1_TO_1":
        return call.make("Operation", operator=name)(x)
    if name in ("relu", "relu6"):
        return call.make("ReLU", max_value=6.0 if name == "relu6" else None)(x)
    return call.make("Activation", activation=name)(x)


def window(options: Any) -> JsonObject:  # Any: as Call.options
    """Strides and padding, as Keras has them."""
    return {"strides": [options.strideH, options.strideW], "padding": _PADDINGS[options.padding]}
