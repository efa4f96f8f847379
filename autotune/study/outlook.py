"""What files that were not built yet would do to the front."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import moocore
import numpy as np
from numpy.typing import NDArray

from autotune.config import TRAINING, Recipe, Runtime, fingerprint
from autotune.front import Point, cost, relative
from autotune.margin import violations
from autotune.record import Record
from autotune.significance import Interval
from autotune.study.predict import Features, Prediction
from autotune.target import DOWNLOAD, LATENCY, METRICS, Target

Array = NDArray[np.float64]

QUANTILES = (-1.28, -0.52, 0.0, 0.52, 1.28)
"""Of a prediction, in standard deviations: the middles of five about equally likely parts."""

LEARNT = 150
"""Files that predictions are made from at most: the newest."""

SMALLEST = 1e-3
"""Least distance from a perfect quality that is told from another: it is predicted as a logarithm."""

WEIGHTS = {"prune", "cluster", "prune_schedule", "cluster_init", "cluster_scope", "fine_tune", *TRAINING}
"""What changes a file's weights and not its structure, as long as zeros may be anywhere."""

COSTS = (LATENCY, METRICS["memory"])
"""What differs between runtimes of one file."""

_Row = tuple[Mapping[str, float], Mapping[str, Interval]]
"""Metrics of a file, and what it holds against the targets."""


@dataclass(frozen=True)
class _Expected:
    """What a recipe's file is expected to be like.

    Attributes:
        mean, deviation: of its quality, as Outlook._smooth() has it.
        download: in bytes.
        known: of its kind, for each runtime that is worth it.
    """

    mean: float
    deviation: float
    download: float
    known: Sequence[_Row]


class Outlook:
    """Expected improvements of a study's hypervolume.

    Latency, size and memory belong to a file's structure, which recipes of a kind share: they are known
    once a file of the kind was measured. Quality and download are predicted from the files there are.
    """

    def __init__(
        self, record: Record, recipes: Iterable[Recipe], features: Features, quality: Prediction, download: Prediction
    ) -> None:
        """
        Args:
            record: of a study with a baseline and a measured file.
            recipes: that will be asked about.
            features: of recipes.
            quality: learns from the record; what it learnt before makes that faster.
            download: likewise.
        """
        assert record.baseline is not None  # it is measured first
        self._objectives, self._quality = record.objectives, record.quality
        self._targets, self._baseline = record.targets, record.baseline.metrics
        measured = [point for point in record.points if point.outcome.state == "measured"]
        meeting = [point for point in measured if point.feasible]
        axes = np.array([self._axes(point.outcome.metrics) for point in meeting or measured])
        self._front = axes[moocore.is_nondominated(axes)]
        self._whole = self._hypervolume(self._front)
        kinds = _known(measured)
        self._margins = {target.text: self._margin(target, measured) for target in self._targets}
        files = list({point.outcome.config.recipe: point.outcome for point in reversed(measured)}.values())[:LEARNT]
        x = np.array([features.of(outcome.config.recipe) for outcome in files])
        quality.fit(x, np.array([self._smooth(outcome.metrics[self._quality.key]) for outcome in files]))
        download.fit(x, np.log([outcome.metrics[DOWNLOAD.key] for outcome in files]))
        asked = list(recipes)
        x = np.array([features.of(recipe) for recipe in asked])
        found = zip(asked, *quality.at(x), np.exp(download.at(x)[0]), strict=True)
        self._expected = {
            recipe: _Expected(float(mean), float(deviation), float(size), self._known_of(recipe, kinds))
            for recipe, mean, deviation, size in found
        }

    def gain(self, recipes: Sequence[Recipe], *, meeting: bool) -> float:
        """Expected growth of the hypervolume by files that come from one training: they are good or bad together.

        Args:
            recipes: of the files.
            meeting: whether only files count that meet the targets.
        """
        grown = 0.0
        for quantile in QUANTILES:
            files = [row for recipe in recipes for row in self._files(self._expected[recipe], quantile)]
            rows = [self._axes(metrics) for metrics, held in files if not meeting or self._meets(metrics, held)]
            if rows:
                grown += self._hypervolume(np.vstack([self._front, rows])) - self._whole
        return grown / len(QUANTILES)

    def _known_of(self, recipe: Recipe, kinds: Mapping[str, Sequence[_Row]]) -> Sequence[_Row]:
        """What is known of the recipe's kind; where that is nothing, it is taken to be as the baseline is."""
        return next((kinds[name] for name in _kinds(recipe) if name in kinds), [(self._baseline, {})])

    def _files(self, expected: _Expected, quantile: float) -> Iterator[_Row]:
        """The recipe's file on each runtime that is worth it."""
        value = self._rough(expected.mean + quantile * expected.deviation)
        for metrics, held in expected.known:
            yield {**metrics, self._quality.key: value, DOWNLOAD.key: expected.download}, held

    def _meets(self, metrics: Mapping[str, float], held: Mapping[str, Interval]) -> bool:
        """Whether what is expected meets the targets with margin: what is known of the kind with its own,
        the quality with the one that is usual.
        """
        found = dict(held)
        for target in self._targets:
            value = metrics.get(target.metric.key)
            if value is not None and (target.metric in (self._quality, DOWNLOAD) or target.text not in held):
                below, above = self._margins[target.text]
                found[target.text] = value - below, value + above
        return all(violation <= 0 for violation in violations(found, self._targets, self._baseline).values())

    def _margin(self, target: Target, measured: Sequence[Point]) -> Interval:
        """How far what files hold against a target on quality reaches below and above its value, in the median."""
        points = [point for point in measured if target.text in point.held]
        if target.metric != self._quality or not points:
            return 0.0, 0.0
        ends = [(point.outcome.metrics[target.metric.key], *point.held[target.text]) for point in points]
        return median(value - low for value, low, _ in ends), median(high - value for value, _, high in ends)

    def _axes(self, metrics: Mapping[str, float]) -> list[float]:
        return relative(metrics, self._objectives, self._baseline)

    def _hypervolume(self, axes: Array) -> float:
        return float(moocore.hypervolume(axes, ref=np.ones(axes.shape[1])))

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


def _kinds(recipe: Recipe) -> list[str]:
    """Names of what a recipe's file shares with others: its structure, then the kernels that run it."""
    rest = {name: value for name, value in recipe.canonical().items() if name not in WEIGHTS}
    if recipe.prune_pattern == "xnnpack":  # stored sparse, so how many zeros there are shows in the structure
        rest["prune"] = recipe.prune
    else:
        rest.pop("prune_pattern", None)
    return [fingerprint(rest), fingerprint(recipe.model, recipe.quantize)]


def _known(measured: Sequence[Point]) -> dict[str, list[_Row]]:
    """By kind a file on each runtime, without runtimes that are no better than another at anything."""
    found: dict[str, dict[Runtime, _Row]] = {}
    for point in measured:
        config = point.outcome.config
        for name in _kinds(config.recipe):
            found.setdefault(name, {})[config.runtime] = point.outcome.metrics, point.held
    best = {}
    for name, runtimes in found.items():
        rows = list(runtimes.values())
        costs = np.array([[cost(metrics, one) for one in COSTS] for metrics, _ in rows])
        best[name] = [row for row, stays in zip(rows, moocore.is_nondominated(costs), strict=True) if stays]
    return best
