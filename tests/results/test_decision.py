"""Rules of choosing: what each takes, in which order, and what the others would trade."""

import pytest

from autotune.errors import UserError
from autotune.results.decision import (
    KNEE,
    RUNNERS,
    TRIAL,
    WEIGHTS,
    DecisionRule,
    parse_weights,
    ranked,
    runners_up,
    trade,
)
from autotune.results.front import MeasuredPoint, ParetoFront, front_of
from autotune.targets.metric import ACCURACY, DOWNLOAD, LATENCY, METRICS, Metric
from autotune.testing import toy_measurement, toy_outcome

USUAL = (ACCURACY, LATENCY, DOWNLOAD)
BASELINE = toy_outcome(0.9, 10, 1000)


def front(
    *numbers: tuple[float, float, float], objectives: tuple[Metric, ...] = USUAL, missed: int = -1
) -> ParetoFront:
    """Of trials of these (accuracy, latency, download), one of which misses a target."""
    points = [
        MeasuredPoint(trial, toy_outcome(*three), {"a": 1.0 if trial == missed else 0.0}, "m")
        for trial, three in enumerate(numbers)
    ]
    return front_of(points, objectives, [], BASELINE)


def order(of: ParetoFront, rule: DecisionRule) -> list[int]:
    """The trials as the rule ranks them."""
    return [point.trial for point in ranked(of, rule)]


CURVE = ((0.90, 100, 1000), (0.88, 12, 1000), (0.70, 5, 1000), (0.50, 4, 1000))
"""Bends at trial 1."""


def test_one_se_ranks_what_it_would_pick_without_the_first() -> None:
    """The recommended point, then the recommended one of the rest."""
    of = front((0.900, 10, 1000), (0.895, 9, 900), (0.80, 1, 100), (0.79, 0.5, 90))
    assert order(of, DecisionRule()) == [1, 0, 3, 2]
    assert next(ranked(of, DecisionRule())) == of.pick()
    assert order(of, DecisionRule(TRIAL)) == order(of, DecisionRule())


def test_knee_is_where_the_front_bends() -> None:
    """Not at its ends, where a little of one objective costs a lot of another."""
    assert order(front(*CURVE), DecisionRule(KNEE))[0] == 1


def test_knee_of_two_objectives_is_farthest_from_the_line_through_the_ends() -> None:
    """Between the ends, in accuracy and the logarithm of latency: trial 2 is farther off than trial 1."""
    of = front((0.9, 1000, 1), (0.8, 200, 1), (0.7, 20, 1), (0.5, 10, 1), objectives=(ACCURACY, LATENCY))
    off = {0: 0.0, 1: 1 - 0.25 - 0.6505, 2: 1 - 0.5 - 0.1505, 3: 0.0}
    assert order(of, DecisionRule(KNEE)) == sorted(off, key=lambda trial: -off[trial])


def test_equal_weights_are_the_knee() -> None:
    """Whatever they are."""
    of = front((0.90, 100, 900), (0.88, 12, 700), (0.80, 5, 800), (0.50, 4, 100))
    assert order(of, DecisionRule(WEIGHTS, {"accuracy": 3, "latency": 3, "download": 3})) == order(
        of, DecisionRule(KNEE)
    )


def test_weights_decide() -> None:
    """One objective alone takes its best; what is left out counts for nothing but a tie."""
    of = front((0.90, 100, 900), (0.88, 12, 700), (0.80, 4, 200), (0.50, 4, 100))
    assert order(of, DecisionRule(WEIGHTS, {"accuracy": 1}))[0] == 0
    assert order(of, DecisionRule(WEIGHTS, {"download": 1}))[0] == 3
    assert order(of, DecisionRule(WEIGHTS, {"latency": 1}))[:2] == [2, 3]  # as fast, but better on the whole
    assert order(of, DecisionRule(WEIGHTS, {"accuracy": 1, "latency": 1}))[0] == 2


def test_costs_are_weighed_by_their_logarithm() -> None:
    """From 1 to 2 is as much as from 50 to 100, so what is in the middle of their logarithms is in the middle."""
    of = front((0.9, 100, 1), (0.8, 10, 1), (0.7, 1, 1), objectives=(ACCURACY, LATENCY))
    scores = {
        trial: place
        for place, trial in enumerate(order(of, DecisionRule(WEIGHTS, {"accuracy": 0.51, "latency": 0.49})))
    }
    assert scores == {0: 0, 1: 1, 2: 2}
    scores = {
        trial: place
        for place, trial in enumerate(order(of, DecisionRule(WEIGHTS, {"accuracy": 0.49, "latency": 0.51})))
    }
    assert scores == {2: 0, 1: 1, 0: 2}


@pytest.mark.parametrize("rule", [DecisionRule(), DecisionRule(KNEE), DecisionRule(WEIGHTS, {"accuracy": 1})])
def test_only_what_meets_the_targets_is_chosen(rule: DecisionRule) -> None:
    """Neither does the rest stretch the scale."""
    assert 0 not in order(front(*CURVE, missed=0), rule)
    assert sorted(order(front(*CURVE, missed=0), rule)) == [1, 2, 3]
    assert order(front(CURVE[0], missed=0), rule) == []


@pytest.mark.parametrize("rule", [DecisionRule(), DecisionRule(KNEE), DecisionRule(WEIGHTS, {"accuracy": 1})])
def test_a_single_point_is_chosen(rule: DecisionRule) -> None:
    """By any rule, though nothing can be normalised."""
    assert order(front(CURVE[0]), rule) == [0]


def test_what_is_not_known_is_the_worst() -> None:
    """Of two alike the one whose memory the device could not tell comes last."""
    memory = METRICS["memory"]
    told = toy_outcome(0.8, 5, 100)
    told.metrics[memory.key] = 0.0
    points = [MeasuredPoint(0, toy_outcome(0.9, 5, 100), {}, "m"), MeasuredPoint(1, told, {}, "m")]
    of = front_of(points, (ACCURACY, LATENCY, memory), [], BASELINE)
    assert order(of, DecisionRule(WEIGHTS, {"memory": 1})) == [1, 0]


def test_errors_are_better_when_low() -> None:
    """A quality may be one."""
    mae = METRICS["mae"]
    points = []
    for trial, (error, latency) in enumerate(((0.1, 10.0), (0.5, 1.0))):
        outcome = toy_outcome(0, latency, 1)
        outcome.metrics[mae.key] = error
        points.append(MeasuredPoint(trial, outcome, {}, "m"))
    of = front_of(points, (mae, LATENCY), [], BASELINE)
    assert order(of, DecisionRule(WEIGHTS, {"mae": 1})) == [0, 1]


def test_trade() -> None:
    """The other's value less the point's, and in what the two can't be told apart."""
    of = front((0.90, 10, 1000), (0.89, 5, 1000), (0.70, 4, 900))
    mine, near, far = of.points
    found = trade(of, mine, near)
    assert found.point == near
    assert found.change == {
        "accuracy": pytest.approx(-0.01),
        "latency_ms": -5.0,
        "download_bytes": 0.0,
    }
    assert found.tied == ("accuracy", "download_bytes")
    assert trade(of, mine, far).tied == ()


def test_trade_of_latencies_that_are_not_told_apart() -> None:
    """Their intervals overlap."""
    points = [
        MeasuredPoint(
            trial, toy_outcome(0.9 - trial / 5, 1, 1000 - trial).with_latency(toy_measurement(latency)), {}, "m"
        )
        for trial, latency in enumerate((5.0, 5.05))
    ]
    of = front_of(points, USUAL, [], BASELINE)
    assert trade(of, *of.points).tied == ("latency_ms",)


def test_trade_with_what_is_not_known() -> None:
    """Nothing can be said of it."""
    memory = METRICS["memory"]
    points = [MeasuredPoint(trial, toy_outcome(0.9 - trial / 5, 5 - trial, 1), {}, "m") for trial in range(2)]
    of = front_of(points, (ACCURACY, LATENCY, memory), [], BASELINE)
    found = trade(of, *of.points)
    assert found.change[memory.key] is None
    assert memory.key not in found.tied


def test_runners_up() -> None:
    """In the rule's order, without the point itself, and not too many."""
    of = front(*((0.9 - step / 20, 100 / (step + 1), 1000) for step in range(RUNNERS + 3)))
    rule = DecisionRule(WEIGHTS, {"latency": 1})
    places = order(of, rule)
    assert [one.point.trial for one in runners_up(of, of.points[0], rule)] == places[:RUNNERS]
    best = next(ranked(of, rule))
    assert [one.point.trial for one in runners_up(of, best, rule)] == places[1 : RUNNERS + 1]


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("accuracy=2,latency=1,download=0", {"accuracy": 2, "latency": 1, "download": 0}),
        (" quality = 1.5 ", {"accuracy": 1.5}),
        ("latency=1e3", {"latency": 1000}),
    ],
)
def test_weights_from_text(text: str, weights: dict[str, float]) -> None:
    """By the objectives' names; quality stands for the task's metric."""
    assert parse_weights(text, USUAL) == weights


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("speed=1", "'speed' is no objective of the study; there are accuracy, latency, download"),
        ("memory=1", "'memory' is no objective"),
        ("", "'' is no objective"),
        ("accuracy=1,quality=2", "accuracy stands there twice"),
        ("accuracy", "accuracy needs a number of 0 or more, such as accuracy=2"),
        ("accuracy=much", "accuracy needs a number"),
        ("accuracy=-1", "accuracy needs a number"),
        ("accuracy=nan", "accuracy needs a number"),
        ("accuracy=inf", "accuracy needs a number"),
        ("accuracy=0,latency=0", "one at least must be above 0"),
    ],
)
def test_weights_that_are_none(text: str, says: str) -> None:
    """One line that says what is known."""
    with pytest.raises(UserError, match=f"^--weights {text!r}: ") as error:
        parse_weights(text, USUAL)
    assert says in str(error.value)
