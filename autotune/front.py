"""The Pareto front: what can't be bettered in one respect without loss in another."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from autotune.outcome import Outcome
from autotune.significance import normal
from autotune.target import DOWNLOAD, LATENCY, Metric, Target


@dataclass(frozen=True)
class Point:
    """A finished trial of a study.

    Attributes:
        trial: its number.
        outcome: what was measured, or why it was refused.
        violations: by the targets' texts; above 0 where missed. Empty where refused.
        model: path of the file, None where there is none.
        free: whether nobody asked for it: it came with another one.
    """

    trial: int
    outcome: Outcome
    violations: dict[str, float]
    model: str | None
    free: bool = False

    @property
    def feasible(self) -> bool:
        return self.outcome.state == "measured" and all(violation <= 0 for violation in self.violations.values())

    @property
    def miss(self) -> float:
        """Sum of what the targets are missed by, 0 where all are met."""
        return sum(max(0.0, violation) for violation in self.violations.values())

    def to_json(self, device: Mapping[str, Any]) -> dict[str, Any]:
        """With the latency's interval and verdict where they are known, and marked where it is an emulator's.

        Args:
            device: its facts.
        """
        found = self.outcome.latency
        timed = {} if found is None else {"latency_interval": [found.low_ms, found.high_ms], "verdict": found.verdict}
        return {
            "trial": self.trial,
            "config": self.outcome.config.canonical(),
            "metrics": self.outcome.metrics,
            "feasible": self.feasible,
            "model": self.model,
            **timed,
            **({"emulated": True} if device.get("emulated") else {}),
        }


@dataclass(frozen=True)
class Front:
    """The points of a study that no other point betters in every respect.

    Attributes:
        points: best quality first.
        quality: the metric of quality; with latency and download it spans the front.
        targets: what was asked for.
        baseline: the original model, converted and nothing else.
        tied: whether two points' quality can't be told apart.
    """

    points: list[Point]
    quality: Metric
    targets: list[Target]
    baseline: Outcome
    tied: Callable[[Point, Point], bool] = field(repr=False, compare=False)

    @property
    def feasible(self) -> list[Point]:
        """The points that meet every target."""
        return [point for point in self.points if point.feasible]

    def pick(self) -> Point | None:
        """The recommended point: of those feasible and within one standard error of the best
        quality, the one with the least latency x download.

        The one-standard-error rule: Breiman et al., Classification and Regression Trees, 1984,
        section 3.4.3. What can't be told apart from the best on the validation samples is as good.

        Returns:
            None where nothing is feasible.
        """
        if not self.feasible:
            return None
        sign = 1 if self.quality.better == "higher" else -1
        best = max(self.feasible, key=lambda point: sign * point.outcome.metrics[self.quality.key])
        least = sign * best.outcome.metrics[self.quality.key] - best.outcome.facts["standard_error"]
        return min(
            (point for point in self.feasible if sign * point.outcome.metrics[self.quality.key] >= least),
            key=lambda point: point.outcome.metrics[LATENCY.key] * point.outcome.metrics[DOWNLOAD.key],
        )

    def rivals(self, point: Point) -> list[Point]:
        """The other feasible points whose quality can't be told apart from this one's, in the front's order."""
        return [other for other in self.feasible if other.trial != point.trial and self.tied(point, other)]

    def ties(self, points: Sequence[Point]) -> list[bool]:
        """For each of some points whether its quality can't be told apart from that of the one before it."""
        return [index > 0 and self.tied(points[index - 1], point) for index, point in enumerate(points)]

    def latency_ties(self, points: Sequence[Point]) -> list[bool]:
        """For each of some points whether its latency's 95 % interval overlaps that of the one before it."""
        found = [point.outcome.latency for point in points]
        pairs = zip([None, *found], found, strict=False)
        return [a is not None and b is not None and a.low_ms <= b.high_ms and b.low_ms <= a.high_ms for a, b in pairs]

    def nearest(self) -> Point | None:
        """The point that misses the targets by least, None where nothing was measured."""
        return min(self.points, key=lambda point: point.miss, default=None)

    def to_json(self, device: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Its points, each with what ties it to the one before.

        Args:
            device: its facts.
        """
        ties = zip(self.points, self.ties(self.points), self.latency_ties(self.points), strict=True)
        return [
            point.to_json(device)
            | {
                "interval": list(interval(point.outcome.metrics, point.outcome.facts, self.quality)),
                "tied_with_previous": tied,
                "latency_tied_with_previous": as_fast,
            }
            for point, tied, as_fast in ties
        ]


def objectives(quality: Metric) -> tuple[Metric, ...]:
    """What the front is made of: quality, latency, and the size of the download."""
    return (quality, LATENCY, DOWNLOAD)


def interval(metrics: Mapping[str, float], facts: Mapping[str, Any], quality: Metric) -> tuple[float, float]:
    """The 95 % interval of a quality, from the standard error where a study is from before there were intervals.

    Args:
        metrics: with the quality.
        facts: with interval or standard_error.
        quality: the metric.
    """
    if "interval" not in facts:
        return normal(metrics[quality.key], facts["standard_error"], quality.lowest, quality.highest)
    low, high = facts["interval"]
    return low, high


def overlap(one: Point, other: Point, quality: Metric) -> bool:
    """Whether two points' intervals share any quality: all that can be said where samples are not paired."""
    (low, high), (least, most) = (interval(p.outcome.metrics, p.outcome.facts, quality) for p in (one, other))
    return low <= most and least <= high


def front_of(
    points: Sequence[Point],
    quality: Metric,
    targets: list[Target],
    baseline: Outcome,
    tied: Callable[[Point, Point], bool] | None = None,
) -> Front:
    """The points that none betters, and the feasible ones that no feasible one betters.

    Of points equal in every objective the first stays. (A target on something else than the
    objectives can make a point infeasible that betters a feasible one.)

    Args:
        points: finished trials.
        quality: the metric of quality.
        targets: what was asked for.
        baseline: the original model, converted and nothing else.
        tied: as Front.tied; by overlap() where it is not given.
    """
    measured = [point for point in points if point.outcome.state == "measured"]
    kept = {point.trial: point for point in _nondominated(measured, quality)}
    kept |= {point.trial: point for point in _nondominated([p for p in measured if p.feasible], quality)}
    sign = -1 if quality.better == "higher" else 1
    order = sorted(kept.values(), key=lambda p: (sign * p.outcome.metrics[quality.key], p.outcome.metrics[LATENCY.key]))
    return Front(order, quality, targets, baseline, tied or partial(overlap, quality=quality))


def _nondominated(points: Sequence[Point], quality: Metric) -> list[Point]:
    import moocore

    if not points:
        return []
    mask = moocore.is_nondominated(_costs(points, quality))
    return [point for point, stays in zip(points, mask, strict=True) if stays]


def hypervolume(points: Sequence[Point], quality: Metric, baseline: Outcome) -> float:
    """How much of the objective space the points dominate; larger is better, at least 0.

    The axes are the quality (1 - accuracy; of a metric without a highest value half of an error over
    the baseline's, or 1 less half of a gain), log10 of latency and log10 of download over the
    baseline's; the reference point is (1, 1, 1), which is ten times the baseline's cost (Zitzler &
    Thiele, PPSN 1998).
    """
    import moocore
    import numpy as np

    if not points:
        return 0.0
    rows = [relative(point.outcome.metrics, quality, baseline.metrics) for point in points]
    return float(moocore.hypervolume(np.array(rows), ref=np.ones(3)))


def violations(
    metrics: Mapping[str, float], targets: Sequence[Target], baseline: Mapping[str, float]
) -> dict[str, float]:
    """Each target's violation by its text, as Target.violation() gives it."""
    return {target.text: target.violation(metrics[target.metric.key], baseline) for target in targets}


def _costs(points: Sequence[Point], quality: Metric) -> Any:
    import numpy as np

    return np.array(
        [
            [point.outcome.metrics[m.key] * (-1 if m.better == "higher" else 1) for m in objectives(quality)]
            for point in points
        ],
        dtype=float,
    )


def relative(metrics: Mapping[str, float], quality: Metric, baseline: Mapping[str, float]) -> list[float]:
    """A point on hypervolume()'s axes."""
    value = metrics[quality.key]
    half = 0.5 * value / (baseline[quality.key] or 1.0)
    loss = half
    if quality.better == "higher":
        loss = 1 - half if quality.highest is None else quality.highest - value
    return [loss, *(math.log10(metrics[m.key] / baseline[m.key]) for m in (LATENCY, DOWNLOAD))]
