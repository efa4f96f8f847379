"""The operators of a .tflite file one by one: the tf_keras layer that computes the same."""

from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from autotune.json_object import JsonObject
from autotune.model.keras_types import KerasTensor
from autotune.model.tflite_call import Build, Call, activated, shape_of, window
from autotune.model.tflite_weights import WEIGHTED

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
        y = call.make(kind, pool_size=size, **window(call.options))(call.tensor())
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
    **WEIGHTED,
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
