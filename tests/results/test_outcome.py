"""Outcomes: to JSON and back."""

import json
from dataclasses import replace

import pytest

from autotune.config import Config
from autotune.results.outcome import Measured, Outcome, Refused, outcome_from_json
from autotune.targets.metric import ACCURACY
from autotune.testing import toy_outcome


@pytest.mark.parametrize(
    "outcome",
    [
        toy_outcome(0.9, 10.5, 1000, quantize="int8", threads=2),
        toy_outcome(0.8, 5, 500, prune=0.5, epochs=7, learning_rate=0.05, batch_size=8),
        Refused(Config.of({"delegate": "builtin"}), "no kernel"),
    ],
)
def test_json_round_trip(outcome: Outcome) -> None:
    """Nothing is lost in a ledger."""
    assert outcome_from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


WRITTEN = [
    """{"config":{"prune":0.0,"cluster":0,"quantize":"none","delegate":"builtin","threads":1},"state":"measured","metrics":{"accuracy":0.99,\
"size_bytes":184.0,"download_bytes":146.0,"latency_ms":0.5},"facts":{"standard_error":0.004,"interval":[0.98,0.99],\
"resampled":false,"samples":450,"groups":9,"sensitivity":{"a":1e-06},"spared":["a"],"layers":[{"name":"a","operator":\
"CONV_2D","shape":[24,3,3,1],"dtype":"float32","weights":216,"sparsity":0.0,"distinct":9}],"download_bytes":146,\
"training":[{"stage":"prune","loss":[28.2,28.3]}],"sha256":"42","parity":{"samples":100,"max_error":3e-07,"mean_error":\
6e-09,"relative_error":2e-08,"agreement":null},"evaluated_on":{"device":"local","samples":100},"latency":{"p50_ms":0.5,\
"low_ms":0.4,"high_ms":0.6,"p90_ms":0.6,"p99_ms":0.7,"mean_ms":0.5,"first_ms":0.9,"init_ms":6.4,"init_serialized_ms":\
null,"memory_bytes":1750768.0,"rounds_ms":[0.5,0.5],"runs":40192,"operators":7,"delegated":7,"fell_back":["a x1"],\
"verdict":"stable","others":0.01,"frequency_mhz":[1.0,2.0],"temperature_c":null}},"artifact":"00ff","reason":null}""",
    """{"config":{"prune":0.0,"cluster":0,"quantize":"none","delegate":"xnnpack","threads":1},"state":"refused","metrics":{},"facts":{"parity":\
{"samples":100,"max_error":3.0,"mean_error":0.6,"relative_error":0.2,"agreement":0.5}},"artifact":"00ff","reason":"no"}""",
]
"""Of journals that are there."""

LATER = {"dead_channels": "kept", "channels": 1.0}


@pytest.mark.parametrize("line", WRITTEN, ids=["measured", "refused"])
def test_json_is_what_journals_have(line: str) -> None:
    """Byte for byte, in the order in which it was written: others read journals, too. Dimensions that came later
    stand at what does nothing.
    """
    values = outcome_from_json(json.loads(line)).to_json()
    assert {name: values["config"].pop(name) for name in LATER} == LATER
    assert json.dumps(values, separators=(",", ":")) == line


def test_json_of_a_study_from_before() -> None:
    """What it did not keep is not known; its interval is that of its standard error."""
    written = {"config": {}, "state": "measured", "metrics": {"mae": 2.0}, "artifact": "00", "reason": None}
    outcome = outcome_from_json({**written, "facts": {"standard_error": 0.1, "parity": "not compared: no kernel"}})
    assert isinstance(outcome, Measured)
    assert outcome.interval(replace(ACCURACY, key="mae", highest=None)) == pytest.approx((1.804, 2.196), abs=1e-3)
    assert (outcome.sha256, outcome.latency, outcome.evaluated_on, outcome.layers) == (None, None, None, ())
    assert outcome.parity == "not compared: no kernel"


def test_json_has_the_canonical_config() -> None:
    """Without settings of a training that it does not have; the key survives."""
    outcome = toy_outcome(0.9, 10, 1000, quantize="int8", epochs=7)
    assert "epochs" not in outcome.to_json()["config"]
    assert outcome_from_json(outcome.to_json()).config.key == outcome.config.key


def test_refused_outcome_has_no_metrics() -> None:
    """Only a reason."""
    written = Refused(Config.of({}), "no kernel").to_json()
    assert written["state"] == "refused"
    assert written["metrics"] == {}
    assert written["artifact"] is None
    assert written["reason"] == "no kernel"
