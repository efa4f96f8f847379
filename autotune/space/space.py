"""Search spaces: dimensions, and the configurations that they make."""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from autotune.config import FIELDS, RUNNING, Config, Recipe, Runtime, Value, fingerprint, snap

MOST = 100_000
"""Configurations that are looked through one by one at most."""


@dataclass(frozen=True)
class Categorical:
    """One of several values, in the order given."""

    values: tuple[Value, ...]


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


Dimension = Categorical | Range


@dataclass(frozen=True)
class Space:
    """The configurations that a study may try.

    Attributes:
        dimensions: by field of Config; one with a single Categorical is fixed.
        source: where it was written, for messages.
    """

    dimensions: dict[str, Dimension]
    source: str

    def config(self, values: Mapping[str, Value]) -> Config:
        """The configuration of sampled values; dimensions not sampled are fixed ones."""
        fixed = {name: dim.values[0] for name, dim in self.dimensions.items() if isinstance(dim, Categorical)}
        return Config.of({**fixed, **values})

    def free(self) -> dict[str, Dimension]:
        """The dimensions that have more than one value."""
        return {
            name: dim
            for name, dim in self.dimensions.items()
            if (len(dim.values) > 1 if isinstance(dim, Categorical) else dim.low < dim.high)
        }

    def values(self, config: Config) -> dict[str, Value] | None:
        """A configuration as values of the free dimensions, or None where it is outside.

        Settings of a training that the configuration does not have are free: any value does.
        """
        canonical = config.canonical()
        inside = {}
        for name, dim in self.dimensions.items():
            options = [canonical[name]] if name in canonical else grid(dim) if name in FIELDS else [_off(dim)]
            fitting = [value for value in options or [_low(dim)] if _within(dim, value)]
            if not fitting:
                return None
            inside[name] = fitting[0]
        values = {name: inside[name] for name in self.free()}
        return values if self.config(values).key == config.key else None

    def first(self) -> dict[str, Value]:
        """The first value of each dimension."""
        return {name: _low(dim) for name, dim in self.dimensions.items()}

    def highest(self, name: str) -> float:
        """The largest value of a dimension of numbers, 0 where it is not in the space."""
        dim = self.dimensions.get(name, Categorical((0,)))
        return float(max(dim.values) if isinstance(dim, Categorical) else dim.high)

    def delegates(self) -> tuple[str, ...]:
        """The delegates that may be sampled."""
        return self._names("delegate", Runtime().delegate)

    def _names(self, dimension: str, default: str) -> tuple[str, ...]:
        dim = self.dimensions.get(dimension)
        return tuple(map(str, dim.values)) if isinstance(dim, Categorical) else (default,)

    def runtimes(self) -> list[Runtime]:
        """The ways to run a file: each delegate with each count of threads, of a range its ends and the doublings."""
        threads = self.dimensions.get("threads", Categorical((Runtime().threads,)))
        if isinstance(threads, Categorical):
            counts = tuple(map(int, threads.values))
        else:
            counts = _doublings(int(threads.low), int(threads.high))
        return [Runtime(delegate, count) for delegate, count in itertools.product(self.delegates(), counts)]

    def of_files(self) -> "Space":
        """The space without what decides how a file is run."""
        return self._of(name for name in self.dimensions if name not in RUNNING)

    def of_runtimes(self) -> "Space":
        """The space without what decides what is done to a model."""
        return self._of(name for name in self.dimensions if name in RUNNING)

    def _of(self, names: Iterable[str]) -> "Space":
        return replace(self, dimensions={name: self.dimensions[name] for name in names})

    def of_models(self, names: Sequence[str]) -> "Space":
        """The same for each of several candidate models."""
        return replace(self, dimensions={"model": Categorical(tuple(names)), **self.dimensions})

    def schemes(self) -> tuple[str, ...]:
        """The quantization schemes that may be sampled."""
        return self._names("quantize", Recipe().quantize)

    def dead_channels(self) -> tuple[str, ...]:
        """What may become of dead channels."""
        return self._names("dead_channels", Recipe().dead_channels)

    def shares(self) -> tuple[float, ...]:
        """The shares of the multiply-accumulates that may stay."""
        return tuple(map(float, grid(self.dimensions.get("channels", Categorical((Recipe().channels,)))) or ()))

    def lessons(self) -> tuple[str, ...]:
        """What pruning and clustering may learn from."""
        return self._names("fine_tune", Recipe().fine_tune)

    def without_dead_channels(self) -> "Space":
        """The same, in which they are removed; where it says itself what becomes of them, as it is."""
        return replace(self, dimensions={"dead_channels": Categorical(("removed",)), **self.dimensions})

    def of_samples(self, *numbers: int) -> "Space":
        """The same, in which any of these numbers of training samples is learned from."""
        return replace(self, dimensions={**self.dimensions, "samples": Categorical(numbers)})

    def with_all_channels(self) -> "Space":
        """The same, in which none is cut."""
        cut = {"channels"} & self.dimensions.keys()
        return replace(self, dimensions=self.dimensions | dict.fromkeys(cut, Categorical((Recipe().channels,))))

    def of_lessons(self, names: Sequence[str]) -> "Space":
        """The same with other ones."""
        return replace(self, dimensions={**self.dimensions, "fine_tune": Categorical(tuple(names))})

    def fitting(self, fits: Callable[[Config], bool]) -> list[Config] | None:
        """Every different configuration that fits, None where there are too many to look through."""
        everything = self.all()
        return None if everything is None else list(filter(fits, everything))

    def only(self, configs: Sequence[Config]) -> "Space":
        """The same without values that none of these configurations has."""
        used: dict[str, set[Value | None]] = {name: set() for name in self.dimensions}
        for config in configs:
            values = config.canonical()
            for name, dim in self.dimensions.items():
                used[name].add(values.get(name, None if name in FIELDS else _off(dim)))
        return replace(self, dimensions={name: _only(dim, used[name]) for name, dim in self.dimensions.items()})

    def all(self) -> Iterator[Config] | None:
        """Every different configuration, or None where they are more than MOST or without end."""
        grids = [grid(dim) for dim in self.dimensions.values()]
        if math.prod(math.inf if grid is None else len(grid) for grid in grids) > MOST:
            return None
        return self._enumerate([grid for grid in grids if grid is not None])

    def _enumerate(self, grids: Sequence[Sequence[Value]]) -> Iterator[Config]:
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
                name: list(dim.values) if isinstance(dim, Categorical) else [dim.low, dim.high, dim.step, dim.log]
                for name, dim in self.dimensions.items()
            }
        )


def grid(dim: Dimension) -> list[Value] | None:
    """Every value, None where there is no end of them."""
    if isinstance(dim, Categorical):
        return list(dim.values)
    if dim.step is None:
        return [dim.low] if dim.low == dim.high else None
    return [snap(dim.low + index * dim.step) for index in range(int((dim.high - dim.low) / dim.step + 1e-9) + 1)]


def _doublings(low: int, high: int) -> tuple[int, ...]:
    between = (low * 2**power for power in range(high.bit_length()))
    return (*(count for count in between if count < high), high)


def coarse_grid(dim: Dimension) -> list[Value]:
    """The first and the last of its values, and of numbers without a step the one between."""
    if isinstance(dim, Categorical):
        return [dim.values[0], dim.values[-1]]
    return [dim.low, snap((dim.low * dim.high) ** 0.5 if dim.log else (dim.low + dim.high) / 2), dim.high]


def _within(dim: Dimension, value: Value) -> bool:
    values = grid(dim)
    if values is not None:
        return value in values
    return isinstance(dim, Range) and not isinstance(value, str) and dim.low <= value <= dim.high


def _low(dim: Dimension) -> Value:
    return dim.values[0] if isinstance(dim, Categorical) else dim.low


def _only(dim: Dimension, used: set[Value | None]) -> Dimension:
    """The dimension without values that are never used; one that never matters keeps its first."""
    if not isinstance(dim, Categorical):
        return dim
    return Categorical(tuple(value for value in dim.values if value in used) or dim.values[:1])


def _off(dim: Dimension) -> Value:
    """The value that switches a plug-in's stage off."""
    return next((value for value in grid(dim) or [] if not value), 0)


def _draw(dim: Dimension, random_: random.Random) -> Value:
    if isinstance(dim, Range) and dim.log:
        value = math.exp(random_.uniform(math.log(dim.low), math.log(dim.high)))
        return round(value) if dim.step else value
    values = grid(dim)
    if values is not None:
        return random_.choice(values)
    assert isinstance(dim, Range)
    return random_.uniform(dim.low, dim.high)
