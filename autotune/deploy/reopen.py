"""The models and the data of a study that is there, opened once more."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from autotune.errors import UserError
from autotune.model.load import import_model
from autotune.model.trust import Trust
from autotune.options.table import RunOptions
from autotune.results.front import MeasuredPoint
from autotune.results.record import Record
from autotune.space.space import Space
from autotune.study.candidates import Candidate, Importer, open_candidates
from autotune.study.measured_file import cache_of
from autotune.study.options import Options
from autotune.study.pool import Pool
from autotune.study.prepare import judged_by
from autotune.targets.metric import bare, is_quality
from autotune.task import user_code
from autotune.task.data import Array

T = TypeVar("T")


def reopened(record: Record, pool: Pool, importer: Importer, trust: Trust) -> dict[str, Candidate]:
    """What the study was made with, by the names in recipes.

    Args:
        record: of the study.
        pool: used where the models are not in the cache any more, or data takes a worker to read.
        importer: opens a model.
        trust: what code models may run; is not kept with a study, since it is for the user to give.

    Raises:
        UserError: models or data are gone, can't be read, or are not what they were: then what was the test
            split may be what the search has seen.
    """
    options = _options(record, trust)
    candidates = open_candidates(options, cache_of(record), pool, importer, counts_dead=False).candidates
    _check(record, candidates, options.data)
    return candidates


def samples(record: Record, point: MeasuredPoint, count: int, trust: Trust) -> Array | None:
    """Some validation inputs, as a trial's file takes them.

    Args:
        record: of the study.
        point: the trial.
        count: how many.
        trust: as reopened().

    Returns:
        (count, …); None where models or data are gone, or a worker would have to open them.
    """
    try:
        candidates = reopened(record, _NoPool(), import_model, trust)
    except UserError:
        return None
    task = candidates[point.outcome.config.recipe.model].task
    return task.real(task.data.validation.x[:count])


class _NoPool:
    """A pool without workers."""

    def share(self, value: T) -> T:
        return value

    def submit(self, function: Callable[..., T], *arguments: object) -> Future[T]:  # noqa: ARG002  # as Pool has them
        raise UserError(f"{getattr(function, '__name__', function)} takes a worker")

    def close(self) -> None:
        """Has nothing to end."""


def _options(record: Record, trust: Trust) -> Options:
    """What the study was asked for, as far as models and data depend on it.

    Raises:
        UserError: that was not kept.
    """
    options = record.meta.options
    models, data, loss, metric, seed = options.model, options.data, options.loss, options.metric, options.seed
    if models is None or data is None or loss is None or metric is None or seed is None:
        raise UserError(f"study {record.name!r} has not kept what its models and data were opened with; run it anew")
    return Options(
        models=tuple(Path(model) for model in models),
        data=data,
        space=Space({}, options.space or ""),
        targets=[],
        name=record.name,
        folder=record.folder.parent,
        seed=seed,
        loss=None if user_code.is_function(loss) else loss,  # then it is the data's own
        metric=metric if is_quality(bare(metric)) else None,  # likewise
        validation_share=RunOptions.validation_share if options.validation_share is None else options.validation_share,
        exclude=options.excluded or (),
        shape=options.shape or (),
        signature=options.signature,
        trust=trust,
    )


def _check(record: Record, candidates: dict[str, Candidate], data: str) -> None:
    named = {"data": data, "metric": next(iter(candidates.values())).task.quality.name}
    now = judged_by(list(candidates.values()))
    for name in now.changes(record.meta.identity):
        if name in named:
            raise UserError(f"{name} {named[name]}: not what the study was made with")
