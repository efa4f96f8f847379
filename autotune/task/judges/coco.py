"""COCO's mean average precision: boxes are matched by pycocotools, once; what is drawn anew is counting alone.

T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014; its evaluation as pycocotools has it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autotune.task.data.fields import Array
from autotune.task.judges.boxes import MOST, Boxes

RECALLS = np.linspace(0, 1, 101)
"""At which precision is read."""


@dataclass(frozen=True)
class Ranking:
    """The boxes of one class in all images, the surest first.

    Attributes:
        images: (count,), the number of each one's image.
        hits: for each overlap that is asked for, the indices of those that are a true box's.
        true: (images,), how many true boxes each image has.
    """

    images: Array
    hits: tuple[Array, ...]
    true: Array

    def precision(self, weights: Array) -> float:
        """The average precision, as the mean over overlaps.

        Args:
            weights: (images,), how often each image counts.

        Returns:
            NaN where no true box counts.
        """
        every = float(self.true @ weights)
        if not every:
            return float("nan")
        counts = weights[self.images]
        so_far = np.cumsum(counts) + np.spacing(1)
        return float(np.mean([self._at_recalls(counts[hits], so_far[hits], every) for hits in self.hits]))

    def _at_recalls(self, right: Array, so_far: Array, every: float) -> float:
        """The mean of the precision at RECALLS, which is the largest at that recall or a larger one.

        It is looked at where a true box is hit, since between hits it only falls; where a recall is not reached it
        is 0.

        Args:
            right: (hits,), how often each counts.
            so_far: (hits,), how many boxes there are from the surest one to that.
            every: how many true boxes there are.
        """
        reached = np.cumsum(right)
        precision = np.append(reached / so_far, 0.0)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        return float(precision[np.searchsorted(reached / every, RECALLS)].mean())


def mean_precision(rankings: Sequence[Ranking], weights: Array) -> float:
    """The mean over classes with true boxes.

    Args:
        rankings: of each class.
        weights: as Ranking.precision().

    Returns:
        NaN where there is no true box.
    """
    precisions = np.array([ranking.precision(weights) for ranking in rankings])
    there = precisions[~np.isnan(precisions)]
    return float(there.mean()) if len(there) else float("nan")


def rankings(boxes: Sequence[Boxes], true: Sequence[Boxes], overlaps: Array) -> list[Ranking]:
    """The boxes of each class that there is a true box of.

    Args:
        boxes: a model's, image by image.
        true: likewise.
        overlaps: the least intersections over union that make a box that of a true one.

    Raises:
        ImportError: pycocotools is missing.
    """
    by_class: dict[int, list[tuple[int, Array, Array]]] = {}
    counts: dict[int, Array] = {}
    for image, truth in enumerate(true):
        for number in np.unique(truth.classes).tolist():
            counts.setdefault(number, np.zeros(len(true), np.int64))[image] = (truth.classes == number).sum()
    for image, (own, truth) in enumerate(zip(boxes, true, strict=True)):
        for number in set(np.unique(own.classes).tolist()) & counts.keys():
            surest = _surest(own, number)
            hits = _hits(own.corners[surest], truth.corners[truth.classes == number], overlaps)
            by_class.setdefault(number, []).append((image, own.scores[surest], hits))
    return [_ranking(by_class.get(number, []), count, len(overlaps)) for number, count in sorted(counts.items())]


def _surest(boxes: Boxes, number: int) -> Array:
    """The indices of a class's boxes that count, the surest first."""
    own = np.flatnonzero(boxes.classes == number)
    return own[np.argsort(-boxes.scores[own], kind="stable")[:MOST]]


def _ranking(parts: list[tuple[int, Array, Array]], true: Array, overlaps: int) -> Ranking:
    images = np.repeat([image for image, _, _ in parts], [len(scores) for _, scores, _ in parts]).astype(np.int64)
    scores = np.concatenate([np.empty(0), *(scores for _, scores, _ in parts)])
    hits = np.concatenate([np.empty((overlaps, 0), bool), *(hits for _, _, hits in parts)], axis=1)
    order = np.argsort(-scores, kind="stable")
    return Ranking(images[order], tuple(map(np.flatnonzero, hits[:, order])), true)


def _hits(boxes: Array, true: Array, overlaps: Array) -> Array:
    """Whether each box of an image and class, the surest first, is a true one's, (overlaps, count), by pycocotools.

    Its steps are called one by one, since evaluate() writes to the terminal.
    """
    from pycocotools.cocoeval import COCOeval

    if not len(true) or not len(boxes):
        return np.zeros((len(overlaps), len(boxes)), bool)
    evaluation = COCOeval(iouType="bbox")
    evaluation.params.iouThrs = overlaps
    evaluation._gts[0, 0] = list(_annotations(true))
    evaluation._dts[0, 0] = list(_annotations(boxes))
    evaluation.ious = {(0, 0): evaluation.computeIoU(0, 0)}
    matched = evaluation.evaluateImg(0, 0, (0.0, 1.0), MOST)
    return np.asarray(matched["dtMatches"] > 0)


def _annotations(boxes: Array) -> Iterator[dict[str, object]]:
    """As pycocotools has boxes; the areas are such that all are of the size that is asked for."""
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    for number, side in enumerate(sides.tolist(), 1):
        common = {"bbox": side, "area": 1.0, "iscrowd": 0, "ignore": 0}
        yield {**common, "id": number, "score": -number}
