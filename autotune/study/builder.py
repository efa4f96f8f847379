"""From a recipe to its file: built stage by stage, or taken from the cache."""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from autotune.compress import pipeline
from autotune.compress.cache import ArtifactCache
from autotune.compress.stage import TrainingData
from autotune.compress.training import add_history
from autotune.config import Recipe
from autotune.errors import Fault, Infeasible
from autotune.files import link, sha256
from autotune.json_object import JsonObject
from autotune.ledger.artifacts import is_file_of, model_path
from autotune.model.artifact import Artifact
from autotune.results.outcome import Measured
from autotune.study.candidates import Candidate
from autotune.study.channel_plans import ChannelPlans
from autotune.study.measured_file import has_file
from autotune.study.pool import Pool
from autotune.study.reporting import Activity
from autotune.study.usage import Usage

REFUSED = "refused"
"""In an artifact's facts: why there is none."""


@dataclass(frozen=True)
class Inputs:
    """What a worker takes to look at a model's channels.

    Attributes:
        key: of the model, with its data.
        base: the model, or what stands for it.
        data: TrainingData, or what stands for it.
    """

    key: str
    base: object
    data: object


class Builder:
    """Where a study's recipes become files.

    build() may be called from several threads; each artifact is built once, whoever asks for it
    (the cache's lock).
    """

    def __init__(
        self,
        candidates: Mapping[str, Candidate],
        excluded: tuple[str, ...],
        cache: ArtifactCache,
        pool: Pool,
        folder: Path,
        trainings: int = 1,
        watch: Callable[[Sequence[Activity]], None] = lambda _: None,
        plans: ChannelPlans | None = None,
    ) -> None:
        """
        Args:
            candidates: the models, by their names in recipes.
            excluded: layers to leave alone.
            cache: of artifacts.
            pool: to build in.
            folder: of the study; files are kept in its models/.
            trainings: that may be under way at once.
            watch: told of all that is under way, as Reporter.working().
            plans: how channels are cut; None where no recipe cuts any.
        """
        self.candidates = candidates
        self.folder = folder
        self.usage = Usage(watch)
        self._excluded = excluded
        self.cache = cache
        self.pool = pool
        self._plans = plans or ChannelPlans()
        self._shared: dict[str, tuple[object, object]] = {}
        self._lock = threading.Lock()
        self._trainings = threading.Semaphore(trainings)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """No stage is begun from now on."""
        self._stopped.set()

    def steps(self, recipe: Recipe) -> list[pipeline.Step]:
        """The recipe's stages.

        Raises:
            Infeasible: its channels can't be cut.
        """
        if recipe.samples >= len(self.candidates[recipe.model].task.data.train):
            recipe = replace(recipe, samples=0)
        return pipeline.steps(recipe, self._key(recipe), self._plans.keep(recipe))

    def trains(self, recipe: Recipe) -> bool:
        """Whether there is something to train for it."""
        return any(step.trains and not self.built(step.key) for step in self.steps(recipe))

    def built(self, key: str) -> bool:
        """Whether there is an artifact of this key."""
        return self.cache.has(key)

    def build(self, recipe: Recipe) -> tuple[str, Artifact]:
        """The recipe's file and its cache key, built where it is not there yet. Its facts tell of channels that were
        cut and of the trainings behind it, too, see add_history().

        Raises:
            Infeasible: the model can't be treated so.
            Fault: a worker was lost, or the work was stopped.
        """
        parent: bytes | None = None
        smaller: bytes | None = None
        cuts: JsonObject = {}
        trainings: list[JsonObject] = []
        # Held to the end: else what comes after a training would wait for a worker behind the next training.
        with self._trainings if self.trains(recipe) else nullcontext():
            for step in self.steps(recipe):
                artifact = self._artifact(step, recipe, parent, smaller)
                if step.gives_model:
                    parent, smaller = None, artifact.data
                    cuts |= artifact.facts
                else:
                    parent = artifact.data
                add_history(trainings, step.stage, artifact.facts)
        path = model_path(self.folder, step.key)
        if sha256(path) != hashlib.sha256(artifact.data).hexdigest():
            link(self.cache.path(step.key), path)
        history: JsonObject = {"training": trainings} if trainings else {}
        return step.key, replace(artifact, facts=artifact.facts | cuts | history)

    def inputs(self, recipe: Recipe) -> "Inputs":
        """What channels of a recipe's model are cut from: the model, without dead channels where the recipe says so.

        Raises:
            Infeasible, Fault: as build().
        """
        base, data = self._inputs(recipe.model)
        for step in pipeline.steps(Recipe(model=recipe.model, dead_channels=recipe.dead_channels), self._key(recipe)):
            if step.gives_model:
                return Inputs(step.key, self.pool.share(self._artifact(step, recipe, None, None).data), data)
        return Inputs(self._key(recipe), base, data)

    def _key(self, recipe: Recipe) -> str:
        return self.candidates[recipe.model].key

    def has(self, outcome: Measured) -> bool:
        """Whether the file that was measured is in its place; where the cache has it, it is from now on."""
        return has_file(self._path(outcome), outcome, self.cache)

    def file(self, outcome: Measured) -> Path:
        """The file that was measured.

        Raises:
            Fault: it is gone or damaged, and the cache has it not.
        """
        if not self.has(outcome):
            raise Fault(f"{self._path(outcome)} is gone or damaged, and not in the cache either")
        return self._path(outcome)

    def rebuild(self, outcome: Measured) -> bool:
        """Builds the file of an outcome again; whether it is the one that was measured.

        Raises:
            Infeasible, Fault: as build().
        """
        self.build(outcome.config.recipe)
        return is_file_of(self._path(outcome), outcome)

    def _path(self, outcome: Measured) -> Path:
        return model_path(self.folder, outcome.artifact)

    def _artifact(self, step: pipeline.Step, recipe: Recipe, parent: bytes | None, smaller: bytes | None) -> Artifact:
        artifact = self.cache.get(step.key)
        if artifact is None:
            with self.cache.building(step.key, self._stopped.is_set):
                artifact = self.cache.get(step.key)
                if artifact is None:
                    return self._built(step, recipe, parent, smaller)
        self.usage.count(step, built=False)
        if REFUSED in artifact.facts:
            raise Infeasible(artifact.facts[REFUSED])
        return artifact

    def _built(self, step: pipeline.Step, recipe: Recipe, parent: bytes | None, smaller: bytes | None) -> Artifact:
        if self._stopped.is_set():
            raise Fault("stopped")
        with self.usage.under_way(Activity("worker", step.stage, recipe, step.trains)):
            base, data = self._inputs(recipe.model)
            self.usage.count(step, built=True)
            try:
                artifact = self.pool.submit(pipeline.build, step, base, parent, data, smaller).result()
            except Infeasible as error:  # would be refused again: no need to train for it twice
                self.cache.put(step.key, Artifact(b"", {REFUSED: str(error)}))
                raise
        self.cache.put(step.key, artifact)
        return artifact

    def _inputs(self, model: str) -> tuple[object, object]:
        """A model and its training data, sent to the workers once."""
        with self._lock:
            if model not in self._shared:
                base = self.candidates[model].base
                task = self.candidates[model].task
                train = task.data.train
                data = TrainingData(train.x, train.y, task.calibration(), task.loss, task.seed, self._excluded)
                self._shared[model] = self.pool.share(base), self.pool.share(data)
            return self._shared[model]
