"""What came of one configuration."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from autotune.config import Config

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
        low_ms, high_ms: its 95 % interval.
        p90_ms, p99_ms, mean_ms: of all inferences.
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
        frequency_mhz, temperature_c: lowest and highest that were seen.
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
        found = {
            "latency_ms": self.p50_ms,
            "latency_p90_ms": self.p90_ms,
            "latency_p99_ms": self.p99_ms,
            "init_ms": self.init_ms,
            "first_ms": self.first_ms,
        }
        return found if self.memory_bytes is None else found | {"memory_bytes": self.memory_bytes}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The measurement that to_json() gave.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        pairs = {name: tuple(values[name]) for name in ("frequency_mhz", "temperature_c") if values.get(name)}
        found = cls(**{**values, **pairs, "fell_back": tuple(values["fell_back"])})
        times = (found.p50_ms, found.low_ms, found.high_ms, found.p90_ms, found.p99_ms, found.mean_ms)
        if not all(type(time) in (int, float) and 0 < time < LONGEST for time in times):
            raise ValueError("a measurement without its times")
        return found


@dataclass(frozen=True)
class Outcome:
    """A configuration with all that was measured of it. JSON in and out.

    Attributes:
        config: what was tried.
        state: "measured", or "refused" where the configuration can't be shipped.
        metrics: by key, units in the names: accuracy, latency_ms, latency_p90_ms, memory_bytes,
            size_bytes, download_bytes and so on. Empty where refused.
        facts: what else is known: layers of the file, runs timed, training losses, samples.
        artifact: the cache key of the file, None where there is none.
        reason: why it was refused.
    """

    config: Config
    state: Literal["measured", "refused"]
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    artifact: str | None = None
    reason: str | None = None

    @property
    def latency(self) -> Measurement | None:
        """How it runs, None where that was not measured, or not by this version."""
        return Measurement.from_json(self.facts["latency"]) if "latency" in self.facts else None

    @property
    def sha256(self) -> str | None:
        """The hash of the file that was evaluated and measured, None where the study is from before that was kept."""
        return self.facts.get("sha256")

    def timed(self, found: Measurement) -> Self:
        """The same with this latency."""
        return replace(self, metrics=self.metrics | found.metrics(), facts=self.facts | {"latency": found.to_json()})

    def to_json(self) -> dict[str, Any]:
        return {
            "config": self.config.canonical(),
            "state": self.state,
            "metrics": self.metrics,
            "facts": self.facts,
            "artifact": self.artifact,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        return cls(**{**values, "config": Config.of(values["config"])})
