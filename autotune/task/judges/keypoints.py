"""Keypoints, as of a body's joints: how many are where they are."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from autotune.errors import UserError
from autotune.targets.metric import METRICS, Metric
from autotune.task.data.fields import Array
from autotune.task.judges.judge import NAME, POSITIVE, Judge, single, takes
from autotune.task.score import Score, shares


@dataclass(frozen=True, kw_only=True)
class CorrectKeypoints(Judge):
    """The percentage of correct keypoints (Y. Yang & D. Ramanan, Articulated Human Detection with Flexible Mixtures
    of Parts, IEEE TPAMI 35, 2013, section 6.1): those that are no farther from where they are than a share of the
    larger side of the box around the sample's keypoints.

    Attributes:
        within: that share.
        output, label: names of the output and label, where there are several.
    """

    metric: ClassVar[Metric] = METRICS["pck"]
    within: float = field(default=0.1, metadata=takes(POSITIVE))
    output: str | None = field(default=None, metadata=takes(NAME))
    label: str | None = field(default=None, metadata=takes(NAME))

    def score(self, outputs: Array, labels: Array, groups: Array | None = None) -> Score:
        """The share of all keypoints that are seen; of samples with fewer than two there is no size, they don't count.

        Args:
            outputs: (n, keypoints, 2), or (n, 2 * keypoints) with the two coordinates of each side by side.
            labels: of either shape; NaN or negative where a keypoint is not seen.
            groups: as Judge.score().

        Raises:
            UserError: as Judge.score(), or no sample has two keypoints.
        """
        predicted = self._points(single(outputs, self.output, "outputs", "output", self), "outputs")
        true = self._points(single(labels, self.label, "labels", "label", self), "labels")
        if predicted.shape != true.shape:
            raise UserError(f"{self}: the outputs have {predicted.shape[1]} keypoints, the labels {true.shape[1]}")
        counted, limits = seen(true), self.within * sizes(true)
        counted &= limits[:, np.newaxis] > 0
        if not counted.any():
            raise UserError(f"{self}: no sample of the labels has two keypoints that are seen and apart")
        with np.errstate(invalid="ignore"):  # NaN is never near
            hits = np.hypot(*np.moveaxis(predicted - true, -1, 0)) <= limits[:, np.newaxis]
        return shares(hits, groups, None if counted.all() else counted)

    def _points(self, values: Array, what: str) -> Array:
        """(n, keypoints, 2).

        Raises:
            UserError: they are of another shape.
        """
        shape = values.shape[1:]
        if not (len(shape) == 2 and shape[1] == 2) and not (len(shape) == 1 and shape[0] % 2 == 0):
            raise UserError(f"{self}: the {what} of a sample are {shape}, not (keypoints, 2) or (2 * keypoints,)")
        return values.reshape(len(values), -1, 2).astype(float)


def seen(points: Array) -> Array:
    """Which keypoints of labels are seen, (n, keypoints): no coordinate is NaN or negative.

    Args:
        points: (n, keypoints, 2).
    """
    return np.asarray((points >= 0).all(axis=-1))


def sizes(points: Array) -> Array:
    """The larger side of the box around each sample's keypoints that are seen, (n,); 0 where fewer than two are.

    Args:
        points: as seen().
    """
    there = seen(points)[..., np.newaxis]
    low, high = (np.where(there, points, fill) for fill in (np.inf, -np.inf))
    sides = high.max(axis=1, initial=-np.inf) - low.min(axis=1, initial=np.inf)
    return np.asarray(np.maximum(sides.max(axis=1), 0.0))
