"""What earlier studies found out is told, not repeated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotune.targets.target import parse_all
from autotune.testing import FakeDevice, FakePool, SilentReporter
from tests.points import all_measured
from tests.study.test_driver import SPACE, options, study


def test_another_space_and_other_targets(tmp_path: Path) -> None:
    """What both spaces have is there before the first trial: no build, no evaluation, no trial; judged anew."""
    first = study(options(tmp_path)).record
    pool, device, reporter = FakePool(), FakeDevice(), SilentReporter()
    other = options(
        tmp_path, "latency<0.05ms", name="other", space=SPACE | {"prune": [0], "cluster": [0, 16, 8]}, trials=1
    )
    record = study(other, device, pool, reporter).record
    shared = {p.outcome.config.key: p for p in all_measured(first.points) if p.outcome.config.recipe.prune == 0}
    taken = {p.outcome.config.key: p for p in all_measured(record.points) if p.free}
    assert shared.keys() - {record.points[0].outcome.config.key} == taken.keys()
    assert pool.built == []
    assert (
        f"{len({p.model for p in taken.values()})} files of earlier studies are taken over; they count for no trial"
        in (reporter.notes)
    )
    for key, point in taken.items():
        assert point.outcome.metrics == shared[key].outcome.metrics
        assert Path(str(point.model)).parent.parent == record.folder
        assert Path(str(point.model)).read_bytes() == Path(str(shared[key].model)).read_bytes()
        assert point.violations.keys() == {"latency<0.05ms"}
    assert record.trials_done == 1


def test_another_codec(tmp_path: Path) -> None:
    """What was built and measured is taken over, and its download is the other codec's."""
    space = {"quantize": ["none", "int8"], "prune": [0, 0.5], "delegate": ["xnnpack"], "threads": [1]}
    first = study(options(tmp_path, space=space)).record
    pool = FakePool()
    record = study(options(tmp_path, name="other", space=space, codec="xz"), pool=pool).record
    assert pool.built == []
    before = {point.outcome.config.key: point.outcome.metrics for point in all_measured(first.points)}
    after = {point.outcome.config.key: point.outcome.metrics for point in all_measured(record.points)}
    assert after == {key: metrics | {"download_bytes": metrics["download_xz_bytes"]} for key, metrics in before.items()}


def test_only_the_same_samples_count(tmp_path: Path) -> None:
    """With other data, metric or device nothing is known."""
    study(options(tmp_path))
    asked = options(tmp_path, name="other")
    with np.load(asked.data) as file:
        arrays = dict(file)
    arrays["x_test"][3] += 0.25
    np.savez(asked.data, **arrays)
    reporter = SilentReporter()
    study(asked, reporter=reporter)
    assert not any("taken over" in note for note in reporter.notes)
    device = FakeDevice()
    device.name = "another"
    study(replace(asked, name="third"), device, reporter=reporter)
    assert not any("taken over" in note for note in reporter.notes)


def test_a_device_that_has_changed_measures_anew(tmp_path: Path) -> None:
    """The files and their accuracy hold, their latency does not."""
    before = study(options(tmp_path)).record
    device = FakeDevice()
    device.slower = 2.0
    record = study(options(tmp_path, name="other", trials=1), device).record
    assert record.baseline is not None
    latency = {p.outcome.config.key: p.outcome.metrics["latency_ms"] for p in all_measured(before.points)}
    assert len(record.points) == len(before.points)
    for point in all_measured(record.points):
        assert point.outcome.metrics["latency_ms"] == pytest.approx(2 * latency[point.outcome.config.key])


def test_a_damaged_study_is_passed_over(tmp_path: Path) -> None:
    """Its own next run says so."""
    study(options(tmp_path))
    (tmp_path / "runs" / "toy" / "journal.log").write_text("not a journal\n" * 2)
    assert study(options(tmp_path, name="other")).record.trials_done == 12


def test_targets_that_nobody_asked_for_before(tmp_path: Path) -> None:
    """The same study under another name and target has its front at once."""
    front = study(options(tmp_path)).record.front()
    again = study(replace(options(tmp_path, name="other", trials=1), targets=parse_all(["accuracy>=0.5"])[0])).record
    other = again.front()
    assert front is not None
    assert other is not None
    assert {p.outcome.config for p in front.points} == {p.outcome.config for p in other.points}


def test_what_is_measured_anew_is_told_once(tmp_path: Path) -> None:
    """Files whose latency is not known any more are no others that a run has to try by itself."""
    space = {"quantize": ["none", "int8"], "delegate": ["xnnpack", "builtin"], "threads": [1]}
    study(options(tmp_path, space=space))
    for kept in (tmp_path / "runs" / ".cache" / "latency").glob("*/*.json"):
        kept.unlink()
    record = study(options(tmp_path, name="other", space=space)).record
    configs = [point.outcome.config.key for point in record.points]
    assert len(configs) == len(set(configs)) == 4
