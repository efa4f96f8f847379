"""What files that were not built yet would do to the front."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from autotune.config import Recipe
from autotune.results.front import dominated, relative
from autotune.results.margin import violations
from autotune.results.record import Begun
from autotune.results.significance import Interval
from autotune.search.evidence import Evidence, Numbers
from autotune.search.surrogate import Features, Prediction
from autotune.targets.metric import DOWNLOAD

Array = NDArray[np.float64]

QUANTILES = ((-1.28, 0.0), (-0.52, -1.28), (0.0, 1.28), (0.52, -0.52), (1.28, 0.52))
"""Of the predictions of quality and download, in standard deviations: the middles of five about equally likely parts
of each, in pairs that are not correlated (a Latin square: McKay et al., Technometrics 21, 1979).
"""

LEARNT = 150
"""Files that predictions are made from at most: the newest."""

SMALLEST = 1e-3
"""Least distance from a perfect quality that is told from another: it is predicted as a logarithm."""


@dataclass(frozen=True)
class _Expected:
    """What a recipe's file is expected to be like.

    Attributes:
        quality: its mean and standard deviation, as Acquisition._smooth() has it.
        download: likewise, of the logarithm of bytes.
        numbers: of its kind, for each runtime that is worth it.
    """

    quality: tuple[float, float]
    download: tuple[float, float]
    numbers: Sequence[Numbers]


class Acquisition:
    """Expected improvements of a study's hypervolume.

    Latency, size and memory belong to a file's structure, which recipes of a kind share: they are known
    once a file of the kind was measured. Quality and download are predicted from the files there are.
    """

    def __init__(
        self,
        record: Begun,
        evidence: Evidence,
        recipes: Iterable[Recipe],
        features: Features,
        quality: Prediction,
        download: Prediction,
    ) -> None:
        """
        Args:
            record: of a study with a measured file.
            evidence: has seen it.
            recipes: that will be asked about.
            features: of recipes.
            quality: learns from the record; what it learnt before makes that faster.
            download: likewise.
        """
        self._objectives = record.objectives
        self._quality = record.quality
        self._targets = record.targets
        self._baseline = record.baseline.metrics
        meeting = [point for point in record.leading if point.feasible]
        axes = np.array([self._axes(point.outcome.metrics) for point in meeting or record.leading])
        self._front = axes[moocore.is_nondominated(axes)]
        self._whole = dominated(self._front)
        self._margins = {target.text: evidence.margin(target) for target in self._targets}
        files = evidence.newest(LEARNT)
        x = np.array([features.of(outcome.config.recipe) for outcome in files])
        quality.fit(x, np.array([self._smooth(outcome.metrics[self._quality.key]) for outcome in files]))
        download.fit(x, np.log([outcome.metrics[DOWNLOAD.key] for outcome in files]))
        unbuilt = list(recipes)
        x = np.array([features.of(recipe) for recipe in unbuilt])
        qualities, downloads = (zip(*map(np.ndarray.tolist, each.at(x)), strict=True) for each in (quality, download))
        self._expected = {
            recipe: _Expected(good, small, evidence.of(recipe) or [(self._baseline, {})])
            for recipe, good, small in zip(unbuilt, qualities, downloads, strict=True)
        }

    def gain(self, recipes: Sequence[Recipe], *, meeting: bool) -> float:
        """Expected growth of the hypervolume by files that come from one training: they are good or bad together.

        Args:
            recipes: of the files.
            meeting: whether only files count that meet the targets.
        """
        grown = 0.0
        for quantiles in QUANTILES:
            files = [row for recipe in recipes for row in self._files(self._expected[recipe], *quantiles)]
            rows = [self._axes(metrics) for metrics, held in files if not meeting or self._meets(metrics, held)]
            if rows:
                grown += dominated(np.vstack([self._front, rows])) - self._whole
        return grown / len(QUANTILES)

    def _files(self, expected: _Expected, good: float, small: float) -> Iterator[Numbers]:
        """The recipe's file on each runtime that is worth it, at quantiles of its quality and download."""
        value = self._rough(_at(expected.quality, good))
        download = math.exp(_at(expected.download, small))
        for metrics, held in expected.numbers:
            yield {**metrics, self._quality.key: value, DOWNLOAD.key: download}, held

    def _meets(self, metrics: Mapping[str, float], held: Mapping[str, Interval]) -> bool:
        """Whether what is expected meets the targets with margin: what is known of the kind with its own,
        the quality with the one that is usual.
        """
        intervals = dict(held)
        for target in self._targets:
            value = metrics.get(target.metric.key)
            if value is not None and (target.metric in (self._quality, DOWNLOAD) or target.text not in held):
                below, above = self._margins[target.text]
                intervals[target.text] = value - below, value + above
        return all(violation <= 0 for violation in violations(intervals, self._targets, self._baseline).values())

    def _axes(self, metrics: Mapping[str, float]) -> list[float]:
        return relative(metrics, self._objectives, self._baseline)

    def _smooth(self, value: float) -> float:
        """The quality on a scale on which steps are about equally hard: the logarithm of an error."""
        if self._quality.better == "higher":
            return value if self._quality.highest is None else math.log(max(self._quality.highest - value, SMALLEST))
        return math.log(max(value, SMALLEST * self._baseline[self._quality.key], 1e-12))

    def _rough(self, value: float) -> float:
        """The reverse of _smooth()."""
        if self._quality.better == "higher":
            return value if self._quality.highest is None else self._quality.highest - min(math.exp(value), 1.0)
        return math.exp(value)


def _at(predicted: tuple[float, float], quantile: float) -> float:
    """A value so many standard deviations from the mean."""
    mean, deviation = predicted
    return mean + quantile * deviation
