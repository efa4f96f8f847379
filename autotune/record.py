"""A study as its ledger has it: all that the front, the tracker and the report are made from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autotune.front import Front, Point, front_of, hypervolume, violations
from autotune.outcome import Outcome
from autotune.target import Metric, Target, parse


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
    """

    name: str
    folder: Path
    meta: dict[str, Any]
    baseline: Outcome | None
    points: list[Point]
    failed: dict[str, int]
    tests: dict[str, dict[str, float]]
    runs: list[dict[str, float]]

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
            return front_of(self.points, self.quality, self.targets, self.baseline)
        return front_of(self.judged(targets), self.quality, list(targets), self.baseline)

    def judged(self, targets: Sequence[Target]) -> list[Point]:
        """The measured points, held against other targets than the study's own."""
        assert self.baseline is not None  # nothing is measured before it
        return [
            replace(point, violations=violations(point.outcome.metrics, targets, self.baseline.metrics))
            for point in self.points
            if point.outcome.state == "measured"
        ]

    def hypervolume(self) -> float:
        """Of the measured points, as front.hypervolume()."""
        measured = [point for point in self.points if point.outcome.state == "measured"]
        return hypervolume(measured, self.quality, self.baseline) if self.baseline else 0.0


def model_path(folder: Path, artifact: str) -> Path:
    """Where a study keeps a file, by its cache key."""
    return folder / "models" / f"{artifact[:16]}.tflite"
