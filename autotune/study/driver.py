"""Runs a study: waves of configurations are built together, measured in quiet, and told."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial

from autotune.compress.load import import_model
from autotune.config import Config, Recipe, Runtime
from autotune.devices.device import Device, Session
from autotune.errors import Fault, Infeasible, UserError
from autotune.outcome import Outcome
from autotune.record import Record
from autotune.study import asktell
from autotune.study.baseline import TRIES, anchored, check_measurable, measured, no_better_than_chance
from autotune.study.evaluate import Evaluator
from autotune.study.instrument import Instrument
from autotune.study.latencies import CHANGED, Latencies
from autotune.study.pool import Pool
from autotune.study.prepare import Importer, Options, Prepared, prepare
from autotune.study.proposals import Proposals
from autotune.study.remeasure import measure_front
from autotune.study.reporting import Reporter, Summary, log, logged
from autotune.study.workshop import Workshop
from autotune.target import LATENCY
from autotune.track.picture import draw
from autotune.track.tracker import Guarded, Tracker

WAVE = 4
"""Configurations under way for each worker: enough to share prefixes, few enough to learn from."""


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
    for remark in prepared.remarks():
        reporter.note(remark)
    with asktell.exclusive(folder, options.name), logged(folder):
        ledger = asktell.Ledger(folder, options.name, prepared.space, prepared.quality, prepared.meta, prepared.fits)
        workshop = Workshop(prepared.candidates, options.excluded, prepared.cache, pool, folder)
        tracker = Guarded(trackers, reporter.note)
        return _Study(options, prepared, device, ledger, workshop, reporter, tracker).run(began)


class _Study:
    """One run of a study."""

    def __init__(
        self,
        options: Options,
        prepared: Prepared,
        device: Device,
        ledger: asktell.Ledger,
        workshop: Workshop,
        reporter: Reporter,
        tracker: Tracker,
    ) -> None:
        self._options, self._prepared, self._device = options, prepared, device
        self._ledger, self._workshop = ledger, workshop
        self._reporter, self._tracker = reporter, tracker
        self._proposals = Proposals(ledger, prepared.space, device, list(prepared.candidates), options.trials)
        self._faults: Counter[str] = Counter()
        self._told, self._changed = "", False

    def run(self, began: float) -> Summary:
        found = len(self._ledger.record().points)
        notes: list[str] = []
        if found:
            self._reporter.progress(self._ledger.record(), self._options.trials)
        with self._device.open() as evaluating, self._device.open() as timing:
            shared = partial(self._leased, evaluating, shared=True)
            here = self._device.shares_host  # then to build disturbs as much as to evaluate
            self._building = shared if here else contextlib.nullcontext
            self._evaluator = Evaluator(self._workshop, evaluating, contextlib.nullcontext if here else shared)
            self._instrument = self._instrument_on(timing)
            with contextlib.closing(self._evaluator):
                notes += self._search(began)
        record = self._ledger.record()
        now, work = time.monotonic(), self._workshop.work
        times = {"wall_s": round(now - began, 3), "startup_s": round((work.begun or now) - began, 3)}
        done = work.to_json() | times
        self._ledger.note("runs", [*record.runs, done])
        record = self._ledger.record()
        if record.baseline is not None:
            draw(record, record.folder / "front.png")
            self._tracker.finish(record)
        return Summary(record, done, found, notes)

    def _instrument_on(self, session: Session) -> Instrument:
        latencies = Latencies(self._options.folder / ".cache" / "latency", self._device.facts())
        cooling = self._device.cooling
        rest = (lambda: None) if cooling is None else partial(cooling.rest, session, self._reporter.status)
        leased = partial(self._leased, session, shared=False)
        return Instrument(self._workshop, session, latencies, leased, self._reporter.status, rest)

    def _leased(self, session: Session, *, shared: bool) -> contextlib.AbstractContextManager[None]:
        """Holds the device; to wait for it is told once for each other holder."""

        def waiting(by: str) -> None:
            text = f"waiting for device {self._device.name}, which is in use ({by})"
            self._reporter.status(text)
            if text != self._told:
                self._told = text
                self._reporter.note(text)

        return session.lease(shared=shared, waiting=waiting)

    def _search(self, began: float) -> list[str]:
        """All waves, then the front once more. What the user should know of how it ended."""
        threads = ThreadPoolExecutor(max(1, WAVE * self._options.jobs))
        deadline = None if self._options.timeout is None else began + self._options.timeout
        try:
            baseline = self._baseline()
            wave = [] if self._ledger.queued else self._proposals.schemes()
            while wave or (wave := self._next(deadline)):
                self._wave(wave, threads, baseline, deadline)
                self._tracker.update(self._ledger.record())
                wave = []
            self._finish()
        except KeyboardInterrupt:
            return ["interrupted; the same command goes on from here"]
        except _TimeIsUpError:
            self._workshop.stop()
            self._workshop.pool.close()  # what is still being built would disturb what follows
            threads.shutdown(wait=True, cancel_futures=True)
            self._finish()
            return ["the time is up; the same command goes on from here"]
        finally:
            self._workshop.stop()
            threads.shutdown(wait=False, cancel_futures=True)
        return []

    def _next(self, deadline: float | None) -> list[tuple[int, Config]]:
        """The next wave, none at the end of the study.

        Raises:
            _TimeIsUpError: the deadline has come.
        """
        if deadline is not None and time.monotonic() > deadline:
            raise _TimeIsUpError
        wave = self._proposals.sampled(WAVE * self._options.jobs)
        if not wave and self._proposals.left > 0:
            self._reporter.note("every configuration of the space was tried")
        return wave

    def _baseline(self) -> Outcome:
        """The original model, converted and nothing else; a trial too where the space has it."""
        record = self._ledger.record()
        if record.baseline is not None:
            return self._known_baseline(record)
        first = next(iter(self._workshop.candidates))
        config = Config(Recipe(model=first), Runtime(self._device.delegates[0], self._device.threads[0]))
        self._reporter.status("measuring the baseline")
        outcome = measured(config, self._evaluator, self._instrument, self._building, self._reporter.note)
        if outcome.state == "refused":
            raise UserError(f"model {self._options.models[0]}: can't be run even as it is: {outcome.reason}")
        check_measurable(self._prepared.targets, outcome.metrics, self._device.name)
        if warning := no_better_than_chance(self._workshop.candidates[first].task, outcome):
            self._reporter.note(warning)
        self._ledger.note("baseline", outcome.to_json())
        if asked := self._ledger.ask_for(config):
            self._ledger.tell(asked[0], outcome, self._prepared.targets, outcome)
        self._tracker.update(self._ledger.record())
        self._reporter.progress(self._ledger.record(), self._options.trials)
        return outcome

    def _known_baseline(self, record: Record) -> Outcome:
        """That of an earlier run; where this one goes on, the device is held against what it was."""
        baseline = record.baseline
        assert baseline is not None  # why we are here
        if self._proposals.left <= 0 and not self._ledger.queued:
            return baseline
        found = anchored(baseline, self._instrument, self._reporter.note)
        now, before = found.metrics.get(LATENCY.key), baseline.metrics[LATENCY.key]
        if now is None or abs(now / before - 1) > CHANGED:
            told = "does not run any more" if now is None else f"takes {now / before:.2f} times as long as then"
            self._changed = True
            self._reporter.note(
                f"the baseline {told}: trials of earlier runs compare with new ones on the front alone, "
                "which is measured once more"
            )
        return baseline

    def _wave(
        self, wave: list[tuple[int, Config]], threads: ThreadPoolExecutor, baseline: Outcome, deadline: float | None
    ) -> None:
        """Builds and evaluates, then measures all in turn.

        Raises:
            _TimeIsUpError: the deadline has come.
        """
        with self._building():
            waiting = self._built(dict(wave), threads, deadline)
        self._measure(waiting, baseline)

    def _built(
        self, wave: dict[int, Config], threads: ThreadPoolExecutor, deadline: float | None
    ) -> list[tuple[int, Outcome]]:
        """What came of a wave and is to be measured.

        Raises:
            _TimeIsUpError: the deadline has come.
        """
        futures = {threads.submit(self._evaluator.evaluate, config): number for number, config in wave.items()}
        self._reporter.status(f"building {len(wave)}")
        waiting: list[tuple[int, Outcome]] = []
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            for done, future in enumerate(as_completed(futures, left), 1):
                self._reporter.status(f"building: {len(wave) - done} of {len(wave)} to go")
                outcome = self._outcome(futures[future], wave[futures[future]], future)
                if outcome is not None:
                    waiting.append((futures[future], outcome))
        except TimeoutError as error:
            raise _TimeIsUpError from error
        return waiting

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
        measured = self._instrument.measure([outcome for _, outcome in waiting])
        for (number, before), outcome in zip(waiting, measured, strict=True):
            if isinstance(outcome, Fault):
                self._fault(number, before.config, str(outcome))
                continue
            if outcome.state == "refused":
                self._reporter.note(f"trial {number} ({outcome.config}) refused: {outcome.reason}")
            self._ledger.tell(number, outcome, self._prepared.targets, baseline)
            self._reporter.progress(self._ledger.record(), self._options.trials)

    def _finish(self) -> None:
        """The front once more, then the recommended file on the test split."""
        measure_front(self._ledger, self._instrument, self._reporter.note, whole=self._changed)
        try:
            self._test()
        except (Fault, Infeasible, UserError) as error:
            self._reporter.note(f"the recommended file was not evaluated on the test split: {error}")

    def _test(self) -> None:
        """The recommended file's quality on the test split, once."""
        record = self._ledger.record()
        front = record.front()
        pick = front.pick() if front else None
        if pick is None or str(pick.trial) in record.tests:
            return
        with self._building():
            tested = self._evaluator.test(pick)
        self._ledger.note("tests", record.tests | {str(pick.trial): tested})


class _TimeIsUpError(Exception):
    """The deadline has come."""
