"""What a model's file leaves open, as the user says it: shapes of inputs, and which of several signatures is meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from autotune.errors import UserError
from autotune.model.signature import Shape


@dataclass(frozen=True)
class Opening:
    """How a model is opened.

    Attributes:
        shapes: of a sample of each input whose file leaves some of it open, by name; "" is that of the only input.
        signature: the one that is meant, None where there is one.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    signature: str | None = None

    @classmethod
    def parse(cls, shapes: Sequence[str], signature: str | None) -> Self:
        """From NAME=1,128,8 of each input, or 1,128,8 of the only one; the batch, which comes first, stays open.

        Raises:
            UserError: a shape is none, or an input is named twice.
        """
        read = dict[str, tuple[int, ...]]()
        for text in shapes:
            name, _, sizes = text.rpartition("=")
            numbers = sizes.split(",")
            if not all(number.strip().isascii() and number.strip().isdecimal() for number in numbers):
                raise UserError(f"--shape {text!r}: takes whole numbers, as NAME=1,128,8 or 1,128,8")
            batch, *shape = map(int, numbers)
            if batch != 1 or 0 in shape:
                raise UserError(f"--shape {text!r}: begins with 1, the batch, and has no 0 behind it")
            if name in read:
                raise UserError(f"--shape {text!r}: the shape of that input is said twice")
            read[name] = tuple(shape)
        return cls(read, signature)

    @property
    def said(self) -> list[object]:
        """What makes another model of the same file, as JSON; empty where nothing is said."""
        shapes = sorted([name, *shape] for name, shape in self.shapes.items())
        return [shapes, self.signature] if self else []

    def __bool__(self) -> bool:
        return bool(self.shapes) or self.signature is not None

    def closed(self, inputs: Mapping[str, Shape | None]) -> dict[str, Shape | None]:
        """The shapes of a model's inputs, with the batch, where some of them are said.

        Args:
            inputs: as its file has them, by name.

        Raises:
            UserError: there is no such input, or it has another shape.
        """
        closed = dict(inputs)
        for name, sizes in self.shapes.items():
            wanted = next(iter(inputs)) if not name and len(inputs) == 1 else name
            if wanted not in inputs:
                which = f"no input is called {name!r}" if name else "the model has several inputs; name one"
                raise UserError(f"--shape: {which}; it takes {', '.join(inputs)}")
            shape = inputs[wanted]
            batch, *there = [None, *[None] * len(sizes)] if shape is None else shape
            agrees = len(there) == len(sizes) and all(a in (None, b) for a, b in zip(there, sizes, strict=True))
            if not agrees:
                raise UserError(f"--shape: input {wanted!r} has shape {tuple(there)}, not {sizes}")
            closed[wanted] = [batch, *sizes]
        return closed


def chosen(signatures: Sequence[str], opening: Opening) -> str:
    """The signature that is meant.

    Args:
        signatures: names of all, one or more.
        opening: what the user says.

    Raises:
        UserError: there is none of that name, or there are several and none is named.
    """
    every = ", ".join(signatures)
    if opening.signature is None and len(signatures) > 1:
        raise UserError(f"has several signatures ({every}); say which with --signature NAME")
    if opening.signature not in (None, *signatures):
        raise UserError(f"has no signature {opening.signature!r}; there are {every}")
    return opening.signature or signatures[0]
