"""The files that were measured, and no others: linked anew or built again where they are gone or damaged."""

from collections.abc import Callable, Iterator

from autotune.errors import Infeasible, one_line
from autotune.ledger.ledger import Ledger
from autotune.results.front import MeasuredPoint
from autotune.results.outcome import Outcome
from autotune.results.remeasured import RefusedAfterAll
from autotune.study.builder import Builder
from autotune.study.evaluate import FAILURES, Evaluator

OTHERWISE = "its file was damaged, and came out otherwise when it was built again"
"""Why a trial that was measured counts no more."""


def restore(ledger: Ledger, builder: Builder, evaluator: Evaluator, note: Callable[[str], None]) -> Iterator[Outcome]:
    """Has the file of each measured trial in its place again. One that comes out otherwise makes its trials void.

    Args:
        ledger: of the study; told which trials are void.
        builder: that builds what the cache has not.
        evaluator: of what came out otherwise.
        note: told what was damaged.

    Yields:
        The outcomes of what came out otherwise, without latency.
    """
    files: dict[str, list[MeasuredPoint]] = {}
    for point in ledger.record().measured:
        files.setdefault(point.outcome.artifact, []).append(point)
    for points in files.values():
        first = points[0]
        if builder.has(first.outcome):
            continue
        try:
            same = builder.rebuild(first.outcome)
        except (*FAILURES, Infeasible) as error:
            note(f"{first.model} is gone or damaged, and can't be built again: {one_line(error)}")
            continue
        note(f"{first.model} was gone or damaged, and is built again" + ("" if same else "; it came out otherwise"))
        if not same:
            void = {str(point.trial): RefusedAfterAll(OTHERWISE) for point in points}
            ledger.note_remeasured(ledger.record().remeasured | void)
            yield from _evaluated(points, evaluator, note)


def _evaluated(points: list[MeasuredPoint], evaluator: Evaluator, note: Callable[[str], None]) -> Iterator[Outcome]:
    """The same file's outcomes on the runtimes of these points; what fails is noted."""
    for outcome in evaluator.evaluate_runtimes([point.outcome.config for point in points]):
        if isinstance(outcome, Exception):
            note(f"{points[0].outcome.config.recipe}: {one_line(outcome)}")
        else:
            yield outcome
