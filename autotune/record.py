"""A study as its ledger has it: all that the front, the tracker and the report are made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.config import Config
from autotune.findings import Measured, findings
from autotune.front import Front, Point, front_of, hypervolume, overlap, violations
from autotune.outcome import Outcome
from autotune.significance import LEVEL, compare
from autotune.target import Metric, Target, parse

BASELINE = -1
"""In place of a trial's number."""


@dataclass(frozen=True)
class Record:
    """A study, finished or not.

    Attributes:
        name: of the study.
        folder: that holds all of it.
        meta: what it was started with (JSON): identity, options, targets, device, quality, id.
        baseline: the original model, converted and nothing else; None before it was measured.
        points: the finished trials in order.
        failed: number of trials that the machine or we failed, by reason.
        tests: what the picked trials scored on the test split, by trial.
        runs: what each run of the study did, as Work.to_json(), with wall_s and startup_s.
        remeasured: the latencies of those that were on the front, taken once more at the end, as
            Measurement.to_json(), or {"refused": reason}, by trial; that of the baseline by BASELINE.
            Outcomes have them already.
    """

    name: str
    folder: Path
    meta: dict[str, Any]
    baseline: Outcome | None
    points: list[Point]
    failed: dict[str, int]
    tests: dict[str, dict[str, Any]]
    runs: list[dict[str, float]]
    remeasured: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        """Finished trials that were asked for, without those that came with them for free."""
        return sum(not point.free for point in self.points)

    @property
    def quality(self) -> Metric:
        return Metric(**self.meta["quality"])

    @property
    def targets(self) -> list[Target]:
        return [parse(text, self.quality)[0] for text in self.meta["targets"]]

    def front(self, targets: Sequence[Target] | None = None) -> Front | None:
        """The front, None before the baseline was measured.

        Args:
            targets: to hold the points against, the study's own by default.
        """
        if self.baseline is None:
            return None
        if targets is None:
            return front_of(self.points, self.quality, self.targets, self.baseline, self.tied)
        return front_of(self.judged(targets), self.quality, list(targets), self.baseline, self.tied)

    def tied(self, one: Point, other: Point) -> bool:
        """Whether two points' quality can't be told apart: by a paired test on the samples that both saw,
        by their intervals where the study did not keep them.
        """
        first, second = self._each(one), self._each(other)
        if first is None or second is None or first.shape != second.shape:
            return overlap(one, other, self.quality)
        return compare(first, second, resampled=one.outcome.facts.get("resampled", False)) > LEVEL

    def _each(self, point: Point) -> NDArray[Any] | None:
        """The point's Score.each, None where there is none or its file is damaged."""
        assert point.outcome.artifact is not None  # measured, so it has a file
        path = scores_path(self.folder, point.outcome.artifact, point.outcome.config.runtime.delegate)
        try:
            each: NDArray[Any] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return each

    def judged(self, targets: Sequence[Target]) -> list[Point]:
        """The measured points, held against other targets than the study's own."""
        assert self.baseline is not None  # nothing is measured before it
        return [
            replace(point, violations=violations(point.outcome.metrics, targets, self.baseline.metrics))
            for point in self.points
            if point.outcome.state == "measured"
        ]

    def findings(self) -> list[str]:
        """What bought nothing on the device: delegates, threads, sparse weights; a line each."""
        rows = {}
        for point in self.points:
            config, latency = point.outcome.config, point.outcome.latency
            if latency is not None:
                file, recipe = point.outcome.artifact, config.recipe
                dense = Config(replace(recipe, prune=0.0), config.runtime).key
                sparse = recipe.prune > 0 and recipe.prune_pattern == "xnnpack"
                rows[file, config.runtime] = (latency, config, dense if sparse else None)
        files = {config.key: file for (file, _), (_, config, _) in rows.items()}
        return findings(
            [
                Measured(file, runtime, latency, None if dense is None else files.get(dense))
                for (file, runtime), (latency, _, dense) in rows.items()
            ]
        )

    def hypervolume(self) -> float:
        """Of the measured points, as front.hypervolume()."""
        measured = [point for point in self.points if point.outcome.state == "measured"]
        return hypervolume(measured, self.quality, self.baseline) if self.baseline else 0.0


def model_path(folder: Path, artifact: str) -> Path:
    """Where a study keeps a file, by its cache key."""
    return folder / "models" / f"{artifact[:16]}.tflite"


def scores_path(folder: Path, artifact: str, delegate: str) -> Path:
    """Where a study keeps what a file scored on each sample, by its cache key and what it ran on; .npy."""
    return folder / "scores" / f"{artifact[:16]}-{delegate}.npy"
