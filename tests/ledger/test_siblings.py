"""One search, several devices: what a study has built is measured on another one, and nothing is built again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autotune.config import Runtime
from autotune.devices.device import Session
from autotune.errors import UserError
from autotune.ledger import siblings
from autotune.results.outcome import EvaluatedOn
from autotune.study.parity import SAMPLES
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_files
from autotune.testing.fakes import FakeSession
from tests.points import all_measured
from tests.study.test_driver import SPACE, options, study


@pytest.fixture(autouse=True)
def _more_samples_than_are_compared(tmp_path: Path) -> None:
    toy_files(tmp_path, samples=10 * SAMPLES)


class Board(FakeDevice):
    """Another device.

    Attributes:
        blind: whether it takes the first class for the second.
        looked: samples that were run, for each call.
    """

    name = "board"

    def __init__(self, *, blind: bool = False) -> None:
        super().__init__()
        self.slower, self.blind, self.looked = 3.0, blind, list[int]()

    @contextmanager
    def open(self, load: int = 0) -> Iterator[Session]:
        yield BoardSession(self)


class BoardSession(FakeSession):
    """A session on it."""

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self._board = board

    def outputs(self, model: Path, runtime: Runtime, inputs: Path) -> NDArray[np.float32]:
        found = super().outputs(model, runtime, inputs)
        self._board.looked.append(len(found))
        if self._board.blind:
            found[found.argmax(axis=1) == 0] = np.eye(found.shape[1])[1]
        return found


def test_another_device_only_measures(tmp_path: Path) -> None:
    """All files, no build, no more samples than tell whether it computes the same; a study of its own."""
    first = study(options(tmp_path)).record
    pool, device, reporter = FakePool(), Board(), SilentReporter()
    record = study(options(tmp_path, trials=1), device, pool, reporter).record
    assert pool.built == []
    assert record.name == "toy@board"
    assert record.device == "board"
    assert {p.outcome.config.key for p in record.points} == {p.outcome.config.key for p in first.points}
    assert record.trials_done == len(siblings.files(first)) > 1
    before = {p.outcome.config.key: p.outcome for p in all_measured(first.points)}
    for point in all_measured(record.points):
        outcome, was = point.outcome, before[point.outcome.config.key]
        assert outcome.metrics["accuracy"] == was.metrics["accuracy"]
        assert outcome.metrics["latency_ms"] == pytest.approx(3 * was.metrics["latency_ms"])
        assert outcome.evaluated_on == EvaluatedOn("fake", SAMPLES)
        assert Path(str(point.model)).parent.parent == record.folder
    tested = [5 * SAMPLES] * 2
    assert [count for count in device.looked if count > SAMPLES] == tested, "of the pick and the baseline"
    assert "the files of study 'toy', as they are, on device board: study 'toy@board'" in reporter.notes


def test_a_device_that_computes_otherwise_is_evaluated(tmp_path: Path) -> None:
    """Where some samples score otherwise, all are run there, and what they score there counts."""
    first = study(options(tmp_path)).record
    device = Board(blind=True)
    record = study(options(tmp_path), device).record
    assert device.looked.count(5 * SAMPLES) > len(siblings.files(first))
    before = {p.outcome.config.key: p.outcome for p in all_measured(first.points)}
    for point in all_measured(record.points):
        assert point.outcome.evaluated_on is None
        assert point.outcome.metrics["accuracy"] < before[point.outcome.config.key].metrics["accuracy"]


def test_new_files_of_the_search_are_measured_by_the_next_run(tmp_path: Path) -> None:
    """A search that went on is followed; what was measured is not measured again."""
    study(options(tmp_path, trials=6))
    few = study(options(tmp_path), Board()).record
    more = study(options(tmp_path, trials=12)).record
    summary = study(options(tmp_path), Board())
    assert summary.trials_before == few.trials_done < summary.record.trials_done == len(siblings.files(more))
    assert {p.trial for p in few.points} < {p.trial for p in summary.record.points}


def test_the_searching_study_goes_on_on_its_own_device(tmp_path: Path) -> None:
    """A name belongs to the device that it began on, also when another one was measured in between."""
    study(options(tmp_path, trials=6))
    study(options(tmp_path), Board())
    record = study(options(tmp_path, trials=7)).record
    assert (record.name, record.trials_done) == ("toy", 7)


@pytest.mark.parametrize(
    ("changed", "what"),
    [({"seed": 3}, "other data and another seed"), ({"space": SPACE | {"prune": [0, 0.25]}}, "other files")],
)
def test_another_search_is_refused(tmp_path: Path, changed: dict[str, Any], what: str) -> None:
    """What would not be these files, held against the same, is a study of another name."""
    study(options(tmp_path))
    with pytest.raises(UserError, match=f"study 'toy' was started with {what}; choose another --name"):
        study(options(tmp_path, **changed), Board())
    assert not (tmp_path / "runs" / "toy@board").exists()


def test_runtimes_may_be_others(tmp_path: Path) -> None:
    """Delegates and threads are the device's own."""
    study(options(tmp_path))
    record = study(options(tmp_path, space=SPACE | {"delegate": ["reference"], "threads": [2]}), Board()).record
    assert {p.outcome.config.runtime for p in record.points} == {Runtime("reference", 2)}
    assert record.measured[0].outcome.evaluated_on is None


def test_siblings(tmp_path: Path) -> None:
    """By device, the one that searched first, whichever of them is named."""
    study(options(tmp_path, trials=3))
    odd = Board()
    odd.name = "user@host:22"
    study(options(tmp_path), odd)
    for name in ("toy", "toy@user-host-22"):
        found = siblings.siblings(tmp_path / "runs", name)
        assert {device: record.name for device, record in found.items()} == {
            "fake": "toy",
            "user@host:22": "toy@user-host-22",
        }
        assert next(iter(found)) == "fake"
    assert siblings.on(found, "fake").name == "toy"
    with pytest.raises(UserError, match="'toy' was measured on fake, user@host:22, not on pi"):
        siblings.on(found, "pi")
    with pytest.raises(UserError, match="no study 'other'"):
        siblings.siblings(tmp_path / "runs", "other")
