"""The operators of a .tflite file that have weights, as tf_keras layers.

A file has batch normalisation folded into its convolutions, whose weights are then of any scale: of as many times less
as inputs are pixels, say. A training's steps are of one size, so that it would lose all that such weights have learnt.
So each convolution gets weights of the usual scale, and a batch normalisation behind it that LiteRT's converter folds
again.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from autotune.json_object import JsonObject
from autotune.model.keras_types import KerasTensor
from autotune.model.tflite_call import Build, Call, activated, shape_of, window
from autotune.task.data import Array

EPSILON = 1e-3
"""Of each batch normalisation, as Keras has it."""

UNSEEN = np.float32(1 - EPSILON)
"""Its variance before it has seen any samples; the mean is 0 then."""

_NARROWEST = 1e-2
"""A channel's scale is at least this part of its layer's, so that channels of rounding noise stay noise."""


def _normalised(
    call: Call, kind: str, kernel: Array, bias: list[Array], **config: object
) -> Callable[[KerasTensor], KerasTensor]:
    """A convolution with weights as Keras begins with (He et al., arXiv:1502.01852), a batch normalisation that gives
    them their scale and adds the bias, and the activation.
    """
    axes = (0, 1) if kind == "DepthwiseConv2D" else (0, 1, 2)
    usual = np.sqrt(2 / prod(kernel.shape[axis] for axis in axes))
    sizes = np.sqrt(np.mean(np.square(kernel, dtype=np.float64), axis=axes))
    scale = np.maximum(sizes, _NARROWEST * np.sqrt(np.mean(np.square(sizes)))) / usual
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    factors = scale.ravel()
    offsets = bias[0] if bias else np.zeros_like(factors)
    layer = call.make(kind, [kernel / scale], use_bias=False, **config)
    statistics = [np.zeros_like(factors), np.full_like(factors, UNSEEN)]
    normalisation = call.make("BatchNormalization", [factors, offsets, *statistics], epsilon=EPSILON)
    return lambda x: activated(call, normalisation(layer(x)), call.options.fusedActivationFunction)


def _weighted(
    call: Call, kind: str, kernel: Array, bias: list[Array], **config: object
) -> Callable[[KerasTensor], KerasTensor]:
    """A layer with a kernel, a bias or none, and its activation: ReLU as Keras' own layers have it, others behind.

    The last one has its weights as they are, and so does what is dilated, behind which the converter folds nothing.
    """
    if call.inner and kind in ("Conv2D", "DepthwiseConv2D") and config["dilation_rate"] == [1, 1]:
        return _normalised(call, kind, kernel, bias, **config)
    code = call.options.fusedActivationFunction
    relu = code == schema.ActivationFunctionType.RELU
    layer = call.make(kind, [kernel, *bias], use_bias=bool(bias), activation="relu" if relu else None, **config)
    return lambda x: layer(x) if relu else activated(call, layer(x), code)


def _dilation(options: Any) -> JsonObject:  # Any: as Call.options
    return {"dilation_rate": [options.dilationHFactor, options.dilationWFactor]}


def _convolution(call: Call) -> KerasTensor:
    x, filters = call.tensor(), call.constant(1)
    groups = shape_of(x)[-1] // filters.shape[3]
    config = {"filters": filters.shape[0], "kernel_size": list(filters.shape[1:3]), "groups": groups}
    kernel = filters.transpose(1, 2, 3, 0)
    return _weighted(call, "Conv2D", kernel, call.bias(2), **config, **window(call.options), **_dilation(call.options))(
        x
    )


def _depthwise(call: Call) -> KerasTensor:
    x, filters = call.tensor(), call.constant(1)
    multiplier, rest = divmod(filters.shape[3], shape_of(x)[-1])
    if rest:
        raise call.refused("in groups")
    config = {"depth_multiplier": multiplier, "kernel_size": list(filters.shape[1:3])}
    kernel = filters.reshape(*filters.shape[1:3], -1, multiplier)
    weighted = _weighted(
        call, "DepthwiseConv2D", kernel, call.bias(2), **config, **window(call.options), **_dilation(call.options)
    )
    return weighted(x)


def _transposed(call: Call) -> KerasTensor:
    filters = call.constant(1)
    config = {"filters": filters.shape[0], "kernel_size": list(filters.shape[1:3])}
    kernel = filters.transpose(1, 2, 0, 3)
    return _weighted(call, "Conv2DTranspose", kernel, call.bias(3), **config, **window(call.options))(call.tensor(2))


def _dense(call: Call) -> KerasTensor:
    x, weights = call.tensor(), call.constant(1)
    if len(call.shape) == 2 and len(shape_of(x)) > 1 and prod(shape_of(x)) == weights.shape[1]:
        x = call.make("Flatten")(x)
    return _weighted(call, "Dense", weights.T, call.bias(2), units=weights.shape[0])(x)


def _embedding(call: Call) -> KerasTensor:
    table = call.constant(0)
    if table.ndim != 2 or call.options.axis or call.options.batchDims:
        raise call.refused("other than as an embedding")
    return call.make("Embedding", [table], input_dim=table.shape[0], output_dim=table.shape[1])(call.tensor(1))


WEIGHTED: dict[str, Build] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    "GATHER": _embedding,
}
"""By an operator's kind, as tflite_layers.LAYERS."""
