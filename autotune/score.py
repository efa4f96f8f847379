"""Scores: how good a model's outputs are, and how sure that is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autotune import userfile
from autotune.data import Array
from autotune.errors import UserError
from autotune.significance import normal, wilson
from autotune.target import ACCURACY, Metric

RESAMPLES = 200
"""Of the bootstrap: enough for a standard error (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, 6.4)."""


@dataclass(frozen=True)
class Score:
    """How good a model's outputs are.

    Attributes:
        value: of the metric.
        standard_error: of the value, over the samples.
        low, high: its 95 % interval.
        each: what pairs it with another file's score on the same samples, see significance.compare():
            of metrics that are a mean over samples each one's, (n,), bool for right or wrong and else
            float32; of others the metric of each resample, (RESAMPLES,) float32, NaN where it has none.
        resampled: whether each is of resamples.
    """

    value: float
    standard_error: float
    low: float
    high: float
    each: Array = field(repr=False, compare=False)
    resampled: bool = False

    def facts(self) -> dict[str, Any]:
        """All but the value and each, as they stand in an outcome's facts."""
        return {
            "standard_error": self.standard_error,
            "interval": [self.low, self.high],
            "resampled": self.resampled,
        }


def errors(metric: Metric, outputs: Array, labels: Array) -> Score:
    """The mean absolute or squared error.

    Args:
        metric: mae or mse.
        outputs: (n, …).
        labels: of the same shape.

    Returns:
        The mean over samples of each one's mean.
    """
    gap = np.abs(outputs.astype(float) - labels).reshape(len(labels), -1)
    each = (gap if metric.name == "mae" else gap**2).mean(axis=1)
    value, error = _mean(each)
    return Score(value, error, *normal(value, error, metric.lowest, metric.highest), each.astype(np.float32))


def classification(metric: Metric, outputs: Array, labels: Array, *, logits: bool) -> Score:
    """The score of a model that tells classes apart.

    Args:
        metric: accuracy, topK, auc or f1.
        outputs: (n, …, classes), or (n, 1) for two classes.
        labels: (n, …) class numbers. Where there are several a sample, accuracy and topK are of each
            sample's share, auc and f1 of all labels together.
        logits: whether outputs are logits, not probabilities.

    Returns:
        For accuracy with the standard error of a proportion, sqrt(p (1 - p) / n), and Wilson's interval.
    """
    single = outputs.shape[1:] == (1,)
    if metric == ACCURACY:
        decided = outputs[:, 0] > _half(logits) if single else outputs.argmax(axis=-1)
        return _shares(decided == labels)
    if metric.name not in ("auc", "f1"):
        return _shares(top_hits(outputs, labels, int(metric.name.removeprefix("top"))))
    width = max(outputs.shape[-1], 2)
    if metric.name == "auc":
        scores = outputs if single else _softmax(outputs) if logits else outputs
    else:
        decided = (outputs[:, 0] > _half(logits)).astype(int) if single else outputs.argmax(axis=-1)
        scores = decided[..., np.newaxis] == np.arange(width)
    truth = labels[..., np.newaxis] == np.arange(width)
    if width == 2:  # the F1 score is of class 1; the areas of both are the same
        truth, scores = truth[..., 1:], scores[..., -1:]
    return bootstrapped(auc if metric.name == "auc" else f1, truth, scores, share=True)


def multilabel(metric: Metric, outputs: Array, labels: Array, *, logits: bool) -> Score:
    """The score of a model that answers several yes-or-no questions a sample, as the mean over questions.

    Args:
        metric: auc or f1.
        outputs: (n, questions).
        labels: (n, questions) of 0 and 1.
        logits: whether outputs are logits, not probabilities.
    """
    if metric.name == "auc":
        return bootstrapped(auc, labels, outputs, share=True)
    return bootstrapped(f1, labels, outputs > _half(logits), share=True)


def score_with(scorer: str, outputs: Array, labels: Array) -> Score:
    """What the user's metric says of a model's outputs. Imports the user's file: for workers.

    Args:
        scorer: FILE.py:FUNCTION. It is called as FUNCTION(labels, outputs) and returns a number, or one
            for each sample, (n,).
        outputs: (n, *output shape), float32.
        labels: (n, …), as Split.y.

    Returns:
        Of the number or mean; nothing is known of its bounds, save where each sample is 0 or 1.

    Raises:
        UserError: there is no such function, it fails, or it returns something else.
    """
    value = _called(scorer, labels, outputs)
    if not np.isfinite(value).all():
        raise UserError(f"{scorer}: returned NaN or infinity")
    if value.ndim == 0:
        return bootstrapped(lambda *chosen: float(_called(scorer, *chosen)), labels, outputs, share=False)
    if np.isin(value, (0, 1)).all():
        return _shares(value.astype(bool))
    mean, error = _mean(value)
    return Score(mean, error, *normal(mean, error, None, None), value.astype(np.float32))


def _called(scorer: str, labels: Array, outputs: Array) -> Array:
    found: Any = userfile.call(scorer, labels, outputs)
    with userfile.guarded(scorer):
        value = np.asarray(found, float)
    if value.shape not in ((), (len(labels),)):
        raise UserError(f"{scorer}: returned an array of shape {value.shape}, not a number or one for each sample")
    return value


def bootstrapped(statistic: Callable[[Array, Array], float], labels: Array, outputs: Array, *, share: bool) -> Score:
    """A statistic of all samples, and how much it varies over resamples of them.

    B. Efron, Bootstrap Methods: Another Look at the Jackknife, The Annals of Statistics 7, 1979. Always
    with the same resamples, so that the same outputs have the same score and those of two files are
    paired. Resamples of which the statistic is NaN, since a class is missing from them, are left out.

    Args:
        statistic: of labels and outputs.
        labels: (n, …).
        outputs: (n, …).
        share: whether it is within 0 and 1. Else its bounds are not known, and its interval is the
            percentile interval (Efron & Tibshirani, 13.3), which keeps within any.

    Raises:
        UserError: no resample is left.
    """
    random = np.random.default_rng(0)
    resamples = [random.integers(len(labels), size=len(labels)) for _ in range(RESAMPLES)]
    each = np.array([statistic(labels[chosen], outputs[chosen]) for chosen in resamples])
    values = each[np.isfinite(each)]
    if len(values) < 2:
        raise UserError(f"the metric can't be taken of {len(labels)} samples drawn anew; give more of each class")
    value, error = statistic(labels, outputs), float(values.std(ddof=1))
    if share:
        low, high = _interval(value, error, len(labels))
    else:
        low, high = np.quantile([*values, value], (0.025, 0.975)).tolist()
    return Score(value, error, min(low, value), max(high, value), each.astype(np.float32), resampled=True)


def top_hits(outputs: Array, labels: Array, k: int) -> Array:
    """Whether each label is among the k largest outputs; of equal ones the first is taken for larger, as by argmax.

    Args:
        outputs: (…, classes).
        labels: (…), class numbers.
        k: 1 or more.

    Returns:
        (…), bool.
    """
    own = np.take_along_axis(outputs, labels[..., np.newaxis], axis=-1)
    before = np.arange(outputs.shape[-1]) < labels[..., np.newaxis]
    ahead: Array = (outputs > own) | ((outputs == own) & before)
    return np.asarray(ahead.sum(axis=-1) < k)


def auc(truth: Array, scores: Array) -> float:
    """The area under the ROC curve, as the mean over those columns in which both labels occur.

    By the rank sum of Mann and Whitney, in which ties count as one half: several times faster than
    drawing the curves, which tells in a bootstrap.

    Args:
        truth: (…, columns) of 0 and 1.
        scores: (…, columns), higher for 1.

    Returns:
        NaN where there is no such column.
    """
    from scipy.stats import rankdata

    truth, scores = truth.reshape(-1, truth.shape[-1]).astype(bool), scores.reshape(-1, scores.shape[-1])
    positive, negative = truth.sum(axis=0), (~truth).sum(axis=0)
    ranks = np.where(truth, rankdata(scores, axis=0), 0.0).sum(axis=0)
    both = (positive > 0) & (negative > 0)
    if not both.any():
        return float("nan")
    areas = (ranks - positive * (positive + 1) / 2)[both] / (positive * negative)[both]
    return float(areas.mean())


def f1(truth: Array, decided: Array) -> float:
    """The F1 score, as the mean over those columns that are 1 anywhere.

    Args:
        truth: (…, columns) of 0 and 1.
        decided: likewise.

    Returns:
        NaN where there is no such column.
    """
    truth, decided = (array.reshape(-1, array.shape[-1]).astype(bool) for array in (truth, decided))
    either = truth.sum(axis=0) + decided.sum(axis=0)
    hits = 2 * (truth & decided).sum(axis=0)
    return float((hits[either > 0] / either[either > 0]).mean()) if either.any() else float("nan")


def _shares(hits: Array) -> Score:
    """The mean over samples of each one's share of hits.

    Args:
        hits: (n, …), bool.
    """
    each = hits if hits.ndim == 1 else hits.reshape(len(hits), -1).mean(axis=1, dtype=np.float32)
    value, error = _mean(each)
    return Score(value, error, *_interval(value, error, len(each)), each)


def _mean(each: Array) -> tuple[float, float]:
    """The mean of one value a sample, and its standard error."""
    each = each.astype(float)
    return float(each.mean()), float(each.std() / np.sqrt(len(each)))


def _interval(share: float, error: float, n: int) -> tuple[float, float]:
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
