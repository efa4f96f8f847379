"""What is run, measured again and handed out is the file that was measured: linked anew, built again, or not at all."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.compress import pipeline
from autotune.deploy.pick import choose
from autotune.errors import UserError
from autotune.files import sha256
from autotune.model.artifact import Artifact
from autotune.results.front import MeasuredPoint
from autotune.results.record import BASELINE, Begun
from autotune.study.measured_file import lost_files
from autotune.study.reporting import Summary
from autotune.study.restore import OTHERWISE
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_build
from tests import damage
from tests.ledger.test_siblings import Board
from tests.points import all_measured
from tests.study.test_driver import options, study

SPACE = {"prune": [0, 0.5], "quantize": ["none", "int8"], "delegate": ["xnnpack"], "threads": [1], "epochs": 1}


@pytest.fixture
def record(tmp_path: Path) -> Begun:
    """Of a study of four files."""
    return study(options(tmp_path, space=SPACE, trials=4)).record


def rerun(folder: Path, pool: FakePool | None = None, reporter: SilentReporter | None = None) -> Summary:
    return study(options(folder, space=SPACE, trials=4), pool=pool, reporter=reporter)


def files(record: Begun) -> dict[int, Path]:
    return {point.trial: Path(str(point.model)) for point in record.points}


def apart(path: Path) -> None:
    """A file that was a link is one of its own, as on a file system without links."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def is_whole(point: MeasuredPoint) -> bool:
    return point.outcome.sha256 is not None and sha256(Path(point.model)) == point.outcome.sha256


def otherwise(step: pipeline.Step, *arguments: Any) -> Artifact:
    """As toy_build(), on a machine that computes a little otherwise."""
    built = toy_build(step, *arguments)
    return replace(built, data=built.data + b" ")


def test_the_checksum_is_kept(record: Begun) -> None:
    """Of each file with its outcome, the baseline included."""
    for point in all_measured(record.points):
        assert point.outcome.sha256 == hashlib.sha256(files(record)[point.trial].read_bytes()).hexdigest()
    assert record.baseline is not None
    assert record.baseline.sha256 is not None


@pytest.mark.parametrize("kind", damage.KINDS)
def test_a_damaged_file_is_linked_anew(kind: str, record: Begun) -> None:
    """Where the cache has it: when it is picked, and when the front is looked at."""
    for look in (lambda trial: choose(record, None, trial), lambda _: lost_files(record)):
        for trial, path in files(record).items():
            apart(path)
            damage.KINDS[kind](path)
            look(trial)
        front = record.front()
        assert front is not None
        assert all(is_whole(point) for point in front.points)


def test_what_is_in_the_cache_is_damaged_too(record: Begun, tmp_path: Path) -> None:
    """As where both are one file: picking it is refused in one line, and the next run builds the very same again."""
    for path in files(record).values():
        damage.flip(path, 0.5)
    for trial, path in files(record).items():
        with pytest.raises(UserError, match=f"{path} is gone or damaged, and not in the cache"):
            choose(record, None, trial)
    front = record.front()
    assert front is not None
    assert len(lost_files(record)) == len(front.points)
    pool, reporter = FakePool(), SilentReporter()
    again = rerun(tmp_path, pool, reporter).record
    assert [point.outcome for point in again.points] == [point.outcome for point in record.points]
    assert all(map(is_whole, all_measured(again.points)))
    assert {step.stage for step in pool.built} == {"quantize"}, "what is before is in the cache"
    assert len([note for note in reporter.notes if note.endswith("was gone or damaged, and is built again")]) == 3
    assert lost_files(again) == []


def test_files_that_come_out_otherwise(record: Begun, tmp_path: Path) -> None:
    """Are other files: their trials are void, and they are evaluated and measured as what they are."""
    shutil.rmtree(tmp_path / "runs" / ".cache")
    for path in files(record).values():
        path.unlink()
    reporter = SilentReporter()
    again = rerun(tmp_path, FakePool(build=otherwise), reporter).record
    void, new = again.points[:4], all_measured(again.points[4:])
    assert [point.reason for point in void] == [OTHERWISE] * 4
    assert {point.outcome.config for point in new} == {point.outcome.config for point in record.points}
    assert all(map(is_whole, new))
    assert all(point.outcome.latency is not None for point in new)
    assert again.baseline is not None
    assert again.baseline.sha256 == new[0].outcome.sha256
    assert str(BASELINE) in again.remeasured
    assert sum("it came out otherwise" in note for note in reporter.notes) == 4


def test_a_study_from_before_goes_on(record: Begun, tmp_path: Path) -> None:
    """Without checksums its files are what they are, and are linked anew where one is gone."""
    journal = record.folder / "journal.log"
    old = []
    for line in journal.read_text().splitlines():
        log = json.loads(line)
        del log["crc32"]
        for attributes in (log.get("user_attr", {}), log.get("user_attrs", {})):
            for outcome in attributes.values():
                if isinstance(outcome, dict) and "facts" in outcome:
                    del outcome["facts"]["sha256"]
        old.append(json.dumps(log))
    journal.write_text("\n".join(old) + "\n")
    files(record)[1].unlink()
    pool = FakePool()
    again = rerun(tmp_path, pool).record
    assert pool.built == []
    assert [p.outcome.metrics for p in all_measured(again.points)] == [p.outcome.metrics for p in record.measured]
    assert all(point.outcome.sha256 is None for point in all_measured(again.points))
    for trial in files(again):
        assert choose(again, None, trial)[1] is not None


def test_another_study_takes_over_what_is_whole(record: Begun, tmp_path: Path) -> None:
    """A file that is damaged and not in the cache is not taken over: it is built."""
    lost = files(record)[1]
    damage.flip(lost, 0.5)
    pool = FakePool()
    other = study(options(tmp_path, space=SPACE, name="other", trials=4), pool=pool).record
    assert len(pool.built) == 1
    assert all(map(is_whole, all_measured(other.points)))
    assert {point.outcome.config for point in other.points} == {point.outcome.config for point in record.points}


@pytest.mark.parametrize("build", [toy_build, otherwise])
def test_another_device_measures_what_is_whole(build: Any, record: Begun, tmp_path: Path) -> None:
    """A damaged file is built again for it; one that came out otherwise is not believed to score the same."""
    for path in files(record).values():
        damage.flip(path, 0.5)
    board = study(options(tmp_path, space=SPACE), Board(), FakePool(build=build)).record
    assert len(board.points) == 4
    assert all(map(is_whole, all_measured(board.points)))
    same = {p.outcome.sha256 for p in all_measured(board.points)} == {p.outcome.sha256 for p in record.measured}
    assert same == (build is toy_build)


def test_a_file_that_is_damaged_during_a_run_is_not_measured(tmp_path: Path) -> None:
    """What was evaluated is not what would be measured: the cache's takes its place, or the front stays unmeasured."""
    folder = tmp_path / "runs" / "toy"

    class Disk(FakeDevice):
        """Damages all files when the front is measured once more."""

        def call(self, what: str, runtime: Any) -> None:
            super().call(what, runtime)
            if what == "latency" and len(list((folder / "models").iterdir())) == 4 and not damaged:
                damaged.extend((folder / "models").iterdir())
                for path in damaged[1:]:
                    damage.flip(path, 0.5)

    damaged: list[Path] = []
    reporter = SilentReporter()
    study(options(tmp_path, space=SPACE, trials=4), Disk(), reporter=reporter)
    assert damaged
    assert any("is gone or damaged, and not in the cache either" in note for note in reporter.notes)
    assert all(map(is_whole, rerun(tmp_path).record.measured))
