"""What comes before a model's first weights, as Normalization and Rescaling do, and whether integers can hold it.

Of features of different scale, one scale for the whole tensor makes the small ones all the same number. Where it
does, preprocessing stays float, and what it gives is quantized.
"""

from dataclasses import dataclass

import numpy as np

from autotune.task.data import Array
from autotune.task.data.fields import each, names
from autotune.tflite.facts import Operator
from autotune.tflite.flatbuffer import constant, opened, reading
from autotune.tflite.operators import operators

TOLERATED = 2.0
"""Steps of 8 bits by which an input's rounding may move what preprocessing gives: two bits of the smallest feature.

Where all features have one scale, as pixels have, it is half a step.
"""

_LOOKUPS = ("GATHER", "EMBEDDING_LOOKUP")
_NESTED = ("WHILE", "IF", "CALL", "CALL_ONCE")


@dataclass(frozen=True)
class Preprocessing:
    """The operators of a .tflite file between its inputs and its first weights.

    Attributes:
        outputs: names of the tensors that each operator makes.
        taken: names of those tensors that the rest of the file takes.
    """

    outputs: tuple[tuple[str, ...], ...]
    taken: tuple[str, ...]


def preprocessing(file: bytes) -> Preprocessing:
    """What a file does to its inputs before weights see them; nothing where it has no weights.

    Args:
        file: a float .tflite file.

    Raises:
        UserError: it is no whole .tflite file.
    """
    rows = operators(file)
    with reading():
        model = opened(file)
        graph = model.subgraphs[0]
        fixed = {index for index, tensor in enumerate(graph.tensors) if constant(file, model, tensor) is not None}
        entries = {int(index) for index in graph.inputs}
        prepared = set(entries)
        outputs = []
        taken = []
        for operator, row in zip(graph.operators, rows, strict=False):  # rows of loops' bodies follow
            computed = [int(index) for index in operator.inputs if index >= 0 and index not in fixed]
            made = [int(index) for index in operator.outputs]
            if not computed or row.kind == "SHAPE":  # the same whatever the values
                fixed.update(made)
            elif prepared.issuperset(computed) and not _has_weights(row):
                prepared.update(made)
                outputs.append(made)
            else:
                taken += [index for index in computed if index in prepared - entries]

        def name(index: int) -> str:
            return str(graph.tensors[index].name.decode())

        if not taken:
            return Preprocessing((), ())
        return Preprocessing(tuple(tuple(map(name, made)) for made in outputs), tuple(map(name, dict.fromkeys(taken))))


def rounded(x: Array, bits: int) -> Array:
    """Inputs (n, …) as one scale for all values of each makes them, in their own type; 0 stays 0."""
    if names(x):
        return each(x, lambda _, values: rounded(values, bits))
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    step = (high - low) / (2**bits - 1) or 1.0
    values = np.rint(x / step) * step
    return (np.rint(values) if x.dtype.kind in "iu" else values).astype(x.dtype)


def is_lost(moved: float, low: float, high: float) -> bool:
    """Whether rounding a model's inputs costs what its preprocessing gives more than is TOLERATED.

    Args:
        moved: by how much the rounding moves it, at most.
        low: least of what it gives.
        high: greatest.
    """
    return moved > TOLERATED * (max(high, 0.0) - min(low, 0.0)) / 255


def _has_weights(row: Operator) -> bool:
    """Whether an operator multiplies by learned weights, looks them up, or is one that holds others."""
    return row.macs > 0 or (row.kind in _LOOKUPS and row.parameters > 0) or row.kind in _NESTED
