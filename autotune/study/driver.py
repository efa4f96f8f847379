"""Runs a study: waves of configurations are built together, measured in quiet, and told."""

import contextlib
import itertools
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from autotune.compress.load import import_model
from autotune.config import SCHEMES, Config, Recipe, Runtime
from autotune.data import one_hot
from autotune.devices.device import Device
from autotune.errors import Fault, UserError
from autotune.outcome import Outcome
from autotune.record import Record
from autotune.study import asktell
from autotune.study.pool import Pool
from autotune.study.prepare import Importer, Options, Prepared, prepare
from autotune.study.trial import Workbench
from autotune.target import ACCURACY
from autotune.track.picture import draw
from autotune.track.tracker import Guarded, Tracker

WAVE = 4
"""Configurations under way for each worker: enough to share prefixes, few enough to learn from."""

TRIES = 2
"""How often a configuration may meet a fault before it is given up."""

log = logging.getLogger("autotune")


class Reporter(Protocol):
    """Shows a run to the person who waits for it."""

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...

    def status(self, text: str) -> None:
        """What is being done."""
        ...

    def progress(self, record: Record, trials: int) -> None:
        """Where the study stands, of how many trials."""
        ...


@dataclass
class Summary:
    """What a run did.

    Attributes:
        record: the study afterwards.
        work: counts and seconds, as Work.to_json(), with wall_s and startup_s.
        found: finished trials that were there before.
        notes: why it ended early, for the user.
    """

    record: Record
    work: dict[str, float]
    found: int
    notes: list[str] = field(default_factory=list)


def run(
    options: Options,
    device: Device,
    pool: Pool,
    reporter: Reporter,
    trackers: Callable[[], Sequence[Tracker]],
    importer: Importer = import_model,
) -> Summary:
    """Runs or continues a study.

    Args:
        options: what is asked for.
        device: to measure on.
        pool: to build in; closed by the caller.
        reporter: told of progress.
        trackers: made once the input is known to be right; they may write.
        importer: opens the model, in a worker.

    Raises:
        UserError: model, data, space and targets don't fit each other or the study of this name.
            Nothing was written then.
    """
    began = time.monotonic()
    reporter.status("opening the model")
    prepared = prepare(options, device, pool, importer)
    folder = prepared.folder
    _tell_untrainable(prepared, reporter)
    with asktell.exclusive(folder, options.name), _logged(folder):
        ledger = asktell.Ledger(folder, options.name, prepared.space, prepared.quality, prepared.meta, prepared.fits)
        bench = Workbench(prepared.candidates, options.excluded, prepared.cache, pool, folder)
        tracker = Guarded(trackers, reporter.note)
        return _Study(options, prepared, device, ledger, bench, reporter, tracker).run(began)


def _tell_untrainable(prepared: Prepared, reporter: Reporter) -> None:
    for candidate in prepared.candidates.values():
        if reason := candidate.task.facts.get("untrainable"):
            reporter.note(f"{candidate.task.model} is compressed without training: {reason}")


class _Study:
    """One run of a study."""

    def __init__(
        self,
        options: Options,
        prepared: Prepared,
        device: Device,
        ledger: asktell.Ledger,
        bench: Workbench,
        reporter: Reporter,
        tracker: Tracker,
    ) -> None:
        self._options, self._prepared, self._device = options, prepared, device
        self._ledger, self._bench = ledger, bench
        self._reporter, self._tracker = reporter, tracker
        self._faults: Counter[str] = Counter()

    def run(self, began: float) -> Summary:
        found = len(self._ledger.record().points)
        notes: list[str] = []
        if found:
            self._reporter.progress(self._ledger.record(), self._options.trials)
        with self._device.open() as evaluating, self._device.open() as timing, tempfile.TemporaryDirectory() as scratch:
            self._evaluating, self._timing = evaluating, timing
            self._inputs = {}
            for index, (name, candidate) in enumerate(self._bench.candidates.items()):
                self._inputs[name] = Path(scratch) / f"{index}.npy"
                np.save(self._inputs[name], candidate.task.data.validation.x)
            threads = ThreadPoolExecutor(max(1, WAVE * self._options.jobs))
            try:
                baseline = self._baseline()
                deadline = None if self._options.timeout is None else began + self._options.timeout
                wave = [] if self._ledger.queued else self._schemes()
                while wave or (wave := self._ask(deadline)):
                    self._wave(wave, threads, baseline, deadline)
                    self._tracker.update(self._ledger.record())
                    wave = []
            except KeyboardInterrupt:
                notes.append("interrupted; the same command goes on from here")
            except TimeoutError:
                notes.append("the time is up; the same command goes on from here")
            finally:
                self._bench.stop()
                threads.shutdown(wait=False, cancel_futures=True)
            self._test()
        record = self._ledger.record()
        now, work = time.monotonic(), self._bench.work
        times = {"wall_s": round(now - began, 3), "startup_s": round((work.begun or now) - began, 3)}
        done = work.to_json() | times
        self._ledger.note("runs", [*record.runs, done])
        record = self._ledger.record()
        if record.baseline is not None:
            draw(record, record.folder / "front.png")
            self._tracker.finish(record)
        return Summary(record, done, found, notes)

    def _baseline(self) -> Outcome:
        """The original model, converted and nothing else; a trial too where the space has it."""
        record = self._ledger.record()
        if record.baseline is not None:
            return record.baseline
        first = next(iter(self._bench.candidates))
        config = Config(Recipe(model=first), Runtime(self._device.delegates[0], self._device.threads[0]))
        self._reporter.status("measuring the baseline")
        [outcome] = self._bench.measure([self._bench.evaluate(config, self._evaluating, self._inputs)], self._timing)
        if isinstance(outcome, Fault):
            raise outcome
        if outcome.state == "refused":
            raise UserError(f"model {self._options.models[0]}: can't be run even as it is: {outcome.reason}")
        self._warn_of_chance(outcome)
        self._ledger.note("baseline", outcome.to_json())
        if asked := self._ledger.ask_for(config):
            self._ledger.tell(asked[0], outcome, self._prepared.targets, outcome)
        self._tracker.update(self._ledger.record())
        self._reporter.progress(self._ledger.record(), self._options.trials)
        return outcome

    def _warn_of_chance(self, baseline: Outcome) -> None:
        """Data in a form that the model was not trained on is the commonest mistake of all."""
        task = self._bench.candidates[baseline.config.recipe.model].task
        if task.quality != ACCURACY:
            return
        labels = task.data.validation.y
        labels = labels.argmax(axis=-1) if one_hot(labels) else labels
        chance = float(np.unique(labels, return_counts=True)[1].max() / labels.size)
        if baseline.metrics[ACCURACY.key] <= chance + baseline.facts["standard_error"]:
            self._reporter.note(
                f"the model as it is scores {baseline.metrics[ACCURACY.key]:.1%}, no better than always naming "
                "one class: are the samples in the form (scaling, channels) that it was trained on?"
            )

    def _schemes(self) -> list[tuple[int, Config]]:
        """The plain quantization schemes that were not tried yet, before anything is sampled.

        They cost little, and what is recommended can then not be worse than they are. Plain int4 is
        seldom any good, so of it there is the one that spares most layers.
        """
        space = self._prepared.space
        first = space.first() | {"prune": 0, "cluster": 0}
        spared = {"int4": space.highest("mixed")}
        left = self._options.trials - len(self._ledger.record().points)
        asked: list[tuple[int, Config]] = []
        for scheme, model in itertools.product(SCHEMES, self._bench.candidates):
            values = {**first, "quantize": scheme, "model": model, "mixed": spared.get(scheme, 0)}
            runtimes = itertools.product(
                self._device.delegates, self._device.threads, (first.get("augment", "none"), "none")
            )
            configs = (
                Config.of({**values, "delegate": delegate, "threads": threads, "augment": augment})
                for delegate, threads, augment in runtimes
            )
            config = next(filter(self._ledger.admits, configs), None)
            if config and len(asked) < left and (one := self._ledger.ask_for(config)):
                asked.append(one)
        return asked

    def _ask(self, deadline: float | None) -> list[tuple[int, Config]]:
        """The next configurations to be built together; none at the end of the study."""
        left = self._options.trials - len(self._ledger.record().points)
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError
        asked = []
        for _ in range(min(left, WAVE * self._options.jobs)):
            one = self._ledger.ask()
            if one is None:
                break
            asked.append(one)
        if left > 0 and not asked:
            self._reporter.note("every configuration of the space was tried")
        return asked

    def _wave(
        self, wave: list[tuple[int, Config]], threads: ThreadPoolExecutor, baseline: Outcome, deadline: float | None
    ) -> None:
        """Builds, evaluates and measures; where builds would disturb the device, after the last of them.

        Raises:
            TimeoutError: the deadline has come.
        """
        configs = dict(wave)
        futures = {
            threads.submit(self._bench.evaluate, config, self._evaluating, self._inputs): number
            for number, config in wave
        }
        self._reporter.status(f"building {len(wave)}")
        waiting: list[tuple[int, Outcome]] = []
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        for done, future in enumerate(as_completed(futures, left), 1):
            self._reporter.status(f"building: {len(wave) - done} of {len(wave)} to go")
            outcome = self._outcome(futures[future], configs[futures[future]], future)
            if outcome is not None:
                waiting.append((futures[future], outcome))
            if not self._device.shares_host or done == len(wave):
                self._measure(waiting, baseline)
                waiting.clear()

    def _outcome(self, number: int, config: Config, future: "Future[Outcome]") -> Outcome | None:
        """What came of a build, None where it failed; that is told, too."""
        try:
            return future.result()
        except (Fault, OSError) as error:  # a lost worker, a full disk
            self._fault(number, config, str(error))
        except (RuntimeError, UserError) as error:  # a stage's own failure, with its traceback; the user's metric
            log.error("trial %d (%s) failed: %s", number, config, error)
            last = str(error).strip().splitlines()[-1][:300]
            self._ledger.fail(number, last, again=False)
            self._reporter.note(f"trial {number} ({config}) failed: {last}; see study.log")
        return None

    def _fault(self, number: int, config: Config, reason: str) -> None:
        self._faults[config.key] += 1
        again = self._faults[config.key] < TRIES
        log.error("trial %d (%s): %s", number, config, reason)
        self._ledger.fail(number, reason, again=again)
        self._reporter.note(f"trial {number} ({config}): {reason}; {'queued again' if again else 'given up'}")

    def _measure(self, waiting: list[tuple[int, Outcome]], baseline: Outcome) -> None:
        """Measures and tells."""
        self._reporter.status(f"measuring {len(waiting)}")
        evaluated = [outcome for _, outcome in waiting]
        for (number, before), outcome in zip(waiting, self._bench.measure(evaluated, self._timing), strict=True):
            if isinstance(outcome, Fault):
                self._fault(number, before.config, str(outcome))
                continue
            if outcome.state == "refused":
                self._reporter.note(f"trial {number} ({outcome.config}) refused: {outcome.reason}")
            self._ledger.tell(number, outcome, self._prepared.targets, baseline)
            self._reporter.progress(self._ledger.record(), self._options.trials)

    def _test(self) -> None:
        """The recommended file's quality on the test split, once."""
        record = self._ledger.record()
        front = record.front()
        pick = front.pick() if front else None
        if pick is None or str(pick.trial) in record.tests:
            return
        self._ledger.note("tests", record.tests | {str(pick.trial): self._bench.test(pick, self._timing)})


@contextlib.contextmanager
def _logged(folder: Path) -> Iterator[None]:
    """Autotune's log lines in the study's study.log."""
    handler = logging.FileHandler(folder / "study.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
