"""What a file computes: its outputs on the device, held against labels and against the built-in kernels."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotune.config import Config, Recipe, Runtime
from autotune.devices.device import Session
from autotune.errors import Fault, Infeasible, UserError
from autotune.files import Scratch, make_way, whole
from autotune.ledger.artifacts import model_path, scores_path
from autotune.model.artifact import Artifact
from autotune.results.outcome import EvaluatedOn, Measured, Outcome, Parity, Refused
from autotune.results.quality import Certainty, Scored
from autotune.study.builder import Builder
from autotune.study.parity import SPREAD, differs, drawn, parity, senseless, shifted
from autotune.study.reporting import Activity
from autotune.study.warm_start import ScoresElsewhere, adopted
from autotune.targets.metric import CODECS, DOWNLOAD, compressed
from autotune.task.data import Array, Split
from autotune.task.score import Score
from autotune.task.task import Task
from autotune.task.user_metric import score_with, value_with

FAILURES = (Fault, OSError, RuntimeError, UserError)
"""What may come of a trial in place of an outcome: a lost worker or device, a full disk, a failing stage or metric."""

OWN = ("builtin", "reference")
"""Delegates that are LiteRT's own kernels: what the others are held against."""


class Evaluator:
    """Evaluates files on a device. May be used by several threads; the session is used by one at a time."""

    def __init__(
        self,
        builder: Builder,
        session: Session,
        leased: Callable[[], AbstractContextManager[None]],
        elsewhere: ScoresElsewhere | None = None,
        codec: str = CODECS[0],
    ) -> None:
        """
        Args:
            builder: that builds the files.
            session: on the device.
            leased: holds the device while a file is run.
            elsewhere: what its files score on another device; that is not found out again.
            codec: of the study, under which a file is its download.
        """
        self._builder = builder
        self._session = session
        self._leased = leased
        self._elsewhere = elsewhere
        self._codec = codec
        self._lock = threading.Lock()
        self._scratch = Scratch()
        self._unmatched: dict[str, str] = {}
        self._sent: dict[int, object] = {}

    def close(self) -> None:
        """Removes what was written for the device."""
        self._scratch.cleanup()

    def evaluate(self, config: Config) -> Outcome:
        """Builds the configuration and evaluates its file as it will be run.

        Returns:
            An outcome without latency, or a refused one.

        Raises:
            Fault: a worker or the device failed.
        """
        [outcome] = self.evaluate_runtimes([config])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def evaluate_runtimes(self, configs: Sequence[Config]) -> list[Outcome | Exception]:
        """The same for one recipe on several runtimes. Its file is evaluated once on each delegate: threads
        share the outputs among themselves, and no output's sum. (LiteRT's own float kernels add up in another
        order, which is a difference of rounding: tests/study/test_threads.py.)

        Returns:
            For each configuration its outcome or what was raised; for the first alone where there is no file.
        """
        try:
            key, artifact = self._builder.build(configs[0].recipe)
        except Infeasible as error:
            return [Refused(configs[0], str(error))]
        except FAILURES as error:
            return [error]
        outcomes: dict[str, Outcome | Exception] = {}
        for config in configs:
            delegate = config.runtime.delegate
            if delegate not in outcomes:
                try:
                    outcomes[delegate] = self._evaluated(config, key, artifact)
                except FAILURES as error:
                    outcomes[delegate] = error
        return [
            replace(outcome, config=config)
            if isinstance(outcome := outcomes[config.runtime.delegate], Outcome)
            else outcome
            for config in configs
        ]

    def _evaluated(self, config: Config, key: str, artifact: Artifact) -> Outcome:
        try:
            if outcome := self._known(config, key, artifact):
                return outcome
            outputs, reference = self._run(key, config)
        except Infeasible as error:
            return Refused(config, str(error))
        if reason := senseless(outputs) or self._misread(config.recipe, outputs):
            return Refused(config, reason, key)
        task = self._builder.candidates[config.recipe.model].task
        score = self._score(task, outputs, task.data.validation)
        compared: Parity | str | None = reference if isinstance(reference, str) else None
        if isinstance(reference, np.ndarray):
            compared = parity(outputs[drawn(len(outputs))], reference, task.half)
            if reason := self._disagrees(config, compared, outputs, reference, (score.high - score.low) / 2):
                return Refused(config, reason, key, compared)
        metrics = {
            task.quality.key: score.value,
            "size_bytes": float(len(artifact.data)),
            DOWNLOAD.key: float(artifact.facts["downloads"][self._codec]),
            **{compressed(codec).key: float(size) for codec, size in artifact.facts["downloads"].items()},
        }
        self._keep(score, key, config.runtime.delegate)
        return Measured(
            config,
            metrics,
            _certainty(score, task.data.validation),
            key,
            artifact.facts,
            sha256=hashlib.sha256(artifact.data).hexdigest(),
            parity=compared,
        )

    def _known(self, config: Config, key: str, artifact: Artifact) -> Measured | None:
        """What the file is known to score on another device, where some samples score so here too."""
        elsewhere = self._elsewhere
        scored = elsewhere and elsewhere.find(key, config.runtime.delegate, artifact.data)
        if not elsewhere or not scored:
            return None
        outcome, each = scored
        task = self._builder.candidates[config.recipe.model].task
        data = task.data.validation
        some = drawn(len(data))
        with self._lock, self._leased(), self._under_way(config.recipe):
            inputs = self._inputs("parity", config.recipe, data.x[some])
            outputs = self._session.outputs(model_path(self._builder.folder, key), config.runtime, inputs)
        try:
            here = self._score(task, outputs, data, some).each
        except UserError:  # the user's metric may want more samples than these
            return None
        low, high = outcome.interval(task.quality)
        if len(each) != len(data) or shifted(here, each[some], (high - low) / 2):
            return None
        outcome = adopted(outcome, elsewhere.record, self._builder.folder, self._codec)
        return replace(outcome, config=config, evaluated_on=EvaluatedOn(elsewhere.record.device, len(some)))

    def test(self, outcome: Measured) -> Scored:
        """What a measured file scores on the test split, which no search has seen.

        Raises:
            Fault: the file is gone or damaged, or the device failed.
        """
        config = outcome.config
        task = self._builder.candidates[config.recipe.model].task
        with self._lock, self._leased(), self._under_way(config.recipe):
            inputs = self._inputs("test", config.recipe, task.data.test.x)
            outputs = self._session.outputs(self._builder.file(outcome), config.runtime, inputs)
        score = self._score(task, outputs, task.data.test)
        return Scored({task.quality.key: score.value}, _certainty(score, task.data.test))

    def _under_way(self, recipe: Recipe) -> AbstractContextManager[None]:
        return self._builder.usage.under_way(Activity("device", "evaluate", recipe))

    def _keep(self, score: Score, key: str, delegate: str) -> None:
        """What pairs the score with other files', for comparisons on the same samples."""
        path = scores_path(self._builder.folder, key, delegate)
        make_way(path)
        with whole(path) as file:
            np.save(file, score.each)

    def _run(self, key: str, config: Config) -> tuple[Array, Array | str | None]:
        """The file's outputs for the validation samples, and the built-in kernels' for some of them.

        Returns:
            In place of the second, why there are none; None where the first are the built-in kernels' own.
        """
        model = model_path(self._builder.folder, key)
        recipe = config.recipe
        x = self._builder.candidates[recipe.model].task.data.validation.x
        with self._lock, self._leased(), self._under_way(recipe):
            inputs = self._inputs("validation", recipe, x)
            outputs = self._session.outputs(model, config.runtime, inputs)
            if config.runtime.delegate in OWN:
                return outputs, None
            return outputs, self._reference(key, model, self._inputs("parity", recipe, x[drawn(len(x))]))

    def _reference(self, key: str, model: Path, inputs: Path) -> Array | str:
        """The built-in kernels' outputs, run once for each file; or why there are none."""
        if key in self._unmatched:
            return self._unmatched[key]
        path = Path(self._scratch.name) / f"{key}.npy"
        if not path.exists():
            try:
                np.save(path, self._session.outputs(model, Runtime(OWN[0], 1), inputs))
            except Infeasible as error:  # they have not every kernel that a delegate has
                self._unmatched[key] = f"not compared: {error}"
                return self._unmatched[key]
        return np.asarray(np.load(path))

    def _disagrees(
        self, config: Config, compared: Parity, outputs: Array, reference: Array, interval: float
    ) -> str | None:
        """Why a delegate's outputs can't be trusted, None where they can.

        Args:
            config: that was run.
            compared: how far they are from the built-in kernels'.
            outputs: the delegate's.
            reference: the built-in kernels', of the samples drawn.
            interval: half of the quality's 95 % interval.
        """
        delegate = config.runtime.delegate
        if compared.agreement is not None:
            if not differs(compared.agreement, compared.samples, interval):
                return None
            return f"{delegate} decides {1 - compared.agreement:.0%} of the samples otherwise than the built-in kernels"
        if compared.relative_error > SPREAD:
            return f"{delegate}'s outputs are {compared.relative_error:.0%} of their spread off the built-in kernels'"
        task = self._builder.candidates[config.recipe.model].task
        some = drawn(len(outputs))
        try:
            own, theirs = (self._value(task, values, some) for values in (outputs[some], reference))
        except UserError:  # the user's metric may want more samples than these
            return None
        if abs(own - theirs) <= interval:
            return None
        return f"{task.quality.name} on {delegate} is {own:.4g}, on the built-in kernels {theirs:.4g}"

    def _score(self, task: Task, outputs: Array, split: Split, some: NDArray[np.intp] | None = None) -> Score:
        """The quality of a model's outputs; the user's own metric runs in a worker.

        Args:
            task: that they are for.
            outputs: of the split, or of some samples of it.
            split: of the task.
            some: their indices.

        Raises:
            UserError: the user's metric fails.
        """
        part = split if some is None else split.some(some)
        if task.scorer is None:
            return task.score(outputs, part.y, part.groups)
        inputs = self._shared(task, split) if some is None else task.real(part.x)
        return self._builder.pool.submit(score_with, task.scorer, outputs, part.y, inputs, part.groups).result()

    def _value(self, task: Task, outputs: Array, some: NDArray[np.intp]) -> float:
        """The quality of outputs for some of the validation samples, without its interval.

        Raises:
            UserError: the user's metric fails.
        """
        part = task.data.validation.some(some)
        if task.scorer is None:
            return task.score(outputs, part.y).value
        return self._builder.pool.submit(value_with, task.scorer, outputs, part.y, task.real(part.x)).result()

    def _shared(self, task: Task, split: Split) -> object:
        """A split's inputs, sent to the workers once."""
        key = id(split.x)  # the task holds it for as long as this lives
        with self._lock:
            if key not in self._sent:
                self._sent[key] = self._builder.pool.share(task.real(split.x))
        return self._sent[key]

    def _misread(self, recipe: Recipe, outputs: Array) -> str | None:
        """Why outputs are not what the model's are taken for, where this is the model as it is."""
        if recipe.key != Recipe(model=recipe.model).key:
            return None
        return self._builder.candidates[recipe.model].task.misread(outputs)

    def _inputs(self, name: str, recipe: Recipe, x: Array) -> Path:
        """Inputs as a file, written once; by one thread at a time.

        They are bytes where samples are kept so, save for an integer input: it would take them for its own.
        """
        real = recipe.io == "int8"
        path = Path(self._scratch.name) / f"{name}-{recipe.model}{'-real' if real else ''}.npy"
        if not path.exists():
            np.save(path, self._builder.candidates[recipe.model].task.real(x) if real else x)
        return path


def _certainty(score: Score, split: Split) -> Certainty:
    return score.certainty(len(split), split.group_count)
