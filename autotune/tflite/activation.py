"""What the values of a model's output are, by the operators that made them."""

from collections.abc import Callable, Hashable, Sequence
from typing import Literal, TypeVar

Tensor = TypeVar("Tensor", bound=Hashable)

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
    rows_are_whole = True
    sources = set[Activation]()
    seen = {output}
    ahead = [output]
    while ahead:
        name, inputs = made_by(ahead.pop()) or ("", [])
        operator = name.replace("_", "").upper()
        if operator in _MOVES:
            inputs = inputs[:1]
        elif operator in _CHOOSES:
            inputs = inputs[-1:] if operator == "SPLIT" else inputs[:1]
            rows_are_whole = False
        elif operator in _JOINS:
            rows_are_whole = False
        else:
            sources.add(_ACTIVATIONS.get(operator, "linear"))
            continue
        ahead += [tensor for tensor in dict.fromkeys(inputs) if tensor not in seen]
        seen.update(inputs)
    if not sources or "linear" in sources:
        return "linear"
    return "softmax" if rows_are_whole and sources == {"softmax"} else "sigmoid"
