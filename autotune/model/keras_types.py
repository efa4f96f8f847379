"""Names for what TensorFlow and Keras hand over, which have no types of their own for a type checker."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # `import autotune` comes by here, and does without NumPy
    from autotune.task.data import Array

KerasModel = Any
"""A model of tf_keras, or of Keras 3 before it is translated."""

KerasLayer = Any
"""A layer of such a model, TFMOT's wrappers of one too."""

KerasObject = Any
"""Anything else of TensorFlow, Keras or TFMOT: a loss, a callback, a dataset, a quantize config, a converter."""


class KerasTensor(Protocol):
    """What layers take and give: a tensor of TensorFlow, a variable, or a symbolic one of a functional model.

    A symbolic one has no values: no length, and nothing for NumPy.
    """

    @property
    def shape(self) -> Sequence[int]:
        """With the samples' axis, whose size a symbolic one leaves open as None."""

    @property
    def dtype(self) -> KerasObject: ...

    def numpy(self) -> "Array": ...

    def __array__(self) -> "Array": ...

    def __len__(self) -> int: ...

    def __getitem__(self, key: object, /) -> "KerasTensor": ...

    def __add__(self, other: object, /) -> "KerasTensor": ...

    def __rsub__(self, other: object, /) -> "KerasTensor": ...

    def __mul__(self, other: object, /) -> "KerasTensor": ...

    def __truediv__(self, other: object, /) -> "KerasTensor": ...

    def __ge__(self, other: object, /) -> "KerasTensor": ...


class KerasVariable(KerasTensor, Protocol):
    """One whose values can be set."""

    def assign(self, value: object, /) -> object: ...


KerasConfig = dict[str, Any]
"""What get_config() gives of a model or a layer, or saved files hold of it: JSON but for tuples."""

ConfigNode = Any
"""A part of such a config: an object of it, a list, or a value."""
