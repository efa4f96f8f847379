"""What came of one configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from autotune.config import Config
from autotune.json_object import JsonObject
from autotune.results.significance import Interval, normal
from autotune.targets.metric import Metric
from autotune.tflite.facts import LayerFacts

LONGEST = 1e12
"""Milliseconds that no inference takes."""

_CERTAINTY = ("standard_error", "interval", "resampled", "samples", "groups")
"""Of a value, how sure it is, in JSON."""

_FACTS = (*_CERTAINTY, "sha256", "parity", "evaluated_on", "latency")
"""What a measured outcome's facts in JSON are, besides what its stages say."""


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


@dataclass(frozen=True)
class Parity:
    """How far outputs are from those of the built-in kernels. JSON in and out.

    Attributes:
        samples: compared.
        max_error: of single outputs, absolute.
        mean_error: likewise.
        relative_error: the mean error over the built-in kernels' standard deviation.
        agreement: share of decisions that are the same, None where the model decides nothing.
    """

    samples: int
    max_error: float
    mean_error: float
    relative_error: float
    agreement: float | None


@dataclass(frozen=True)
class EvaluatedOn:
    """Where a file was evaluated, if not on the device that it was timed on. JSON in and out.

    Attributes:
        device: its name.
        samples: that score the same on either.
    """

    device: str
    samples: int


@dataclass(frozen=True)
class Certainty:
    """How sure a quality is. JSON in and out.

    Attributes:
        standard_error: of the value.
        bounds: of its 95 % interval, None where the study is from before there were any.
        resampled: whether the scores that are kept of it are of resamples, not of single samples.
        samples: that it is of, None where the study is from before that was kept.
        groups: that the samples are of, None where each is on its own.
    """

    standard_error: float
    bounds: Interval | None = None
    resampled: bool = False
    samples: int | None = None
    groups: int | None = None

    def interval(self, value: float, quality: Metric) -> Interval:
        """The 95 % interval of this value of a quality; by the standard error where there are no bounds."""
        return self.bounds or normal(value, self.standard_error, quality.lowest, quality.highest)

    def to_json(self) -> JsonObject:
        values = {
            "standard_error": self.standard_error,
            "interval": self.bounds and list(self.bounds),
            "resampled": self.resampled,
            "samples": self.samples,
            "groups": self.groups,
        }
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:  # Any: as JsonObject
        """
        Args:
            values: with what else there is.

        Raises:
            KeyError, TypeError: there is no standard error among them, or no interval.
        """
        bounds = values.get("interval")
        return cls(
            values["standard_error"],
            None if bounds is None else (bounds[0], bounds[1]),
            values.get("resampled", False),
            values.get("samples"),
            values.get("groups"),
        )


@dataclass(frozen=True)
class Scored:
    """What a file scored on the test split, which no search has seen. JSON in and out.

    Attributes:
        scores: the quality's value, under its metric's key.
        certainty: of it.
    """

    scores: dict[str, float]
    certainty: Certainty

    def interval(self, quality: Metric) -> Interval:
        """The quality's 95 % interval."""
        return self.certainty.interval(self.scores[quality.key], quality)

    def to_json(self) -> JsonObject:
        return {**self.scores, **self.certainty.to_json()}

    @classmethod
    def from_json(cls, values: JsonObject) -> Self:
        """The score that to_json() gave.

        Raises:
            KeyError, TypeError: there is no standard error, or no interval.
        """
        scores = {name: value for name, value in values.items() if name not in _CERTAINTY}
        return cls(scores, Certainty.from_json(values))


@dataclass(frozen=True)
class Training:
    """What a training said after each epoch, see compress.training.add_history().

    Attributes:
        stage: that trained.
        history: values by epoch, by their names.
    """

    stage: str
    history: dict[str, list[float]]


@dataclass(frozen=True)
class Measured:
    """A configuration with all that was measured of its file. JSON in and out.

    Attributes:
        config: what was tried.
        metrics: by key, units in the names: accuracy, latency_ms, latency_p90_ms, memory_bytes,
            size_bytes, download_bytes and so on.
        certainty: of the quality.
        artifact: the cache key of the file.
        stages: what the stages that made the file say of it (JSON): layers, training and so on.
        sha256: of the file that was evaluated and measured, None where the study is from before that was kept.
        parity: of its outputs, or why they were not compared; None where the built-in kernels ran it.
        evaluated_on: the device that its quality is known from, None where it is this one.
        latency: how it runs, None where that was not measured (yet), or not by this version.
    """

    state: ClassVar[Literal["measured"]] = "measured"

    config: Config
    metrics: dict[str, float]
    certainty: Certainty
    artifact: str
    stages: JsonObject = field(default_factory=dict)
    sha256: str | None = None
    parity: Parity | str | None = None
    evaluated_on: EvaluatedOn | None = None
    latency: Measurement | None = None

    @property
    def layers(self) -> Sequence[LayerFacts]:
        """The file's weight tensors as flatbuffer.read_weights() has them; none where that is not known."""
        layers: Sequence[LayerFacts] = self.stages.get("layers", ())
        return layers

    @property
    def training(self) -> list[Training]:
        """The trainings behind the file, in order."""
        return [
            Training(values["stage"], {name: series for name, series in values.items() if name != "stage"})
            for values in self.stages.get("training", ())
        ]

    def interval(self, quality: Metric) -> Interval:
        """The quality's 95 % interval."""
        return self.certainty.interval(self.metrics[quality.key], quality)

    def with_latency(self, latency: Measurement) -> Self:
        """The same with this latency."""
        return replace(self, metrics=self.metrics | latency.metrics(), latency=latency)

    def to_json(self) -> JsonObject:
        certainty = self.certainty.to_json()
        facts = {
            "sha256": self.sha256,
            "parity": asdict(self.parity) if isinstance(self.parity, Parity) else self.parity,
            "evaluated_on": self.evaluated_on and asdict(self.evaluated_on),
            "latency": self.latency and self.latency.to_json(),
        }
        return {
            "config": self.config.canonical(),
            "state": self.state,
            "metrics": self.metrics,
            "facts": {**certainty, **self.stages, **{name: fact for name, fact in facts.items() if fact is not None}},
            "artifact": self.artifact,
            "reason": None,
        }

    @classmethod
    def from_json(cls, values: JsonObject) -> Self:
        """The outcome that to_json() gave.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        facts: JsonObject = values["facts"]
        parity, where, latency = (facts.get(name) for name in ("parity", "evaluated_on", "latency"))
        return cls(
            Config.of(values["config"]),
            values["metrics"],
            Certainty.from_json(facts),
            values["artifact"],
            {name: value for name, value in facts.items() if name not in _FACTS},
            facts.get("sha256"),
            Parity(**parity) if isinstance(parity, dict) else parity,
            where and EvaluatedOn(**where),
            latency and Measurement.from_json(latency),
        )


@dataclass(frozen=True)
class Refused:
    """A configuration that can't be shipped. JSON in and out.

    Attributes:
        config: what was tried.
        reason: why it was refused.
        artifact: the cache key of its file, None where there is none.
        parity: as Measured.parity, where it was refused for that.
    """

    state: ClassVar[Literal["refused"]] = "refused"

    config: Config
    reason: str
    artifact: str | None = None
    parity: Parity | None = None

    def to_json(self) -> JsonObject:
        return {
            "config": self.config.canonical(),
            "state": self.state,
            "metrics": {},
            "facts": {} if self.parity is None else {"parity": asdict(self.parity)},
            "artifact": self.artifact,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, values: JsonObject) -> Self:
        """The outcome that to_json() gave.

        Raises:
            KeyError, TypeError: it is none.
        """
        parity = values["facts"].get("parity")
        return cls(Config.of(values["config"]), values["reason"], values["artifact"], parity and Parity(**parity))


Outcome = Measured | Refused
"""What came of one configuration."""


def outcome_from_json(values: JsonObject) -> Outcome:
    """The outcome that to_json() of either gave.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return Refused.from_json(values) if values["state"] == Refused.state else Measured.from_json(values)
