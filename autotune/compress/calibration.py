"""A file run on calibration samples: the ranges of its activations, its outputs."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from autotune.errors import Infeasible, one_line
from autotune.task.data import Array
from autotune.task.data.fields import joined, parts
from autotune.tflite.flatbuffer import activations, ends
from autotune.tflite.state import state

Ranges = dict[str, dict[str, NDArray[np.float32]]]
"""Of each activation: its min and max, (1,) each."""

Details = dict[str, Any]  # LiteRT's
"""What an interpreter tells of an input or output: its index, dtype, and quantization (scale, zero point)."""

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


def outputs_of(file: bytes, inputs: Array) -> Array:
    """The outputs for all inputs, float64; integers in the units that they stand for."""
    exits = dict(zip(ends(file).output_fields, interpreter_of(file).get_output_details(), strict=True))
    runs = [
        [run.get_tensor(exit_["index"]).astype(float) for exit_ in exits.values()] for run in run_each(file, inputs)
    ]

    def real(values: NDArray[np.float64], scale: float, zero: int) -> NDArray[np.float64]:
        return (values - zero) * scale if scale else values

    return joined(
        {
            name: real(np.concatenate(values), *exit_["quantization"])
            for (name, exit_), values in zip(exits.items(), zip(*runs, strict=True), strict=True)
        }
    )


def run_each(file: bytes, inputs: Array, *, keep_all: bool = False) -> Iterator[Interpreter]:
    """The interpreter behind each of the inputs, which are integers where the file takes those.

    What a file keeps from one inference to the next is before each what it was at first.

    Raises:
        Infeasible: LiteRT can't, as with an index that an embedding does not have.
    """
    interpreter = interpreter_of(file, keep_all=keep_all)
    keeps = state(file)
    entries = interpreter.get_input_details()
    values = parts(inputs)
    columns = [_encoded(values[name], entry) for name, entry in zip(ends(file).input_fields, entries, strict=True)]
    for samples in zip(*columns, strict=True):
        if keeps == "variables":
            interpreter.reset_all_variables()
        elif keeps == "resources":  # which LiteRT can't reset
            interpreter = interpreter_of(file, keep_all=keep_all)
        for entry, sample in zip(entries, samples, strict=True):
            interpreter.set_tensor(entry["index"], sample[np.newaxis])
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise Infeasible(f"LiteRT can't run the file: {one_line(error)}") from error
        yield interpreter


def _encoded(values: Array, entry: Details) -> Array:
    """An input's values in its own type: by its scale and zero point, if it has them."""
    scale, zero = entry["quantization"]
    if scale:
        limits = np.iinfo(entry["dtype"])
        values = np.clip(np.round(values / scale + zero), limits.min, limits.max)
    return values.astype(entry["dtype"], copy=False)


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
