"""What each dimension does, by Optuna's fANOVA on records whose answer is known."""

from pathlib import Path

import pytest

from autotune.ledger import importance as module
from autotune.ledger.importance import importance
from autotune.results.record import Record
from autotune.testing import toy_meta, toy_outcome, toy_record
from tests.points import all_measured


def record(folder: Path) -> Record:
    """Quality goes by pruning, latency by quantization; threads and what trains do nothing."""
    outcomes = [
        toy_outcome(0.9 - prune / 2, 10.0 if scheme == "none" else 1.0, 1000, **config)
        for prune in (0.0, 0.25, 0.5, 0.75)
        for scheme in ("none", "int8")
        for threads in (1, 2)
        for config in [{"prune": prune, "quantize": scheme, "threads": threads, "epochs": 5 + threads}]
    ]
    return toy_record(folder, *outcomes)


def test_finds_what_matters(tmp_path: Path) -> None:
    """For each objective; one that is the same for all has none."""
    found = importance(record(tmp_path))
    assert set(found.shares) == {"accuracy", "latency"}
    assert found.shares["accuracy"]["prune"] > 0.9
    assert found.shares["latency"]["quantize"] > 0.9
    assert sum(found.shares["latency"].values()) == pytest.approx(1)
    assert set(found.order) == {"prune", "quantize", "threads", "epochs"}
    assert set(found.order[:2]) == {"prune", "quantize"}
    assert found.trials == found.measured == 16


def test_of_many_trials_some_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which the page can say; the answer is about the same."""
    monkeypatch.setattr(module, "MOST", 12)
    found = importance(record(tmp_path))
    assert (found.trials, found.measured) == (12, 16)
    assert found.order[0] in ("prune", "quantize")
    assert found == importance(record(tmp_path))


def test_of_few_trials_nothing_is_said(tmp_path: Path) -> None:
    """Nor where none were measured."""
    few = record(tmp_path).points[:5]
    assert importance(toy_record(tmp_path, *(point.outcome for point in all_measured(few)))).shares == {}
    assert importance(Record("toy", tmp_path, toy_meta())).order == []
