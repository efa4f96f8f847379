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
        file: a float .tflite file of one input and one output.

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


def _samples(model: KerasModel) -> list[Array]:
    (inputs,) = random_inputs(model)
    indices = any(type(layer).__name__ == "Embedding" for layer in model.layers)
    if indices or not model.inputs[0].dtype.is_floating:
        return [inputs]
    return [inputs * scale for scale in _SCALES]


def _gap(model: KerasModel, file: bytes, inputs: Array) -> float:
    """The largest difference of outputs, relative to their largest magnitude where that is above LEAST."""
    ours = np.asarray(model(inputs, training=False), np.float64)
    gaps = []
    for size in (1, len(inputs)):
        runtime = interpreter(file)
        entry = runtime.get_input_details()[0]
        if size > 1:
            if entry["shape_signature"][0] != -1:
                break
            runtime.resize_tensor_input(entry["index"], inputs.shape)
            runtime.allocate_tensors()
        theirs = np.concatenate([_run(runtime, inputs[start : start + size]) for start in range(0, len(inputs), size)])
        theirs = theirs.astype(np.float64).reshape(ours.shape)
        gaps.append(float(np.max(np.abs(ours - theirs)) / max(LEAST, float(np.max(np.abs(theirs))))))
    return float(np.max(gaps))


def _run(runtime: Interpreter, inputs: Array) -> Array:
    runtime.set_tensor(runtime.get_input_details()[0]["index"], inputs)
    runtime.invoke()
    outputs: Array = runtime.get_tensor(runtime.get_output_details()[0]["index"])
    return outputs
