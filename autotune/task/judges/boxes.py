"""Boxes around objects: how their corners are written, how far they overlap, which of several is the one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autotune.task.data.fields import Array

Layout = Literal["yxyx", "xyxy", "xywh", "cxcywh"]

SAME = 0.5
"""Intersection over union above which two boxes of a class are taken for one object's."""

MOST = 100
"""Boxes of a class in an image that count, the surest ones: COCO's."""

CANDIDATES = 1000
"""Boxes with a class that are looked at in an image, the surest ones: of anchors by classes there may be millions."""


BLOCK = 64
"""Boxes whose overlaps with all others are computed at once."""


@dataclass(frozen=True)
class Boxes:
    """Those in one image.

    Attributes:
        corners: (count, 4), the least x and y and the largest x and y.
        classes: (count,), whole numbers.
        scores: (count,), how sure each is; of true ones 1.
    """

    corners: Array
    classes: Array
    scores: Array


def _by_center(values: Array) -> Array:
    middle, half = values[..., :2], values[..., 2:] / 2
    return np.concatenate([middle - half, middle + half], axis=-1)


_CORNERS: Mapping[str, Callable[[Array], Array]] = {
    "yxyx": lambda values: values[..., [1, 0, 3, 2]],
    "xyxy": lambda values: values,
    "xywh": lambda values: np.concatenate([values[..., :2], values[..., :2] + values[..., 2:]], axis=-1),
    "cxcywh": _by_center,
}


def corners(boxes: Array, layout: Layout) -> Array:
    """Boxes by their corners, as Boxes has them.

    Args:
        boxes: (…, 4).
        layout: how they are written: both corners with y or x first, or the least one or the center with the size.
    """
    return _CORNERS[layout](boxes.astype(float))


def overlaps(first: Array, second: Array) -> Array:
    """The intersection over union of each box with each other one, (first, second); 0 where both are empty.

    Args:
        first: (first, 4), by their corners.
        second: (second, 4).
    """
    sides = np.minimum(first[:, np.newaxis, 2:], second[:, 2:]) - np.maximum(first[:, np.newaxis, :2], second[:, :2])
    sides = sides.clip(0)
    both = sides[..., 0] * sides[..., 1]
    union = _areas(first)[:, np.newaxis] + _areas(second) - both
    return np.asarray(np.divide(both, union, out=np.zeros_like(both), where=union > 0))


def _areas(boxes: Array) -> Array:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1))


def best_of_each(boxes: Array, scores: Array) -> Boxes:
    """The boxes that are left of an image's candidates where of those around one object the surest one stays.

    Greedy non-maximum suppression, class by class: the surest box stays, all that overlap it by more than SAME go, and
    so on, until MOST of the class are there. Only the CANDIDATES surest are looked at.

    Args:
        boxes: (candidates, 4), by their corners.
        scores: (candidates, classes).
    """
    flat = np.where(np.isfinite(scores), scores, -np.inf).reshape(-1)
    order = _largest(flat, CANDIDATES)
    order = order[flat[order] > -np.inf]
    box, label = np.divmod(order, scores.shape[1])
    stays = [each for number in np.unique(label) for each in _surest(boxes[box], np.flatnonzero(label == number))]
    return Boxes(boxes[box[stays]], label[stays], flat[order[stays]])


def _largest(values: Array, most: int) -> Array:
    """The indices of the largest values, the largest first; of equal ones the first, as by a stable sort of all."""
    among = np.arange(len(values))
    if len(values) > most:
        among = np.flatnonzero(values >= np.partition(values, -most)[-most])
    return among[np.argsort(-values[among], kind="stable")][:most]


def _surest(boxes: Array, left: Array) -> list[int]:
    """Which of those left stay, by their indices, the surest first."""
    stays = list[int]()
    while len(left) and len(stays) < MOST:
        same = overlaps(boxes[left[:BLOCK]], boxes[left]) > SAME
        alone = np.ones(len(left), bool)
        for row, index in enumerate(left[:BLOCK].tolist()):
            if alone[row]:
                stays.append(index)
                alone &= ~same[row]
        left = left[BLOCK:][alone[BLOCK:]]
    return stays[:MOST]
