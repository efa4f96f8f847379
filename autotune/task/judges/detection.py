"""Detections: boxes around objects, each of a class, and how well they are those of the labels."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from autotune.errors import UserError
from autotune.targets.metric import METRICS, Metric
from autotune.task.data.fields import Array
from autotune.task.judges import coco
from autotune.task.judges.boxes import Boxes, Layout, best_of_each, corners
from autotune.task.judges.judge import NAME, Judge, missing, one_of, takes
from autotune.task.judges.roles import Fits, Roles, Shape
from autotune.task.score import Score, resampled, shares_interval

LAYOUT = one_of("yxyx", "xyxy", "xywh", "cxcywh")


@dataclass(frozen=True, kw_only=True)
class MeanPrecision(Judge):
    """COCO's mean average precision, over classes and overlaps of 0.50, 0.55, … 0.95, with boxes of every size.

    Attributes:
        layout: of boxes, see boxes.corners().
        label_layout: of the labels', None for the same.
        boxes, classes, scores, count: names of the outputs.
        label_boxes, label_classes: of the labels.
    """

    metric: ClassVar[Metric] = METRICS["map"]
    overlaps: ClassVar[tuple[float, ...]] = tuple(np.linspace(0.5, 0.95, 10).tolist())
    """Intersections over union from which on a box is that of a true one."""

    layout: Layout = field(default="yxyx", metadata=takes(LAYOUT))
    label_layout: Layout | None = field(default=None, metadata=takes(LAYOUT))
    boxes: str | None = field(default=None, metadata=takes(NAME))
    classes: str | None = field(default=None, metadata=takes(NAME))
    scores: str | None = field(default=None, metadata=takes(NAME))
    count: str | None = field(default=None, metadata=takes(NAME))
    label_boxes: str | None = field(default=None, metadata=takes(NAME))
    label_classes: str | None = field(default=None, metadata=takes(NAME))

    def score(self, outputs: Array, labels: Array, groups: Array | None = None) -> Score:
        """The mean over classes that the labels have.

        Args:
            outputs: fields of boxes (n, k, 4), scores (n, k), classes (n, k), and count (n,) or (n, 1) where fewer than
                k count; without classes scores (n, k, classes), of which the best boxes are taken first, see
                boxes.best_of_each(). What is not finite, or of a class below 0, does not count.
            labels: fields of boxes (n, m, 4) in the unit of the outputs', and classes (n, m), -1 where there is none.
            groups: as Judge.score().

        Raises:
            UserError: as Judge.score(), or the labels have no boxes.
        """
        own, true = self.detected(outputs), self.labelled(labels)
        if not any(len(each.classes) for each in true):
            raise UserError(f"{self}: the labels have no boxes")
        try:
            rankings = coco.rankings(own, true, np.array(self.overlaps))
        except ImportError as error:
            raise missing("pycocotools", self) from error
        n = len(true)

        def of_some(some: Array) -> float:
            return coco.mean_precision(rankings, np.bincount(some, minlength=n))

        return resampled(of_some, of_some(np.arange(n)), n, groups, shares_interval)

    def detected(self, outputs: Array) -> list[Boxes]:
        """The boxes of each image that count.

        Args:
            outputs: as score().

        Raises:
            UserError: it can't be told which output is which.
        """
        roles = self._outputs(outputs)
        boxes = roles.chosen["boxes"]
        k = boxes.shape[1]
        counted = roles.chosen["count"].reshape(-1, 1) if "count" in roles.chosen else np.full((len(boxes), 1), k)
        there = np.asarray((np.arange(k) < counted) & np.isfinite(boxes).all(axis=-1))
        written, scores = corners(boxes, self.layout), roles.chosen["scores"]
        if scores.ndim == 2:
            return _cut(written, roles.chosen["classes"], scores, there & np.asarray(np.isfinite(scores)))
        scores = np.where(there[..., np.newaxis], scores, np.nan)
        return [best_of_each(*pair) for pair in zip(written, scores, strict=True)]

    def _outputs(self, outputs: Array) -> Roles:
        """Boxes, scores, classes where scores are not of each, and count where there is one.

        Raises:
            UserError: as detected().
        """
        roles = Roles(outputs, "outputs", "", self)
        roles.say({"boxes": self.boxes, "classes": self.classes, "scores": self.scores, "count": self.count})
        k = _boxes_of(roles).shape[1]
        roles.named("count", _one)
        roles.shaped("count", _one)
        if "count" in roles.chosen:
            roles.need("count", _one)
        for role, fits in (("scores", _each(k)), ("scores", _of_classes(k)), ("classes", _each(k))):
            roles.named(role, fits)
        roles.shaped("scores", _of_classes(k))
        roles.shaped("classes", _each(k), "iu")
        if "scores" in roles.chosen:
            roles.shaped("classes", _each(k))
        if "classes" in roles.chosen:
            roles.shaped("scores", _each(k))
        scores = roles.need("scores", lambda shape: _each(k)(shape) or _of_classes(k)(shape))
        if scores.ndim == 2:
            roles.need("classes", _each(k))
        elif self.classes is not None:
            raise UserError(f"{self}: the scores are of each class, so no classes are needed")
        return roles

    def labelled(self, labels: Array) -> list[Boxes]:
        """The true boxes of each image.

        Args:
            labels: as score().

        Raises:
            UserError: it can't be told which label is which.
        """
        roles = Roles(labels, "labels", "label_", self)
        roles.say({"boxes": self.label_boxes, "classes": self.label_classes})
        boxes = _boxes_of(roles)
        roles.named("classes", _each(boxes.shape[1]))
        roles.shaped("classes", _each(boxes.shape[1]))
        classes = roles.need("classes", _each(boxes.shape[1]))
        written = corners(boxes, self.label_layout or self.layout)
        return _cut(written, classes, np.ones(classes.shape), np.asarray(np.isfinite(boxes).all(axis=-1)))


class MeanPrecision50(MeanPrecision):
    """The mean average precision at an overlap of 0.50, as PASCAL VOC's, by COCO's rules."""

    metric: ClassVar[Metric] = METRICS["map50"]
    overlaps: ClassVar[tuple[float, ...]] = (0.5,)


def _cut(boxes: Array, classes: Array, scores: Array, there: Array) -> list[Boxes]:
    """Those boxes of each image that are there and of a class."""
    numbers = np.where(np.isfinite(classes), classes, -1).round().astype(np.int64)
    there = there & (numbers >= 0)
    return [
        Boxes(box[some], number[some], score[some])
        for box, number, score, some in zip(boxes, numbers, scores, there, strict=True)
    ]


def _boxes_of(roles: Roles) -> Array:
    """The boxes among outputs or labels."""
    roles.named("boxes", _boxes)
    roles.shaped("boxes", _boxes)
    return roles.need("boxes", _boxes)


def _boxes(shape: Shape) -> bool:
    return len(shape) == 2 and shape[1] == 4


def _one(shape: Shape) -> bool:
    return shape in ((), (1,))


def _each(k: int) -> Fits:
    """A number for each box."""
    return lambda shape: shape == (k,)


def _of_classes(k: int) -> Fits:
    """A number for each box and class."""
    return lambda shape: len(shape) == 2 and shape[0] == k
