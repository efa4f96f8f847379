"""Scores: how good a model's outputs are, and how sure that is."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from autotune.errors import UserError
from autotune.results.quality import Certainty
from autotune.results.significance import FEW, Interval, normal, student, wilson
from autotune.targets.metric import ACCURACY, Metric
from autotune.task.data import Array
from autotune.task.labels import Kind, class_numbers
from autotune.task.metrics import auc, class_overlaps, f1, miou, overlaps, top_hits

RESAMPLES = 200
"""Of the bootstrap: enough for a standard error (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, 6.4)."""

LEAST, ENOUGH_S = 10, 5.0
"""Resamples that are taken however long each takes, and the seconds after which there are no more than these."""


@dataclass(frozen=True)
class Score:
    """How good a model's outputs are.

    Attributes:
        value: of the metric.
        standard_error: of the value, over the samples; over the groups where there are some.
        low, high: its 95 % interval.
        each: what pairs it with another file's score on the same samples, see significance.compare():
            of metrics that are a mean over samples each one's, (n,), bool for right or wrong and else
            float32, or with groups each group's part in it, (groups,) float32; of others the metric of each
            resample, (up to RESAMPLES,) float32, NaN where it has none.
        resampled: whether each is of resamples.
    """

    value: float
    standard_error: float
    low: float
    high: float
    each: Array = field(repr=False, compare=False)
    resampled: bool = False

    def certainty(self, samples: int, groups: int | None = None) -> Certainty:
        """How sure the value is.

        Args:
            samples: that it is of.
            groups: that the samples are of, None where each is on its own.
        """
        return Certainty(self.standard_error, (self.low, self.high), self.resampled, samples, groups)


def of_labels(
    kind: Kind, metric: Metric, outputs: Array, labels: Array, *, logits: bool, groups: Array | None = None
) -> Score:
    """The score of a model's outputs, as it is taken of labels of this kind.

    Args:
        kind: of the labels.
        metric: one that goes with the kind.
        outputs: (n, *output shape).
        labels: as Split.y.
        logits: whether outputs are logits, not probabilities.
        groups: as mean_of().
    """
    if kind == "quantities":
        return errors(metric, outputs, labels.reshape(outputs.shape), groups)
    if kind == "multilabel":
        return multilabel(metric, outputs, labels, logits=logits, groups=groups)
    return classification(metric, outputs, class_numbers(labels, outputs.shape[1:]), logits=logits, groups=groups)


def threshold(kind: Kind, output: tuple[int, ...], *, logits: bool) -> float | None:
    """As Task.half: the output above which a question is answered with yes.

    Args:
        kind: of the labels.
        output: the shape of a model's output for a sample.
        logits: whether outputs are logits, not probabilities.
    """
    if kind == "quantities":
        return float("nan")
    return _half(logits) if kind == "multilabel" or output[-1] == 1 else None


def errors(metric: Metric, outputs: Array, labels: Array, groups: Array | None = None) -> Score:
    """The mean absolute or squared error.

    Args:
        metric: mae or mse.
        outputs: (n, …).
        labels: of the same shape.
        groups: as mean_of().

    Returns:
        The mean over samples of each one's mean.
    """
    gap = np.abs(outputs.astype(float) - labels).reshape(len(labels), -1)
    each = (gap if metric.name == "mae" else gap**2).mean(axis=1)
    return mean_of(each, groups, lambda value, error, _: normal(value, error, metric.lowest, metric.highest))


def classification(
    metric: Metric, outputs: Array, labels: Array, *, logits: bool, groups: Array | None = None
) -> Score:
    """The score of a model that tells classes apart.

    Args:
        metric: accuracy, topK, auc, f1 or miou.
        outputs: (n, …, classes), or (n, …, 1) for two classes.
        labels: (n, …) class numbers; those below 0 don't count. Where there are several a sample, as of the pixels
            of an image, a sample stays one: what varies from one to the next is what it brings to the whole.
        logits: whether outputs are logits, not probabilities.
        groups: as mean_of().

    Returns:
        For accuracy with the standard error of a proportion, sqrt(p (1 - p) / n), and Wilson's interval.
    """
    single = outputs.shape[-1] == 1
    counted = None if (labels >= 0).all() else labels >= 0
    if metric.name.startswith("top"):
        return shares(top_hits(outputs, np.maximum(labels, 0), int(metric.name.removeprefix("top"))), groups, counted)
    width = max(outputs.shape[-1], 2)
    if metric.name == "auc":
        truth = labels[..., np.newaxis] == np.arange(width)
        scores = outputs if single else _softmax(outputs) if logits else outputs
        if width == 2:  # the areas of both classes are the same
            truth, scores = truth[..., 1:], scores[..., -1:]
        return _of_ranks(truth, scores, groups, counted)
    decided = (outputs[..., 0] > _half(logits)).astype(int) if single else outputs.argmax(axis=-1)
    if metric == ACCURACY:
        return shares(decided == labels, groups, counted)
    if counted is not None:
        labels, decided = np.where(counted, labels, -1), np.where(counted, decided, -1)
    both, either = class_overlaps(labels, decided, width)
    if metric.name == "f1" and width == 2:  # of class 1
        both, either = both[:, 1:], either[:, 1:]
    return _of_overlaps(metric, both, either, groups)


def multilabel(metric: Metric, outputs: Array, labels: Array, *, logits: bool, groups: Array | None = None) -> Score:
    """The score of a model that answers several yes-or-no questions a sample, as the mean over questions.

    Args:
        metric: auc, f1 or miou.
        outputs: (n, …, questions).
        labels: (n, …, questions) of 0 and 1.
        logits: whether outputs are logits, not probabilities.
        groups: as mean_of().
    """
    if metric.name == "auc":
        return _of_ranks(labels, outputs, groups)
    return _of_overlaps(metric, *overlaps(labels, outputs > _half(logits)), groups)


def _of_ranks(truth: Array, scores: Array, groups: Array | None, counted: Array | None = None) -> Score:
    def of_some(some: Array | slice) -> float:
        if counted is None:
            return auc(truth[some], scores[some])
        return auc(truth[some][counted[some]], scores[some][counted[some]])

    return resampled(of_some, of_some(slice(None)), len(truth), groups, shares_interval)


def _of_overlaps(metric: Metric, both: Array, either: Array, groups: Array | None) -> Score:
    statistic = f1 if metric.name == "f1" else miou
    return resampled(
        lambda some: statistic(both[some], either[some]), statistic(both, either), len(both), groups, shares_interval
    )


def shares(hits: Array, groups: Array | None, counted: Array | None = None) -> Score:
    """The share of hits, of all together: where all count it is the mean over samples of each one's share.

    Args:
        hits: (n, …), bool.
        groups: as mean_of().
        counted: (n, …), bool: which of them count; None where all do.

    Raises:
        UserError: as ratio_of().
    """
    if counted is not None:
        right, all_of = ((each.reshape(len(each), -1).sum(axis=1)) for each in (hits & counted, counted))
        if groups is not None:
            _, group = np.unique(groups, return_inverse=True)
            right, all_of = np.bincount(group, right), np.bincount(group, all_of)
        return ratio_of(right, all_of, shares_interval)
    each = hits if hits.ndim == 1 else hits.reshape(len(hits), -1).mean(axis=1, dtype=np.float32)
    return mean_of(each, groups, shares_interval)


def mean_of(each: Array, groups: Array | None, interval: Callable[[float, float, int], Interval]) -> Score:
    """The mean of one value a sample.

    Where samples are of groups, such as patients, what varies is the group: the mean is a ratio, of the groups' sums
    to their sizes.

    Args:
        each: (n,); bool where it is right or wrong.
        groups: (n,) numbers of the groups that samples are of, None where each is on its own.
        interval: of the value, its standard error, and the number of what varies.

    Raises:
        UserError: as ratio_of().
    """
    if groups is None:
        value = float(each.mean(dtype=float))
        error = float(each.std(dtype=float) / np.sqrt(len(each)))
        return Score(value, error, *interval(value, error, len(each)), each if each.dtype == bool else _single(each))
    _, group = np.unique(groups, return_inverse=True)
    return ratio_of(np.bincount(group, each), np.bincount(group), interval)


def ratio_of(sums: Array, sizes: Array, interval: Callable[[float, float, int], Interval]) -> Score:
    """A ratio of sums, as of hits and of what could be hit, in groups or in samples of several sizes.

    Its standard error is that of a ratio by linearization (W. G. Cochran, Sampling Techniques, 1977, sections 6.3
    and 9A.5), by which each group or sample has one value.

    Args:
        sums: (count,).
        sizes: (count,), not all 0.
        interval: as mean_of().

    Raises:
        UserError: there is one only.
    """
    count = len(sizes)
    if count < 2:
        raise UserError("all samples are of one group: nothing can be said of others")
    value = float(sums.sum(dtype=float) / sizes.sum())
    parts = value + count / sizes.sum() * (sums - value * sizes)
    error = float(parts.std(ddof=1) / np.sqrt(count))
    return Score(value, error, *interval(value, error * student(count), count), _single(parts))


def resampled(
    statistic: Callable[[Array], float],
    value: float,
    count: int,
    groups: Array | None,
    interval: Callable[[float, float, int], Interval] | None,
) -> Score:
    """A statistic of all samples, and how much it varies over resamples of them.

    B. Efron, Bootstrap Methods: Another Look at the Jackknife, The Annals of Statistics 7, 1979. Always with the
    same resamples in the same order, so that those of two files are paired; there are RESAMPLES of them, fewer
    where that would take long. Resamples of which the statistic is NaN, since a class is missing from them, are
    left out.

    Args:
        statistic: of some of the samples, by their indices (m,).
        value: of all of them.
        count: of samples.
        groups: (n,) numbers of the groups that samples are of, which are then drawn whole.
        interval: as mean_of(). None where the statistic's bounds are not known: then it is the percentile interval
            (Efron & Tibshirani, 13.3), which keeps within any, or of few resamples Student's.

    Raises:
        UserError: fewer than two resamples are left.
    """
    each = list[float]()
    began = time.monotonic()
    for chosen in _draws(count, groups):
        each.append(statistic(chosen))
        if len(each) >= LEAST and time.monotonic() - began > ENOUGH_S:
            break
    statistics = _single(np.array(each))
    values = statistics[np.isfinite(statistics)].astype(float)
    if len(values) < 2:
        raise UserError(f"the metric can't be taken of {count} samples drawn anew; give more of each class")
    error = float(values.std(ddof=1))
    if interval is not None:
        drawn = count if groups is None else len(np.unique(groups))
        low, high = interval(value, error * student(len(values)), drawn)
    elif len(values) < FEW:
        low, high = normal(value, error * student(len(values)), None, None)
    else:
        low, high = np.quantile([*values, value], (0.025, 0.975)).tolist()
    return Score(value, error, min(low, value), max(high, value), statistics, resampled=True)


def _draws(count: int, groups: Array | None) -> Iterator[Array]:
    """The samples of each resample."""
    random = np.random.default_rng(0)
    if groups is None:
        yield from (random.integers(count, size=count) for _ in range(RESAMPLES))
        return
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    for _ in range(RESAMPLES):
        yield np.concatenate([members[index] for index in random.integers(len(members), size=len(members))])


def _single(each: Array) -> Array:
    """In single precision, as it is kept."""
    return each.astype(np.float32)


def shares_interval(share: float, error: float, n: int) -> Interval:
    """Wilson's, of as many yes-or-no samples as would give this standard error: n where each sample is one.

    L. Kish, Survey Sampling, 1965, section 8.2: the effective sample size. Where nothing varies, all
    right or all wrong, it is n.
    """
    return wilson(share, share * (1 - share) / error**2 if error and 0 < share < 1 else n)


def _half(logits: bool) -> float:
    """The output that stands for a probability of one half."""
    return 0.0 if logits else 0.5


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=float)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
