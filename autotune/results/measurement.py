"""How a file runs on a device."""

from dataclasses import asdict, dataclass
from typing import Self

from autotune.json_object import JsonObject

LONGEST = 1e12
"""Milliseconds that no inference takes."""


def reach(low: float, middle: float, high: float) -> float:
    """How far an interval goes to either side, the longer one, as a share of its middle."""
    return max(high - middle, middle - low) / middle


@dataclass(frozen=True)
class Measurement:
    """How a file runs on a device, over several rounds. JSON in and out.

    What a device can't tell is None.

    Attributes:
        p50_ms: median latency of one inference, inputs written and outputs read back.
        low_ms: lower end of its 95 % interval.
        high_ms: upper end.
        p90_ms: of all inferences, that below which 90 % are.
        p99_ms: likewise.
        mean_ms: of all inferences.
        first_ms: of the very first inference.
        init_ms: of opening the file and applying the delegate.
        init_serialized_ms: the same with what the delegate had compiled kept from an earlier time.
        memory_bytes: peak of the process over what it used before it opened the file.
        rounds_ms: each round's median, in order.
        runs: inferences that were timed.
        operators: of the file.
        delegated: how many of them the delegate runs.
        fell_back: kinds of the others.
        verdict: "stable", or why not to trust it.
        others: cores that other processes used meanwhile, on average.
        frequency_mhz: lowest and highest that were seen, of the fastest core.
        temperature_c: likewise in °C, of the hottest sensor.
    """

    p50_ms: float
    low_ms: float
    high_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    first_ms: float
    init_ms: float
    init_serialized_ms: float | None
    memory_bytes: float | None
    rounds_ms: list[float]
    runs: int
    operators: int | None
    delegated: int | None
    fell_back: tuple[str, ...]
    verdict: str
    others: float | None = None
    frequency_mhz: tuple[float, float] | None = None
    temperature_c: tuple[float, float] | None = None

    @property
    def stable(self) -> bool:
        return self.verdict == "stable"

    @property
    def reach(self) -> float:
        """How far the median's interval goes to either side, as a share of the median."""
        return reach(self.low_ms, self.p50_ms, self.high_ms)

    def metrics(self) -> dict[str, float]:
        """Values by the keys of an outcome's metrics."""
        metrics = {
            "latency_ms": self.p50_ms,
            "latency_p90_ms": self.p90_ms,
            "latency_p99_ms": self.p99_ms,
            "init_ms": self.init_ms,
            "first_ms": self.first_ms,
        }
        return metrics if self.memory_bytes is None else metrics | {"memory_bytes": self.memory_bytes}

    def to_json(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_json(cls, values: JsonObject) -> Self:
        """The measurement that to_json() gave.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        pairs = {name: tuple(values[name]) for name in ("frequency_mhz", "temperature_c") if values.get(name)}
        read = cls(**{**values, **pairs, "fell_back": tuple(values["fell_back"])})
        times = (read.p50_ms, read.low_ms, read.high_ms, read.p90_ms, read.p99_ms, read.mean_ms)
        if not all(type(time) in (int, float) and 0 < time < LONGEST for time in times):
            raise ValueError("a measurement without its times")
        return read
