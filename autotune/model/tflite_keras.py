"""A float .tflite file as a tf_keras model, so that it can be trained: held against LiteRT before anything is done."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from autotune.errors import UserError, one_line
from autotune.model.keras3 import TOLERANCE, random_inputs
from autotune.model.keras_types import KerasModel
from autotune.model.tflite_graph import as_keras, interpreter
from autotune.task.data import Array

LEAST = 1e-2
"""Of outputs, whose float rounding is that of larger values before them: TOLERANCE of it is some 10 steps at 1."""

_SCALES = (1, 100)
"""Of random inputs: of values about 0, and of those that pixels have."""


def why_untrainable(file: bytes) -> str | None:
    """Why a file can't be read into Keras layers, None where it can: then open_base() opens it.

    The outputs of the model made of it are held against LiteRT's on random inputs, one by one and, where the file
    takes them, together.

    Args:
        file: a float .tflite file.

    Returns:
        One line that names the operator, or says by how much outputs differ.
    """
    try:
        model = as_keras(file)
        gap = float(np.max([_gap(model, file, inputs) for inputs in _samples(model)]))  # max() would pass over NaN
    except UserError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # Keras and damaged files have no end of errors
        return f"it can't be read into Keras layers: {one_line(error, 150)}"
    if not gap <= TOLERANCE:
        return f"read into Keras layers it computes something else (outputs differ by {gap:.2g})"
    return None


def _samples(model: KerasModel) -> list[list[Array]]:
    """Sets of random inputs, an array for each input."""
    inputs = random_inputs(model)
    if any(type(layer).__name__ == "Embedding" for layer in model.layers):
        return [inputs]
    floating = [entry.dtype.is_floating for entry in model.inputs]
    if not any(floating):
        return [inputs]
    return [
        [values * scale if real else values for values, real in zip(inputs, floating, strict=True)] for scale in _SCALES
    ]


def _gap(model: KerasModel, file: bytes, inputs: list[Array]) -> float:
    """The largest difference of outputs, relative to their largest magnitude where that is above LEAST."""
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    ours = [np.asarray(each, np.float64) for each in (outputs if isinstance(outputs, list) else [outputs])]
    samples = len(inputs[0])
    gaps = []
    for size in (1, samples):
        runtime = interpreter(file)
        entries = runtime.get_input_details()
        if size > 1:
            if any(entry["shape_signature"][0] != -1 for entry in entries):
                break
            for entry, values in zip(entries, inputs, strict=True):
                runtime.resize_tensor_input(entry["index"], values.shape)
            runtime.allocate_tensors()
        runs = [_run(runtime, [values[start : start + size] for values in inputs]) for start in range(0, samples, size)]
        for left, parts in zip(ours, zip(*runs, strict=True), strict=True):
            right = np.concatenate(parts).astype(np.float64).reshape(left.shape)
            gaps.append(float(np.max(np.abs(left - right)) / max(LEAST, float(np.max(np.abs(right))))))
    return float(np.max(gaps))


def _run(runtime: Interpreter, inputs: list[Array]) -> list[Array]:
    """The outputs for one batch."""
    for entry, values in zip(runtime.get_input_details(), inputs, strict=True):
        runtime.set_tensor(entry["index"], values)
    runtime.invoke()
    return [runtime.get_tensor(exit_["index"]) for exit_ in runtime.get_output_details()]
