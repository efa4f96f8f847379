"""What came of one configuration."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

from autotune.config import Config


@dataclass(frozen=True)
class Outcome:
    """A configuration with all that was measured of it. JSON in and out.

    Attributes:
        config: what was tried.
        state: "measured", or "refused" where the configuration can't be shipped.
        metrics: by key, units in the names: accuracy, latency_ms, latency_p90_ms, size_bytes,
            download_bytes. Empty where refused.
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
