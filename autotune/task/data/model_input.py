"""Inputs in the form that a model takes: floats, whole numbers, or the integers that a quantized input takes."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from autotune.errors import UserError
from autotune.task.data.fields import Array
from autotune.task.model_facts import ModelFacts

_WHOLE = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@dataclass(frozen=True)
class ModelInput:
    """A model's input.

    Attributes:
        shape: of a sample.
        dtype: of its values, as float32, int32 or uint8.
        scale: by which its integers stand for real numbers; 0 where it takes real or whole numbers.
        zero: the integer that stands for 0.
    """

    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero: int = 0

    @classmethod
    def of(cls, facts: ModelFacts) -> Self:
        """The input of a model with these facts."""
        return cls(facts.input_shape, facts.input_dtype, *(facts.input_quantization or (0.0, 0)))

    def converted(self, x: Array, name: str, source: str, *, pixels: bool = False) -> Array:
        """The samples in the form that the model takes.

        Floats for a float input are float32. An input of whole numbers gets whole numbers of its own type. A
        quantized input gets integers as they are, in its own type, while floats stay float32 and are quantized
        where the file is run. A channel axis of 1 may be missing.

        Args:
            x: samples (n, …) of numbers.
            name: of the split, for messages.
            source: as the user named the data.
            pixels: whether these are pixels of images, 0 to 255: a quantized int8 input gets them less 128.

        Raises:
            UserError: they have another shape, fractions where whole numbers are taken, or leave the input's range.
        """
        if (*x.shape[1:], 1) == self.shape:
            x = x[..., np.newaxis]
        if x.shape[1:] != self.shape:
            raise UserError(f"data {source}: {name} samples have shape {x.shape[1:]}, the model takes {self.shape}")
        if not self._whole or (self.scale and x.dtype.kind == "f"):
            return x.astype(np.float32, copy=False)
        if self.scale and pixels and self.dtype == "int8":
            x = x.astype(np.int16) - 128
        low, high = (0, 1) if self.dtype == "bool" else (np.iinfo(self.dtype).min, np.iinfo(self.dtype).max)
        if x.dtype.kind == "f" and (x != np.rint(x)).any():
            raise UserError(f"data {source}: {name} samples have fractions, the model takes {self.dtype}")
        if x.min() < low or x.max() > high:
            span = f"{name} samples go from {x.min():g} to {x.max():g}, the model takes {self.dtype}: {low} to {high}"
            raise UserError(f"data {source}: {span}{'; give floats to have them quantized' if self.scale else ''}")
        return x.astype(self.dtype, copy=False)

    def real(self, x: Array) -> Array:
        """What samples in the form that the model takes stand for, float32."""
        if self.scale and x.dtype.kind != "f":
            return (x.astype(np.float32) - self.zero) * np.float32(self.scale)
        return x.astype(np.float32, copy=False)

    def remark(self, x: Array) -> str | None:
        """What the user should know of how samples in the form that the model takes are understood."""
        if not self.scale or x.dtype.kind == "f":
            return None
        return f"takes {self.dtype}: whole numbers are taken as they are; give floats to have them quantized"

    @property
    def _whole(self) -> bool:
        return self.dtype in _WHOLE
