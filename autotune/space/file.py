"""Reads search spaces: a YAML mapping of dimensions to what they may be."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from autotune.config import FIELDS, LEVELS, MOST_THREADS, NAMES, Runtime, Value, snap
from autotune.errors import UserError
from autotune.json_object import JsonObject
from autotune.plugins import resource
from autotune.space.space import Categorical, Dimension, Range, Space, grid
from autotune.yaml_file import Lines, place, read_yaml


def read(
    name: str,
    threads: Sequence[int],
    extra: Mapping[str, type] = MappingProxyType({}),
    delegates: Sequence[str] = (Runtime().delegate,),
) -> Space:
    """A space by its name (search_spaces/NAME.yaml, shipped) or its path.

    Args:
        name: of the space.
        threads: what `threads: auto` stands for on the device.
        extra: dimensions of plug-ins, with their types.
        delegates: what `delegate: auto` stands for there.

    Raises:
        UserError: there is none, or it is not a space.
    """
    path = resource("search_spaces", name)
    content, lines = read_yaml(path, "space")
    return parse(content, str(path), threads, extra, lines, delegates)


def parse(
    content: object,
    source: str,
    threads: Sequence[int],
    extra: Mapping[str, type] = MappingProxyType({}),
    lines: Lines | None = None,
    delegates: Sequence[str] = (Runtime().delegate,),
) -> Space:
    """A space from what its YAML says.

    Args:
        content: dimension → a value, a list of values, or {low, high, step, log}.
        source: for messages.
        threads: what `threads: auto` stands for on the device.
        extra: dimensions of plug-ins, with their types.
        lines: of the keys, for messages.
        delegates: what `delegate: auto` stands for on the device.

    Raises:
        UserError: an unknown dimension, or one that can't be.
    """
    if not isinstance(content, dict) or not content:
        raise UserError(f"space {source}: must map dimensions to values")
    kinds = {name: kind for name, kind in FIELDS.items() if name != "model"} | dict(extra)
    auto = {"threads": list(threads), "delegate": list(delegates)}
    dimensions = {}
    for name, spec in content.items():
        where = f"space {source}{place(lines or {}, name)}"
        if name not in kinds:
            raise UserError(f"{where}: unknown dimension {name!r}; known are {', '.join(kinds)}")
        meant = auto[name] if name in auto and spec == "auto" else spec
        dimensions[name] = _Reader(name, kinds[name], f"{where}: {name}").dimension(meant)
    return Space(dimensions, source)


_BOUNDS: dict[str, tuple[float, float]] = {
    "channels": (0.05, 1),
    "prune": (0, 0.999),
    "cluster": (0, 1024),
    "mixed": (0, 1),
    "epochs": (1, 100_000),
    "learning_rate": (1e-12, 1000),
    "batch_size": (1, 100_000),
    "samples": (0, 1_000_000_000),
    "threads": (1, MOST_THREADS),
}
_SETS: dict[str, tuple[int, ...]] = {"levels": LEVELS}
"""Numbers that are one of a few: not all between the ends of a range can be."""

_EXACT = 2**53
"""Up to here floats hold every whole number; no dimension of a plug-in goes further."""

_MOST_VALUES = 10_000
"""That a range may have: it is written out where one of them is looked for."""


@dataclass(frozen=True)
class _Reader:
    """Reads one dimension; raises UserError, which begins with where it stands, for what can't be."""

    name: str
    kind: type
    where: str

    def dimension(self, spec: object) -> Dimension:
        if isinstance(spec, dict):
            extra = set(spec) - {"low", "high", "step", "log"}
            if extra or not {"low", "high"} <= set(spec) or self.kind is str:
                raise UserError(f"{self.where}: a range has low, high, and optionally step and log, of a number")
            return self._range(spec)
        listed = spec if isinstance(spec, list) else [spec]
        values = [self._value(value) for value in listed if value is not None]
        if not values or len(values) < len(listed):
            raise UserError(f"{self.where}: no values")
        if len(set(values)) != len(values):
            raise UserError(f"{self.where}: a value stands twice")
        return Categorical(tuple(values))

    def _range(self, spec: JsonObject) -> Dimension:
        low, high = (None if spec[key] is None else self._number(spec[key]) for key in ("low", "high"))
        step = spec.get("step")
        log = spec.get("log", False)
        integer = self.kind is int
        if low is None or high is None or low > high:
            raise UserError(f"{self.where}: low and high must be numbers, low not above high")
        if not isinstance(log, bool) or (log and ("step" in spec or low <= 0)):
            raise UserError(f"{self.where}: log is true or false, goes without step, and above 0")
        number = isinstance(step, int if integer else int | float) and not isinstance(step, bool)
        if step is not None and not (number and 0 < step < math.inf):
            raise UserError(f"{self.where}: step must be a {'whole ' if integer else ''}number above 0")
        if low == high:
            return Categorical((low,))
        step = 1 if integer and step is None else step
        if step is not None and (step > high - low or (high - low) / step > _MOST_VALUES):
            raise UserError(
                f"{self.where}: a step of {step} gives one value, or more than {_MOST_VALUES}; give another"
            )
        if self.name == "channels" and step is None:
            raise UserError(f"{self.where}: each share is planned before the search; give a step, or list the values")
        dim = Range(low, high, step, log)
        if self.name == "cluster" and 1 in (grid(dim) or []):
            raise UserError(f"{self.where}: 1 is no clustering; begin at 2, or list the values")
        if self.name in _SETS:
            for value in grid(dim) or []:
                self._number(value)
        return dim

    def _value(self, value: object) -> Value:
        """One value, checked and typed."""
        return self._named(value) if self.kind is str else self._number(value)

    def _number(self, value: object) -> int | float:
        integer = self.kind is int
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not -math.inf < value < math.inf
            or (integer and value != int(value))
        ):
            raise UserError(f"{self.where}: {value!r} is no {'whole ' if integer else ''}number{_hint(value)}")
        low, high = _BOUNDS.get(self.name, (-_EXACT, _EXACT))
        if not low <= value <= high:
            raise UserError(f"{self.where}: {value!r} is outside {low:g} to {high:g}")
        if self.name in _SETS and value not in _SETS[self.name]:
            raise UserError(f"{self.where}: {value:g} is none of {', '.join(map(str, _SETS[self.name]))}")
        if self.name == "cluster" and value == 1:
            raise UserError(f"{self.where}: 1 is no clustering; 0 leaves the weights alone")
        return int(value) if integer else snap(float(value))

    def _named(self, value: object) -> str:
        if not isinstance(value, str):
            raise UserError(f"{self.where}: {value!r} is no name")
        names = NAMES.get(self.name)
        if names and value not in names:
            what = "scheme" if self.name == "quantize" else "name"
            raise UserError(f"{self.where}: unknown {what} {value!r}; known are {', '.join(names)}")
        return value


def _hint(value: object) -> str:
    """What to write for a percentage."""
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*%\s*", value) if isinstance(value, str) else None
    return f"; write {snap(float(match[1]) / 100):g}" if match else ""
