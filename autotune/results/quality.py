"""How good a file is, and how sure that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from autotune.json_object import JsonObject
from autotune.results.significance import Interval, normal
from autotune.targets.metric import Metric

CERTAINTY = ("standard_error", "interval", "resampled", "samples", "groups")
"""Of a value, how sure it is, in JSON."""


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
        scores = {name: value for name, value in values.items() if name not in CERTAINTY}
        return cls(scores, Certainty.from_json(values))
