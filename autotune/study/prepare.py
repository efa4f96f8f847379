"""What a run is asked for, held against model, data, device and an earlier run, before anything is written."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from autotune.compress import pipeline
from autotune.compress.cache import ArtifactCache
from autotune.config import Config, fingerprint
from autotune.devices.device import Device
from autotune.errors import UserError
from autotune.ledger import journal, siblings
from autotune.results.meta import DataFacts, Identity, InputTypes, Meta, SplitFacts, StudyOptions
from autotune.results.record import Begun, Record
from autotune.space.rules import conflict
from autotune.space.space import Space
from autotune.space.unused import unused
from autotune.study.candidates import Candidate, Importer, Opened, open_candidates
from autotune.study.checks import check_delegates, check_targets, check_writable, refuse_changes
from autotune.study.indices import check_indices
from autotune.study.options import Options
from autotune.study.pool import Pool
from autotune.targets import objectives
from autotune.targets.metric import Metric
from autotune.targets.target import Target, resolve
from autotune.task import user_code
from autotune.task.data import Data, located
from autotune.task.data.fields import parts
from autotune.task.task import Task
from autotune.tflite.state import KEEPS

REASONS = 2
"""Why nothing fits, that are named."""


@dataclass(frozen=True)
class Prepared:
    """A run whose input is right.

    Attributes:
        candidates: by their names in recipes; "" is the name of a single one. The first is the baseline.
        space: of what makes sense for these models.
        targets: with quality resolved to the task's metric.
        objectives: the quality, then the costs.
        cache: of artifacts.
        name: of the study.
        folder: of the study.
        meta: that the study is kept with.
        leader: the study whose files are measured here, None where this one searches itself.
        unused: a line for each dimension that was asked for and can't matter.
    """

    candidates: dict[str, Candidate]
    space: Space
    targets: list[Target]
    objectives: tuple[Metric, ...]
    cache: ArtifactCache
    name: str
    folder: Path
    meta: Meta
    leader: Begun | None = None
    unused: tuple[str, ...] = ()

    def remarks(self) -> list[str]:
        """What the user should know of models and space before anything is searched."""
        candidates = list(self.candidates.values())
        tasks = [candidate.task for candidate in candidates]
        if self.leader is not None:
            device = self.meta.device.device
            return [f"the files of study {self.leader.name!r}, as they are, on device {device}: study {self.name!r}"]
        return [
            *(f"{each.task.model} {line}" for each in candidates if (line := each.limits.remark)),
            *(f"{task.model} {KEEPS}" for task in tasks if task.facts.state),
            *(f"{task.model}: {line}" for task in tasks if (line := task.facts.left_float)),
            *(f"{task.model} {line}" for task in tasks for line in _input_remarks(task)),
            *_groups(tasks[0].data),
            *self.unused,
        ]

    def fits(self, config: Config) -> bool:
        """Whether a configuration makes sense."""
        return _conflict(config, self.candidates) is None


def prepare(options: Options, device: Device, pool: Pool, importer: Importer, opened: Opened | None = None) -> Prepared:
    """Opens and checks everything, then makes the study's folder.

    Args:
        options: what is asked for.
        device: to measure on.
        pool: whose workers open models, and data that takes TensorFlow or the user's code to read.
        importer: opens a model.
        opened: what examine() has opened already.

    Raises:
        UserError: something does not fit. Nothing was written then.
    """
    leader, name, folder = place(options, device)
    check_writable(folder)
    check_delegates(options.space, device)
    cache = ArtifactCache(options.folder / ".cache")
    if opened is None:
        opened = open_candidates(options, cache, pool, importer)
        check_indices(opened.candidates.values())
    candidates = opened.candidates
    targets, goals = targets_and_objectives(options, opened)
    quality = opened.quality
    meta = _meta(options, targets, goals, opened, device)
    if leader is not None:
        refuse_changes(leader, meta.identity, but=("device", "space"))
    if (before := journal.read_if_any(folder, name)) is not None:
        refuse_changes(before, meta.identity)
    space = fitted_space(options.space, candidates)
    earlier = leader or before
    if any(opened.dead.values()) and (earlier is None or not _keeps_dead_channels(earlier)):
        space = space.without_dead_channels()
    if options.train_samples is not None:
        space = _of_samples(space, options.train_samples, candidates)
    goal = objectives.resolve(goals, quality)
    asked = options.space if options.train_samples is None else options.space.of_samples(options.train_samples)
    useless = tuple(unused(asked, space))
    prepared = Prepared(candidates, space, targets, goal, cache, name, folder, meta, leader, useless)
    fitting = fitting_configs(space, candidates)
    if fitting is not None:
        prepared = replace(prepared, space=space.only(fitting))
    folder.mkdir(parents=True, exist_ok=True)
    for key, artifact in opened.fresh.items():
        cache.put(key, artifact)
    return prepared


def _of_samples(space: Space, samples: int, candidates: Mapping[str, Candidate]) -> Space:
    """The space in which a training may learn from so many samples, and from all.

    Raises:
        UserError: there are not as many, or the space says itself how many there are to be.
    """
    every = len(next(iter(candidates.values())).task.data.train)
    if samples >= every:
        raise UserError(f"--train-samples {samples}: there are only {every} training samples; leave it out")
    if "samples" in space.dimensions:
        raise UserError(f"space {space.source}: has samples of its own; leave them out, or --train-samples")
    return space.of_samples(samples, every)


def _keeps_dead_channels(record: Record) -> bool:
    """Whether a study is from before dead channels were looked for."""
    recipes = [point.outcome.config.recipe for point in record.points]
    return bool(recipes) and all(recipe.dead_channels == "kept" for recipe in recipes)


def fitted_space(space: Space, candidates: Mapping[str, Candidate]) -> Space:
    """The space with a choice of models, of what can be done to them."""
    limits = [candidate.limits for candidate in candidates.values()]
    untrainable = [each.untrainable is not None for each in limits]
    if all(each.finished for each in limits):
        space = space.of_runtimes()
    elif all(untrainable):
        space = space.of_lessons(["none"]).with_all_channels()
    elif any(untrainable):
        space = space.of_lessons(list(dict.fromkeys([*space.lessons(), "none"])))
    return space if len(candidates) == 1 else space.of_models(tuple(candidates))


def fitting_configs(space: Space, candidates: Mapping[str, Candidate]) -> list[Config] | None:
    """Every configuration that makes sense for the models, None where there are too many to look through.

    Raises:
        UserError: none does; it names the commonest reasons.
    """
    fitting = space.fitting(lambda config: _conflict(config, candidates) is None)
    if fitting == []:
        reasons = Counter(_conflict(config, candidates) for config in space.all() or ())
        why = "; ".join(str(reason) for reason, _ in reasons.most_common(REASONS))
        raise UserError(f"space {space.source}: nothing in it fits the model ({why}); choose another --space")
    return fitting


def _conflict(config: Config, candidates: Mapping[str, Candidate]) -> str | None:
    return conflict(config, candidates[config.recipe.model].limits)


def place(options: Options, device: Device) -> tuple[Begun | None, str, Path]:
    """Where a run for a device keeps what it finds: the study whose files it measures (see siblings), name, folder.

    Raises:
        UserError: as siblings.leader().
    """
    leader = siblings.leader(options.folder, options.name, device.name)
    name = options.name if leader is None else siblings.beside(options.name, device.name)
    return leader, name, options.folder / name


def targets_and_objectives(options: Options, opened: Opened) -> tuple[list[Target], tuple[str, ...]]:
    """Targets and objectives of the task.

    Raises:
        UserError: one is on another task's metric, or targets contradict each other.
    """
    targets = resolve(options.targets, opened.quality)
    check_targets(targets, opened.quality)
    return targets, objectives.choose(options.objectives, targets, opened.quality)


def _groups(data: Data) -> Iterator[str]:
    """A line for each split that is judged by its groups."""
    for name, split in (("validation", data.validation), ("test", data.test)):
        if split.group_count is not None:
            yield f"intervals of the {len(split)} {name} samples are of their {split.group_count} groups"


def judged_by(candidates: Sequence[Candidate]) -> Identity:
    """What a study's qualities depend on, besides files and device: data and metric of its identity."""
    tasks = [candidate.task for candidate in candidates]
    return Identity(
        data=fingerprint([task.data.fingerprint(task.stand_for) for task in tasks]),
        metric=user_code.fingerprint(tasks[0].scorer or tasks[0].metric),
    )


def _data(task: Task, source: str) -> DataFacts:
    """What the splits are, so that they can be told from others."""
    splits = {"train": task.data.train, "validation": task.data.validation, "test": task.data.test}
    return DataFacts(
        Path(source).name,
        {
            name: SplitFacts(len(split), split.x.shape, split.fingerprint(task.stand_for))
            for name, split in splits.items()
        },
    )


def identity(
    options: Options, targets: Sequence[Target], goals: Sequence[str], opened: Opened, device: Device
) -> Identity:
    """What makes a study this one and no other; no device is asked anything."""
    task = next(iter(opened.candidates.values())).task
    return replace(
        judged_by(list(opened.candidates.values())),
        model=fingerprint(list(opened.keys.values())),
        space=options.space.fingerprint(),
        files=options.space.of_files().fingerprint(),
        targets=fingerprint([target.text for target in targets]),
        objectives=tuple(goals),
        loss=user_code.fingerprint(task.loss),
        seed=options.seed,
        device=device.name,
        exclude=options.exclude,
        codec=options.codec,
        train_samples=options.train_samples,
    )


def _input_remarks(task: Task) -> Iterator[str]:
    """What the user should know of how a model's inputs are understood."""
    values = parts(task.data.train.x)
    for name, entry in task.inputs.items():
        if remark := entry.remark(values[name]):
            yield f"{name!r}: {remark}" if name else remark


def _input_types(task: Task) -> InputTypes:
    """The types of a model's inputs, in their order."""
    values = parts(task.real(task.data.train.x[:1]))
    taken = [entry.dtype for entry in task.inputs.values()]
    return InputTypes(", ".join(taken), ", ".join(str(values[name].dtype) for name in task.inputs))


def _meta(options: Options, targets: Sequence[Target], goals: Sequence[str], opened: Opened, device: Device) -> Meta:
    """What a study is kept with: its identity, and what a person wants to know of it."""
    task = next(iter(opened.candidates.values())).task
    tasks = {name: candidate.task for name, candidate in opened.candidates.items()}
    return Meta(
        format=journal.FORMAT,
        versions={journal.PACKAGE: version(journal.PACKAGE), **pipeline.toolchain()},
        id=uuid.uuid4().hex,
        seed=options.seed,
        quality=task.quality,
        data=_data(task, options.data),
        inputs={name: _input_types(task) for name, task in tasks.items()},
        targets=tuple(target.text for target in targets),
        objectives=tuple(goals),
        device=device.facts(),
        options=StudyOptions(
            model=tuple(str(path.resolve()) for path in options.models),
            data=located(options.data),
            shape=options.shape or None,
            signature=options.signature,
            validation_share=options.validation_share,
            device=options.device or device.name,
            space=options.space.source,
            loss=task.loss,
            metric=task.metric,
            seed=options.seed,
            excluded=options.exclude,
            codec=options.codec,
            train_samples=options.train_samples,
        ),
        identity=identity(options, targets, goals, opened, device),
    )
