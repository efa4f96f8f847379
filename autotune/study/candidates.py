"""The models that may be shipped, opened, each with its task; nothing is written."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from autotune.compress import pipeline
from autotune.compress.cache import ArtifactCache
from autotune.compress.channels.examine import count_dead
from autotune.compress.channels.stages import Trim
from autotune.config import fingerprint
from autotune.errors import Lost, UserError
from autotune.model import load
from autotune.model.artifact import Artifact, is_tflite
from autotune.model.file import read_model
from autotune.model.opening import Opening
from autotune.model.trust import Trust
from autotune.space.rules import Limits
from autotune.study.checks import check_excluded
from autotune.study.options import Options
from autotune.study.pool import Pool
from autotune.targets.metric import Metric
from autotune.task.data import Data, needs_worker, read_data
from autotune.task.make import make_task
from autotune.task.model_facts import ModelFacts
from autotune.task.task import Task

CACHE = Path(".cache", "data")
"""Of large samples, in the folder that holds the studies."""

DEAD = "dead_channels"
"""In an artifact's facts: how many channels of a model change nothing."""

log = logging.getLogger("autotune.study")


@dataclass(frozen=True)
class Candidate:
    """A model that may be shipped.

    Attributes:
        base: it, as model.load.import_model gave it.
        task: what it is for.
        key: fingerprint of all that its files depend on, save the recipe.
        limits: of what makes sense for it.
    """

    base: bytes
    task: Task
    key: str
    limits: Limits


@dataclass(frozen=True)
class Opened:
    """Models with their data.

    Attributes:
        candidates: by their names in recipes.
        keys: of the models as they were opened, by the same.
        dead: how many of a model's channels change nothing, by the same.
        fresh: by its key what was not in the cache.
    """

    candidates: dict[str, Candidate]
    keys: dict[str, str]
    dead: dict[str, int]
    fresh: dict[str, Artifact]

    @property
    def quality(self) -> Metric:
        """The metric that all of them are judged by."""
        return next(iter(self.candidates.values())).task.quality


Importer = Callable[[bytes, str, Trust, Opening], Artifact]


def open_candidates(
    options: Options, cache: ArtifactCache, pool: Pool, importer: Importer, *, counts_dead: bool = True
) -> Opened:
    """Opens models and data; nothing is written.

    Args:
        options: of which those count that say which models and data, and how they are read.
        cache: of artifacts.
        pool: as prepare().
        importer: opens a model.
        counts_dead: whether it is to be known how many channels change nothing.

    Raises:
        UserError: a model or the data can't be read, or they don't fit each other.
    """
    sources = {name: read_model(path) for name, path in name_models(options.models).items()}
    opening = Opening.parse(options.shape, options.signature)
    keys = {name: _import_key(source, options.trust, opening) for name, source in sources.items()}
    cached = {name: cache.get(key) for name, key in keys.items()}
    bases = {
        name: cached[name] or _imported(pool, importer, source, path.resolve().name, options.trust, opening)
        for (name, source), path in zip(sources.items(), options.models, strict=True)
    }
    fresh = {keys[name]: base for name, base in bases.items() if cached[name] is None}
    candidates = _candidates(options, sources, bases, keys, pool)
    dead = {}
    for name, candidate in candidates.items() if counts_dead else ():
        key = fingerprint(DEAD, Trim.version, keys[name], options.exclude)
        count = cache.get(key) or _counted(candidate, options, pool)
        dead[name] = int(count.facts[DEAD]) if count else 0
        if count and cache.get(key) is None:
            fresh[key] = count
    return Opened(candidates, keys, dead, fresh)


def _counted(candidate: Candidate, options: Options, pool: Pool) -> Artifact | None:
    """How many of a model's channels change nothing, as an artifact without data; None where that can't be told."""
    if candidate.limits.untrainable is not None:
        return None
    try:
        return Artifact(b"", {DEAD: pool.submit(count_dead, candidate.base, options.exclude).result()})
    except (Lost, RuntimeError) as error:  # nobody asked for it
        log.warning("channels of %s: %s", candidate.task.model, error)
        return None


def _imported(pool: Pool, importer: Importer, source: bytes, name: str, trust: Trust, opening: Opening) -> Artifact:
    """A model, opened in a worker: native code that reads damaged bytes may end its process.

    Raises:
        UserError: it can't be opened, or two workers were lost over it.
        Fault: there are no workers.
    """
    try:
        return pool.submit(importer, source, name, trust, opening).result()
    except Lost as fault:
        log.warning("opening %s: %s", name, fault)
    try:
        return pool.submit(importer, source, name, trust, opening).result()
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


def _import_key(source: bytes, trust: Trust, opening: Opening) -> str:
    """The key of all that decides what a model file becomes: of modules that are files, their content."""
    modules = [
        sha256(Path(module).read_bytes()).hexdigest() if Path(module).is_file() else module for module in trust.modules
    ]
    opened_by = load.FILES if is_tflite(source) else load.VERSION
    return fingerprint(sha256(source).hexdigest(), opened_by, trust.code, modules, pipeline.toolchain(), *opening.said)


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
    read: dict[str, Data] = {}
    candidates: dict[str, Candidate] = {}
    for (name, base), path in zip(bases.items(), options.models, strict=True):
        facts = ModelFacts.from_json(base.facts)
        shape = facts.input_shape
        if str(shape) not in read:
            arguments = (options.data, shape, options.seed, options.validation_share, options.folder.resolve() / CACHE)
            worker = needs_worker(options.data)
            read[str(shape)] = pool.submit(read_data, *arguments).result() if worker else read_data(*arguments)
        try:
            task = make_task(
                path.name, sources[name], facts, read[str(shape)], options.loss, options.metric, options.seed
            )
        except UserError as error:
            raise (UserError(f"model {name}: {error}") if name else error) from error
        key = fingerprint(keys[name], task.fingerprint, options.exclude)
        candidates[name] = Candidate(base.data, task, key, _limits(task, options))
    check_excluded(options.exclude, [candidate.task.facts.layers for candidate in candidates.values()])
    first, *others = candidates.values()
    for other in others:
        if other.task.quality != first.task.quality:
            raise UserError(
                f"model {other.task.model} is judged by {other.task.quality.name}, {first.task.model} by "
                f"{first.task.quality.name}; give a --metric that fits both"
            )
    return candidates


def _limits(task: Task, options: Options) -> Limits:
    """What is to be known of a model, and of what is asked for, to tell which configurations make sense."""
    facts = task.facts
    return Limits(
        len(facts.inputs) == 1 and len(facts.inputs[0].shape) == 3,
        len(facts.outputs) > 1 or len(facts.outputs[0].shape) > 1,
        facts.largest_layer,
        facts.untrainable,
        facts.quantized,
        excludes=bool(options.exclude),
        one_shot=facts.untrainable is not None or "none" in options.space.lessons(),
        labelled=task.teaches,
    )
