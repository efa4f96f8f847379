"""What the measured files of a study tell of files that were not built."""

import bisect
import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from statistics import median

import moocore
import numpy as np

from autotune.config import TRAINING, Recipe, Runtime
from autotune.results.front import MeasuredPoint, Point, cost
from autotune.results.outcome import Measured
from autotune.results.record import Record
from autotune.results.significance import Interval
from autotune.targets.metric import LATENCY, METRICS
from autotune.targets.target import Target

WEIGHTS = {
    *("prune", "cluster", "prune_schedule", "cluster_init", "cluster_scope", "fine_tune", *TRAINING),
    *("rounding", "levels", "levels_scope"),
}
"""What changes a file's weights and not its structure, as long as zeros may be anywhere."""

COSTS = (LATENCY, METRICS["memory"])
"""What differs between runtimes of one file."""

Numbers = tuple[Mapping[str, float], Mapping[str, Interval]]
"""Metrics of a file, and what it holds against the targets."""


class Evidence:
    """What the measured files of a study tell of others. Each point is looked at once, however many there are."""

    def __init__(self, speed: Callable[[Recipe], float] = lambda _: 1.0) -> None:
        """
        Args:
            speed: what a recipe's file takes for its fewer channels, as a share of the one with all.
        """
        self._speed = speed
        self._seen: Record | None = None
        self._forget()

    def see(self, record: Record) -> None:
        """Takes note of what is new in a study."""
        if record is self._seen:
            return
        self._seen = record
        new = [point for point in record.points if self._points.get(point.trial) is not point]
        if any(point.trial in self._points for point in new):  # the study holds others against its targets by now
            self._forget()
            new = list(record.points)
        quality = [target for target in record.targets if target.metric == record.quality]
        for point in new:
            self._points[point.trial] = point
            config = point.outcome.config
            alike = self._structures.setdefault(_kinds(config.recipe)[0], {})
            if isinstance(point, MeasuredPoint):
                alike[config.runtime] = point
                self._learn(point, quality)
            elif point.outcome.artifact:
                alike.setdefault(config.runtime, point)

    def newest(self, most: int) -> list[Measured]:
        """The first outcome of each file, the newest file first, and so many at most."""
        return list(itertools.islice(reversed(self._files.values()), most))

    def margin(self, target: Target) -> Interval:
        """How far what files hold against a target on quality reaches below and above its value, in the median."""
        below, above = self._reach.get(target.text, ((0.0,), (0.0,)))
        return median(below), median(above)

    def of(self, recipe: Recipe) -> Sequence[Numbers]:
        """A file of the recipe's kind on each runtime, without runtimes that are no better than another at anything;
        none where nothing of the kind was measured. One with all channels stands for one that has fewer, of which
        it is known what that saves.
        """
        name = next((name for name in _kinds(recipe) if name in self._kinds), None)
        if name is None and recipe.channels < 1:
            speed = self._speed(recipe)
            return [
                ({**metrics, LATENCY.key: metrics[LATENCY.key] * speed}, {})
                for metrics, _ in self.of(replace(recipe, channels=1.0))
                if LATENCY.key in metrics
            ]
        if name is None:
            return ()
        if name not in self._best:
            rows = list(self._kinds[name].values())
            costs = np.array([[cost(metrics, metric) for metric in COSTS] for metrics, _ in rows])
            self._best[name] = list(itertools.compress(rows, moocore.is_nondominated(costs)))
        return self._best[name]

    def alike(self, recipe: Recipe) -> Mapping[Runtime, Point]:
        """A file of the recipe's structure by runtime, refused where all of them were."""
        return self._structures.get(_kinds(recipe)[0], {})

    def _forget(self) -> None:
        self._points: dict[int, Point] = {}
        self._files: dict[Recipe, Measured] = {}
        self._structures: dict[Hashable, dict[Runtime, Point]] = {}
        self._kinds: dict[Hashable, dict[Runtime, Numbers]] = {}
        self._best: dict[Hashable, list[Numbers]] = {}
        self._reach: dict[str, tuple[list[float], list[float]]] = {}

    def _learn(self, point: MeasuredPoint, targets: Sequence[Target]) -> None:
        """What a measured file tells.

        Args:
            point: it.
            targets: on quality.
        """
        recipe = point.outcome.config.recipe
        metrics = point.outcome.metrics
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


def structural(recipe: Recipe) -> Hashable:
    """What recipes whose files are of one structure have in common."""
    rest = {name: value for name, value in recipe.canonical().items() if name not in WEIGHTS}
    if recipe.prune and recipe.prune_pattern == "xnnpack":  # stored sparse: how many zeros there are shows
        rest["prune"] = recipe.prune
    else:
        rest.pop("prune_pattern", None)
    return tuple(rest.items())


def _kinds(recipe: Recipe) -> tuple[Hashable, Hashable]:
    """Names of what a recipe's file shares with others: its structure, then the kernels that run it."""
    return structural(recipe), (recipe.model, recipe.channels, recipe.quantize)
