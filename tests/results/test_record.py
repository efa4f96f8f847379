"""The record of a study: its front, its size, what comes nearest."""

import random
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autotune.config import Config
from autotune.errors import UserError
from autotune.ledger.artifacts import model_path, scores_path
from autotune.results.front import MeasuredPoint, Point
from autotune.results.outcome import Outcome, Refused
from autotune.results.record import Begun, Record
from autotune.targets.metric import METRICS
from autotune.targets.target import parse
from autotune.task.data.npy import read_array
from autotune.testing import toy_meta, toy_outcome, toy_record

REFUSED = Refused(Config.of({"delegate": "builtin"}), "no kernel")


@pytest.fixture
def record(tmp_path: Path) -> Begun:
    """A baseline, a faster trial, one that was refused, and a dominated one."""
    outcomes = (toy_outcome(0.9, 10, 1000), toy_outcome(0.8, 5, 500, quantize="int8"), REFUSED)
    return toy_record(tmp_path / "study", *outcomes, toy_outcome(0.7, 20, 2000, delegate="reference"))


def test_quality_and_targets_are_read_from_meta(record: Begun) -> None:
    """As the study was started with."""
    started = replace(record, meta=toy_meta("latency<50ms", "size<1MB", quality=METRICS["mae"]))
    assert started.quality == METRICS["mae"]
    assert started.targets == [parse("latency<50ms")[0], parse("size<1MB")[0]]


def test_front_is_of_the_measured_points(record: Begun) -> None:
    """Neither refused nor dominated ones."""
    front = record.front()
    assert front is not None
    assert [point.trial for point in front.points] == [0, 1]
    assert front.baseline == record.baseline


def test_a_trial_more_is_as_if_it_had_been_there(tmp_path: Path) -> None:
    """In whatever order trials end: points, counts, front and hypervolume are those of a record of them all.

    Of few different numbers, so that some are equal; a third misses a target, some are refused, some are free.
    """
    draw = random.Random(0)
    outcomes: list[Outcome] = [
        toy_outcome(draw.choice((0.6, 0.7, 0.8)), *(draw.randint(5, 9) for _ in range(2))) for _ in range(60)
    ]
    outcomes[7:60:9] = [REFUSED] * 6
    points = [
        Point(trial, outcome, {}, None, trial % 4 > 0)
        if isinstance(outcome, Refused)
        else MeasuredPoint(trial, outcome, {"size<1B": float(trial % 3 - 1)}, "m", trial % 4 > 0)
        for trial, outcome in enumerate(outcomes)
    ]
    record = replace(toy_record(tmp_path, toy_outcome(0.9, 10, 10)), points=[])
    for number, point in enumerate(draw.sample(points, len(points)), 1):
        record = record.with_point(point)
        anew = replace(record)
        assert len(record.points) == number
        assert record.leading == anew.leading
        assert (record.trials_done, record.front(), record.hypervolume()) == (
            anew.trials_done,
            anew.front(),
            anew.hypervolume(),
        )
    assert record.points == points
    assert len(record.leading) < 20


def test_no_front_before_the_baseline(record: Begun) -> None:
    """There is nothing to hold relative targets against; with a baseline there is all that there was."""
    bare = Record(record.name, record.folder, record.meta, record.points, gaps=record.gaps)
    with pytest.raises(UserError, match="study 'study' has no trials yet; run it first"):
        bare.begun()
    assert bare.begin(record.baseline) == record == record.begun()
    assert bare.begin(record.baseline).front() == record.front()


def test_front_has_the_studys_own_targets(record: Begun) -> None:
    """And the violations that the points came with."""
    missed = [replace(point, violations={"latency<1ms": 3.0}) for point in record.points]
    front = replace(record, points=missed, meta=replace(record.meta, targets=("latency<1ms",))).front()
    assert front is not None
    assert [target.text for target in front.targets] == ["latency<1ms"]
    assert front.pick() is None


def test_front_against_other_targets(record: Begun) -> None:
    """The same points, held against what is asked now; the record itself stays as it is."""
    targets = [parse("latency<=baseline/2")[0]]
    front = record.front(targets)
    assert front is not None
    assert front.targets == targets
    assert [(point.trial, point.feasible) for point in front.points] == [(0, False), (1, True)]
    assert [point.violations for point in record.points] == [{}] * 4


def test_front_without_targets(record: Begun) -> None:
    """An empty list lifts those of the study."""
    missed = [replace(point, violations={"latency<1ms": 3.0}) for point in record.points]
    front = replace(record, points=missed).front([])
    assert front is not None
    assert all(point.feasible for point in front.points)


def test_judged_are_the_measured_points(record: Begun) -> None:
    """With violations of what is asked now, in place of those that they came with."""
    missed = replace(record, points=[replace(point, violations={"mse<1": 3.0}) for point in record.points])
    judged = missed.judged([parse("latency<=baseline/2")[0]])
    assert [(point.trial, point.feasible) for point in judged] == [(0, False), (1, True), (3, False)]
    assert all(set(point.violations) == {"latency<=baseline/2"} for point in judged)
    for point in judged:
        assert missed.violations_of(point.outcome, [parse("latency<=baseline/2")[0]]) == point.violations


def test_hypervolume_is_of_the_measured_points(record: Begun) -> None:
    """The baseline's is its accuracy; refused points don't count."""
    alone = replace(record, points=[record.points[0], record.points[2]])
    assert alone.hypervolume() == pytest.approx(0.9)
    assert record.hypervolume() > 0.9


def scored(folder: Path, *each: NDArray[Any], resampled: bool = False) -> tuple[Begun, list[MeasuredPoint]]:
    """A record of files with these scores of each sample, all of about the same accuracy by their intervals."""
    outcomes = [
        replace(toy_outcome(0.9 - index / 200, 10 - index, 1000), artifact=f"{index}" * 64)
        for index in range(len(each))
    ]
    outcomes = [replace(it, certainty=replace(it.certainty, resampled=resampled)) for it in outcomes]
    made = toy_record(folder, *outcomes)
    (folder / "scores").mkdir()
    for outcome, values in zip(outcomes, each, strict=True):
        np.save(scores_path(folder, outcome.artifact, "xnnpack"), values)
    return made, made.measured


def test_pairs_tell_points_apart_whose_intervals_overlap(tmp_path: Path) -> None:
    """The first has right what the second has, and 25 of 500 samples more; the third errs elsewhere as often."""
    first = np.arange(500) >= 50
    record, (one, other, third) = scored(tmp_path / "s", first, np.arange(500) >= 75, first[::-1])
    assert not record.tied(one, other)
    assert record.tied(one, third)
    front = record.front()
    assert front is not None
    assert front.ties(front.points) == [False, False, False]
    assert [point.trial for point in front.rivals(one)] == [2]


def test_resampled_scores_are_compared_as_such(tmp_path: Path) -> None:
    """The facts say which they are: 150 of 200 samples are no chance, 150 of 200 resamples may be."""
    one, other = np.repeat([1.0, 0.0], [150, 50]).astype(np.float32), np.repeat([0.0, 1.0], [150, 50])
    record, (first, second) = scored(tmp_path / "means", one, other.astype(np.float32))
    assert not record.tied(first, second)
    record, (first, second) = scored(tmp_path / "resamples", one, other.astype(np.float32), resampled=True)
    assert record.tied(first, second)


def test_files_with_more_and_fewer_resamples_are_compared_by_those_that_both_have(tmp_path: Path) -> None:
    """A metric that took long was asked for fewer; beside the baseline, too. The own intervals overlap widely."""
    drawn = np.random.default_rng(0).normal(0.9, 0.02, 200).astype(np.float32)
    few = (drawn[:10] - 0.005).astype(np.float32)
    record, (one, other) = scored(tmp_path / "s", drawn, few, resampled=True)
    assert not record.tied(one, other)
    assert record.tied(one, one)
    target = parse("accuracy>=baseline-0.6%")[0]
    assert record.judge(other, [target]).held[target.text] == pytest.approx((0.895, 0.895), abs=1e-5)
    assert record.judge(other, [target]).feasible


@pytest.mark.parametrize("damage", ["missing", "empty", "torn", "no array", "another length"])
def test_without_both_files_scores_intervals_decide(tmp_path: Path, damage: str) -> None:
    """A study from before they were kept, or a file that is damaged, is no error."""
    record, (one, other) = scored(tmp_path / "s", np.arange(500) >= 50, np.arange(500) >= 75)
    path = scores_path(record.folder, "1" * 64, "xnnpack")
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "another length":
        np.save(path, np.arange(400) >= 75)
    else:
        path.write_bytes({"empty": b"", "torn": whole[:300], "no array": b"text"}[damage])
    assert record.tied(one, other)
    front = record.front([parse("latency<=10ms")[0]])
    assert front is not None
    assert front.ties(front.points) == [False, True]


@pytest.mark.parametrize(("lost", "met"), [(0, True), (3, True), (13, False), (20, False)])
def test_targets_beside_the_baseline_are_met_by_the_same_samples(tmp_path: Path, lost: int, met: bool) -> None:
    """Each own interval reaches 2 points to either side; of 1000 samples 3 lost are 1 point at most, 13 may be 2.
    What decides all as the baseline differs by nothing.
    """
    each = np.arange(1000) >= 100
    found, _ = scored(tmp_path / "s", each, np.arange(1000) >= 100 + lost)
    found.measured[1].outcome.metrics["accuracy"] = 0.9 - lost / 1000
    [target] = targets = [parse("accuracy>=baseline-1.5%")[0]]
    base, point = found.judged(targets)
    assert base.held[target.text] == (0.9, 0.9)
    assert point.feasible == met
    if lost == 0:
        assert found.judged([parse("accuracy>=baseline")[0]])[1].feasible


def test_no_scores_are_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a study's points are held against its targets, also by the records after this one."""
    reads: list[str] = []

    def counted(file: IO[bytes], size: int) -> Any:
        reads.append(file.name)
        return read_array(file, size)

    monkeypatch.setattr("autotune.ledger.artifacts.read_array", counted)
    found, _ = scored(tmp_path / "s", *(np.arange(500) >= 50 + index for index in range(4)))
    for _ in range(3):
        found = replace(found, points=found.judged([parse("accuracy>=baseline-1%")[0]]))
    assert len(set(reads)) == 4
    assert len(reads) == 5  # the baseline is a trial, too


def test_objectives_of_a_study(record: Begun) -> None:
    """As it was started with; quality, latency and download where it is from before they could be chosen."""
    assert [metric.name for metric in record.objectives] == ["accuracy", "latency", "download"]
    other = replace(record, meta=replace(record.meta, objectives=("quality", "size")))
    assert [metric.name for metric in other.objectives] == ["accuracy", "size"]
    front = other.front()
    assert front is not None
    assert front.objectives == other.objectives
    assert other.hypervolume() != record.hypervolume()


def test_scores_path_is_inside_the_study() -> None:
    """Named by the file and by what it ran on, for delegates compute differently."""
    path = scores_path(Path("runs/s"), "ab" * 32, "openvino_cpu")
    assert path == Path("runs/s/scores") / ("ab" * 8 + "-openvino_cpu.npy")


def test_model_path_is_inside_the_study() -> None:
    """Named by the beginning of its key."""
    assert model_path(Path("runs/s"), "ab" * 32) == Path("runs/s/models") / ("ab" * 8 + ".tflite")
