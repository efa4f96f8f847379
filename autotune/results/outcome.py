"""What came of one configuration."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar, Literal, Self

from autotune.config import Config
from autotune.json_object import JsonObject
from autotune.results.measurement import Measurement
from autotune.results.quality import CERTAINTY, Certainty
from autotune.results.significance import Interval
from autotune.targets.metric import Metric
from autotune.tflite.facts import LayerFacts

_FACTS = (*CERTAINTY, "sha256", "parity", "evaluated_on", "latency")
"""What a measured outcome's facts in JSON are, besides what its stages say."""


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

    @property
    def cuts(self) -> JsonObject:
        """What was taken out of the model, as the stages of channels say it: "dead" ones, those of a "cut" by layer as
        before and after, and the "macs" before and after that; nothing where none were.
        """
        return {name: self.stages[name] for name in ("dead", "cut", "macs") if name in self.stages}

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
