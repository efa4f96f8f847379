"""One file for several devices: the studies of one search, weighed together."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from autotune.results.front import MeasuredPoint, ParetoFront, cost, front_of
from autotune.results.outcome import Measured
from autotune.results.record import Begun
from autotune.targets.metric import METRICS, Metric
from autotune.targets.target import Target

DIFFERING = (METRICS["latency"], METRICS["memory"])
"""What differs between the runtimes of a file, as far as it may be an objective."""


@dataclass(frozen=True)
class Together:
    """Files that run on all of some devices.

    Attributes:
        files: at least one, each as a point, with what it is to all devices: of the quality the worst, of each cost the
            geometric mean, of each target the worst violation. Trial and runtime are those on the first device.
            By artifact, as the next one.
        points: what a file is on each device, on the runtime that suits it there.
        front: of the files.
        fronts: of each device by itself.
    """

    files: dict[str, MeasuredPoint]
    points: dict[str, dict[str, MeasuredPoint]]
    front: ParetoFront
    fronts: dict[str, ParetoFront]

    @property
    def nearest(self) -> MeasuredPoint:
        """The file that misses the targets by least."""
        return min(self.front.points, key=lambda point: point.miss)

    def on_each(self, point: MeasuredPoint) -> dict[str, MeasuredPoint]:
        """What one of the files is on each device."""
        return self.points[point.outcome.artifact]


def together(records: Mapping[str, Begun], targets: Sequence[Target] | None) -> Together | None:
    """Weighs files on several devices.

    A file that twice as long takes on one device and half as long on another weighs the same: the geometric mean
    does not depend on which device is the slow one (P. J. Fleming & J. J. Wallace, How Not to Lie with Statistics:
    The Correct Way to Summarize Benchmark Results, Communications of the ACM 29, 1986).

    Args:
        records: by device; all of one search, see study.siblings.
        targets: to meet on every device, in place of the studies' own.

    Returns:
        None where no file was measured on all of them.
    """
    fronts = {device: record.front(targets) for device, record in records.items()}
    first = next(iter(records.values()))
    wanted = first.targets if targets is None else targets
    goals = first.objectives
    best = {device: _best(record.judged(wanted), goals) for device, record in records.items()}
    points = {
        artifact: {device: files[artifact] for device, files in best.items()}
        for artifact in best[first.device]
        if all(artifact in files for files in best.values())
    }
    if not points:
        return None
    files = {artifact: _shared(list(each.values()), goals) for artifact, each in points.items()}
    baseline = _mean([front.baseline for front in fronts.values()], goals)
    front = front_of(list(files.values()), goals, list(wanted), baseline, first.tied)
    return Together(files, points, front, fronts)


def _best(points: Sequence[MeasuredPoint], objectives: Sequence[Metric]) -> dict[str, MeasuredPoint]:
    """Each file on the runtime that suits it: where it misses the targets by least, then where it costs least."""
    costs = [metric for metric in DIFFERING if metric in objectives]

    def order(point: MeasuredPoint) -> tuple[float, float]:
        return point.miss, math.prod(cost(point.outcome.metrics, metric) for metric in costs)

    return {point.outcome.artifact: point for point in sorted(points, key=order, reverse=True)}  # the last one stays


def _shared(points: Sequence[MeasuredPoint], objectives: Sequence[Metric]) -> MeasuredPoint:
    """A file on several devices as one point."""
    texts = points[0].violations
    violations = {text: max(point.violations[text] for point in points) for text in texts}
    return replace(
        points[0],
        outcome=_mean([point.outcome for point in points], objectives),
        violations=violations,
        held={},
    )


def _mean(outcomes: Sequence[Measured], objectives: Sequence[Metric]) -> Measured:
    """An outcome with the worst quality, and all that is known of that, and the geometric mean of each cost."""
    quality, *costs = objectives
    worst: Callable[..., Measured] = min if quality.better == "higher" else max
    of_quality = worst(outcomes, key=lambda outcome: outcome.metrics[quality.key])
    metrics = {
        metric.key: math.prod(cost(outcome.metrics, metric) for outcome in outcomes) ** (1 / len(outcomes))
        for metric in costs
    }
    metrics = {key: value for key, value in metrics.items() if value < math.inf}
    return replace(
        of_quality,
        config=outcomes[0].config,
        artifact=outcomes[0].artifact,
        metrics={quality.key: of_quality.metrics[quality.key]} | metrics,
        latency=None,
    )
