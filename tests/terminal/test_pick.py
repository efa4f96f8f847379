"""A picked file as people see it."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.deploy.pick import Picked
from autotune.deploy.recheck import Rechecked
from autotune.results.decision import TRIAL, DecisionRule
from autotune.results.front import ParetoFront
from autotune.results.outcome import Measured
from autotune.results.quality import Certainty, Scored
from autotune.results.record import Begun
from autotune.targets.metric import METRICS
from autotune.terminal.pick import print_picked
from autotune.testing import toy_measurement, toy_outcome, toy_record


def shown(
    capsys: pytest.CaptureFixture[str], record: Begun, trial: int = 0, found: Rechecked | None = None
) -> list[str]:
    """Line by line, without what pads them."""
    front = record.front()
    assert front is not None
    print_picked(Picked(record, front, record.measured[trial], found or Rechecked()))
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def erring(error: float, latency: float) -> Measured:
    outcome = toy_outcome(0, latency, 1000)
    certainty = replace(outcome.certainty, bounds=(error - 0.01, error + 0.01))
    return replace(outcome, metrics=outcome.metrics | {"mae": error}, certainty=certainty)


def test_what_the_others_would_trade(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Quality in points, latency as a factor, download as a difference; what can't be told apart is marked."""
    record = toy_record(
        tmp_path, toy_outcome(0.9, 10, 50_000), toy_outcome(0.7, 5, 38_000), toy_outcome(0.89, 9, 50_000)
    )
    lines = shown(capsys, record, 2)
    at = lines.index("trial accuracy latency download")
    assert lines[at + 1] == "0 ≈ +1.0 points 1.11x ≈ +0.0 kB float on xnnpack, 1 thread"
    assert lines[at + 2] == "1 -19.0 points 0.56x -12.0 kB float on xnnpack, 1 thread"
    assert lines[at + 3] == "≈ can't be told apart"


def test_nothing_else_to_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No table of nothing."""
    lines = shown(capsys, toy_record(tmp_path, toy_outcome(0.9, 10, 1000)))
    assert lines == [
        "trial 0: accuracy 90.0%, 10 ms, 1.0 kB (float on xnnpack, 1 thread)",
        "within one standard error of the best accuracy, the least latency x download",
    ]


def test_other_objectives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the study; what the device could not tell is no number."""
    record = toy_record(tmp_path, erring(0.25, 10), erring(0.5, 5))
    objectives = ("quality", "latency", "memory")
    record = replace(record, meta=replace(record.meta, quality=METRICS["mae"], objectives=objectives))
    lines = shown(capsys, record)
    at = lines.index("trial mae latency memory")
    assert lines[at + 1].startswith("1 +0.25 0.50x ?")


def test_then_and_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The search's numbers beside those of the second look, and what is amiss."""
    record = toy_record(tmp_path, toy_outcome(0.9, 10, 1000).with_latency(toy_measurement(10)))
    tested = Scored({"accuracy": 0.89}, Certainty(0.01, (0.87, 0.91), samples=100))
    baseline = replace(tested, scores={"accuracy": 0.92})
    found = Rechecked(toy_measurement(10.13, "it was hot"), tested, ["a remark [of old]"], baseline)
    assert shown(capsys, record, 0, found)[2:] == [
        "latency 10 ms in the search, 10.1 ms now: 1.3% off, the intervals meet",
        "accuracy 90.0% (88.0% to 92.0%) on validation, 89.0% (87.0% to 91.0%) on the 100 test samples that the "
        "search never saw, where the baseline has 92.0%",
        "a remark [of old]",
        "its latency now is not stable: it was hot",
    ]


def test_by_number_there_is_no_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was the user's choice."""
    record = toy_record(tmp_path, toy_outcome(0.9, 10, 1000))
    front = record.front()
    assert isinstance(front, ParetoFront)
    print_picked(Picked(record, front, record.measured[0], Rechecked(), DecisionRule(TRIAL)))
    assert len(capsys.readouterr().out.splitlines()) == 1
