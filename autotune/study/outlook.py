"""What files that were not built yet would do to the front."""

import bisect
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

import moocore
import numpy as np
from numpy.typing import NDArray

from autotune.config import TRAINING, Recipe, Runtime
from autotune.front import Point, cost, dominated, relative
from autotune.margin import violations
from autotune.outcome import Outcome
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


class Known:
    """What the measured files of a study tell of others. Each point is looked at once, however many there are."""

    def __init__(self) -> None:
        self._forget()

    def see(self, record: Record) -> None:
        """Takes note of what is new in a study."""
        new = [point for point in record.points if self._points.get(point.trial) is not point]
        if any(point.trial in self._points for point in new):  # the study holds others against its targets by now
            self._forget()
            new = record.points
        quality = [target for target in record.targets if target.metric == record.quality]
        for point in new:
            self._points[point.trial] = point
            if point.outcome.state == "measured":
                self._learn(point, quality)

    def newest(self, most: int) -> list[Outcome]:
        """Of each file its first outcome, the newest file first, and so many at most."""
        return list(islice(reversed(self._files.values()), most))

    def margin(self, target: Target) -> Interval:
        """How far what files hold against a target on quality reaches below and above its value, in the median."""
        below, above = self._reach.get(target.text, ((0.0,), (0.0,)))
        return median(below), median(above)

    def of(self, recipe: Recipe) -> Sequence[_Row]:
        """A file of the recipe's kind on each runtime, without runtimes that are no better than another at anything;
        none where nothing of the kind was measured.
        """
        name = next((name for name in _kinds(recipe) if name in self._kinds), None)
        if name is None:
            return ()
        if name not in self._best:
            rows = list(self._kinds[name].values())
            costs = np.array([[cost(metrics, one) for one in COSTS] for metrics, _ in rows])
            stays = moocore.is_nondominated(costs)
            self._best[name] = [row for row, one in zip(rows, stays, strict=True) if one]
        return self._best[name]

    def _forget(self) -> None:
        self._points: dict[int, Point] = {}
        self._files: dict[Recipe, Outcome] = {}
        self._kinds: dict[Hashable, dict[Runtime, _Row]] = {}
        self._best: dict[Hashable, list[_Row]] = {}
        self._reach: dict[str, tuple[list[float], list[float]]] = {}

    def _learn(self, point: Point, targets: Sequence[Target]) -> None:
        """What a measured file tells.

        Args:
            point: it.
            targets: on quality.
        """
        recipe, metrics = point.outcome.config.recipe, point.outcome.metrics
        self._files[recipe] = self._files.pop(recipe, point.outcome)
        for name in _kinds(recipe):
            self._kinds.setdefault(name, {})[point.outcome.config.runtime] = metrics, point.held
            self._best.pop(name, None)
        for target in targets:
            if target.text in point.held:
                value, (low, high) = metrics[target.metric.key], point.held[target.text]
                below, above = self._reach.setdefault(target.text, ([], []))
                bisect.insort(below, value - low)
                bisect.insort(above, high - value)


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
        self,
        record: Record,
        known: Known,
        recipes: Iterable[Recipe],
        features: Features,
        quality: Prediction,
        download: Prediction,
    ) -> None:
        """
        Args:
            record: of a study with a baseline and a measured file.
            known: has seen it.
            recipes: that will be asked about.
            features: of recipes.
            quality: learns from the record; what it learnt before makes that faster.
            download: likewise.
        """
        assert record.baseline is not None  # it is measured first
        self._objectives, self._quality = record.objectives, record.quality
        self._targets, self._baseline = record.targets, record.baseline.metrics
        meeting = [point for point in record.leading if point.feasible]
        axes = np.array([self._axes(point.outcome.metrics) for point in meeting or record.leading])
        self._front = axes[moocore.is_nondominated(axes)]
        self._whole = dominated(self._front)
        self._margins = {target.text: known.margin(target) for target in self._targets}
        files = known.newest(LEARNT)
        x = np.array([features.of(outcome.config.recipe) for outcome in files])
        quality.fit(x, np.array([self._smooth(outcome.metrics[self._quality.key]) for outcome in files]))
        download.fit(x, np.log([outcome.metrics[DOWNLOAD.key] for outcome in files]))
        asked = list(recipes)
        x = np.array([features.of(recipe) for recipe in asked])
        found = zip(asked, *quality.at(x), np.exp(download.at(x)[0]), strict=True)
        self._expected = {
            recipe: _Expected(float(mean), float(deviation), float(size), known.of(recipe) or [(self._baseline, {})])
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
                grown += dominated(np.vstack([self._front, rows])) - self._whole
        return grown / len(QUANTILES)

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


def _kinds(recipe: Recipe) -> tuple[Hashable, Hashable]:
    """Names of what a recipe's file shares with others: its structure, then the kernels that run it."""
    rest = {name: value for name, value in recipe.canonical().items() if name not in WEIGHTS}
    if recipe.prune_pattern == "xnnpack":  # stored sparse, so how many zeros there are shows in the structure
        rest["prune"] = recipe.prune
    else:
        rest.pop("prune_pattern", None)
    return tuple(rest.items()), (recipe.model, recipe.quantize)
