"""Which point of a front is taken: the rules, and what the runners-up would trade against it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from autotune.errors import UserError
from autotune.json_object import JsonObject
from autotune.results.front import MeasuredPoint, ParetoFront, cost
from autotune.targets.metric import LATENCY, QUALITY, Metric

ONE_SE = "one-se"
KNEE = "knee"
WEIGHTS = "weights"
RULES = (ONE_SE, KNEE, WEIGHTS)
TRIAL = "trial"
"""In place of a rule, where the user names the point; the runners-up are then those of ONE_SE."""

RUNNERS = 5
"""Of the runners-up that are shown."""


@dataclass(frozen=True)
class DecisionRule:
    """How a point is chosen.

    Attributes:
        name: one of RULES, or TRIAL.
        weights: of the rule of this name, by objective; 0 where one is left out.
    """

    name: str = ONE_SE
    weights: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        return {"by": self.name} | ({"weights": dict(self.weights)} if self.weights else {})


@dataclass(frozen=True)
class Trade:
    """A point, and what taking it in place of another one would change.

    Attributes:
        point: it.
        change: of each objective, its value less the other one's, by the metric's key; None where one is not known.
        tied: keys of those objectives in which the two can't be told apart.
    """

    point: MeasuredPoint
    change: dict[str, float | None]
    tied: tuple[str, ...]

    def to_json(self) -> JsonObject:
        return {
            "trial": self.point.trial,
            "config": self.point.outcome.config.canonical(),
            "change": self.change,
            "tied": list(self.tied),
        }


def parse_weights(text: str, metrics: Sequence[Metric]) -> dict[str, float]:
    """Weights from their text, such as "accuracy=2,latency=1".

    Args:
        text: as the user wrote it.
        metrics: the objectives; "quality" stands for the first.

    Raises:
        UserError: a name is no objective's or stands there twice, a number is none or below 0, or all are 0.
    """
    names = [metric.name for metric in metrics]
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = map(str.strip, part.partition("="))
        name = names[0] if name == QUALITY.name else name
        if name not in names:
            raise UserError(f"--weights {text!r}: {name!r} is no objective of the study; there are {', '.join(names)}")
        if name in weights:
            raise UserError(f"--weights {text!r}: {name} stands there twice")
        weights[name] = _weight(number)
        if not 0 <= weights[name] < math.inf:
            raise UserError(f"--weights {text!r}: {name} needs a number of 0 or more, such as {name}=2")
    if not any(weights.values()):
        raise UserError(f"--weights {text!r}: one at least must be above 0")
    return weights


def parse_rule(by: str | None, weights: str | None, trial: int | None, metrics: Sequence[Metric]) -> DecisionRule:
    """How a point is to be chosen, from what the user said of it.

    Args:
        by: a rule's name.
        weights: as parse_weights() takes them.
        trial: to take, whatever the rule.
        metrics: the objectives.

    Raises:
        UserError: they say different things, or are not known.
    """
    if by is not None and by not in RULES:
        raise UserError(f"--by {by!r} is unknown; known are {', '.join(RULES)}")
    if trial is not None:
        if by or weights:
            raise UserError(f"--trial goes without {'--weights' if weights else '--by'}: it names the file itself")
        return DecisionRule(TRIAL)
    if weights is None:
        if by == WEIGHTS:
            raise UserError(f"--by {WEIGHTS} needs --weights, such as {metrics[0].name}=2,latency=1")
        return DecisionRule(by or ONE_SE)
    if by not in (None, WEIGHTS):
        raise UserError(f"--weights go with --by {WEIGHTS}, not with --by {by}")
    return DecisionRule(WEIGHTS, parse_weights(weights, metrics))


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def ranked(front: ParetoFront, rule: DecisionRule) -> Iterator[MeasuredPoint]:
    """The feasible points, the one that the rule takes first, then what it would take without that one, and so on.

    one-se: the smallest within one standard error of the best, see ParetoFront.pick().

    knee: the point nearest to the ideal one in the sum of its normalised objectives. With two objectives
    it is the one farthest from the line through the front's ends (I. Das, On Characterizing the "Knee" of
    the Pareto Curve Based on Normal-Boundary Intersection, Structural Optimization 18, 1999); with more, the
    one farthest from the plane where the objectives sum up to 1 (W.-Y. Chiu, G. G. Yen & T.-K. Juan, Minimum
    Manhattan Distance Approach to Multiple Criteria Decision Making, IEEE Transactions on Evolutionary
    Computation 20, 2016). The plane through the extreme points themselves would not do: the fastest file and
    the smallest are often neighbours, and which way a plane through them leans is then a matter of noise.

    weights: the one with the least weighted sum of its normalised objectives; the knee where all are alike.

    Normalised is from 0, the best among the feasible points, to 1, the worst; costs by their logarithm,
    since twice the latency is as much of a loss to a fast file as to a slow one.
    """
    if rule.name in (ONE_SE, TRIAL):
        return _smallest(front)
    points = front.feasible
    weights = [rule.weights.get(metric.name, 0.0) if rule.name == WEIGHTS else 1.0 for metric in front.objectives]
    columns = [_normalised([_loss(front, point, metric) for point in points]) for metric in front.objectives]
    rows = zip(*columns, strict=True)
    sums = [(sum(weight * loss for weight, loss in zip(weights, row, strict=True)), sum(row)) for row in rows]
    return (points[index] for index in sorted(range(len(points)), key=sums.__getitem__))


def _smallest(front: ParetoFront) -> Iterator[MeasuredPoint]:
    while (taken := front.pick()) is not None:
        yield taken
        front = replace(front, points=[point for point in front.points if point.trial != taken.trial])


def _loss(front: ParetoFront, point: MeasuredPoint, metric: Metric) -> float:
    """An objective such that less is better, and equal steps are equal losses."""
    metrics = point.outcome.metrics
    if metric != front.quality:
        return math.log(cost(metrics, metric))
    return metrics[metric.key] * (-1 if metric.better == "higher" else 1)


def _normalised(losses: Sequence[float]) -> list[float]:
    """Losses from 0, the best, to 1, the worst, which is also what is not known."""
    finite = [loss for loss in losses if loss < math.inf]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return [min(1.0, (loss - low) / ((high - low) or 1.0)) for loss in losses]


def trade(front: ParetoFront, point: MeasuredPoint, other: MeasuredPoint) -> Trade:
    """What would change if another point were taken."""
    mine, theirs = point.outcome.metrics, other.outcome.metrics
    keys = [metric.key for metric in front.objectives]
    change = {key: theirs[key] - mine[key] if key in mine and key in theirs else None for key in keys}
    tied = {
        front.quality.key: front.tied(point, other),
        LATENCY.key: front.latency_ties([point, other])[1],
    }
    return Trade(other, change, tuple(key for key in keys if tied.get(key) or change[key] == 0))


def runners_up(front: ParetoFront, point: MeasuredPoint, rule: DecisionRule) -> list[Trade]:
    """What the rule would take if a point were not there, RUNNERS of it."""
    others = (other for other in ranked(front, rule) if other.trial != point.trial)
    return [trade(front, point, other) for other in islice(others, RUNNERS)]
