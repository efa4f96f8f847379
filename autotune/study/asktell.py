"""The ledger: an Optuna study in a journal file, the one truth about what was tried."""

import fcntl
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from autotune.config import Config, Recipe
from autotune.errors import UserError
from autotune.front import Point, cost
from autotune.outcome import Measurement, Outcome
from autotune.record import BASELINE, Gaps, Record, model_path
from autotune.space import Choice, Dimension, Space
from autotune.study.anew import Anew
from autotune.target import Target

JOURNAL = "journal.log"
DRAWS = 10_000
JUDGING = ("baseline", "remeasured")
"""Notes that points are judged by."""

FREE = "free"
"""Attribute of trials that nobody asked for."""

RETRIES = 8
"""How often the sampler may propose what was tried already before one is drawn for it."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Ledger:
    """A study that is being written. One process at a time; see exclusive()."""

    def __init__(
        self,
        folder: Path,
        name: str,
        space: Space,
        meta: dict[str, Any],
        fits: Callable[[Config], bool] = lambda _: True,
        storage: optuna.storages.BaseStorage | None = None,
    ) -> None:
        """Creates the study, or opens it again: trials that were under way are queued once more.

        Args:
            folder: of the study; holds the journal.
            name: of the study.
            space: what is sampled.
            meta: kept where the study is new; says what the objectives are.
            fits: whether a configuration makes sense; others never become trials.
            storage: of Optuna's, in place of the journal.
        """
        self._fits = fits
        self.folder, self.name, self._space = folder, name, space
        if storage is None:
            _mend(folder / JOURNAL)
        self._empty = Record(name, folder, meta, None, [], {}, {}, [])
        goals = self._empty.objectives
        self._study = optuna.create_study(
            storage=storage or _storage(folder),
            study_name=name,
            directions=["maximize" if goal.better == "higher" else "minimize" for goal in goals],
            load_if_exists=True,
        )
        if "meta" not in self._study.user_attrs:
            self._study.set_user_attr("meta", meta)
        self._sampler: Anew | None = None
        self._given = optuna.samplers.RandomSampler()  # for trials of given values: others would learn for nothing
        # Another seed each time: the same one would propose again what is there already.
        self.seed = int(meta["seed"]) + len(self._study.get_trials(deepcopy=False))
        self._random = random.Random(self.seed)  # noqa: S311  # draws trials, not secrets
        self._distributions = {name: _distribution(dim) for name, dim in space.free().items()}
        self._open: dict[int, optuna.Trial] = {}
        self._points: dict[int, Point] = {}
        configs = [point.outcome.config for point in self.record().points]
        self._seen = {config.key for config in configs}
        self._recipes = {config.recipe.key for config in configs}
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
            self._study.enqueue_trial(trial.params)

    def admits(self, config: Config) -> bool:
        """Whether a configuration is in the space and makes sense."""
        return self._values(config) is not None

    @property
    def asked(self) -> int:
        """Trials that were asked for and are finished or open."""
        return self.record().asked + len(self._open)

    @property
    def queued(self) -> bool:
        """Whether trials wait to be tried again."""
        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def seen(self, config: Config) -> bool:
        """Whether there is a trial of this configuration."""
        return config.key in self._seen

    def tried(self, recipe: Recipe) -> bool:
        """Whether there is or was a trial of this recipe, on whatever runtime."""
        return recipe.key in self._recipes

    def record(self) -> Record:
        """All that is known by now."""
        return _record(self._study, self.folder, self._empty.gaps, self._points)

    def note(self, key: str, value: Any) -> None:
        """Keeps something about the whole study (JSON)."""
        if key in JUDGING:
            self._points.clear()
        self._study.set_user_attr(key, value)

    def sample_by(self, sampler: optuna.samplers.BaseSampler) -> None:
        """What ask() asks from now on."""
        self._sampler = Anew(sampler, lambda values: self._is_new(self._space.config(values)))

    def every(self, most: int) -> list[Config]:
        """All that may become a trial, or as many drawn where they are too many to look at each."""
        if self._every is not None:
            return self._every
        drawn = (self._space.sample(self._random) for _ in range(DRAWS))
        return list({config.key: config for config in drawn if self._fits(config)}.values())[:most]

    def again(self) -> tuple[int, Config] | None:
        """A configuration that was cut off, or that failed and is to be tried once more."""
        self._study.sampler = self._given
        while self.queued:
            trial = self._study.ask(self._distributions)
            config = self._space.config(trial.params)
            if config.key not in self._seen and self._fits(config):
                return self._opened(trial, config)
            self._study.tell(trial, state=TrialState.FAIL)
        return None

    def ask(self) -> tuple[int, Config] | None:
        """What the sampler proposes: a recipe not tried yet, on one of its runtimes, and the number of its trial.

        Only after sample_by(), and where again() has nothing.

        Returns:
            None where the space has no other recipe.
        """
        assert self._sampler is not None
        self._study.sampler = self._sampler
        self._sampler.left = RETRIES
        for _ in range(RETRIES):
            trial = self._study.ask(self._distributions)
            config = self._space.config(trial.params)
            if self._is_new(config):
                return self._opened(trial, config)
            self._study.tell(trial, state=TrialState.FAIL)
            if self._sampler.left <= 0:
                break
        return self.draw()

    def draw(self) -> tuple[int, Config] | None:
        """A trial of a recipe that was not tried yet, drawn evenly; None where there is none, or none among DRAWS.

        Only where again() has nothing.
        """
        if self._every is None:
            drawn = (self._space.sample(self._random) for _ in range(DRAWS))
            config = next(filter(self._is_new, drawn), None)
        else:
            left = [config for config in self._every if config.recipe.key not in self._recipes]
            config = self._random.choice(left) if left else None
        return None if config is None else self.ask_for(config)

    def ask_for(self, config: Config) -> tuple[int, Config] | None:
        """A trial of this very configuration, None where it is outside the space, makes no sense or was tried.

        Only where again() has nothing.
        """
        values = self._values(config)
        if values is None or config.key in self._seen:
            return None
        self._study.sampler = self._given
        self._study.enqueue_trial(values)
        trial = self._study.ask(self._distributions)
        assert self._space.config(trial.params).key == config.key, "something else was queued before"
        return self._opened(trial, config)

    def tell(self, number: int, outcome: Outcome, targets: Sequence[Target], baseline: Outcome) -> None:
        """Ends a trial. Targets become constraints, above 0 where one is not met with margin; a refused
        configuration has no values at all.
        """
        trial = self._open.pop(number)
        trial.set_user_attr("outcome", outcome.to_json())
        state, values, constraints = self._told(outcome, targets, baseline)
        for text, violation in constraints.items():
            trial.set_constraint(text, violation)
        self._study.tell(trial, values, state)

    def add(self, outcome: Outcome, targets: Sequence[Target], baseline: Outcome) -> None:
        """A trial that nobody asked for: what came with another one, of the same file on another runtime."""
        values = self._values(outcome.config)
        assert values is not None, "not of the space"
        state, found, constraints = self._told(outcome, targets, baseline)
        attributes = {"outcome": outcome.to_json(), FREE: True}
        self._study.add_trial(
            optuna.trial.create_trial(
                state=state,
                values=found,
                params=values,
                distributions=self._distributions,
                user_attrs=attributes,
                constraints=constraints,
            )
        )
        self._seen.add(outcome.config.key)
        self._recipes.add(outcome.config.recipe.key)

    def _told(
        self, outcome: Outcome, targets: Sequence[Target], baseline: Outcome
    ) -> tuple[TrialState, list[float] | None, dict[str, float]]:
        """State, values and constraints of an outcome's trial."""
        if outcome.state == "refused":
            return TrialState.PRUNED, None, {"refused": 1.0}
        quality, *costs = self._empty.objectives
        values = [outcome.metrics[quality.key], *(cost(outcome.metrics, metric) for metric in costs)]
        judged = replace(self._empty, baseline=baseline).judge(Point(BASELINE, outcome, {}, None), targets)
        return TrialState.COMPLETE, values, judged.violations

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
        if again:
            self._seen.discard(self._space.config(trial.params).key)
            self._study.enqueue_trial(trial.params)

    def add_failed(self, config: Config, reason: str) -> None:
        """A trial that nobody asked for, without an outcome."""
        values = self._values(config)
        failed = optuna.trial.create_trial(
            state=TrialState.FAIL, params=values, distributions=self._distributions, user_attrs={"fault": reason}
        )
        self._study.add_trial(failed)

    def _is_new(self, config: Config) -> bool:
        return config.recipe.key not in self._recipes and self._fits(config)

    def _opened(self, trial: optuna.Trial, config: Config) -> tuple[int, Config]:
        self._seen.add(config.key)
        self._recipes.add(config.recipe.key)
        self._open[trial.number] = trial
        return trial.number, config

    @cached_property
    def _every(self) -> list[Config] | None:
        """All that may become a trial; looked through only where the sampler repeats itself."""
        return self._space.fitting(self._fits)

    def _values(self, config: Config) -> dict[str, Any] | None:
        """A configuration as values of the free dimensions, None where it is outside or makes no sense."""
        return self._space.values(config) if self._fits(config) else None


def read(folder: Path, name: str) -> Record:
    """A study's record, without writing to it.

    Raises:
        UserError: there is no such study.
    """
    if not (folder / JOURNAL).is_file():
        known = sorted(path.parent.name for path in folder.parent.glob(f"*/{JOURNAL}"))
        raise UserError(
            f"no study {name!r} in {folder.parent}; there {'is ' + ', '.join(known) if known else 'is none'}"
        )
    try:
        return _record(optuna.load_study(study_name=name, storage=_storage(folder)), folder, Gaps(), {})
    except (KeyError, json.JSONDecodeError, AssertionError) as error:
        raise UserError(f"study {name!r}: {folder / JOURNAL} is damaged or empty") from error


@contextmanager
def exclusive(folder: Path, name: str) -> Iterator[None]:
    """Holds the study: nobody else may write to it. The kernel lets go when its holder dies.

    Raises:
        UserError: another process holds it.
    """
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"study {name!r} is being run by another process; wait for it, or choose another --name"
            ) from error
        yield


def _storage(folder: Path) -> JournalStorage:
    path = str(folder / JOURNAL)
    return JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))


def _mend(journal: Path) -> None:
    """Takes back what a killed writer left: its lock, and a line without an end."""
    journal.with_name(journal.name + ".lock").unlink(missing_ok=True)
    if journal.exists():
        data = journal.read_bytes()
        if data and not data.endswith(b"\n"):
            with journal.open("r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)


def _distribution(dim: Dimension) -> BaseDistribution:
    if isinstance(dim, Choice):
        return CategoricalDistribution(dim.values)
    if isinstance(dim.low, int):
        return IntDistribution(int(dim.low), int(dim.high), log=dim.log, step=1 if dim.log else int(dim.step or 1))
    return FloatDistribution(dim.low, dim.high, log=dim.log, step=dim.step)


def _record(study: optuna.Study, folder: Path, gaps: Gaps, known: dict[int, Point]) -> Record:
    """The study's record.

    Args:
        study: it.
        folder: of it.
        gaps: to the baseline, as far as they are known.
        known: points by trial, as far as they are known; gets the others.
    """
    attrs = study.user_attrs
    again = attrs.get("remeasured", {})
    baseline = _outcome(attrs["baseline"], again.get(str(BASELINE))) if "baseline" in attrs else None
    tests, runs = attrs.get("tests", {}), attrs.get("runs", [])
    record = Record(study.study_name, folder, attrs["meta"], baseline, [], {}, tests, runs, again, gaps)
    targets = record.targets
    points, failed = [], Counter[str]()
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.FAIL and "fault" in trial.user_attrs:
            failed[trial.user_attrs["fault"]] += 1
        if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            continue
        if trial.number in known:
            points.append(known[trial.number])
            continue
        outcome = _outcome(trial.user_attrs["outcome"], again.get(str(trial.number)))
        model = str(model_path(folder, outcome.artifact)) if outcome.artifact else None
        point = Point(trial.number, outcome, {}, model, trial.user_attrs.get(FREE, False))
        if outcome.state == "measured" and baseline is not None:
            point = record.judge(point, targets)
        known[point.trial] = point
        points.append(point)
    return replace(record, points=points, failed=dict(failed))


def _outcome(values: dict[str, Any], again: dict[str, Any] | None) -> Outcome:
    """An outcome, with the latency that was taken once more where there is one."""
    outcome = Outcome.from_json(values)
    if again is None:
        return outcome
    if "refused" in again:
        return Outcome(outcome.config, "refused", artifact=outcome.artifact, reason=again["refused"])
    return outcome.timed(Measurement.from_json(again))
