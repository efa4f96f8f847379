"""Outcomes: to JSON and back."""

import json
from dataclasses import replace

import pytest

from autotune.config import Config
from autotune.results.outcome import Outcome
from autotune.testing import toy_measurement, toy_outcome


@pytest.mark.parametrize(
    "outcome",
    [
        toy_outcome(0.9, 10.5, 1000, quantize="int8", threads=2),
        toy_outcome(0.8, 5, 500, prune=0.5, epochs=7, learning_rate=0.05, batch_size=8),
        Outcome(Config.of({"delegate": "builtin"}), "refused", reason="no kernel"),
    ],
)
def test_json_round_trip(outcome: Outcome) -> None:
    """Nothing is lost in a ledger."""
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


def test_json_has_the_canonical_config() -> None:
    """Without settings of a training that it does not have; the key survives."""
    outcome = toy_outcome(0.9, 10, 1000, quantize="int8", epochs=7)
    assert "epochs" not in outcome.to_json()["config"]
    assert Outcome.from_json(outcome.to_json()).config.key == outcome.config.key


def test_refused_outcome_has_no_metrics() -> None:
    """Only a reason."""
    written = Outcome(Config.of({}), "refused", reason="no kernel").to_json()
    assert written["state"] == "refused"
    assert written["metrics"] == {}
    assert written["artifact"] is None
    assert written["reason"] == "no kernel"


@pytest.mark.parametrize(("low", "high", "reach"), [(9.9, 10.2, 0.02), (9.5, 10.0, 0.05), (10.0, 10.0, 0.0)])
def test_how_far_an_interval_reaches(low: float, high: float, reach: float) -> None:
    """To the side on which it is longer, as a share of the median."""
    assert replace(toy_measurement(10.0), low_ms=low, high_ms=high).reach == pytest.approx(reach)
