"""Quantization after training, of a float .tflite file, by LiteRT's quantizer: milliseconds for each scheme.

Activations' ranges are the least and greatest values seen in calibration. The quantizer's own moving
average over samples cuts off peaks (decision 7).
"""

import math
import re
from collections.abc import Callable, Collection, Mapping

import numpy as np
from litert_quantizer import qtyping
from litert_quantizer.quantizer import AlgorithmName, Quantizer
from numpy.typing import NDArray

from autotune.compress.calibration import Ranges, off_powers_of_two, outputs_of, quietly, ranges_of, run_each
from autotune.compress.preprocessing import is_lost, preprocessing, rounded
from autotune.compress.rounding.write import with_room
from autotune.errors import Fault, Infeasible, one_line
from autotune.task.data import Array
from autotune.task.data.fields import parts
from autotune.tflite.facts import FileFacts
from autotune.tflite.flatbuffer import Layer, describe, named, read_layers

Outputs = tuple[str, ...]
"""An operator, by the names of the tensors that it makes."""

_Operation = qtyping.TFLOperationName
_ALL = _Operation.ALL_SUPPORTED
_EVERYWHERE = ".*"


def _float16(quantizer: Quantizer, scope: str) -> None:
    quantizer.add_weight_only_config(scope, _ALL, 16, algorithm_key=AlgorithmName.FLOAT_CASTING)


def _dynamic(quantizer: Quantizer, scope: str) -> None:
    quantizer.add_dynamic_config(scope, _ALL, 8)


def _weight_int8(quantizer: Quantizer, scope: str) -> None:
    quantizer.add_weight_only_config(scope, _ALL, 8)


def _int8(quantizer: Quantizer, scope: str) -> None:
    quantizer.add_static_config(scope, _ALL, 8, 8)
    _keep_float_ends(quantizer)


def _int8_io(quantizer: Quantizer, scope: str) -> None:
    quantizer.add_static_config(scope, _ALL, 8, 8)


def _int16x8(quantizer: Quantizer, scope: str) -> None:
    quantizer.add_static_config(scope, _ALL, 16, 8)
    _keep_float_ends(quantizer)


def _int4(quantizer: Quantizer, scope: str, algorithm: str = AlgorithmName.OCTAV) -> None:
    """Clips outliers (OCTAV, Sakr et al., arXiv:2206.06501); what has no 4-bit kernel, as depthwise, gets int8."""
    _dynamic(quantizer, scope)
    for operation in map(_Operation, FOUR_BITS):
        quantizer.add_dynamic_config(scope, operation, 4, algorithm_key=algorithm)


def _w4a8(quantizer: Quantizer, scope: str, algorithm: str = AlgorithmName.OCTAV) -> None:
    """Likewise, with activations of 8 bits."""
    _w4a8_io(quantizer, scope, algorithm)
    _keep_float_ends(quantizer)


def _w4a8_io(quantizer: Quantizer, scope: str, algorithm: str = AlgorithmName.OCTAV) -> None:
    _int8_io(quantizer, scope)
    for operation in map(_Operation, FOUR_BITS):
        quantizer.add_static_config(scope, operation, 8, 4, algorithm_key=algorithm)


def _keep_float_ends(quantizer: Quantizer) -> None:
    for end in (_Operation.INPUT, _Operation.OUTPUT):
        quantizer.update_quantization_recipe(_EVERYWHERE, end, algorithm_key=AlgorithmName.NO_QUANTIZE)


_RECIPES: dict[str, Callable[[Quantizer, str], None]] = {
    "float16": _float16,
    "dynamic": _dynamic,
    "weight_int8": _weight_int8,
    "int8": _int8,
    "int8_io": _int8_io,
    "int16x8": _int16x8,
    "int4": _int4,
    "w4a8": _w4a8,
    "w4a8_io": _w4a8_io,
}
_CLIPPING = {"int4": _int4, "w4a8": _w4a8, "w4a8_io": _w4a8_io}

SCHEMES = tuple(_RECIPES)
"""float16 and weight_int8 compute in float; dynamic and int4 quantize activations as they run; the rest is static."""

STATIC = ("int8", "int8_io", "int16x8", "w4a8", "w4a8_io")

FOUR_BITS = ("CONV_2D", "FULLY_CONNECTED")
"""Operators that have kernels for 4-bit weights; those of others get 8."""

WEIGHTS = {"float16": "float16", "int4": "int4", "w4a8": "int4", "w4a8_io": "int4"}
"""The type of weights that a scheme gives, where it is not int8."""


def weights(scheme: str, operator: str) -> str:
    """The type that a scheme gives to the weights of an operator."""
    kind = WEIGHTS.get(scheme, "int8")
    return "int8" if kind == "int4" and operator not in FOUR_BITS else kind


def quantize(
    file: bytes,
    scheme: str,
    calibration: Array,
    spared: Collection[str] = (),
    excluded: Collection[str] = (),
    *,
    clips: bool = True,
) -> bytes:
    """Quantizes a float .tflite file.

    Unlike TFLiteConverter, dynamic quantizes layers of under 1024 weights too. Weights have a scale
    for each output channel. Preprocessing of features of different scale stays float (see preprocessing.py).

    Args:
        file: to quantize.
        scheme: one of SCHEMES.
        calibration: inputs (m, *input shape), as the file takes them, of which static schemes take the ranges of
            activations; others do not look at them.
        spared: names of Keras layers (or patterns, as conv*), or of weight tensors, that stay a step
            more precise: int8 under int4 and w4a8, float otherwise.
        excluded: likewise, that stay float.
        clips: whether 4 bits cut off outliers of weights; those that are rounded already have none.

    Raises:
        Infeasible: the file is quantized already, the quantizer refuses it, or no layer would be quantized;
            an integer input can't hold features of such different scale.
        UserError: it is no whole .tflite file.
    """
    _check(file, scheme)
    ranges = _static_ranges(file, scheme, calibration)
    layers = read_layers(file)
    less, never = ([layer.outputs for layer in layers if named(layer.name, names)] for names in (spared, excluded))
    left = [*never, *_float_preprocessing(file, scheme, calibration, ranges)]
    return _quantized(file, scheme, ranges, less, left, clips=clips)


def sensitivity(file: bytes, scheme: str, calibration: Array) -> dict[str, float]:
    """How much each layer's quantization alone disturbs the output.

    The disturbance is the Kullback-Leibler divergence of the outputs from the float model's, averaged
    over samples (ZeroQ, Cai et al., arXiv:2001.00281), which needs no labels; where outputs
    are no softmax, their mean squared error.

    Args:
        file: to quantize.
        scheme: one of config.MIXABLE, or int8_io or w4a8_io.
        calibration: inputs (m, *input shape), as the file takes them.

    Returns:
        The error for each layer that the scheme quantizes, by name of its weight tensor, in the order of
        the layers.

    Raises:
        Infeasible: as quantize().
        UserError: it is no whole .tflite file.
    """
    facts = _check(file, scheme)
    ranges = _static_ranges(file, scheme, calibration)
    wanted = outputs_of(file, calibration)
    error = disturbance(facts)
    whole = _quantized(file, scheme, ranges, left=_float_preprocessing(file, scheme, calibration, ranges))
    quantized = {row.name for row in read_layers(whole) if row.dtype == WEIGHTS.get(scheme, "int8")}
    groups: dict[str, list[Layer]] = {}
    for layer in read_layers(file):
        if layer.name in quantized:
            groups.setdefault(layer.name, []).append(layer)  # operators that share their weights
    return {
        name: error(wanted, outputs_of(_quantized(file, scheme, ranges, only=layers), calibration))
        for name, layers in groups.items()
    }


def disturbance(facts: FileFacts) -> Callable[[Array, Array], float]:
    """How outputs are compared with those of the float model, as sensitivity() does.

    Of several outputs it is the sum; squared errors are then shares of the variance, as outputs are of any scale.
    """
    softmax = {
        name: activation == "softmax"
        for name, activation in zip(facts["ends"].output_fields, facts["activations"], strict=True)
    }
    if len(softmax) == 1:
        return _divergence if softmax[""] else _squared_error

    def together(wanted: Array, got: Array) -> float:
        return sum(
            _divergence(wanted[name], got[name])
            if is_softmax
            else _squared_error(wanted[name], got[name]) / (float(wanted[name].var()) or 1.0)
            for name, is_softmax in softmax.items()
        )

    return together


def most_sensitive(errors: Mapping[str, float], share: float) -> list[str]:
    """The share (0 to 1, rounded up to whole layers) of layers with the largest errors, worst first."""
    return sorted(errors, key=lambda name: -errors[name])[: math.ceil(share * len(errors) - 1e-9)]


def check_float(file: bytes) -> FileFacts:
    """The description of a file whose weights are dense and float.

    Raises:
        Infeasible: they are not.
        UserError: it is no whole .tflite file.
    """
    facts = describe(file)
    if facts["quantized"]:
        raise Infeasible("the file is quantized already; give the float model")
    if any(layer.sparse for layer in read_layers(file)):
        raise Infeasible("the file's weights are encoded sparsely; give the dense float model")
    return facts


def _check(file: bytes, scheme: str) -> FileFacts:
    """The file's description, where it is one to quantize so."""
    facts = check_float(file)
    if scheme in STATIC and facts["operators"]["WHILE"]:
        raise Infeasible("recurrent layers are loops, into which calibration can't see; take another scheme")
    return facts


def _quantized(
    file: bytes,
    scheme: str,
    ranges: Ranges,
    spared: Collection[Outputs] = (),
    left: Collection[Outputs] = (),
    only: Collection[Layer] = (),
    *,
    clips: bool = True,
) -> bytes:
    """The file with the operators of these outputs a step more precise, or left float; or only some layers of it."""
    quantizer = Quantizer(file)
    _RECIPES[scheme](quantizer, _scope([layer.outputs for layer in only]) if only else _EVERYWHERE)
    if scheme in _CLIPPING:
        whole = [layer.outputs for layer in only or read_layers(file) if not clips or _has_empty_channel(layer)]
        if whole:
            _CLIPPING[scheme](quantizer, _scope(whole), AlgorithmName.MIN_MAX_UNIFORM_QUANT)
    if spared:
        _spare(quantizer, scheme, _scope(spared))
    if left:
        _leave(quantizer, _scope(left))
    try:
        with quietly():
            result = quantizer.quantize(ranges or None, enable_progress_bar=False, enable_progress_report=False)
    except (MemoryError, OSError) as error:
        raise Fault(f"quantizing failed: {type(error).__name__}: {error}") from error
    except Exception as error:  # the quantizer's kinds of error are many, and none is public
        raise Infeasible(f"LiteRT's quantizer refuses {scheme}: {one_line(error)}") from error
    quantized = bytes(result.quantized_model)
    if scheme in STATIC:
        quantized = with_room(quantized, file)
    if WEIGHTS.get(scheme, "int8") not in {layer.dtype for layer in read_layers(quantized)}:
        raise Infeasible(f"{scheme} quantization left every layer as it was")
    return quantized


def _float_preprocessing(file: bytes, scheme: str, calibration: Array, ranges: Ranges) -> tuple[Outputs, ...]:
    """The operators before the first weights, where a static scheme would lose small features in them, or where they
    make indices of what they take; else none.

    Raises:
        Infeasible: they would be lost in an integer input.
    """
    before = preprocessing(file)
    if scheme not in STATIC or not before.taken:
        return ()
    indices = not ranges.keys() >= set(before.taken)  # those of a table: the next one is another row of it
    if not indices:
        moved = _moved(file, before.taken, calibration, 16 if scheme == "int16x8" else 8)
        if not any(is_lost(moved[name], *(ranges[name][end].item() for end in ("min", "max"))) for name in moved):
            return ()
    if scheme == "int8_io" and any(values.dtype.kind == "f" for values in parts(calibration).values()):
        if indices:
            raise Infeasible("a quantized input holds no indices; give the model an input of whole numbers")
        raise Infeasible("no integer input holds features of such different scale; scale them outside of the model")
    return before.outputs


def _moved(file: bytes, names: Collection[str], inputs: Array, bits: int) -> dict[str, float]:
    """How far rounding the inputs moves computed tensors, at most."""
    moved = dict.fromkeys(names, 0.0)
    runs = (run_each(file, x, keep_all=True) for x in (inputs, rounded(inputs, bits)))
    for exact, coarse in zip(*runs, strict=True):
        for tensor in exact.get_tensor_details():
            if tensor["name"] in moved:
                gap = coarse.get_tensor(tensor["index"]).astype(float) - exact.get_tensor(tensor["index"])
                moved[tensor["name"]] = max(moved[tensor["name"]], float(np.abs(gap).max()))
    return moved


def _scope(operators: Collection[Outputs]) -> str:
    """A pattern for these operators alone, in the quantizer's terms: the names of their outputs."""
    return "|".join(f"^{re.escape(';'.join(outputs))};$" for outputs in operators)


def _has_empty_channel(layer: Layer) -> bool:
    """Whether pruning left a channel without weights: OCTAV gives that one a scale of zero, which LiteRT refuses."""
    return not np.moveaxis(layer.values, layer.axis, 0).reshape(layer.values.shape[layer.axis], -1).any(axis=1).all()


def _spare(quantizer: Quantizer, scheme: str, scope: str) -> None:
    if scheme == "int4":
        _dynamic(quantizer, scope)
    elif WEIGHTS.get(scheme) == "int4":
        _int8_io(quantizer, scope)
    else:
        _leave(quantizer, scope)


def _leave(quantizer: Quantizer, scope: str) -> None:
    quantizer.update_quantization_recipe(scope, _ALL, algorithm_key=AlgorithmName.NO_QUANTIZE)


def _static_ranges(file: bytes, scheme: str, calibration: Array) -> Ranges:
    """What a scheme wants to know of activations; nothing, where it is not static."""
    if scheme not in STATIC:
        return {}
    ranges = ranges_of(file, calibration)
    return off_powers_of_two(ranges) if scheme == "int16x8" else ranges


def _divergence(wanted: NDArray[np.float64], got: NDArray[np.float64]) -> float:
    least = 1e-7  # a probability of zero, as integers may give, is not infinitely wrong
    wanted, got = np.maximum(wanted, least), np.maximum(got, least)
    return float((wanted * np.log(wanted / got)).sum(axis=-1).mean())


def _squared_error(wanted: NDArray[np.float64], got: NDArray[np.float64]) -> float:
    return float(np.mean((wanted - got) ** 2))
