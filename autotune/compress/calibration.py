"""A file run on calibration samples: the ranges of its activations, its outputs."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from autotune.errors import Infeasible, one_line
from autotune.task.data import Array
from autotune.tflite.flatbuffer import activations
from autotune.tflite.state import state

Ranges = dict[str, dict[str, NDArray[np.float32]]]
"""Of each activation: its min and max, (1,) each."""

_NEAR_POWER = 1.1e-3
"""How far a scale's base-two logarithm may be off a whole number for LiteRT's kernels to take it for one, and a bit."""


def ranges_of(file: bytes, calibration: Array) -> Ranges:
    """The least and greatest values of each activation, over all samples.

    Raises:
        Infeasible: some are not finite.
    """
    computed = activations(file)
    described = interpreter_of(file, keep_all=True).get_tensor_details()
    tensors = {row["name"]: row["index"] for row in described if row["name"] in computed}
    least = dict.fromkeys(tensors, np.inf)
    greatest = dict.fromkeys(tensors, -np.inf)
    for interpreter in run_each(file, calibration, keep_all=True):
        for name, index in tensors.items():
            values = interpreter.get_tensor(index)
            least[name] = np.minimum(least[name], values.min())
            greatest[name] = np.maximum(greatest[name], values.max())
    unbounded = [name for name in tensors if not np.isfinite(greatest[name] - least[name])]
    if unbounded:
        raise Infeasible(f"calibration gives {unbounded[0]} no finite range")
    return {
        name: {"min": np.array([least[name]], np.float32), "max": np.array([greatest[name]], np.float32)}
        for name in tensors
    }


def off_powers_of_two(ranges: Ranges) -> Ranges:
    """The ranges, those a hair wider whose greatest magnitude is a power of two.

    Where all scales of a 16-bit ADD or SUB are powers of two (to a thousandth of their logarithm), LiteRT's kernels
    shift in place of multiplying, and refuse an output of finer scale than an input (tflite/kernels/add.cc, sub.cc):
    so in pixels that are rescaled to -1 … 1.
    """
    return {
        name: {end: value * np.float32(2 ** (2 * _NEAR_POWER)) for end, value in bounds.items()}
        if _is_power_of_two(bounds)
        else bounds
        for name, bounds in ranges.items()
    }


def _is_power_of_two(bounds: Mapping[str, NDArray[np.float32]]) -> bool:
    exponent = np.log2(max(abs(bounds["min"][0]), abs(bounds["max"][0]), np.finfo(np.float32).tiny))
    return bool(abs(exponent - np.round(exponent)) < _NEAR_POWER)


def outputs_of(file: bytes, inputs: Array) -> NDArray[np.float64]:
    """The outputs for all inputs; integers in the units that they stand for."""
    exit_ = interpreter_of(file).get_output_details()[0]
    scale, zero = exit_["quantization"]
    outputs = np.concatenate([run.get_tensor(exit_["index"]) for run in run_each(file, inputs)]).astype(float)
    return (outputs - zero) * scale if scale else outputs


def run_each(file: bytes, inputs: Array, *, keep_all: bool = False) -> Iterator[Interpreter]:
    """The interpreter behind each of the inputs, which are integers where the file takes those.

    What a file keeps from one inference to the next is before each what it was at first.

    Raises:
        Infeasible: LiteRT can't, as with an index that an embedding does not have.
    """
    interpreter = interpreter_of(file, keep_all=keep_all)
    keeps = state(file)
    entry = interpreter.get_input_details()[0]
    scale, zero = entry["quantization"]
    if scale:
        limits = np.iinfo(entry["dtype"])
        inputs = np.clip(np.round(inputs / scale + zero), limits.min, limits.max)
    inputs = inputs.astype(entry["dtype"], copy=False)
    for sample in inputs:
        if keeps == "variables":
            interpreter.reset_all_variables()
        elif keeps == "resources":  # which LiteRT can't reset
            interpreter = interpreter_of(file, keep_all=keep_all)
        interpreter.set_tensor(entry["index"], sample[np.newaxis])
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise Infeasible(f"LiteRT can't run the file: {one_line(error)}") from error
        yield interpreter


def interpreter_of(file: bytes, *, keep_all: bool = False) -> Interpreter:
    """An Interpreter, which keeps the values of all tensors for those who ask.

    Raises:
        Infeasible: LiteRT refuses the file.
    """
    try:
        with quietly():
            interpreter = Interpreter(
                model_content=file,
                num_threads=1,
                experimental_op_resolver_type=OpResolverType.BUILTIN,
                experimental_preserve_all_tensors=keep_all,
            )
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise Infeasible(f"LiteRT refuses the file: {one_line(error)}") from error
    return interpreter


@contextmanager
def quietly() -> Iterator[None]:
    """Silences the quantizer's progress bars, and its word that keeping all tensors takes memory (one sample's)."""
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
