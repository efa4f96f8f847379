"""What a run is asked for, held against model, data, device and an earlier run, before anything is written."""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from autotune import objectives, userfile
from autotune.compress import load, pipeline
from autotune.compress.cache import ArtifactCache
from autotune.compress.stage import Artifact
from autotune.compress.trust import Trust
from autotune.config import Config, fingerprint
from autotune.data import Data, located, needs_worker, read_data
from autotune.data.taken import Entry
from autotune.devices.device import Device
from autotune.errors import Lost, UserError
from autotune.model_file import read_model
from autotune.record import Record
from autotune.space import Space
from autotune.study import journal, siblings
from autotune.study.checks import check_delegates, check_excluded, check_targets, check_writable, refuse_changes
from autotune.study.options import Options
from autotune.study.pool import Pool
from autotune.target import Metric, Target, resolve
from autotune.task import Task, make_task
from autotune.tflite.state import KEEPS
from autotune.validity import conflict, finished, limits

log = logging.getLogger("autotune.study")


@dataclass(frozen=True)
class Candidate:
    """A model that may be shipped.

    Attributes:
        base: it, as compress.load.import_model gave it.
        task: what it is for.
        key: fingerprint of all that its files depend on, save the recipe.
        facts: of the model, whether layers of it are excluded (excludes), and whether it may be pruned and
            clustered without training (one_shot).
    """

    base: bytes
    task: Task
    key: str
    facts: dict[str, Any]


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
    """

    candidates: dict[str, Candidate]
    space: Space
    targets: list[Target]
    objectives: tuple[Metric, ...]
    cache: ArtifactCache
    name: str
    folder: Path
    meta: dict[str, Any]
    leader: Record | None = None

    def remarks(self) -> list[str]:
        """What the user should know of the models before anything is searched."""
        tasks = [candidate.task for candidate in self.candidates.values()]
        if self.leader is not None:
            device = self.meta["device"]["device"]
            return [f"the files of study {self.leader.name!r}, as they are, on device {device}: study {self.name!r}"]
        return [
            *(f"{task.model} {limit}" for task in tasks if (limit := limits(task.facts))),
            *(f"{task.model} {KEEPS}" for task in tasks if task.facts.get("state")),
            *(f"{task.model}: {line}" for task in tasks if (line := task.facts.get("left_float"))),
            *(f"{task.model} {line}" for task in tasks if (line := Entry.of(task.facts).remark(task.data.train.x))),
            *_groups(tasks[0].data),
        ]

    def fits(self, config: Config) -> bool:
        """Whether a configuration makes sense."""
        return conflict(config, self.candidates[config.recipe.model].facts) is None


Importer = Callable[[bytes, str, Trust], Artifact]


def prepare(
    options: Options, device: Device, pool: Pool, importer: Importer, opened: "Opened | None" = None
) -> Prepared:
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
    opened = opened or open_candidates(options, cache, pool, importer)
    candidates, keys = opened.candidates, opened.keys
    targets, goals = settle(options, opened)
    quality = opened.quality
    meta = _meta(options, targets, goals, opened, device)
    if leader is not None:
        refuse_changes(leader, meta["identity"], but=("device", "space"))
    if (before := journal.found(folder, name)) is not None:
        refuse_changes(before, meta["identity"])
    space = fitted_space(options.space, candidates)
    goal = objectives.resolve(goals, quality)
    prepared = Prepared(candidates, space, targets, goal, cache, name, folder, meta, leader)
    fitting = space.fitting(prepared.fits)
    if fitting is not None:
        if not fitting:
            raise UserError(f"space {space.source}: nothing in it fits the model; choose another --space")
        prepared = replace(prepared, space=space.only(fitting))
    folder.mkdir(parents=True, exist_ok=True)
    for model, base in opened.fresh.items():
        cache.put(keys[model], base)
    return prepared


def fitted_space(space: Space, candidates: Mapping[str, Candidate]) -> Space:
    """The space with a choice of models, of what can be done to them."""
    facts = [candidate.facts for candidate in candidates.values()]
    untrainable = [bool(each.get("untrainable")) for each in facts]
    if all(map(finished, facts)):
        space = space.of_runtimes()
    elif all(untrainable):
        space = space.of_lessons(["none"])
    elif any(untrainable):
        space = space.of_lessons(list(dict.fromkeys([*space.lessons(), "none"])))
    return space if len(candidates) == 1 else space.of_models(tuple(candidates))


@dataclass(frozen=True)
class Opened:
    """Models with their data.

    Attributes:
        candidates: by their names in recipes.
        keys: of the models as they were opened, by the same.
        fresh: those that were not in the cache.
    """

    candidates: dict[str, Candidate]
    keys: dict[str, str]
    fresh: dict[str, Artifact]

    @property
    def quality(self) -> Metric:
        """The metric that all of them are judged by."""
        return next(iter(self.candidates.values())).task.quality


def place(options: Options, device: Device) -> tuple[Record | None, str, Path]:
    """Where a run for a device keeps what it finds: the study whose files it measures (see siblings), name, folder.

    Raises:
        UserError: as siblings.leader().
    """
    leader = siblings.leader(options.folder, options.name, device.name)
    name = options.name if leader is None else siblings.beside(options.name, device.name)
    return leader, name, options.folder / name


def settle(options: Options, opened: Opened) -> tuple[list[Target], tuple[str, ...]]:
    """Targets and objectives of the task.

    Raises:
        UserError: one is on another task's metric, or targets contradict each other.
    """
    targets = resolve(options.targets, opened.quality)
    check_targets(targets, opened.quality)
    return targets, objectives.settle(options.objectives, targets, opened.quality)


def open_candidates(options: Options, cache: ArtifactCache, pool: Pool, importer: Importer) -> Opened:
    """Opens models and data; nothing is written.

    Args:
        options: of which those count that say which models and data, and how they are read.
        cache: of artifacts.
        pool: as prepare().
        importer: opens a model.

    Raises:
        UserError: a model or the data can't be read, or they don't fit each other.
    """
    sources = {name: read_model(path) for name, path in name_models(options.models).items()}
    keys = {name: _import_key(source, options.trust) for name, source in sources.items()}
    kept = {name: cache.get(key) for name, key in keys.items()}
    bases = {
        name: kept[name] or _imported(pool, importer, source, path.resolve().name, options.trust)
        for (name, source), path in zip(sources.items(), options.models, strict=True)
    }
    fresh = {name: base for name, base in bases.items() if kept[name] is None}
    return Opened(_candidates(options, sources, bases, keys, pool), keys, fresh)


def _imported(pool: Pool, importer: Importer, source: bytes, name: str, trust: Trust) -> Artifact:
    """A model, opened in a worker: native code that reads damaged bytes may end its process.

    Raises:
        UserError: it can't be opened, or two workers were lost over it.
        Fault: there are no workers.
    """
    try:
        return pool.submit(importer, source, name, trust).result()
    except Lost as fault:
        log.warning("opening %s: %s", name, fault)
    try:
        return pool.submit(importer, source, name, trust).result()
    except Lost as fault:
        reason = "it is damaged, or takes more memory than there is"
        raise UserError(f"{name}: opening it ended its process twice ({fault}): {reason}") from fault


def name_models(models: Sequence[Path]) -> dict[str, Path]:
    """Each model under a name of its own.

    Raises:
        UserError: two are called the same.
    """
    if len(models) == 1:
        return {"": models[0]}
    stems = [path.stem for path in models]
    names = stems if len(set(stems)) == len(stems) else [path.name for path in models]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"--model: two models are called {twice}; rename one, since results go by the name")
    return dict(zip(names, models, strict=True))


def _import_key(source: bytes, trust: Trust) -> str:
    """Of all that decides what a model file becomes: of modules that are files, their content."""
    modules = [
        sha256(Path(module).read_bytes()).hexdigest() if Path(module).is_file() else module for module in trust.modules
    ]
    return fingerprint(sha256(source).hexdigest(), load.VERSION, trust.code, modules, pipeline.toolchain())


def _candidates(
    options: Options,
    sources: Mapping[str, bytes],
    bases: Mapping[str, Artifact],
    keys: Mapping[str, str],
    pool: Pool,
) -> dict[str, Candidate]:
    """Every model with its task; data is read once for each shape of input.

    Raises:
        UserError: data does not fit a model, or the models are for different tasks.
    """
    read: dict[tuple[int, ...], Data] = {}
    found: dict[str, Candidate] = {}
    for (name, base), path in zip(bases.items(), options.models, strict=True):
        shape = tuple(base.facts["input_shape"])
        if shape not in read:
            arguments = (options.data, shape, options.seed, options.share)
            worker = needs_worker(options.data)
            read[shape] = pool.submit(read_data, *arguments).result() if worker else read_data(*arguments)
        try:
            task = make_task(
                path.name, sources[name], base.facts, read[shape], options.loss, options.metric, options.seed
            )
        except UserError as error:
            raise (UserError(f"model {name}: {error}") if name else error) from error
        key = fingerprint(keys[name], task.fingerprint, options.excluded)
        one_shot = bool(task.facts.get("untrainable")) or "none" in options.space.lessons()
        more = {"excludes": bool(options.excluded), "one_shot": one_shot}
        found[name] = Candidate(base.data, task, key, task.facts | more)
    check_excluded(options.excluded, [base.facts["layers"] for base in bases.values()])
    first, *others = found.values()
    for other in others:
        if other.task.quality != first.task.quality:
            raise UserError(
                f"model {other.task.model} is judged by {other.task.quality.name}, {first.task.model} by "
                f"{first.task.quality.name}; give a --metric that fits both"
            )
    return found


def _groups(data: Data) -> Iterator[str]:
    """A line for each split that is judged by its groups."""
    for name, split in (("validation", data.validation), ("test", data.test)):
        if split.group_count is not None:
            yield f"intervals of the {len(split)} {name} samples are of their {split.group_count} groups"


def judged_by(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Of a study's identity what its qualities depend on, besides files and device."""
    tasks = [candidate.task for candidate in candidates]
    return {
        "data": fingerprint([task.data.fingerprint() for task in tasks]),
        "metric": userfile.fingerprint(tasks[0].scorer or tasks[0].quality.name),
    }


def _data(task: Task, source: str) -> dict[str, Any]:
    """What the splits are, so that they can be told from others."""
    splits = {"train": task.data.train, "validation": task.data.validation, "test": task.data.test}
    return {
        "name": Path(source).name,
        "splits": {
            name: {"samples": len(split), "shape": list(split.x.shape), "fingerprint": split.fingerprint()}
            for name, split in splits.items()
        },
    }


def identity(
    options: Options, targets: Sequence[Target], goals: Sequence[str], opened: Opened, device: Device
) -> dict[str, Any]:
    """What makes a study this one and no other; no device is asked anything."""
    task = next(iter(opened.candidates.values())).task
    return {
        **judged_by(list(opened.candidates.values())),
        "model": fingerprint(list(opened.keys.values())),
        "space": options.space.fingerprint(),
        "files": options.space.of_files().fingerprint(),
        "targets": fingerprint([target.text for target in targets]),
        "objectives": list(goals),
        "loss": userfile.fingerprint(task.loss),
        "seed": options.seed,
        "device": device.name,
        "exclude": list(options.excluded),
    }


def _input(task: Task) -> dict[str, str]:
    """The type of a model's input, and that of the data as it takes them."""
    return {"taken": Entry.of(task.facts).dtype, "given": str(task.data.train.x.dtype)}


def _meta(
    options: Options, targets: Sequence[Target], goals: Sequence[str], opened: Opened, device: Device
) -> dict[str, Any]:
    """What a study is kept with: its identity, and what a person wants to know of it."""
    task = next(iter(opened.candidates.values())).task
    return {
        "format": journal.FORMAT,
        "versions": {journal.PACKAGE: version(journal.PACKAGE), **pipeline.toolchain()},
        "id": uuid.uuid4().hex,
        "seed": options.seed,
        "quality": asdict(task.quality),
        "data": _data(task, options.data),
        "inputs": {name: _input(candidate.task) for name, candidate in opened.candidates.items()},
        "targets": [target.text for target in targets],
        "objectives": list(goals),
        "device": device.facts(),
        "options": {
            "model": [str(path.resolve()) for path in options.models],
            "data": located(options.data),
            "validation_share": options.share,
            "device": options.device or device.name,
            "space": options.space.source,
            "loss": task.loss,
            "metric": task.quality.name,
            "seed": options.seed,
            "excluded": list(options.excluded),
        },
        "identity": identity(options, targets, goals, opened, device),
    }
