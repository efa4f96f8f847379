"""The ledger: an Optuna study in a journal file, the one truth about what was tried."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import optuna
from optuna.trial import FrozenTrial, TrialState

from autotune.config import Config, Recipe, Value
from autotune.json_object import JsonObject
from autotune.ledger import journal
from autotune.ledger.artifacts import ScoreFiles
from autotune.ledger.asked import Asked
from autotune.ledger.no_repeats import NoRepeats
from autotune.ledger.trials import Trials
from autotune.process.interrupts import uninterrupted
from autotune.results.front import cost
from autotune.results.meta import Meta
from autotune.results.outcome import Measured, Outcome, Refused
from autotune.results.record import Begun, Gaps, Record
from autotune.results.remeasured import Remeasured
from autotune.space.space import Space
from autotune.targets.target import Target

DRAWS = 10_000
"""Configurations that are drawn at most where the space has too many to look at each."""

RETRIES = 8
"""How often the sampler may propose what was tried already before one is drawn for it."""


class Ledger:
    """A study that is being written. One process at a time; see journal.exclusive(). Ctrl-C leaves nothing half done.

    Attributes:
        folder: of the study.
        name: of the study.
        seed: of whatever is drawn; another one each time.
        recipes: keys of those that there is or was a trial of.
        mended: what became of what was damaged in the journal, in a line; None where nothing was.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        space: Space,
        meta: Meta,
        fits: Callable[[Config], bool] = lambda _: True,
        storage: optuna.storages.BaseStorage | None = None,
        only: Mapping[str, Value] = MappingProxyType({}),
    ) -> None:
        """Creates the study, or opens it again: trials that were under way are queued once more.

        Args:
            folder: of the study; holds the journal.
            name: of the study.
            space: what is sampled.
            meta: kept where the study is new; says what the objectives are.
            fits: whether a configuration makes sense; others never become trials.
            storage: of Optuna's, in place of the journal; empty.
            only: dimensions of which no other value is proposed, by ask(), draw() and every(): what has another one
                is asked for by ask_for(), or added.

        Raises:
            UserError: as journal.read_if_any().
        """
        self._fits = fits
        self._only = {name: value for name, value in only.items() if name in space.free()}
        self.folder = folder
        self.name = name
        self._space = space
        if storage is None:
            self.mended = journal.mend(folder, name)
            self._study = journal.load_or_create(folder, name, meta)
        else:
            self.mended = None
            self._study = journal.create(storage, name, meta)
        self._no_sampler = optuna.samplers.RandomSampler()  # for trials of given values: others would learn for nothing
        self._record = journal.record_of(self._study, folder, Gaps(ScoreFiles(folder)))
        self._trials = Trials(self._study, space)
        # Another seed each time: the same one would propose again what is there already.
        self.seed = meta.seed + self._trials.before
        self._random = random.Random(self.seed)  # noqa: S311  # draws trials, not secrets
        self.sample_by(optuna.samplers.RandomSampler(seed=self.seed))
        self._open: dict[int, optuna.Trial] = {}
        configs = [point.outcome.config for point in self._record.points]
        self._seen = {config.key for config in configs}
        self.recipes = {config.recipe.key for config in configs}

    def admits(self, config: Config) -> bool:
        """Whether a configuration is in the space and makes sense."""
        return self._values(config) is not None

    @property
    def trials_asked(self) -> int:
        """Trials that were asked for and are finished or open."""
        return self._record.trials_done + len(self._open)

    @property
    def queued(self) -> bool:
        """Whether trials wait to be tried again."""
        return self._trials.queued

    def is_open(self, number: int) -> bool:
        """Whether a trial was asked for and has not ended."""
        return number in self._open

    def seen(self, config: Config) -> bool:
        """Whether there is a trial of this configuration."""
        return config.key in self._seen

    def tried(self, recipe: Recipe) -> bool:
        """Whether there is or was a trial of this recipe, on whatever runtime."""
        return recipe.key in self.recipes

    def record(self) -> Record:
        """All that is known by now."""
        return self._record

    def begun(self) -> Begun:
        """The same of a study that has begun, see begin().

        Raises:
            UserError: it has not.
        """
        return self._record.begun()

    def begin(self, baseline: Measured) -> None:
        """Keeps what all trials are held against from now on: the original model, converted and nothing else."""
        self.note("baseline", baseline.to_json())

    @uninterrupted()
    def note(self, key: str, value: object) -> None:
        """Keeps something about the whole study (JSON)."""
        self._study.set_user_attr(key, value)
        self._record = journal.record_of(self._study, self.folder, self._record.gaps)  # points are judged by notes

    def note_remeasured(self, remeasured: Mapping[str, Remeasured]) -> None:
        """Keeps what became of files that were measured once more, as Record.remeasured, in place of what was there."""
        self.note("remeasured", {trial: again.to_json() for trial, again in remeasured.items()})

    def sample_by(self, sampler: optuna.samplers.BaseSampler) -> None:
        """Has ask() ask this from now on, in place of one that draws at random."""
        self._sampler = NoRepeats(
            sampler, lambda values: self._is_new(self._space.config({**values, **self._only})), self._only
        )

    def every(self, most: int) -> list[Config]:
        """All that may become a trial, or as many drawn where they are too many to look at each."""
        if self._every is not None:
            return self._every
        return list({config.key: config for config in self._drawn() if self._proposes(config)}.values())[:most]

    @uninterrupted()
    def again(self) -> Asked | None:
        """A configuration that was cut off, or that failed and is to be tried once more."""
        while self.queued:
            trial = self._trials.ask(self._no_sampler)
            config = self._space.config(trial.params)
            if config.key not in self._seen and self._fits(config):
                return self._opened(trial, config)
            self._study.tell(trial, state=TrialState.FAIL)
        return None

    @uninterrupted()
    def ask(self) -> Asked | None:
        """What the sampler proposes: a recipe not tried yet, on one of its runtimes, and the number of its trial.

        Only where again() has nothing.

        Returns:
            None where the space has no other recipe.
        """
        self._sampler.left = RETRIES
        for _ in range(RETRIES):
            trial = self._trials.ask(self._sampler)
            config = self._space.config(trial.params)
            if self._is_new(config):
                return self._opened(trial, config)
            self._study.tell(trial, state=TrialState.FAIL)
            if self._sampler.left <= 0:
                break
        return self.draw()

    @uninterrupted()
    def draw(self, passes: Callable[[Recipe], bool] = lambda _: True) -> Asked | None:
        """A trial of a recipe that was not tried yet, drawn evenly; None where there is none, or none among DRAWS.

        Only where again() has nothing.

        Args:
            passes: whether a recipe may be drawn.
        """
        if self._every is None:
            configs = (config for config in self._drawn() if self._is_new(config))
        else:
            self._untried = [(key, config) for key, config in self._untried if key not in self.recipes]
            left = [config for _, config in self._untried]
            configs = (left.pop(self._random.randrange(len(left))) for _ in range(len(left)))
        config = next((config for config in configs if passes(config.recipe)), None)
        return None if config is None else self.ask_for(config)

    @uninterrupted()
    def ask_for(self, config: Config) -> Asked | None:
        """A trial of this very configuration, None where it is outside the space, makes no sense or was tried.

        Only where again() has nothing.
        """
        values = self._values(config)
        if values is None or config.key in self._seen:
            return None
        self._trials.queue(values)
        trial = self._trials.ask(self._no_sampler)
        assert self._space.config(trial.params).key == config.key, "something else was queued before"
        return self._opened(trial, config)

    @uninterrupted()
    def tell(self, number: int, outcome: Outcome, targets: Sequence[Target]) -> None:
        """Ends a trial. Targets become constraints, above 0 where one is not met with margin; a refused
        configuration has no values at all.
        """
        self._end(self._open.pop(number), outcome, *self._result(outcome, targets), targets)

    @uninterrupted()
    def leave_out(self, number: int, missed: Mapping[str, float]) -> None:
        """Ends a trial that is not built, since it is known to miss targets; it counts for none.

        Args:
            number: of the trial.
            missed: by the targets' texts how far.
        """
        trial = self._open.pop(number)
        reason = f"not built: files of its structure miss {', '.join(missed)}"
        trial.set_user_attr(journal.FREE, True)
        self._end(trial, Refused(self._space.config(trial.params), reason), TrialState.PRUNED, None, missed, [])

    @uninterrupted()
    def add(self, outcome: Outcome, targets: Sequence[Target]) -> None:
        """A trial that nobody asked for: what came with another one, of the same file on another runtime."""
        state, values, constraints = self._result(outcome, targets)
        attributes = {"outcome": json.loads(json.dumps(outcome.to_json())), journal.FREE: True}  # as it is read again
        trial = self._add(outcome.config, state, attributes, values, constraints)
        self._finished(trial, targets)
        self._seen.add(outcome.config.key)
        self.recipes.add(outcome.config.recipe.key)

    def _result(
        self, outcome: Outcome, targets: Sequence[Target]
    ) -> tuple[TrialState, list[float] | None, dict[str, float]]:
        """State, values and constraints of an outcome's trial."""
        if isinstance(outcome, Refused):
            return TrialState.PRUNED, None, {"refused": 1.0}
        quality, *costs = self._record.objectives
        values = [outcome.metrics[quality.key], *(cost(outcome.metrics, metric) for metric in costs)]
        return TrialState.COMPLETE, values, self.begun().violations_of(outcome, targets)

    @uninterrupted()
    def fail(self, number: int, reason: str, *, again: bool) -> None:
        """Ends a trial without an outcome.

        Args:
            number: of the trial.
            reason: kept.
            again: whether its configuration is queued once more.
        """
        trial = self._open.pop(number)
        trial.set_user_attr("fault", reason)
        self._study.tell(trial, state=TrialState.FAIL)
        self._failed(reason)
        if again:
            self._seen.discard(self._space.config(trial.params).key)
            self._trials.queue(trial.params)

    @uninterrupted()
    def add_failed(self, config: Config, reason: str) -> None:
        """A trial that nobody asked for, without an outcome."""
        self._add(config, TrialState.FAIL, {"fault": reason})
        self._failed(reason)

    def _add(
        self,
        config: Config,
        state: TrialState,
        attributes: JsonObject,
        values: list[float] | None = None,
        constraints: dict[str, float] | None = None,
    ) -> FrozenTrial:
        """A trial that nobody asked for. What it is kept with is what optuna.trial.create_trial() takes."""
        params = self._values(config)
        if params is None:
            raise ValueError(f"{config} is not of the space")
        return self._trials.add(params, state, attributes, values, constraints)

    def _end(
        self,
        trial: optuna.Trial,
        outcome: Outcome,
        state: TrialState,
        values: list[float] | None,
        constraints: Mapping[str, float],
        targets: Sequence[Target],
    ) -> None:
        """Tells Optuna of an outcome, with what is to be told as _result() has it."""
        trial.set_user_attr("outcome", outcome.to_json())
        for text, violation in constraints.items():
            trial.set_constraint(text, violation)
        self._finished(self._study.tell(trial, values, state), targets)

    def _finished(self, trial: FrozenTrial, targets: Sequence[Target]) -> None:
        """Adds a trial to the record, as it stands in the journal."""
        self._record = self._record.with_point(journal.point_of(trial, self._record, targets))

    def _failed(self, reason: str) -> None:
        failed = self._record.failed
        self._record = replace(self._record, failed=failed | {reason: failed.get(reason, 0) + 1})

    def _is_new(self, config: Config) -> bool:
        return config.recipe.key not in self.recipes and self._proposes(config)

    def _proposes(self, config: Config) -> bool:
        """Whether a configuration may be proposed."""
        return all(getattr(config.recipe, name) == value for name, value in self._only.items()) and self._fits(config)

    def _opened(self, trial: optuna.Trial, config: Config) -> Asked:
        self._seen.add(config.key)
        self.recipes.add(config.recipe.key)
        self._open[trial.number] = trial
        return Asked(trial.number, config)

    def _drawn(self) -> Iterator[Config]:
        return (self._space.sample(self._random) for _ in range(DRAWS))

    @cached_property
    def _untried(self) -> list[tuple[str, Config]]:
        """Configurations of _every that were not tried when draw() looked last, with their recipes' keys."""
        return [(config.recipe.key, config) for config in self._every or ()]

    @cached_property
    def _every(self) -> list[Config] | None:
        """All that may become a trial; looked through only where the sampler repeats itself."""
        return self._space.fitting(self._proposes)

    def _values(self, config: Config) -> dict[str, Value] | None:
        """A configuration as values of the free dimensions, None where it is outside or makes no sense."""
        return self._space.values(config) if self._fits(config) else None
