"""The operators of a .tflite file one by one: the tf_keras layer that computes the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from autotune.errors import UserError
from autotune.json_object import JsonObject
from autotune.model.keras_types import KerasObject, KerasTensor
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


class Make(Protocol):
    """Makes a layer, or gives the one that was made of the same weights."""

    def __call__(self, kind: str, weights: Sequence[Array] = (), /, **config: object) -> KerasObject:
        """A function from what the layer takes, a tensor or a list, to what it gives.

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
        make: makes layers.
    """

    kind: str
    options: Any  # one of the schema's many tables
    inputs: tuple[KerasTensor | Array | None, ...]
    shape: tuple[int, ...]
    dtype: str
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
        self, inputs: KerasTensor = None, constants: JsonObject | None = None, **options: object
    ) -> KerasTensor:
        """Itself, where Keras has no layer."""
        inputs = self.tensor() if inputs is None else inputs
        return self.make("Operation", operator=self.kind, constants=constants or {}, options=options)(inputs)


Build = Callable[[Call], KerasTensor]


def shape_of(tensor: KerasTensor) -> tuple[int, ...]:
    """Without the batch."""
    return tuple(tensor.shape[1:])


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


def _weighted(call: Call, kind: str, kernel: Array, bias: list[Array], **config: object) -> Callable[..., KerasTensor]:
    """A layer with a kernel, a bias or none, and its activation: ReLU as Keras' own layers have it, others behind."""
    code = call.options.fusedActivationFunction
    relu = code == schema.ActivationFunctionType.RELU
    layer = call.make(kind, [kernel, *bias], use_bias=bool(bias), activation="relu" if relu else None, **config)
    return lambda x: layer(x) if relu else activated(call, layer(x), code)


def _window(options: Any) -> JsonObject:  # Any: as Call.options
    return {"strides": [options.strideH, options.strideW], "padding": _PADDINGS[options.padding]}


def _dilation(options: Any) -> JsonObject:  # Any: as Call.options
    return {"dilation_rate": [options.dilationHFactor, options.dilationWFactor]}


def _convolution(call: Call) -> KerasTensor:
    x, filters = call.tensor(), call.constant(1)
    groups = shape_of(x)[-1] // filters.shape[3]
    config = {"filters": filters.shape[0], "kernel_size": list(filters.shape[1:3]), "groups": groups}
    kernel = filters.transpose(1, 2, 3, 0)
    return _weighted(
        call, "Conv2D", kernel, call.bias(2), **config, **_window(call.options), **_dilation(call.options)
    )(x)


def _depthwise(call: Call) -> KerasTensor:
    x, filters = call.tensor(), call.constant(1)
    multiplier, rest = divmod(filters.shape[3], shape_of(x)[-1])
    if rest:
        raise call.refused("in groups")
    config = {"depth_multiplier": multiplier, "kernel_size": list(filters.shape[1:3])}
    kernel = filters.reshape(*filters.shape[1:3], -1, multiplier)
    weighted = _weighted(
        call, "DepthwiseConv2D", kernel, call.bias(2), **config, **_window(call.options), **_dilation(call.options)
    )
    return weighted(x)


def _transposed(call: Call) -> KerasTensor:
    filters = call.constant(1)
    config = {"filters": filters.shape[0], "kernel_size": list(filters.shape[1:3])}
    kernel = filters.transpose(1, 2, 0, 3)
    return _weighted(call, "Conv2DTranspose", kernel, call.bias(3), **config, **_window(call.options))(call.tensor(2))


def _dense(call: Call) -> KerasTensor:
    x, weights = call.tensor(), call.constant(1)
    if len(call.shape) == 2 and len(shape_of(x)) > 1 and prod(shape_of(x)) == weights.shape[1]:
        x = call.make("Flatten")(x)
    return _weighted(call, "Dense", weights.T, call.bias(2), units=weights.shape[0])(x)


def _embedding(call: Call) -> KerasTensor:
    table = call.constant(0)
    if table.ndim != 2 or call.options.axis or call.options.batchDims or not call.tensor(1).dtype.is_integer:
        raise call.refused("other than as an embedding")
    return call.make("Embedding", [table], input_dim=table.shape[0], output_dim=table.shape[1])(call.tensor(1))


_MERGES = {"ADD": "Add", "SUB": "Subtract", "MUL": "Multiply", "MAXIMUM": "Maximum", "MINIMUM": "Minimum"}


def _elementwise(call: Call) -> KerasTensor:
    """Of two tensors, or a tensor and a constant that is the same for all samples."""
    constants = {str(place): value for place, value in enumerate(call.inputs) if isinstance(value, np.ndarray)}
    tensors = [call.tensor(place) for place in range(len(call.inputs)) if str(place) not in constants]
    if any(value.dtype != np.float32 for value in constants.values()):
        raise call.refused("of integers")
    if not constants and call.kind in _MERGES and len({len(tensor.shape) for tensor in tensors}) == 1:
        y = call.make(_MERGES[call.kind])(tensors)
    else:
        listed = {place: value.tolist() for place, value in constants.items()}
        y = call.operation(tensors if len(tensors) > 1 else tensors[0], listed)
    return activated(call, y, getattr(call.options, "fusedActivationFunction", schema.ActivationFunctionType.NONE))


def _matmul(call: Call) -> KerasTensor:
    both = [call.tensor(0), call.tensor(1)]
    return call.operation(both, transpose_a=bool(call.options.adjX), transpose_b=bool(call.options.adjY))


def _pool(kind: str) -> Build:
    def build(call: Call) -> KerasTensor:
        size = [call.options.filterHeight, call.options.filterWidth]
        y = call.make(kind, pool_size=size, **_window(call.options))(call.tensor())
        return activated(call, y, call.options.fusedActivationFunction)

    return build


def _reduce(kind: str | None = None) -> Build:
    """Over height and width, or steps, by a global pooling where Keras has one."""

    def build(call: Call) -> KerasTensor:
        x, kept = call.tensor(), bool(call.options.keepDims)
        rank = len(x.shape)
        axes = sorted(axis % rank for axis in call.whole(1))
        if 0 in axes:
            raise call.refused("over samples")
        if kind and rank in (3, 4) and axes == list(range(1, rank - 1)):
            return call.make(f"{kind}{rank - 2}D", keepdims=kept)(x)
        return call.operation(axis=axes, keepdims=kept)

    return build


def _pad(call: Call) -> KerasTensor:
    pads = call.constant(1).reshape(-1, 2).tolist()
    value = float(call.constant(2)) if len(call.inputs) > 2 else 0.0
    if len(pads) == 4 and not value and call.kind != "MIRROR_PAD" and pads[0] == pads[3] == [0, 0]:
        return call.make("ZeroPadding2D", padding=pads[1:3])(call.tensor())
    if pads[0] != [0, 0]:
        raise call.refused("of samples")
    options: JsonObject = {"paddings": pads}
    if call.kind == "MIRROR_PAD":
        mirrored = call.options.mode == schema.MirrorPadMode.REFLECT
        options["mode"] = "REFLECT" if mirrored else "SYMMETRIC"
    elif value:
        options["constant_values"] = value
    return call.make("Operation", operator="PAD", options=options)(call.tensor())


def _reshape(call: Call) -> KerasTensor:
    """Of each sample. Where the file lays the positions of all samples in a row, the model keeps them apart."""
    x = call.tensor()
    size = prod(shape_of(x))
    shape = call.shape[1:] if call.shape[:1] == (1,) and prod(call.shape) == size else call.shape
    if prod(shape) != size:
        raise call.refused("across samples")
    if shape == shape_of(x):
        return x
    if len(shape) == 1:
        return call.make("Flatten")(x)
    if len(call.inputs) > 1 and not isinstance(call.inputs[1], np.ndarray):  # as Keras' own Reshape is converted
        return call.make("Reshape", target_shape=shape)(x)
    return call.make("Operation", operator="RESHAPE", options={"shape": [-1, *shape]})(x)


def _expand(call: Call) -> KerasTensor:
    (axis,) = call.whole(1)
    axis %= len(call.shape)
    if axis == 0:
        raise call.refused("of samples")
    return call.operation(axis=axis)


def _transpose(call: Call) -> KerasTensor:
    order = call.whole(1)
    if order[0] != 0:
        raise call.refused("of samples")
    return call.make("Permute", dims=order[1:])(call.tensor())


def _concatenate(call: Call) -> KerasTensor:
    axis = call.options.axis % len(call.shape)
    if axis == 0:
        raise call.refused("of samples")
    y = call.make("Concatenate", axis=axis)([call.tensor(place) for place in range(len(call.inputs))])
    return activated(call, y, call.options.fusedActivationFunction)


def _resize(call: Call) -> KerasTensor:
    x, bilinear = call.tensor(), call.kind == "RESIZE_BILINEAR"
    size = list(call.shape[1:3])
    aligned, half = bool(call.options.alignCorners), bool(call.options.halfPixelCenters)
    factors = [new // old for new, old in zip(size, shape_of(x), strict=False)]
    whole = all(factor * old == new for factor, old, new in zip(factors, shape_of(x), size, strict=False))
    if whole and half and not aligned:
        return call.make("UpSampling2D", size=factors, interpolation="bilinear" if bilinear else "nearest")(x)
    return call.operation(size=size, align_corners=aligned, half_pixel_centers=half)


def _strided(call: Call) -> KerasTensor:
    begin, end, strides = (call.whole(place) for place in (1, 2, 3))
    options = call.options
    if options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask & 1 or strides[0] != 1:
        raise call.refused("of samples or new axes")
    masks = {"begin_mask": options.beginMask | 1, "end_mask": options.endMask | 1}
    return call.operation(begin=begin, end=end, strides=strides, shrink_axis_mask=options.shrinkAxisMask, **masks)


def _slice(call: Call) -> KerasTensor:
    begin, size = call.whole(1), call.whole(2)
    return call.operation(begin=begin, size=[-1, *size[1:]])


def _prelu(call: Call) -> KerasTensor:
    x, alpha = call.tensor(), call.constant(1)
    alpha = alpha.reshape((1,) * (len(shape_of(x)) - alpha.ndim) + alpha.shape)
    shared = [axis for axis, size in enumerate(alpha.shape, 1) if size == 1]
    return call.make("PReLU", [alpha], shared_axes=shared)(x)


def _softmax(call: Call) -> KerasTensor:
    if call.options.beta != 1:
        raise call.refused("of another temperature")
    return call.make("Activation", activation="softmax")(call.tensor())


def _layer(kind: str, **config: object) -> Build:
    return lambda call: call.make(kind, **config)(call.tensor())


def _blocks(call: Call) -> KerasTensor:
    return call.operation(block_size=call.options.blockSize)


def _gelu(call: Call) -> KerasTensor:
    return call.operation(approximate=bool(call.options.approximate))


_UNARY = ("ABS", "EXP", "HARD_SWISH", "LOG", "LOG_SOFTMAX", "NEG", "RELU_N1_TO_1", "RSQRT", "SQRT", "SQUARE")

LAYERS: dict[str, Build] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    "GATHER": _embedding,
    **dict.fromkeys((*_MERGES, "DIV", "POW", "SQUARED_DIFFERENCE"), _elementwise),
    "BATCH_MATMUL": _matmul,
    "AVERAGE_POOL_2D": _pool("AveragePooling2D"),
    "MAX_POOL_2D": _pool("MaxPooling2D"),
    "MEAN": _reduce("GlobalAveragePooling"),
    "REDUCE_MAX": _reduce("GlobalMaxPooling"),
    "REDUCE_MIN": _reduce(),
    "SUM": _reduce(),
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _pad,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _expand,
    "TRANSPOSE": _transpose,
    "CONCATENATION": _concatenate,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "STRIDED_SLICE": _strided,
    "SLICE": _slice,
    "SPACE_TO_DEPTH": _blocks,
    "DEPTH_TO_SPACE": _blocks,
    "SOFTMAX": _softmax,
    "LOGISTIC": _layer("Activation", activation="sigmoid"),
    "TANH": _layer("Activation", activation="tanh"),
    "RELU": _layer("ReLU"),
    "RELU6": _layer("ReLU", max_value=6.0),
    "ELU": _layer("ELU"),
    "LEAKY_RELU": lambda call: call.make("LeakyReLU", alpha=float(call.options.alpha))(call.tensor()),
    "PRELU": _prelu,
    "GELU": _gelu,
    "CAST": lambda call: call.operation(dtype=call.dtype),
    **dict.fromkeys(_UNARY, lambda call: call.operation()),
}
"""By an operator's kind what is made of it.

Each raises a UserError for what it has no layer for, and whatever else for what does not fit together.
"""
