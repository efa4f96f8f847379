"""The Pareto front: what is on it, in which order, what is recommended, how large it is."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from autotune.config import Config
from autotune.results.front import (
    MeasuredPoint,
    ParetoFront,
    Point,
    cost,
    dominated,
    front_of,
    hypervolume,
    leading,
    overlap,
)
from autotune.results.margin import violations
from autotune.results.meta import DeviceFacts
from autotune.results.outcome import Measured, Refused
from autotune.results.quality import Certainty
from autotune.targets.metric import ACCURACY, DOWNLOAD, LATENCY, METRICS
from autotune.targets.target import parse
from autotune.testing import toy_measurement, toy_outcome

BASELINE = toy_outcome(0.9, 10, 1000)
MAE, MEMORY = METRICS["mae"], METRICS["memory"]
USUAL = (ACCURACY, LATENCY, DOWNLOAD)
ERRING = (MAE, LATENCY, DOWNLOAD)


def points(*numbers: tuple[float, float, float], violations: dict[str, float] | None = None) -> list[MeasuredPoint]:
    """Trials of these (accuracy, latency, download)."""
    return [MeasuredPoint(trial, toy_outcome(*three), violations or {}, "m") for trial, three in enumerate(numbers)]


def front(of: Sequence[Point]) -> ParetoFront:
    """Their front."""
    return front_of(of, USUAL, [], BASELINE)


def trials(of: Sequence[Point]) -> list[int]:
    """Which they are."""
    return [point.trial for point in of]


def refused(trial: int) -> Point:
    """A configuration that can't be shipped."""
    return Point(trial, Refused(Config.of({}), "no kernel"), {}, None)


def erring(mae: float, latency: float, download: float) -> Measured:
    """An outcome of a task whose quality is an error."""
    return Measured(
        Config.of({}),
        {"mae": mae, "latency_ms": latency, "download_bytes": download},
        Certainty(0),
        "0" * 64,
    )


def test_nearest_misses_by_least() -> None:
    """By the sum of what is missed: more than kept elsewhere does not make up for it."""
    misses = [{"a": 0.5}, {"a": 0.1, "b": 0.1}, {"a": 0.3, "b": -9.0}]
    on_it = [
        replace(point, violations=miss)
        for point, miss in zip(points((0.9, 3, 1), (0.8, 2, 1), (0.7, 1, 1)), misses, strict=True)
    ]
    nearest = front(on_it).nearest()
    assert nearest is not None
    assert nearest.trial == 1
    assert front([]).nearest() is None


def using(memory: float | None, accuracy: float, latency: float, download: float) -> Measured:
    """An outcome that took this memory."""
    outcome = toy_outcome(accuracy, latency, download)
    return outcome if memory is None else replace(outcome, metrics=outcome.metrics | {"memory_bytes": memory})


def test_a_front_is_of_its_objectives() -> None:
    """What is worse in all of them is not on it, however good it is in what is none."""
    small, large, lean = using(9e6, 0.9, 10, 100), using(8e6, 0.9, 9, 200), using(7e6, 0.9, 11, 300)
    found = [MeasuredPoint(trial, outcome, {}, "m") for trial, outcome in enumerate((small, large, lean))]
    for costs, expected in (
        ([LATENCY], [1]),
        ([DOWNLOAD], [0]),
        ([LATENCY, DOWNLOAD], [0, 1]),
        ([LATENCY, MEMORY], [1, 2]),
        ([LATENCY, DOWNLOAD, MEMORY], [0, 1, 2]),
    ):
        assert sorted(trials(front_of(found, (ACCURACY, *costs), [], using(1e7, 0.9, 10, 1000)).points)) == expected


def test_pick_weighs_the_costs_that_are_objectives() -> None:
    """The fastest, the smallest or the one that takes least memory, of equal quality."""
    outcomes = (using(9e6, 0.9, 10, 100), using(8e6, 0.9, 9, 200), using(1e6, 0.9, 11, 300))
    found = [MeasuredPoint(trial, outcome, {}, "m") for trial, outcome in enumerate(outcomes)]
    for costs, expected in (([LATENCY], 1), ([DOWNLOAD], 0), ([LATENCY, MEMORY], 2)):
        pick = front_of(found, (ACCURACY, *costs), [], using(1e7, 0.9, 10, 1000)).pick()
        assert pick is not None
        assert pick.trial == expected


def test_memory_that_the_device_could_not_tell() -> None:
    """It is as good as without end: on the front for what else it is good at, never recommended before others."""
    outcomes = (using(None, 0.9, 5, 100), using(9e6, 0.9, 10, 100))
    found = [MeasuredPoint(trial, outcome, {}, "m") for trial, outcome in enumerate(outcomes)]
    goals, baseline = (ACCURACY, LATENCY, MEMORY), using(1e7, 0.9, 10, 1000)
    made = front_of(found, goals, [], baseline)
    assert trials(made.points) == [0, 1]
    pick = made.pick()
    assert pick is not None
    assert pick.trial == 1
    assert hypervolume(found, goals, baseline) == hypervolume(found[1:], goals, baseline) > 0
    assert [point["objectives"]["memory"] for point in made.to_json(DeviceFacts("desk"))] == [None, 9e6]


def test_no_memory_at_all_is_a_page() -> None:
    """The logarithm and the product of none would leave nothing else to weigh."""
    assert cost({"memory_bytes": 0.0}, MEMORY) == 4096
    assert cost({"memory_bytes": 5000.0}, MEMORY) == 5000
    nothing = using(0.0, 0.9, 10, 1000)
    assert hypervolume([MeasuredPoint(0, nothing, {}, "m")], (ACCURACY, MEMORY), nothing) == pytest.approx(0.9)


def test_unsure_targets_are_met_by_the_value_alone() -> None:
    """Neither those that are missed by it, nor those that are met with margin."""
    targets = [parse(text)[0] for text in ("accuracy>=85%", "latency<5ms", "size<1kB", "memory<1MB")]
    missed = {"accuracy>=85%": 0.01, "latency<5ms": 1.0, "size<1kB": -0.5, "memory<1MB": 1.0}
    point = MeasuredPoint(0, toy_outcome(0.86, 10, 100), missed, "m")
    assert front_of([point], USUAL, targets, BASELINE).unsure(point) == targets[:1]


@pytest.mark.parametrize("seed", range(5))
def test_front_is_that_of_brute_force(seed: int) -> None:
    """Few levels, so that ties in one or two objectives are many."""
    numbers = np.random.default_rng(seed).integers(1, 6, size=(60, 3))
    found = points(*((accuracy / 10, latency, size) for accuracy, latency, size in numbers.tolist()))
    costs = [(-accuracy, latency, size) for accuracy, latency, size in numbers.tolist()]

    def stays(index: int) -> bool:
        mine = costs[index]
        bettered = any(all(a <= b for a, b in zip(one, mine, strict=True)) and one != mine for one in costs)
        return not bettered and mine not in costs[:index]

    assert sorted(trials(front(found).points)) == [index for index in range(60) if stays(index)]


def test_of_equal_points_the_first_stays() -> None:
    """A second trial with the very same numbers adds nothing."""
    assert trials(front(points((0.9, 10, 100), (0.9, 10, 100))).points) == [0]


def test_better_in_one_respect_is_on_the_front() -> None:
    """And better in none is not."""
    assert sorted(trials(front(points((0.9, 10, 100), (0.9, 9, 101), (0.9, 10, 101))).points)) == [0, 1]


def test_front_has_the_best_quality_first() -> None:
    """And of equal quality the fastest."""
    assert trials(front(points((0.7, 1, 10), (0.9, 20, 50), (0.9, 10, 100), (0.8, 5, 20))).points) == [2, 1, 3, 0]


def test_front_of_an_error_has_the_least_first() -> None:
    """Where lower is better, lower dominates."""
    found = [
        MeasuredPoint(trial, erring(*three), {}, "m") for trial, three in enumerate([(3, 1, 1), (2, 2, 1), (3, 2, 1)])
    ]
    assert trials(front_of(found, ERRING, [], erring(2, 2, 1)).points) == [1, 0]


def test_refused_points_are_never_on_it() -> None:
    """Alone or among others."""
    assert front([refused(0)]).points == []
    assert trials(front([refused(0), *points((0.9, 10, 100)), refused(1)]).points) == [0]


def exact(outcome: Measured, text: str) -> dict[str, tuple[float, float]]:
    """What a measured value holds against a target where it has no interval."""
    value = outcome.metrics[parse(text)[0].metric.key]
    return {text: (value, value)}


@pytest.mark.parametrize("text", ["latency_p90<15ms", "size<150B"])
def test_feasible_points_are_not_hidden_by_infeasible_ones(text: str) -> None:
    """One that dominates it but misses a target on what the front does not span: both are on it."""
    targets = [parse(text)[0]]
    better, good = toy_outcome(0.95, 9, 90), toy_outcome(0.9, 10, 100)
    better.metrics.update(latency_p90_ms=30, size_bytes=500)
    good.metrics.update(latency_p90_ms=11, size_bytes=120)
    found = [
        MeasuredPoint(trial, outcome, violations(exact(outcome, text), targets, BASELINE.metrics), "m")
        for trial, outcome in enumerate((better, good))
    ]
    assert [point.feasible for point in found] == [False, True]
    made = front_of(found, USUAL, targets, BASELINE)
    assert trials(made.points) == [0, 1]
    pick = made.pick()
    assert pick is not None
    assert pick.trial == 1


def test_feasible_points_hide_one_another() -> None:
    """Of those that meet every target only the best stay; an infeasible one they better is not on the front."""
    good = points((0.9, 10, 100), (0.9, 11, 100), (0.8, 12, 110))
    missing = MeasuredPoint(3, toy_outcome(0.85, 12, 120), {"size<100B": 0.4}, "m")
    assert trials(front([*good, missing]).points) == [0]


def test_no_points_have_an_empty_front() -> None:
    """And nothing to recommend."""
    assert front([]).points == []
    assert front([]).pick() is None


def test_point_is_feasible_where_no_target_is_missed() -> None:
    """A violation of 0 is none; a refused point never is feasible."""
    outcome = toy_outcome(0.9, 10, 100)
    assert MeasuredPoint(0, outcome, {}, "m").feasible
    assert MeasuredPoint(0, outcome, {"a": 0.0, "b": -1.0}, "m").feasible
    assert not MeasuredPoint(0, outcome, {"a": 1e-9, "b": -1.0}, "m").feasible
    assert not refused(0).feasible


def test_miss_is_the_sum_of_what_is_missed() -> None:
    """Targets that are met by far don't make up for it."""
    assert MeasuredPoint(0, toy_outcome(0.9, 10, 100), {"a": 0.5, "b": -3.0, "c": 0.25}, "m").miss == 0.75


def test_feasible_points_of_a_front() -> None:
    """Those of its points, and in its order."""
    good = points((0.8, 5, 100), (0.9, 10, 100))
    missing = MeasuredPoint(2, toy_outcome(0.95, 20, 100), {"latency<15ms": 0.3}, "m")
    assert trials(front([*good, missing]).points) == [2, 1, 0]
    assert trials(front([*good, missing]).feasible) == [1, 0]


@pytest.mark.parametrize(
    ("numbers", "picked"),
    [
        ([(0.9, 10, 100)], 0),
        ([(0.9, 10, 100), (0.895, 5, 100)], 1),
        ([(0.9, 10, 100), (0.885, 1, 10)], 0),
        ([(0.9, 10, 100), (0.895, 8, 100), (0.895, 10, 50)], 2),
        ([(0.9, 10, 100), (0.895, 5, 100), (0.885, 1, 10)], 1),
    ],
)
def test_pick_by_the_one_standard_error_rule(numbers: list[tuple[float, float, float]], picked: int) -> None:
    """Of those within 0.01 of the best the least latency x download; what is further off has no part."""
    pick = front(points(*numbers)).pick()
    assert pick is not None
    assert pick.trial == picked


def test_pick_counts_one_standard_error_in() -> None:
    """Exactly one off is still as good."""
    found = [
        replace(point, outcome=replace(point.outcome, certainty=Certainty(0.25)))
        for point in points((0.75, 10, 100), (0.5, 5, 100), (0.25, 1, 10))
    ]
    pick = front(found).pick()
    assert pick is not None
    assert pick.trial == 1


def test_pick_measures_from_the_best_feasible_point() -> None:
    """A better one that misses a target does not set the mark."""
    good = points((0.9, 10, 100), (0.895, 5, 100))
    missing = MeasuredPoint(2, toy_outcome(0.99, 20, 100), {"latency<15ms": 0.3}, "m")
    pick = front([missing, *good]).pick()
    assert pick is not None
    assert pick.trial == 1


def test_pick_of_an_error() -> None:
    """Within one standard error above the least."""
    numbers = [(2.0, 10.0, 100.0), (2.05, 5.0, 100.0), (2.2, 1.0, 10.0)]
    outcomes = [replace(erring(*three), certainty=Certainty(0.1)) for three in numbers]
    found = [MeasuredPoint(trial, outcome, {}, "m") for trial, outcome in enumerate(outcomes)]
    pick = front_of(found, ERRING, [], erring(2, 2, 1)).pick()
    assert pick is not None
    assert pick.trial == 1


def test_nothing_feasible_nothing_picked() -> None:
    """However good the points are."""
    missing = front(points((0.9, 10, 100), (0.8, 5, 100), violations={"latency<1ms": 4.0}))
    assert len(missing.points) == 2
    assert missing.pick() is None


def test_json_of_a_front() -> None:
    """Plain values in the front's order."""
    missing = MeasuredPoint(1, toy_outcome(0.95, 20, 100), {"latency<15ms": 0.3}, "m")
    first, second = front([*points((0.9, 10, 100)), missing]).to_json(DeviceFacts("desk", emulated=False))
    assert (first["trial"], first["feasible"], first["model"]) == (1, False, "m")
    assert (second["trial"], second["feasible"]) == (0, True)
    assert second["metrics"] == toy_outcome(0.9, 10, 100).metrics
    assert second["objectives"] == {"accuracy": 0.9, "latency": 10, "download": 100}
    assert second["config"] == Config.of({}).canonical()
    assert first["interval"] == pytest.approx([0.93, 0.97])
    assert (first["tied_with_previous"], second["tied_with_previous"]) == (False, False)
    assert "emulated" not in first
    tied = front(points((0.9, 10, 9), (0.89, 5, 9))).to_json(DeviceFacts("desk", emulated=True))
    assert [point["tied_with_previous"] for point in tied] == [False, True]
    assert all(point["emulated"] for point in tied)


def test_latencies_are_tied_where_their_intervals_overlap() -> None:
    """With the point above, on either side of it; each reaches 1 % to either side. What has none is not."""
    timed = [
        replace(point, outcome=point.outcome.with_latency(toy_measurement(point.outcome.metrics["latency_ms"])))
        for point in points((0.9, 10, 100), (0.8, 9.9, 99), (0.7, 9.98, 98), (0.6, 9, 97))
    ]
    *_, last = points(*[(0.5, 9, 96)] * 5)
    told = front([*timed, last]).to_json(DeviceFacts("desk"))
    assert [point["trial"] for point in told] == [0, 1, 2, 3, 4]
    assert [point["latency_tied_with_previous"] for point in told] == [False, True, True, False, False]
    assert (told[0]["latency_interval"], told[0]["verdict"]) == ([9.9, 10.1], "stable")
    assert "verdict" not in told[4]


@pytest.mark.parametrize(("accuracy", "tied"), [(0.9, True), (0.87, True), (0.93, True), (0.85, False), (0.95, False)])
def test_unpaired_points_are_tied_where_their_intervals_overlap(accuracy: float, tied: bool) -> None:
    """Each reaches 0.02 to either side."""
    one, other = points((0.9, 10, 100), (accuracy, 10, 100))
    assert overlap(one, other, ACCURACY) == overlap(other, one, ACCURACY) == tied


def test_interval_of_a_study_from_before_there_were_any() -> None:
    """From the standard error, within what the metric can be."""
    assert Certainty(0.02).interval(0.9, ACCURACY) == pytest.approx((0.861, 0.939), abs=1e-3)
    assert Certainty(0.02).interval(0.99, ACCURACY)[1] == 1.0
    assert Certainty(0.1).interval(0.1, MAE)[0] == 0.0


def test_ties_are_with_the_point_before() -> None:
    """Each may be as good as its neighbour, and the last not as good as the first."""
    chain = front(points((0.9, 10, 100), (0.87, 8, 90), (0.84, 6, 80), (0.7, 4, 70)))
    assert chain.ties(chain.points) == [False, True, True, False]
    assert chain.ties(chain.points[::2]) == [False, False]


def test_rivals_are_feasible_and_as_good() -> None:
    """Neither the point itself, nor one that misses a target, nor one that is worse for certain."""
    good = points((0.9, 10, 100), (0.87, 8, 90), (0.8, 6, 80))
    missing = MeasuredPoint(3, toy_outcome(0.91, 20, 100), {"latency<15ms": 0.3}, "m")
    assert trials(front([*good, missing]).rivals(good[0])) == [1]


def test_what_leads_is_what_the_front_has() -> None:
    """In the order of the trials; what is left out changes no front, and no hypervolume."""
    good = points((0.7, 3, 3), (0.8, 3, 3), (0.9, 5, 5), (0.8, 3, 3), (0.6, 9, 1))
    good[2] = replace(good[2], violations={"latency<4ms": 0.25})
    found = [*good, refused(5)]
    ahead = leading(found, USUAL)
    assert trials(ahead) == [1, 2, 4]
    assert front(ahead) == front(found)
    assert hypervolume(ahead, USUAL, BASELINE) == hypervolume(good, USUAL, BASELINE)


def test_hypervolume_of_nothing() -> None:
    """Is 0."""
    assert hypervolume([], USUAL, BASELINE) == dominated([]) == 0.0


@pytest.mark.parametrize(
    ("numbers", "volume"),
    [
        ([(0.9, 10, 1000)], 0.9),
        ([(0.9, 1, 1000)], 0.9 * 2),
        ([(0.5, 1, 100)], 0.5 * 2 * 2),
        ([(0.9, 10, 1000), (0.5, 1, 1000)], 0.9 + 0.5),
        ([(0.9, 10, 1000), (0.8, 20, 2000)], 0.9),
        ([(0.9, 100, 1000)], 0),
        ([(0.9, 10, 20_000)], 0),
    ],
)
def test_hypervolume_by_hand(numbers: list[tuple[float, float, float]], volume: float) -> None:
    """Accuracy x decades of latency x decades of download, counted from ten times the baseline's cost."""
    assert hypervolume(points(*numbers), USUAL, BASELINE) == pytest.approx(volume)


def test_hypervolume_of_errors() -> None:
    """They count as a share of twice the baseline's; a baseline without any is not divided by."""
    half = [MeasuredPoint(0, erring(1, 10, 1000), {}, "m")]
    assert hypervolume(half, ERRING, erring(2, 10, 1000)) == pytest.approx(0.75)
    assert math.isfinite(hypervolume(half, ERRING, erring(0, 10, 1000)))
