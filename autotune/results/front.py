"""The Pareto front: what can't be bettered in one respect without loss in another."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from autotune.json_object import JsonObject
from autotune.results.meta import DeviceFacts
from autotune.results.outcome import Measured, Outcome, Refused
from autotune.results.significance import Interval
from autotune.targets.metric import METRICS, Metric
from autotune.targets.target import Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = {METRICS["memory"].key: 4096.0}
"""What less than that is not told apart from: memory comes in pages, and a small file may seem to need none."""


@dataclass(frozen=True)
class Point:
    """A finished trial of a study.

    Attributes:
        trial: its number.
        outcome: what was measured, or why it was refused.
        violations: by the targets' texts; above 0 where not met with margin. Empty where refused.
        model: path of the file, None where there is none.
        free: whether nobody asked for it: it came with another one.
        held: by the targets' texts the intervals that were held against them, see margin.held().
        began: when it was asked for, in Unix time (s); 0 where that is not known.
        ended: when it was told, likewise.
    """

    trial: int
    outcome: Outcome
    violations: dict[str, float]
    model: str | None
    free: bool = False
    held: dict[str, Interval] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0

    @property
    def feasible(self) -> bool:
        """Whether it meets every target with margin."""
        return False

    @property
    def reason(self) -> str | None:
        """Why it was refused, None where it was not."""
        return self.outcome.reason if isinstance(self.outcome, Refused) else None

    def to_json(self, device: DeviceFacts) -> JsonObject:
        """JSON with the latency's interval and verdict where they are known, and marked where it is an emulator's.

        Args:
            device: that it was measured on.
        """
        measured = self.outcome if isinstance(self.outcome, Measured) else None
        latency = None if measured is None else measured.latency
        timed = latency and {"latency_interval": [latency.low_ms, latency.high_ms], "verdict": latency.verdict}
        return {
            "trial": self.trial,
            "config": self.outcome.config.canonical(),
            "metrics": {} if measured is None else measured.metrics,
            "feasible": self.feasible,
            "model": self.model,
            **(timed or {}),
            **({"emulated": True} if device.emulated else {}),
        }


@dataclass(frozen=True)
class MeasuredPoint(Point):
    """A trial that was not refused: it has metrics and a file."""

    outcome: Measured
    model: str

    @property
    def feasible(self) -> bool:
        return all(violation <= 0 for violation in self.violations.values())

    @property
    def miss(self) -> float:
        """Sum of what the targets are missed by, 0 where all are met."""
        return sum(max(0.0, violation) for violation in self.violations.values())


@dataclass(frozen=True)
class ParetoFront:
    """The points of a study that no other point betters in every respect.

    Attributes:
        points: best quality first.
        objectives: that span it, the quality first.
        targets: what was asked for.
        baseline: the original model, converted and nothing else.
        tied: whether two points' quality can't be told apart.
    """

    points: list[MeasuredPoint]
    objectives: tuple[Metric, ...]
    targets: list[Target]
    baseline: Measured
    tied: Callable[[MeasuredPoint, MeasuredPoint], bool] = field(repr=False, compare=False)

    @property
    def quality(self) -> Metric:
        """The metric of quality."""
        return self.objectives[0]

    @property
    def feasible(self) -> list[MeasuredPoint]:
        """The points that meet every target with margin."""
        return [point for point in self.points if point.feasible]

    def pick(self) -> MeasuredPoint | None:
        """The recommended point: of those feasible and within one standard error of the best
        quality, the one with the least product of the costs that are objectives.

        The one-standard-error rule: Breiman et al., Classification and Regression Trees, 1984,
        section 3.4.3. What can't be told apart from the best on the validation samples is as good.

        Returns:
            None where nothing is feasible.
        """
        if not self.feasible:
            return None
        sign = 1 if self.quality.better == "higher" else -1
        best = max(self.feasible, key=lambda point: sign * point.outcome.metrics[self.quality.key])
        least = sign * best.outcome.metrics[self.quality.key] - best.outcome.certainty.standard_error
        return min(
            (point for point in self.feasible if sign * point.outcome.metrics[self.quality.key] >= least),
            key=lambda point: math.prod(cost(point.outcome.metrics, metric) for metric in self.objectives[1:]),
        )

    def rivals(self, point: MeasuredPoint) -> list[MeasuredPoint]:
        """The other feasible points whose quality can't be told apart from this one's, in the front's order."""
        return [other for other in self.feasible if other.trial != point.trial and self.tied(point, other)]

    def ties(self, points: Sequence[MeasuredPoint]) -> list[bool]:
        """Whether each of some points' quality can't be told apart from that of the one before it."""
        return [index > 0 and self.tied(points[index - 1], point) for index, point in enumerate(points)]

    def latency_ties(self, points: Sequence[MeasuredPoint]) -> list[bool]:
        """Whether each of some points' latency's 95 % interval overlaps that of the one before it."""
        latencies = [point.outcome.latency for point in points]
        pairs = zip([None, *latencies], latencies, strict=False)
        return [a is not None and b is not None and a.low_ms <= b.high_ms and b.low_ms <= a.high_ms for a, b in pairs]

    def unsure(self, point: MeasuredPoint) -> list[Target]:
        """The targets that a point meets by its value, but not with margin."""
        metrics, baseline = point.outcome.metrics, self.baseline.metrics
        return [
            target
            for target in self.targets
            if point.violations.get(target.text, 0.0) > 0
            and target.metric.key in metrics
            and target.met(metrics[target.metric.key], baseline)
        ]

    def nearest(self) -> MeasuredPoint | None:
        """The point that misses the targets by least, None where nothing was measured."""
        return min(self.points, key=lambda point: point.miss, default=None)

    def to_json(self, device: DeviceFacts) -> list[JsonObject]:
        """Its points, each with what ties it to the one before.

        Args:
            device: that it was measured on.
        """
        ties = zip(self.points, self.ties(self.points), self.latency_ties(self.points), strict=True)
        return [
            point.to_json(device)
            | {
                "objectives": {metric.name: point.outcome.metrics.get(metric.key) for metric in self.objectives},
                "interval": list(point.outcome.interval(self.quality)),
                "tied_with_previous": tied,
                "latency_tied_with_previous": as_fast,
            }
            for point, tied, as_fast in ties
        ]


def overlap(point: MeasuredPoint, other: MeasuredPoint, quality: Metric) -> bool:
    """Whether two points' intervals share any quality: all that can be said where samples are not paired."""
    (low, high), (least, most) = (each.outcome.interval(quality) for each in (point, other))
    return low <= most and least <= high


def front_of(
    points: Sequence[Point],
    objectives: tuple[Metric, ...],
    targets: list[Target],
    baseline: Measured,
    tied: Callable[[MeasuredPoint, MeasuredPoint], bool] | None = None,
) -> ParetoFront:
    """The points that none betters, and the feasible ones that no feasible one betters.

    Of points equal in every objective the first stays. (A target on something else than the
    objectives can make a point infeasible that betters a feasible one.)

    Args:
        points: finished trials.
        objectives: as ParetoFront.objectives.
        targets: what was asked for.
        baseline: the original model, converted and nothing else.
        tied: as ParetoFront.tied; by overlap() where it is not given.
    """
    order = sorted(leading(points, objectives), key=lambda point: _losses(point, objectives))
    return ParetoFront(order, objectives, targets, baseline, tied or partial(overlap, quality=objectives[0]))


def leading(points: Sequence[Point], objectives: Sequence[Metric]) -> list[MeasuredPoint]:
    """The points of front_of(), in the order given.

    What leads when there are more points leads among these and the new ones: the others stay bettered.
    """
    import moocore
    import numpy as np

    measured = [point for point in points if isinstance(point, MeasuredPoint)]
    if not measured:
        return []
    flat = itertools.chain.from_iterable(_losses(point, objectives) for point in measured)
    losses = np.fromiter(flat, float).reshape(len(measured), -1)
    feasible = np.array([point.feasible for point in measured])
    leads = moocore.is_nondominated(losses)
    if feasible.any():
        leads[feasible] |= moocore.is_nondominated(losses[feasible])
    return list(itertools.compress(measured, leads))


def _losses(point: MeasuredPoint, objectives: Sequence[Metric]) -> list[float]:
    """A point's objectives, all such that less is better."""
    quality, *costs = objectives
    metrics, sign = point.outcome.metrics, -1 if quality.better == "higher" else 1
    return [float(sign * metrics[quality.key]), *(cost(metrics, metric) for metric in costs)]


def cost(metrics: Mapping[str, float], metric: Metric) -> float:
    """What a file costs in one respect, as it is weighed: at least LEAST; infinite where the device could not tell."""
    return max(float(metrics.get(metric.key, math.inf)), LEAST.get(metric.key, 0.0))


def hypervolume(points: Sequence[MeasuredPoint], objectives: Sequence[Metric], baseline: Measured) -> float:
    """How much of the objective space the points dominate; larger is better, at least 0.

    The axes are the quality (1 - accuracy; of a metric without a highest value half of an error over
    the baseline's, or 1 less half of a gain) and of each cost log10 of it over the baseline's; the
    reference point is 1 on each, which is ten times the baseline's cost (Zitzler & Thiele, PPSN 1998).
    """
    return dominated([relative(point.outcome.metrics, objectives, baseline.metrics) for point in points])


def dominated(rows: "Sequence[Sequence[float]] | NDArray[np.float64]") -> float:
    """The volume that hypervolume() gives, of points that are on its axes already (n, objectives)."""
    import moocore
    import numpy as np

    return float(moocore.hypervolume(np.asarray(rows), ref=np.ones(len(rows[0])))) if len(rows) else 0.0


def relative(metrics: Mapping[str, float], objectives: Sequence[Metric], baseline: Mapping[str, float]) -> list[float]:
    """A point on hypervolume()'s axes."""
    quality, *costs = objectives
    value = metrics[quality.key]
    half = 0.5 * value / (baseline[quality.key] or 1.0)
    loss = half
    if quality.better == "higher":
        loss = 1 - half if quality.highest is None else quality.highest - value
    return [loss, *(math.log10(cost(metrics, metric) / cost(baseline, metric)) for metric in costs)]
