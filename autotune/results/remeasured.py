"""What becomes of files that are measured once more, at the end of a study."""

from dataclasses import dataclass
from typing import Self

from autotune.json_object import JsonObject
from autotune.results.measurement import Measurement
from autotune.results.outcome import Measured, Outcome, Refused


@dataclass(frozen=True)
class RefusedAfterAll:
    """A file that was measured, but not once more. JSON in and out.

    Attributes:
        reason: why it is refused.
    """

    reason: str

    def of(self, outcome: Measured) -> Refused:
        """What became of this outcome."""
        return Refused(outcome.config, self.reason, outcome.artifact)

    def to_json(self) -> JsonObject:
        return {"refused": self.reason}

    @classmethod
    def from_json(cls, values: JsonObject) -> Self:
        return cls(values["refused"])


Remeasured = Measurement | RefusedAfterAll
"""What became of a file that was measured once more."""


def remeasured_from_json(values: JsonObject) -> Remeasured:
    """What to_json() of either gave.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return RefusedAfterAll.from_json(values) if "refused" in values else Measurement.from_json(values)


def with_second(outcome: Outcome, again: Remeasured | None) -> Outcome:
    """An outcome, with what became of its file when that was measured once more; None where it was not."""
    if again is None or isinstance(outcome, Refused):
        return outcome
    return again.of(outcome) if isinstance(again, RefusedAfterAll) else outcome.with_latency(again)
