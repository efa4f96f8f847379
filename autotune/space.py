"""Search spaces: a YAML mapping of dimensions to what they may be."""

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from autotune.config import FIELDS, NAMES, Config, Runtime, fingerprint, snap
from autotune.errors import UserError
from autotune.plugins import resource
from autotune.yaml_file import Lines, read_yaml

MOST = 100_000
"""Configurations that are looked through one by one at most."""


@dataclass(frozen=True)
class Choice:
    """One of several values, in the order given."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """A number from low to high, both included.

    Attributes:
        step: of a grid, or None where any number will do; 1 for whole numbers sampled by log.
        log: whether to sample evenly in the logarithm.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False


Dimension = Choice | Range


@dataclass(frozen=True)
class Space:
    """The configurations that a study may try.

    Attributes:
        dimensions: by field of Config; one with a single Choice is fixed.
        source: where it was written, for messages.
    """

    dimensions: dict[str, Dimension]
    source: str

    def config(self, values: Mapping[str, Any]) -> Config:
        """The configuration of sampled values; dimensions not sampled are fixed ones."""
        fixed = {name: dim.values[0] for name, dim in self.dimensions.items() if isinstance(dim, Choice)}
        return Config.of({**fixed, **values})

    def free(self) -> dict[str, Dimension]:
        """The dimensions that have more than one value."""
        return {
            name: dim
            for name, dim in self.dimensions.items()
            if (len(dim.values) > 1 if isinstance(dim, Choice) else dim.low < dim.high)
        }

    def values(self, config: Config) -> dict[str, Any] | None:
        """A configuration as values of the free dimensions, or None where it is outside.

        Settings of a training that the configuration does not have are free: any value does.
        """
        canonical, found = config.canonical(), {}
        for name, dim in self.dimensions.items():
            options = [canonical[name]] if name in canonical else _grid(dim) if name in FIELDS else [_off(dim)]
            fitting = [value for value in options or [_low(dim)] if _within(dim, value)]
            if not fitting:
                return None
            found[name] = fitting[0]
        values = {name: found[name] for name in self.free()}
        return values if self.config(values).key == config.key else None

    def first(self) -> dict[str, Any]:
        """The first value of each dimension."""
        return {name: _low(dim) for name, dim in self.dimensions.items()}

    def highest(self, name: str) -> float:
        """The largest value of a dimension of numbers, 0 where it is not in the space."""
        dim = self.dimensions.get(name, Choice((0,)))
        return float(max(dim.values) if isinstance(dim, Choice) else dim.high)

    def delegates(self) -> tuple[str, ...]:
        """The delegates that may be sampled."""
        dim = self.dimensions.get("delegate")
        return dim.values if isinstance(dim, Choice) else (Runtime().delegate,)

    def of_models(self, names: Sequence[str]) -> "Space":
        """The same for each of several candidate models."""
        return replace(self, dimensions={"model": Choice(tuple(names)), **self.dimensions})

    def fitting(self, fits: Callable[[Config], bool]) -> list[Config] | None:
        """Every different configuration that fits, None where there are too many to look through."""
        everything = self.all()
        return None if everything is None else list(filter(fits, everything))

    def only(self, configs: Sequence[Config]) -> "Space":
        """The same without values that none of these configurations has."""
        used: dict[str, set[Any]] = {name: set() for name in self.dimensions}
        for config in configs:
            values = config.canonical()
            for name, dim in self.dimensions.items():
                used[name].add(values.get(name, None if name in FIELDS else _off(dim)))
        return replace(self, dimensions={name: _only(dim, used[name]) for name, dim in self.dimensions.items()})

    def all(self) -> Iterator[Config] | None:
        """Every different configuration, or None where they are more than MOST or without end."""
        grids = [_grid(dim) for dim in self.dimensions.values()]
        if math.prod(math.inf if grid is None else len(grid) for grid in grids) > MOST:
            return None
        return self._enumerate([grid for grid in grids if grid is not None])

    def _enumerate(self, grids: Sequence[Sequence[Any]]) -> Iterator[Config]:
        seen = set()
        for values in itertools.product(*grids):
            config = Config.of(dict(zip(self.dimensions, values, strict=True)))
            identity = tuple(config.canonical().items())  # its key would take longer
            if identity not in seen:
                seen.add(identity)
                yield config

    def sample(self, random_: random.Random) -> Config:
        """A configuration drawn evenly."""
        return Config.of({name: _draw(dim, random_) for name, dim in self.dimensions.items()})

    def fingerprint(self) -> str:
        """Changes exactly when what may be sampled changes."""
        return fingerprint(
            {
                name: list(dim.values) if isinstance(dim, Choice) else [dim.low, dim.high, dim.step, dim.log]
                for name, dim in self.dimensions.items()
            }
        )


def load(name: str, threads: Sequence[int], extra: Mapping[str, type] = MappingProxyType({})) -> Space:
    """A space by its name (search_spaces/NAME.yaml, shipped) or its path.

    Args:
        name: of the space.
        threads: what `threads: auto` stands for on the device.
        extra: dimensions of plug-ins, with their types.

    Raises:
        UserError: there is none, or it is not a space.
    """
    path = resource("search_spaces", name)
    content, lines = read_yaml(path, "space")
    return parse(content, str(path), threads, extra, lines)


def parse(
    content: Any,
    source: str,
    threads: Sequence[int],
    extra: Mapping[str, type] = MappingProxyType({}),
    lines: Lines | None = None,
) -> Space:
    """A space from what its YAML says.

    Args:
        content: dimension → a value, a list of values, or {low, high, step, log}.
        source: for messages.
        threads: what `threads: auto` stands for on the device.
        extra: dimensions of plug-ins, with their types.
        lines: of the keys, for messages.

    Raises:
        UserError: an unknown dimension, or one that can't be.
    """
    if not isinstance(content, dict) or not content:
        raise UserError(f"space {source}: must map dimensions to values")
    kinds = {name: kind for name, kind in FIELDS.items() if name != "model"} | dict(extra)
    dimensions = {}
    for name, spec in content.items():
        line = f", line {lines[(str(name),)]}" if lines and (str(name),) in lines else ""
        if name not in kinds:
            raise UserError(f"space {source}{line}: unknown dimension {name!r}; known are {', '.join(kinds)}")
        if name == "threads" and spec == "auto":
            spec = list(threads)
        dimensions[name] = _Reader(name, kinds[name], f"space {source}{line}: {name}").dimension(spec)
    return Space(dimensions, source)


_BOUNDS: dict[str, tuple[float, float]] = {
    "prune": (0, 0.999),
    "cluster": (0, 1024),
    "mixed": (0, 1),
    "epochs": (1, math.inf),
    "learning_rate": (1e-12, math.inf),
    "batch_size": (1, math.inf),
    "threads": (1, 1024),
}


@dataclass(frozen=True)
class _Reader:
    """Reads one dimension; raises UserError, which begins with where it stands, for what can't be."""

    name: str
    kind: type
    where: str

    def dimension(self, spec: Any) -> Dimension:
        if isinstance(spec, dict):
            extra = set(spec) - {"low", "high", "step", "log"}
            if extra or not {"low", "high"} <= set(spec) or self.kind is str:
                raise UserError(f"{self.where}: a range has low, high, and optionally step and log, of a number")
            return self._range(spec)
        values = [self._value(value) for value in (spec if isinstance(spec, list) else [spec])]
        if not values or None in values:
            raise UserError(f"{self.where}: no values")
        if len(set(values)) != len(values):
            raise UserError(f"{self.where}: a value stands twice")
        return Choice(tuple(values))

    def _range(self, spec: dict[str, Any]) -> Dimension:
        low, high = (self._value(spec[key]) for key in ("low", "high"))
        step, log = spec.get("step"), spec.get("log", False)
        integer = self.kind is int
        if low is None or high is None or low > high:
            raise UserError(f"{self.where}: low and high must be numbers, low not above high")
        if not isinstance(log, bool) or (log and ("step" in spec or low <= 0)):
            raise UserError(f"{self.where}: log is true or false, goes without step, and above 0")
        number = isinstance(step, int if integer else int | float) and not isinstance(step, bool)
        if step is not None and not (number and 0 < step < math.inf):
            raise UserError(f"{self.where}: step must be a {'whole ' if integer else ''}number above 0")
        if low == high:
            return Choice((low,))
        dim = Range(low, high, 1 if integer and step is None else step, log)
        if self.name == "cluster" and 1 in (_grid(dim) or []):
            raise UserError(f"{self.where}: 1 is no clustering; begin at 2, or list the values")
        return dim

    def _value(self, value: Any) -> Any:
        """One value, checked and typed; None stays None."""
        if value is None:
            return None
        if self.kind is str:
            return self._named(value)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        integer = self.kind is int
        if not number or (integer and value != int(value)):
            raise UserError(f"{self.where}: {value!r} is no {'whole ' if integer else ''}number")
        low, high = _BOUNDS.get(self.name, (-math.inf, math.inf))
        if not low <= value <= high:
            raise UserError(f"{self.where}: {value!r} is outside {low:g} to {high:g}")
        if self.name == "cluster" and value == 1:
            raise UserError(f"{self.where}: 1 is no clustering; 0 leaves the weights alone")
        return int(value) if integer else snap(float(value))

    def _named(self, value: Any) -> str:
        if not isinstance(value, str):
            raise UserError(f"{self.where}: {value!r} is no name")
        known = NAMES.get(self.name)
        if known and value not in known:
            what = "scheme" if self.name == "quantize" else "name"
            raise UserError(f"{self.where}: unknown {what} {value!r}; known are {', '.join(known)}")
        return value


def _grid(dim: Dimension) -> list[Any] | None:
    if isinstance(dim, Choice):
        return list(dim.values)
    if dim.step is None:
        return [dim.low] if dim.low == dim.high else None
    return [snap(dim.low + index * dim.step) for index in range(int((dim.high - dim.low) / dim.step + 1e-9) + 1)]


def _within(dim: Dimension, value: Any) -> bool:
    grid = _grid(dim)
    if grid is not None:
        return value in grid
    return isinstance(dim, Range) and dim.low <= value <= dim.high


def _low(dim: Dimension) -> Any:
    return dim.values[0] if isinstance(dim, Choice) else dim.low


def _only(dim: Dimension, used: set[Any]) -> Dimension:
    """The dimension without values that are never used; one that never matters keeps its first."""
    if not isinstance(dim, Choice):
        return dim
    return Choice(tuple(value for value in dim.values if value in used) or dim.values[:1])


def _off(dim: Dimension) -> Any:
    """The value that switches a plug-in's stage off."""
    return next((value for value in _grid(dim) or [] if not value), 0)


def _draw(dim: Dimension, random_: random.Random) -> Any:
    if isinstance(dim, Range) and dim.log:
        value = math.exp(random_.uniform(math.log(dim.low), math.log(dim.high)))
        return round(value) if dim.step else value
    grid = _grid(dim)
    if grid is not None:
        return random_.choice(grid)
    assert isinstance(dim, Range)
    return random_.uniform(dim.low, dim.high)
