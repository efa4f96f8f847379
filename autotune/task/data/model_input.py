"""Inputs in the form that a model takes: floats, whole numbers, or the integers that a quantized input takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from autotune.errors import UserError
from autotune.task.data.fields import Array, chunks, joined, names, parts
from autotune.task.data.gathered import changed
from autotune.task.model_facts import TensorSpec

_BYTES = (np.int8, np.uint8)
"""What is kept for a float input: other whole numbers are of four bytes, as floats are, or become such."""

_WHOLE = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@dataclass(frozen=True)
class ModelInput:
    """One input of a model.

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
    def of(cls, spec: TensorSpec) -> Self:
        """An input of which this is known."""
        return cls(spec.shape, spec.dtype, *(spec.quantization or (0.0, 0)))

    def check(self, x: Array, name: str, source: str, *, pixels: bool = False) -> None:
        """Whether samples can have the form that the model takes.

        Args:
            x: samples (n, …) of numbers. A channel axis of 1 may be missing.
            name: what they are, for messages: train samples.
            source: as the user named the data.
            pixels: as converted().

        Raises:
            UserError: they have another shape, fractions where whole numbers are taken, or leave the input's range.
        """
        if self.shape not in (x.shape[1:], (*x.shape[1:], 1)):
            raise UserError(f"data {source}: {name} have shape {x.shape[1:]}, the model takes {self.shape}")
        if self._as_they_are(x):
            return
        if x.dtype.kind == "f" and any((some != np.rint(some)).any() for some in chunks(x)):
            raise UserError(f"data {source}: {name} have fractions, the model takes {self.dtype}")
        shift = self._shift(pixels)
        low, high = (0, 1) if self.dtype == "bool" else (np.iinfo(self.dtype).min, np.iinfo(self.dtype).max)
        least, most = x.min().item() - shift, x.max().item() - shift
        if least < low or most > high:
            span = f"{name} go from {least:g} to {most:g}, the model takes {self.dtype}: {low} to {high}"
            raise UserError(f"data {source}: {span}{'; give floats to have them quantized' if self.scale else ''}")

    def converted(self, x: Array, *, pixels: bool = False) -> Array:
        """Samples that were checked in the form that the model takes.

        Floats for a float input are float32; bytes for one, such as pixels, stay bytes, a quarter of the memory, and
        become floats where they are used (stands_for). An input of whole numbers gets whole numbers of its own type. A
        quantized input gets integers as they are, in its own type, while floats stay float32 and are quantized
        where the file is run.

        Args:
            x: as check() takes them.
            pixels: whether these are pixels of images, 0 to 255: a quantized int8 input gets them less 128.
        """
        if x.shape[1:] != self.shape:
            x = x[..., np.newaxis]
        if self._as_they_are(x):
            return x if x.dtype in _BYTES and not self._whole else x.astype(np.float32, copy=False)
        shift = self._shift(pixels)
        return (x.astype(np.int16) - shift if shift else x).astype(self.dtype, copy=False)

    def _as_they_are(self, x: Array) -> bool:
        """Whether samples stay the numbers that they are: they are used as real ones."""
        return not self._whole or (bool(self.scale) and x.dtype.kind == "f")

    def _shift(self, pixels: bool) -> int:
        return 128 if self.scale and pixels and self.dtype == "int8" else 0

    @property
    def stands_for(self) -> str | None:
        """The type that bytes are to become where they are used, None where samples are used as they are."""
        return None if self._whole else "float32"

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


def stand_for(specs: Sequence[TensorSpec]) -> dict[str, str]:
    """The types that inputs are to become where they are used, of those that may be kept in fewer bits, by name."""
    types = {spec.name: ModelInput.of(spec).stands_for for spec in specs}
    return {name: dtype for name, dtype in types.items() if dtype is not None}


def fitted_inputs(
    specs: Sequence[TensorSpec], x: Array, name: str, source: str, *, pixels: bool = False, cache: Path | None = None
) -> Array:
    """The samples in the form that a model takes, its inputs in their order.

    Args:
        specs: the model's inputs.
        x: samples as the data have them; of several inputs a field for each, by their names or in their order.
        name: of the split, for messages.
        source: as the user named the data.
        pixels: as ModelInput.converted().
        cache: folder for samples that are many, where they become others; None keeps them in memory.

    Raises:
        UserError: an input is missing or unknown, one is not as ModelInput.check() wants it, or they can't be written.
    """
    entries = {spec.name: ModelInput.of(spec) for spec in specs}
    columns = matched(specs, x, f"x_{name}", source)
    for own, entry in entries.items():
        label = f"{name} samples of {own!r}" if own else f"{name} samples"
        entry.check(columns[own], label, source, pixels=pixels)

    def fitted(some: Array) -> Array:
        values = matched(specs, some, f"x_{name}", source)
        taken = {own: entry.converted(values[own], pixels=pixels) for own, entry in entries.items()}
        same = names(some) == tuple(taken) and all(taken[each] is values[each] for each in taken)
        return some if same else joined(taken)

    return changed(x, fitted, cache)


def matched(specs: Sequence[TensorSpec], values: Array, what: str, source: str) -> dict[str, Array]:
    """The fields of data that belong to a model's inputs, or to its outputs, by their names and in their order.

    Args:
        specs: inputs or outputs.
        values: of them. Those without names of their own, numbered from 0, are in the model's order.
        what: they are, as data files call them: x_train.
        source: as the user named the data.

    Raises:
        UserError: one is missing, or unknown.
    """
    columns = parts(values)
    wanted = [spec.name for spec in specs]
    if len(columns) == len(wanted) and (len(wanted) == 1 or list(columns) == list(map(str, range(len(wanted))))):
        return dict(zip(wanted, columns.values(), strict=True))
    kind = "takes" if what.startswith("x") else "gives"
    if "0" in columns and "0" not in wanted:
        raise UserError(f"data {source}: {what} is a tuple of {len(columns)}, the model {kind} {', '.join(wanted)}")
    if "" in columns or "" in wanted:
        has = f"{what} alone" if "" in columns else ", ".join(f"{what}:{name}" for name in columns)
        raise UserError(f"data {source}: has {has}, the model {kind} {', '.join(wanted) if wanted != [''] else 'one'}")
    if lacking := [name for name in wanted if name not in columns]:
        raise UserError(
            f"data {source}: no {what}:{lacking[0]}; the model {kind} {', '.join(wanted)}, "
            f"the data have {', '.join(columns)}"
        )
    if unknown := [name for name in columns if name not in wanted]:
        raise UserError(f"data {source}: {what}:{unknown[0]} is unknown; the model {kind} {', '.join(wanted)}")
    return {name: columns[name] for name in wanted}
