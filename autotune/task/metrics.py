"""What metrics of decisions are, on arrays alone: topK, the area under the ROC curve, F1, intersection over union."""

import numpy as np

from autotune.task.data import Array


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


def overlaps(truth: Array, decided: Array) -> tuple[Array, Array]:
    """Counts of which F1 and intersection over union are made: they can be added up over samples.

    Args:
        truth: (n, …, columns) of 0 and 1.
        decided: likewise.

    Returns:
        Of each sample and column how many are 1 in both, and in the one plus in the other; (n, columns).
    """
    flat = (len(truth), -1, truth.shape[-1])
    true, positive = truth.reshape(flat).astype(bool), decided.reshape(flat).astype(bool)
    return (true & positive).sum(axis=1), true.sum(axis=1) + positive.sum(axis=1)


def class_overlaps(labels: Array, decided: Array, classes: int) -> tuple[Array, Array]:
    """The counts of overlaps() of one-hot rows, which are not made: of masks they would not fit into memory.

    Args:
        labels: (n, …), class numbers.
        decided: likewise.
        classes: how many there are.
    """
    columns = [overlaps((labels == k)[..., np.newaxis], (decided == k)[..., np.newaxis]) for k in range(classes)]
    both, either = zip(*columns, strict=True)
    return np.concatenate(both, axis=1), np.concatenate(either, axis=1)


def f1(both: Array, either: Array) -> float:
    """The F1 score, as the mean over those columns that are 1 anywhere.

    Args:
        both: of overlaps().
        either: likewise.

    Returns:
        NaN where there is no such column.
    """
    return _mean_ratio(2 * both.sum(axis=0), either.sum(axis=0))


def miou(both: Array, either: Array) -> float:
    """The mean intersection over union, over those columns that are 1 anywhere.

    Intersections and unions are those of all samples together, as PASCAL VOC has them (M. Everingham et al., The
    PASCAL Visual Object Classes Challenge: A Retrospective, IJCV 111, 2015, section 2.3) and Keras' MeanIoU.

    Args:
        both: of overlaps().
        either: likewise.

    Returns:
        NaN where there is no such column.
    """
    return _mean_ratio(both.sum(axis=0), either.sum(axis=0) - both.sum(axis=0))


def _mean_ratio(parts: Array, wholes: Array) -> float:
    some = wholes > 0
    return float((parts[some] / wholes[some]).mean()) if some.any() else float("nan")
