"""The integers and scales of a rounding, written into the file that LiteRT's quantizer made of it.

The quantizer takes a channel's scale from its largest weight, or recovers it from the weights' values: it refuses
channels of zeros, or misses grids whose last step no weight has. The file's structure stays the quantizer's.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from autotune.compress.rounding.file import Rounding
from autotune.compress.rounding.grid import least_scales
from autotune.compress.rounding.layers import Place, along, loaded, name, values, weighted
from autotune.errors import Infeasible
from autotune.tflite.flatbuffer import constant, opened, read_layers, reading

_INTEGERS = (schema.TensorType.INT8, schema.TensorType.INT4)
_ACCUMULATORS: dict[int, type[np.signedinteger]] = {
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}


def written(quantized: bytes, floats: bytes, rounding: Rounding) -> bytes:
    """The quantized file with the weights, scales and biases of a rounding.

    Args:
        quantized: made of the rounded float file by LiteRT's quantizer.
        floats: the rounded float file.
        rounding: its scales.

    Returns:
        A file in which each rounded layer's weights stand for exactly those of the float one.

    Raises:
        Infeasible: the quantizer laid out a layer in another way.
        UserError: one is no whole .tflite file.
    """
    copy = bytearray(quantized)
    source, target, pairs = _beside(floats, copy)
    for place, there in pairs:
        scales = rounding.scales.get(name(source, place))
        if scales is not None and target.subgraphs[0].tensors[there.weights].type in _INTEGERS:
            _write_weights(copy, target, there, values(source, place.weights), scales)
            if place.bias is not None and there.bias is not None:
                _write_bias(copy, target, there, values(source, place.bias), scales)
    _check(bytes(copy), floats, rounding)
    return bytes(copy)


def with_room(quantized: bytes, floats: bytes) -> bytes:
    """A file whose integers hold each bias.

    A bias is in steps of the input's scale times the channel's. Where a channel's weights are zeros, as a pruning
    leaves them, or noise, LiteRT's quantizer gives it so small a scale that the bias is cut off at 32 bits.

    Args:
        quantized: made of the float file by LiteRT's quantizer.
        floats: the float file.

    Returns:
        The same file where all biases fit.

    Raises:
        Infeasible: the quantizer laid out a layer in another way.
        UserError: one is no whole .tflite file.
    """
    copy = bytearray(quantized)
    source, target, pairs = _beside(floats, copy)
    for place, there in pairs:
        if place.bias is None or there.bias is None:
            continue
        weights, bias, x = (target.subgraphs[0].tensors[index] for index in (there.weights, there.bias, there.x))
        if weights.type not in _INTEGERS or bias.type not in _ACCUMULATORS:
            continue
        exact = values(source, place.bias)
        inputs = x.quantization.scale[0] * (255 if x.type == schema.TensorType.INT8 else 65535)
        given = weights.quantization.scale
        bits, top = (4, 7) if weights.type == schema.TensorType.INT4 else (8, 127)
        scales = np.maximum(given, least_scales(exact, inputs, bits)).astype(np.float32)
        if len(given) == len(exact) and (scales > given).any():
            spread = along(scales, there.axis, len(weights.shape))
            clipped = np.clip(values(source, place.weights), -top * spread, top * spread)
            _write_weights(copy, target, there, clipped, scales)
            _write_bias(copy, target, there, exact, scales)
    return bytes(copy)


def _beside(floats: bytes, quantized: bytearray) -> tuple[schema.ModelT, schema.ModelT, list[tuple[Place, Place]]]:
    """The float file's tables, the quantized one's, whose constants are views of its bytes, and each layer in both."""
    source = loaded(floats)
    with reading():
        target = opened(quantized)
        return source, target, list(zip(weighted(source), weighted(target), strict=True))


def _write_weights(
    file: bytearray, model: schema.ModelT, place: Place, weights: NDArray[np.float32], scales: NDArray[np.float32]
) -> None:
    tensor = model.subgraphs[0].tensors[place.weights]
    _put(tensor.quantization.scale, scales)
    integers = np.rint(weights / along(scales, place.axis, weights.ndim)).astype(np.int8).ravel()
    if tensor.type == schema.TensorType.INT4:
        pairs = np.pad(integers, (0, integers.size % 2)).view(np.uint8).reshape(-1, 2)
        integers = (pairs[:, 0] & 15 | pairs[:, 1] << 4).view(np.int8)
    _put(constant(file, model, tensor), integers.view(np.uint8))


def _write_bias(
    file: bytearray, model: schema.ModelT, place: Place, bias: NDArray[np.float32], scales: NDArray[np.float32]
) -> None:
    """A bias in steps of the input's scale times the weights', where it is of integers."""
    tensor, x = (model.subgraphs[0].tensors[index] for index in (place.bias, place.x))
    if tensor.type not in _ACCUMULATORS:
        return
    dtype = _ACCUMULATORS[tensor.type]
    steps = x.quantization.scale[0] * scales
    limits = np.iinfo(dtype)
    _put(tensor.quantization.scale, steps)
    integers = np.clip(np.rint(bias / steps.astype(float)), limits.min, limits.max).astype(dtype)
    _put(constant(file, model, tensor), integers.view(np.uint8))


def _put(place: NDArray[np.generic] | None, content: NDArray[np.generic]) -> None:
    """Writes over as many values.

    Raises:
        Infeasible: there are others.
    """
    if place is None or place.shape != content.shape:
        raise Infeasible("LiteRT's quantizer gave a layer other scales than one for each output channel")
    place[...] = content


def _check(file: bytes, floats: bytes, rounding: Rounding) -> None:
    """Reads back what was written.

    Raises:
        Infeasible: the weights of a rounded layer are not those of the float file.
    """
    with reading():
        pairs = list(zip(read_layers(file), read_layers(floats), strict=True))
    for layer, before in pairs:
        if before.name in rounding.scales and layer.dtype != "float32":
            scales = along(rounding.scales[before.name], layer.axis, layer.values.ndim)
            if not np.array_equal(layer.values.astype(np.float32) * scales, before.values):
                raise Infeasible(f"{layer.name}: {layer.dtype} does not hold its rounded weights")
