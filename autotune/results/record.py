"""A study as its ledger has it: all that the front, the tracker and the report are made from. Reads no file."""

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from autotune.config import Config, Recipe
from autotune.errors import UserError
from autotune.results.channel_plan import ChannelPlan
from autotune.results.findings import TimedFile, findings
from autotune.results.front import MeasuredPoint, ParetoFront, Point, front_of, hypervolume, leading, overlap
from autotune.results.margin import held, violations
from autotune.results.meta import InputTypes, Meta
from autotune.results.outcome import Measured
from autotune.results.profile import KeptProfile
from autotune.results.quality import Scored
from autotune.results.remeasured import Remeasured
from autotune.results.significance import LEVEL, Interval, compare, difference, paired
from autotune.targets.metric import Metric
from autotune.targets.objectives import resolve
from autotune.targets.target import Target, parse

if TYPE_CHECKING:  # `autotune --help` comes by here, and does without
    from autotune.results.scores import Each

Scores = Callable[[Measured], "Each | None"]
"""What a measured file scored on each sample, None where that is not known."""

BASELINE = -1
"""In place of a trial's number."""

MARK = "@"
"""Between the name of a study that searched and a device that has its files, too; no user's name has it."""


class Gaps:
    """How far files' quality is from another's on the same samples; no file's scores are asked for twice."""

    def __init__(self, scores: Scores) -> None:
        """
        Args:
            scores: of the study.
        """
        self.scores = scores
        self._found: dict[tuple[str, str, str, str, float], Interval | None] = {}
        self._others: dict[tuple[str, str], Each] = {}

    def of(self, outcome: Measured, other: Measured, factor: float) -> Interval | None:
        """What significance.difference() gives, of what two files scored.

        Args:
            outcome: of a file.
            other: of another; the same one for many.
            factor: of the other.

        Returns:
            None where there are no scores of one of them, or of other samples.
        """
        key = (*_file(outcome), *_file(other), factor)
        if key not in self._found:
            first, second = self.scores(outcome), self._others.get(_file(other))
            if second is None:
                second = self.scores(other)
            drawn = outcome.certainty.resampled
            pair = None if first is None or second is None else paired(first, second, resampled=drawn)
            if second is None or pair is None:
                return None
            self._others[_file(other)] = second
            self._found[key] = difference(*pair, factor, resampled=drawn)
        return self._found[key]


def _file(outcome: Measured) -> tuple[str, str]:
    """The key by which what a file scored is known: its own, and what it ran on."""
    return outcome.artifact, outcome.config.runtime.delegate


def unscored(_: Measured) -> None:
    """The scores of a study that keeps none."""


@dataclass(frozen=True)
class Record:
    """A study, begun or not, finished or not.

    Attributes:
        name: of the study.
        folder: that holds all of it.
        meta: what it was started with.
        points: the finished trials in order.
        failed: number of trials that the machine or we failed, by reason.
        tests: what the picked trials scored on the test split, by trial; that of the baseline by BASELINE, since
            targets relative to it are held against that.
        runs: what each run of the study did, as Usage.to_json(), with wall_s and startup_s.
        remeasured: what became of those that were on the front when they were measured once more at the end, by
            trial; that of the baseline by BASELINE. Outcomes have it already.
        profiles: where the time of some files goes, by trial, that of the baseline by BASELINE.
        channels: how channels are cut, by plan_name().
        gaps: to the baseline, for the targets that are relative to its quality; and the scores that they are of.
        damage: where its journal can't be read, in a line: the record is of what is before; None where all is whole.
    """

    name: str
    folder: Path
    meta: Meta
    points: Sequence[Point] = ()
    failed: dict[str, int] = field(default_factory=dict)
    tests: dict[str, Scored] = field(default_factory=dict)
    runs: list[dict[str, float]] = field(default_factory=list)
    remeasured: dict[str, Remeasured] = field(default_factory=dict)
    profiles: dict[str, KeptProfile] = field(default_factory=dict)
    channels: dict[str, ChannelPlan] = field(default_factory=dict)
    gaps: Gaps = field(default_factory=lambda: Gaps(unscored), repr=False, compare=False)
    damage: str | None = None

    @cached_property
    def trials_done(self) -> int:
        """Finished trials that were asked for, without those that came with them for free."""
        return sum(not point.free for point in self.points)

    @property
    def device(self) -> str:
        """The name of the device that it was measured on."""
        return self.meta.device.device

    def input(self, recipe: Recipe) -> InputTypes:
        """The types of the input of a recipe's model."""
        return self.meta.inputs.get(recipe.model, InputTypes())  # studies from before have none

    @property
    def codec(self) -> str:
        """Under which a file is its download."""
        return self.meta.identity.codec

    @property
    def asked_as(self) -> str:
        """What its user called it, be it on this device or on the one that searched."""
        return self.name.partition(MARK)[0]

    @property
    def baseline_test(self) -> Scored | None:
        """What the baseline scored on the test split; None before anything was tested, or by this version."""
        return self.tests.get(str(BASELINE))

    @property
    def measured(self) -> list[MeasuredPoint]:
        """The points that were not refused."""
        return [point for point in self.points if isinstance(point, MeasuredPoint)]

    @property
    def quality(self) -> Metric:
        return self.meta.quality

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """The quality, then the costs."""
        return resolve(self.meta.objectives, self.quality)

    @property
    def targets(self) -> list[Target]:
        return [parse(text, self.quality)[0] for text in self.meta.targets]

    def begun(self) -> "Begun":
        """The study as one that has begun.

        Raises:
            UserError: it has not.
        """
        raise UserError(f"study {self.name!r} has no trials yet; run it first")

    def begin(self, baseline: Measured) -> "Begun":
        """The study as it is with this baseline.

        Args:
            baseline: the original model, converted and nothing else.
        """
        return Begun(**{each.name: getattr(self, each.name) for each in fields(Record)}, baseline=baseline)

    @cached_property
    def leading(self) -> list[MeasuredPoint]:
        """The points on the front, as front.leading()."""
        return leading(self.points, self.objectives)

    def with_point(self, point: Point) -> Self:
        """The same with one more finished trial. What takes a look at all of them is kept up, not done again."""
        points, ahead = list(self.points), self.leading
        bisect.insort(points, point, key=lambda other: other.trial)
        if isinstance(point, MeasuredPoint):
            ahead = leading(sorted([*ahead, point], key=lambda other: other.trial), self.objectives)
        more = replace(self, points=points)
        vars(more).update(trials_done=self.trials_done + (not point.free), leading=ahead)
        return more

    def tied(self, point: MeasuredPoint, other: MeasuredPoint) -> bool:
        """Whether two points' quality can't be told apart: by a paired test on the samples that both saw,
        by their intervals where the study did not keep them.
        """
        first, second = self.gaps.scores(point.outcome), self.gaps.scores(other.outcome)
        drawn = point.outcome.certainty.resampled
        pair = None if first is None or second is None else paired(first, second, resampled=drawn)
        return overlap(point, other, self.quality) if pair is None else compare(*pair, resampled=drawn) > LEVEL

    def findings(self) -> list[str]:
        """What bought nothing on the device: delegates, threads, sparse weights; a line each."""
        rows = {}
        for point in self.measured:
            config, latency = point.outcome.config, point.outcome.latency
            if latency is not None:
                file, recipe = point.outcome.artifact, config.recipe
                dense = Config(replace(recipe, prune=0.0), config.runtime).key
                sparse = recipe.prune > 0 and recipe.prune_pattern == "xnnpack"
                rows[file, config.runtime] = (latency, config, dense if sparse else None)
        files = {config.key: file for (file, _), (_, config, _) in rows.items()}
        return findings(
            [
                TimedFile(file, runtime, latency, None if dense is None else files.get(dense))
                for (file, runtime), (latency, _, dense) in rows.items()
            ]
        )


@dataclass(frozen=True, kw_only=True)
class Begun(Record):
    """A study whose baseline was measured: what its points are held against.

    Attributes:
        baseline: the original model, converted and nothing else.
    """

    baseline: Measured

    def begun(self) -> "Begun":
        """Itself."""
        return self

    def front(self, targets: Sequence[Target] | None = None) -> ParetoFront:
        """The front.

        Args:
            targets: to hold the points against, the study's own by default.
        """
        if targets is None:
            return front_of(self.leading, self.objectives, self.targets, self.baseline, self.tied)
        return front_of(self.judged(targets), self.objectives, list(targets), self.baseline, self.tied)

    def judged(self, targets: Sequence[Target]) -> list[MeasuredPoint]:
        """The measured points, held against other targets than the study's own."""
        return [self.judge(point, targets) for point in self.measured]

    def judge(self, point: MeasuredPoint, targets: Sequence[Target]) -> MeasuredPoint:
        """A measured point, held against targets."""
        intervals = self._held(point.outcome, targets)
        return replace(point, violations=violations(intervals, targets, self.baseline.metrics), held=intervals)

    def violations_of(self, outcome: Measured, targets: Sequence[Target]) -> dict[str, float]:
        """What a measured file misses targets by, as margin.violations()."""
        return violations(self._held(outcome, targets), targets, self.baseline.metrics)

    def _held(self, outcome: Measured, targets: Sequence[Target]) -> dict[str, Interval]:
        """What a measured file has to hold against targets, as margin.held()."""
        baseline = self.baseline

        def gap(factor: float) -> Interval | None:
            return self.gaps.of(outcome, baseline, factor)

        return held(outcome, targets, self.quality, baseline.metrics, gap)

    def hypervolume(self) -> float:
        """The measured points' hypervolume, as front.hypervolume()."""
        return self._hypervolume

    @cached_property
    def _hypervolume(self) -> float:
        return hypervolume(self.leading, self.objectives, self.baseline)
