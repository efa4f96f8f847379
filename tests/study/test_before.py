"""A study that version 0.1.0 left, before outcomes, records and what a study is asked for had types of their own."""

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest

import autotune
from autotune.results.outcome import Refused
from autotune.space.file import parse
from autotune.study import scheduler
from autotune.study.driver import run
from autotune.study.options import Options
from autotune.targets.target import parse_all
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_files, toy_import
from tests.study.test_driver import SPACE

BEFORE = Path(__file__).with_name("before")
"""Runs of toy studies: trials that were measured, refused, lost with their worker, given up by a killed process,
and wait to be tried again; on two devices.
"""

EXPECTED: dict[str, Any] = json.loads((BEFORE / "expected.json").read_text())
"""What that version's own Python API said of them, and what is done when one goes on, as today's search chooses."""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A copy, beside the model and the data."""
    toy_files(tmp_path)
    shutil.copytree(BEFORE, tmp_path / "runs")
    return tmp_path / "runs"


def said(runs: Path, name: str) -> dict[str, Any]:
    """All that the Python API has of a study."""
    front = autotune.load(name, dir=runs)
    trials = [
        [
            point.trial,
            point.free,
            "refused" if isinstance(point.outcome, Refused) else "measured",
            point.outcome.reason if isinstance(point.outcome, Refused) else None,
            str(point.outcome.config),
            {} if isinstance(point.outcome, Refused) else point.outcome.metrics,
            point.outcome.artifact,
        ]
        for point in front.trials
    ]
    return {
        "device": front.device,
        "devices": list(front.devices),
        "targets": [target.text for target in front.targets],
        "hypervolume": front.hypervolume,
        "baseline": front.baseline.metrics,
        "notes": list(front.notes),
        "front": [point.trial for point in front.points],
        "recommended": front.recommended and front.recommended.trial,
        "trials": trials,
    }


@pytest.mark.parametrize("name", ["toy", "toy@board"])
def test_it_opens_with_the_same_numbers(runs: Path, name: str) -> None:
    """Each trial, the front, its hypervolume and what is recommended."""
    assert said(runs, name) == EXPECTED[name]


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is under way ends before the scheduler takes note of the oldest of it, and of that alone. Else it is up
    to the threads whether it sees one build or two that have ended when it chooses the next.
    """

    def oldest(futures: Sequence[Future[object]], *_: object) -> object:
        return wait(futures)._replace(done={futures[0]})

    monkeypatch.setattr(scheduler, "wait", oldest)


@pytest.mark.usefixtures("one_by_one")
def test_it_goes_on(runs: Path) -> None:
    """The same trials come next, none is done again, and the journal begins with what it was."""
    journal = runs / "toy" / "journal.log"
    before = journal.read_bytes()
    device, pool, reporter = FakeDevice(), FakePool(1), SilentReporter()
    device.name = "desk"
    targets = parse_all(["accuracy>=baseline-15%", "latency<0.2ms"])[0]
    model, data = runs.parent / "toy.keras", str(runs.parent / "toy.npz")
    asked = Options((model,), data, parse(SPACE, "toy", (1, 2)), targets, "toy", runs, trials=12, jobs=1)
    try:
        summary = run(asked, device, pool, reporter, list, toy_import)
    finally:
        pool.close()
    assert journal.read_bytes().startswith(before)
    assert {
        "found": summary.trials_before,
        "asked": summary.record.trials_done,
        "failed": summary.record.failed,
        "notes": reporter.notes,
        "stages": sorted(step.stage for step in pool.built),
        "configs": sorted(trial[4] for trial in said(runs, "toy")["trials"]),
    } == EXPECTED["then"]
    earlier, now = ([trial[4] for trial in each["trials"]] for each in (EXPECTED["toy"], said(runs, "toy")))
    assert now[: len(earlier)] == earlier
    assert len(set(now)) == len(now)
    fresh = {config.split(" on ")[0] for config in now} - {config.split(" on ")[0] for config in earlier}
    assert len(fresh) == sum(step.stage == "quantize" for step in pool.built) > 0
