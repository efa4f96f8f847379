"""One trial on its way: its configuration is built, evaluated and measured."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.compress import pipeline
from autotune.compress.cache import ArtifactCache
from autotune.compress.stage import Artifact, TrainingData
from autotune.config import Config, Recipe
from autotune.devices.device import Session, Timing
from autotune.devices.statistics import summary
from autotune.errors import Fault, Infeasible
from autotune.front import Point
from autotune.outcome import Outcome
from autotune.record import model_path
from autotune.score import score_with
from autotune.study.pool import Pool
from autotune.study.prepare import Candidate

ROUNDS = 3
"""How often each file's turn comes in a measurement."""

REFUSED = "refused"
"""In an artifact's facts: why there is none."""


@dataclass
class Work:
    """What was done and what was not: counts, and the time in which something was under way.

    Attributes:
        trained, converted: builds by kind.
        reused: stages that came from the cache.
        reused_training: those of them that would have trained.
        busy: seconds in which at least one build, evaluation or measurement was under way.
        begun: when the first of them began, on the clock of time.monotonic(); 0 before it.
    """

    trained: int = 0
    converted: int = 0
    reused: int = 0
    reused_training: int = 0
    busy: float = 0.0
    begun: float = 0.0
    _under_way: int = field(default=0, repr=False)
    _since: float = field(default=0.0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Marks a build, an evaluation or a measurement."""
        with self._lock:
            if self._under_way == 0:
                self._since = time.monotonic()
                self.begun = self.begun or self._since
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                if self._under_way == 0:
                    self.busy += time.monotonic() - self._since

    def count(self, step: pipeline.Step, *, built: bool) -> None:
        """Counts a stage that was built, or taken from the cache."""
        with self._lock:
            if built:
                self.trained += step.trains
                self.converted += not step.trains
            else:
                self.reused += 1
                self.reused_training += step.trains

    def to_json(self) -> dict[str, float]:
        return {
            "trained": self.trained,
            "converted": self.converted,
            "reused": self.reused,
            "reused_training": self.reused_training,
            "busy_s": round(self.busy, 3),
        }


class Workbench:
    """Where a study's configurations become files and numbers.

    build() and evaluate() may be called from several threads; each artifact is built once,
    whoever asks for it (the cache's lock).
    """

    def __init__(
        self,
        candidates: Mapping[str, Candidate],
        excluded: tuple[str, ...],
        cache: ArtifactCache,
        pool: Pool,
        folder: Path,
    ) -> None:
        """
        Args:
            candidates: the models, by their names in recipes.
            excluded: layers to leave alone.
            cache: of artifacts.
            pool: to build in.
            folder: of the study; files are kept in its models/.
        """
        self.candidates, self.folder, self.work = candidates, folder, Work()
        self._excluded, self._cache, self._pool = excluded, cache, pool
        self._shared: dict[str, tuple[Any, Any]] = {}
        self._lock, self._evaluating = threading.Lock(), threading.Lock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """No stage is begun from now on."""
        self._stopped.set()

    def build(self, recipe: Recipe) -> tuple[str, Artifact]:
        """The recipe's file and its cache key, built where it is not there yet.

        Raises:
            Infeasible: the model can't be treated so.
            Fault: a worker was lost, or the work was stopped.
        """
        parent: bytes | None = None
        for step in pipeline.steps(recipe, self.candidates[recipe.model].key):
            artifact = self._artifact(step, recipe.model, parent)
            parent = artifact.data
        path = model_path(self.folder, step.key)
        if not path.exists():
            _keep(self._cache.path(step.key), path)
        return step.key, artifact

    def _artifact(self, step: pipeline.Step, model: str, parent: bytes | None) -> Artifact:
        found = self._cache.get(step.key)
        if found is None:
            with self._cache.building(step.key):
                found = self._cache.get(step.key)
                if found is None:
                    return self._built(step, model, parent)
        self.work.count(step, built=False)
        if REFUSED in found.facts:
            raise Infeasible(found.facts[REFUSED])
        return found

    def _built(self, step: pipeline.Step, model: str, parent: bytes | None) -> Artifact:
        if self._stopped.is_set():
            raise Fault("stopped")
        with self.work.under_way():
            base, data = self._inputs(model)
            self.work.count(step, built=True)
            try:
                artifact = self._pool.submit(pipeline.build, step, base, parent, data).result()
            except Infeasible as error:  # would be refused again: no need to train for it twice
                self._cache.put(step.key, Artifact(b"", {REFUSED: str(error)}))
                raise
        self._cache.put(step.key, artifact)
        return artifact

    def _inputs(self, model: str) -> tuple[Any, Any]:
        """A model and its training data, sent to the workers once."""
        with self._lock:
            if model not in self._shared:
                base, task = self.candidates[model].base, self.candidates[model].task
                train = task.data.train
                data = TrainingData(train.x, train.y, task.calibration(), task.loss, task.seed, self._excluded)
                self._shared[model] = self._pool.share(base), self._pool.share(data)
            return self._shared[model]

    def score(self, model: str, outputs: NDArray[np.float32], labels: NDArray[Any]) -> tuple[float, float]:
        """The quality of a model's outputs and its standard error; the user's own metric runs in a worker.

        Raises:
            UserError: the user's metric fails.
        """
        task = self.candidates[model].task
        if task.scorer is None:
            return task.score(outputs, labels)
        return self._pool.submit(score_with, task.scorer, outputs, labels).result()

    def evaluate(self, config: Config, session: Session, inputs: Mapping[str, Path]) -> Outcome:
        """Builds the configuration and evaluates its file as it will be run.

        Args:
            config: what is wanted.
            session: on the device; used by one thread at a time.
            inputs: each model's validation inputs as .npy.

        Returns:
            An outcome without latency, or a refused one.

        Raises:
            Fault: a worker or the device failed.
        """
        try:
            key, artifact = self.build(config.recipe)
            model = model_path(self.folder, key)
            with self._evaluating, self.work.under_way():
                outputs = session.outputs(model, config.runtime, inputs[config.recipe.model])
        except Infeasible as error:
            return Outcome(config, "refused", reason=str(error))
        if not np.isfinite(outputs).all():
            return Outcome(config, "refused", artifact=key, reason="its outputs are not finite")
        task = self.candidates[config.recipe.model].task
        quality, error_ = self.score(config.recipe.model, outputs, task.data.validation.y)
        metrics = {
            task.quality.key: quality,
            "size_bytes": float(len(artifact.data)),
            "download_bytes": float(artifact.facts["download_bytes"]),
        }
        facts = {"standard_error": error_, "samples": len(outputs), **artifact.facts}
        return Outcome(config, "measured", metrics, facts, key)

    def test(self, point: Point, session: Session) -> dict[str, float]:
        """What a file scores on the test split, which no search has seen.

        Returns:
            The quality under its metric's key, standard_error and samples.
        """
        assert point.model is not None  # only measured points are picked
        config = point.outcome.config
        task = self.candidates[config.recipe.model].task
        with tempfile.TemporaryDirectory() as folder:
            inputs = Path(folder) / "test.npy"
            np.save(inputs, task.data.test.x)
            outputs = session.outputs(Path(point.model), config.runtime, inputs)
        quality, error = self.score(config.recipe.model, outputs, task.data.test.y)
        return {task.quality.key: quality, "standard_error": error, "samples": len(outputs)}

    def measure(self, outcomes: Sequence[Outcome], session: Session) -> list[Outcome | Fault]:
        """Evaluated outcomes with their latency; the caller sees to it that the machine is quiet.

        ROUNDS times in turn, so that a disturbance hits some runs of all and not all of one; the
        median of the runs together withstands one bad round.

        Returns:
            For each its outcome, or the fault that the device had over it.
        """
        timings: list[list[Timing]] = [[] for _ in outcomes]
        ended: dict[int, Outcome | Fault] = {
            index: outcome for index, outcome in enumerate(outcomes) if outcome.state == "refused"
        }
        for _ in range(ROUNDS):
            for index, outcome in enumerate(outcomes):
                if index in ended:
                    continue
                assert outcome.artifact is not None  # not refused, so it has a file
                try:
                    with self.work.under_way():
                        timing = session.latency(model_path(self.folder, outcome.artifact), outcome.config.runtime)
                    timings[index].append(timing)
                except Infeasible as error:
                    ended[index] = Outcome(outcome.config, "refused", artifact=outcome.artifact, reason=str(error))
                except Fault as error:
                    ended[index] = error
        return [ended.get(index) or _timed(outcome, timings[index]) for index, outcome in enumerate(outcomes)]


def _timed(outcome: Outcome, rounds: Sequence[Timing]) -> Outcome:
    facts = outcome.facts | {
        "runs": sum(len(timing.times_us) for timing in rounds),
        "first_ms": rounds[0].first_us / 1e3,
        "init_ms": rounds[0].init_us / 1e3,
        "round_ms": [summary([timing])["latency_ms"] for timing in rounds],
    }
    return Outcome(outcome.config, "measured", outcome.metrics | summary(rounds), facts, outcome.artifact)


def _keep(source: Path, path: Path) -> None:
    """The file under the study's own name; linked, so that it takes no room twice."""
    path.parent.mkdir(exist_ok=True)
    try:
        os.link(source, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        fresh = path.with_suffix(f".{threading.get_ident()}")
        shutil.copyfile(source, fresh)
        fresh.replace(path)
