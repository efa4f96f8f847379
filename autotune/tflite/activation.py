"""What the values of a model's output are, by the operators that made them."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

Tensor = TypeVar("Tensor")

Activation = Literal["softmax", "sigmoid", "linear"]
"""Probabilities whose rows sum to one, each a probability by itself, anything else."""

_ACTIVATIONS: dict[str, Activation] = {"SOFTMAX": "softmax", "SIGMOID": "sigmoid", "LOGISTIC": "sigmoid"}

_MOVES = frozenset(
    {
        *("CAST", "QUANTIZE", "DEQUANTIZE", "FAKEQUANTWITHMINMAXVARS"),
        *("IDENTITY", "STOPGRADIENT", "RESHAPE", "SQUEEZE", "EXPANDDIMS", "TRANSPOSE"),
    }
)
"""Operators that give each value of their first input another type or place."""

_CHOOSES = frozenset({"SLICE", "STRIDEDSLICE", "GATHER", "GATHERV2", "SPLIT", "SPLITV", "UNPACK"})
"""Operators that give some of their first input's values."""

_JOINS = frozenset({"CONCATENATION", "CONCATV2", "PACK"})
"""Operators that give the values of all inputs."""


def activation(output: Tensor, made_by: Callable[[Tensor], tuple[str, Sequence[Tensor]] | None]) -> Activation:
    """The function that made a tensor's values, seen through what only moves, chooses or joins them.

    Args:
        output: the tensor.
        made_by: of a tensor the kind of operator that made it, as LiteRT or TensorFlow calls it, and the
            operator's inputs; None where no operator did. A SPLIT of LiteRT has the tensor last.

    Returns:
        "softmax" as long as rows sum to one: of some of its values, or those of several, "sigmoid".
    """
    origin = made_by(output)
    if origin is None:
        return "linear"
    name, inputs = origin
    operator = name.replace("_", "").upper()
    if operator in _MOVES:
        return activation(inputs[0], made_by)
    if operator in _CHOOSES:
        return _parts([inputs[-1 if operator == "SPLIT" else 0]], made_by)
    if operator in _JOINS:
        return _parts(inputs, made_by)
    return _ACTIVATIONS.get(operator, "linear")


def _parts(inputs: Sequence[Tensor], made_by: Callable[[Tensor], tuple[str, Sequence[Tensor]] | None]) -> Activation:
    """Of values that no longer make up whole rows."""
    return "sigmoid" if inputs and all(activation(each, made_by) != "linear" for each in inputs) else "linear"
