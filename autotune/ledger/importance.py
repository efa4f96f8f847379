"""What each dimension of a study does: how much of what its trials differ by is due to it."""

import math
import random
from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator

from autotune.config import Value
from autotune.ledger.quiet import quiet
from autotune.results.dimensions import Columns, Importance, spread, varied
from autotune.results.front import MeasuredPoint, cost
from autotune.results.record import Record
from autotune.targets.metric import Metric

TREES = 32
"""Of the forest; Optuna's usual 64 take twice as long for the same answer."""

LEAST = 10
"""Trials without which nothing is said."""

MOST = 300
"""Trials that are looked at; of more so many, drawn: more change little and take long."""


def importance(record: Record) -> Importance:
    """Each dimension's importance by fANOVA (Hutter, Hoos & Leyton-Brown, ICML 2014); costs by their logarithm.

    A dimension that did nothing in a trial counts there as one of the values that it has elsewhere, drawn:
    else it would stand for what made it idle.

    Args:
        record: of the study.
    """
    measured = record.measured
    points = spread(measured, MOST)
    columns = varied(points) if len(points) >= LEAST else {}
    shares = {metric.name: _shares(points, columns, metric) for metric in record.objectives} if columns else {}
    return Importance({name: of for name, of in shares.items() if of}, len(points), len(measured))


@quiet()
def _shares(points: Sequence[MeasuredPoint], columns: Columns, metric: Metric) -> dict[str, float]:
    """The dimensions' shares of one objective; empty where it is the same, or not known, for nearly all."""
    values = [_value(point, metric) for point in points]
    finite = [at for at, value in enumerate(values) if math.isfinite(value)]
    if len(finite) < LEAST or len({values[at] for at in finite}) < 2:
        return {}
    study = optuna.create_study()
    distributions = {name: _distribution(column) for name, column in columns.items()}
    filled = {name: _filled(column) for name, column in columns.items()}
    study.add_trials(
        [
            optuna.trial.create_trial(
                value=values[at],
                params={name: column[at] for name, column in filled.items()},
                distributions=distributions,
            )
            for at in finite
        ]
    )
    evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def _value(point: MeasuredPoint, metric: Metric) -> float:
    if metric.kind not in ("time", "bytes"):
        return point.outcome.metrics[metric.key]
    weighed = cost(point.outcome.metrics, metric)
    return math.log10(weighed) if weighed > 0 else math.inf


def _filled(column: Sequence[Value | None]) -> list[Value]:
    values = [value for value in column if value is not None]
    draw = random.Random(0)  # noqa: S311  # no secret
    return [draw.choice(values) if value is None else value for value in column]


def _distribution(column: Sequence[Value | None]) -> BaseDistribution:
    values = {value for value in column if value is not None}
    numbers = [float(value) for value in values if not isinstance(value, str)]
    if len(numbers) == len(values):
        return FloatDistribution(min(numbers), max(numbers))
    return CategoricalDistribution(sorted(values, key=str))
