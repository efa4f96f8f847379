"""What becomes of files that are measured once more, and JSON."""

from autotune.config import Config
from autotune.results.outcome import Measured, Refused
from autotune.results.remeasured import RefusedAfterAll, remeasured_from_json, with_second
from autotune.testing import toy_outcome
from autotune.testing.results import toy_measurement


def test_json() -> None:
    """A measurement, or the reason why there is none, comes back as it was."""
    for again in (toy_measurement(2.0), RefusedAfterAll("it died")):
        assert remeasured_from_json(again.to_json()) == again
    assert RefusedAfterAll("it died").to_json() == {"refused": "it died"}


def test_the_second_measurement_counts() -> None:
    """Its times, or that it was refused; what was refused before stays so, for its own reason."""
    first = toy_outcome(0.9, 5.0, 100)
    second = with_second(first, toy_measurement(2.0))
    assert isinstance(second, Measured)
    assert second.metrics["latency_ms"] == 2.0
    assert with_second(first, RefusedAfterAll("it died")) == Refused(first.config, "it died", first.artifact)
    assert with_second(first, None) is first
    refused = Refused(Config.of({}), "no kernel")
    assert with_second(refused, toy_measurement(2.0)) is refused
