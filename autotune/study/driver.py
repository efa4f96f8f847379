"""Runs a study: the baselines, then what the sampler proposes, then the front once more."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from autotune.config import Config, Recipe, Runtime
from autotune.devices.device import Device, Session, in_use
from autotune.errors import AutotuneError, Infeasible, StopStudy, UserError
from autotune.ledger import journal, siblings
from autotune.ledger.interrupts import status_of, told
from autotune.ledger.ledger import Ledger
from autotune.ledger.quiet import quiet
from autotune.measure.cooling import rest
from autotune.model.load import import_model
from autotune.results.outcome import Measured, Outcome, Refused
from autotune.results.record import BASELINE, Begun
from autotune.search.feasibility import Gate
from autotune.search.patience import Patience
from autotune.search.proposals import Proposal, Proposals
from autotune.search.samplers import these
from autotune.search.search import Search
from autotune.study.baseline import anchored, check_measurable, measured, no_better_than_chance
from autotune.study.builder import Builder
from autotune.study.candidates import Importer, Opened
from autotune.study.evaluate import Evaluator
from autotune.study.finish import measure_front, profile_pick, test_once
from autotune.study.instrument import Instrument
from autotune.study.latency_cache import CHANGED, LatencyCache
from autotune.study.log import logged
from autotune.study.options import Options
from autotune.study.pool import Pool
from autotune.study.prepare import Prepared, prepare
from autotune.study.reporting import Reporter, Summary
from autotune.study.restore import restore
from autotune.study.scheduler import Scheduler, TimeIsUpError
from autotune.study.warm_start import ScoresElsewhere, earlier
from autotune.targets.metric import LATENCY
from autotune.track.background import Background
from autotune.track.environment import homeless, variables
from autotune.track.tracker import Tracker


def run(
    options: Options,
    device: Device,
    pool: Pool,
    reporter: Reporter,
    trackers: Callable[[], Sequence[Tracker]],
    importer: Importer = import_model,
    opened: Opened | None = None,
    began: float | None = None,
    local: Sequence[Tracker] = (),
) -> Summary:
    """Runs or continues a study.

    Args:
        options: what is asked for.
        device: to measure on.
        pool: to build in; closed by the caller.
        reporter: told of progress.
        trackers: made once the input is known to be right, in a thread of their own; they may write.
        importer: opens the model, in a worker.
        opened: as prepare() takes it.
        began: when, on the clock of time.monotonic(); None for now.
        local: trackers that write into the study's folder: finish() is called at the end of the run, however it ended,
            once there is a baseline. What they raise ends it.

    Raises:
        UserError: model, data, space and targets don't fit each other or the study of this name.
            Nothing was written then.
    """
    began = time.monotonic() if began is None else began
    if opened is None:
        reporter.status("opening the model")
    with logged() as log_to, quiet(), variables(homeless()):
        prepared = prepare(options, device, pool, importer, opened)
        folder = prepared.folder
        if prepared.leader is not None:
            options = _following(options, prepared.leader)
        for remark in prepared.remarks():
            reporter.note(remark)
        with journal.exclusive(folder, prepared.name):
            log_to(folder)
            ledger = Ledger(folder, prepared.name, prepared.space, prepared.meta, prepared.fits)
            if ledger.mended:
                reporter.note(ledger.mended)
            watch = reporter.working
            builder = Builder(prepared.candidates, options.exclude, prepared.cache, pool, folder, options.jobs, watch)
            with Background(trackers, reporter.note) as tracker:
                tracker.update(ledger.record())
                return _Study(options, prepared, device, ledger, builder, reporter, tracker, local).run(began)


def _following(options: Options, leader: Begun) -> Options:
    """What is asked for where another study has searched: its files, all of them and nothing else."""
    files = siblings.files(leader)
    return replace(options, trials=len(files), patience=None, sampler=these(files))


class _Study:
    """One run of a study."""

    def __init__(
        self,
        options: Options,
        prepared: Prepared,
        device: Device,
        ledger: Ledger,
        builder: Builder,
        reporter: Reporter,
        tracker: Background,
        local: Sequence[Tracker],
    ) -> None:
        self._options = options
        self._prepared = prepared
        self._device = device
        self._ledger = ledger
        self._workshop = builder
        self._reporter = reporter
        self._tracker = tracker
        self._local = local
        gate = Gate(ledger, prepared.space.runtimes())
        search = Search(ledger, prepared.space, builder.steps, builder.built, gate, ledger.seed)
        self._proposals = Proposals(
            ledger, prepared.space, list(prepared.candidates), options.trials, options.sampler(search), gate
        )
        self._patience = Patience(options.patience)
        self._told = set[str]()
        self._changed = False
        self._stopped = False
        self._rows: Scheduler | None = None

    def run(self, began: float) -> Summary:
        found = self._ledger.record().asked
        notes: list[str] = []
        ended: int | None = None
        if found and isinstance(self._ledger.record(), Begun):
            self._show()
        # Rows end after the sessions: what the device is doing for one of them is not waited for.
        with contextlib.ExitStack() as self._ending, self._device.open() as evaluating, self._device.open() as timing:
            shared = partial(self._leased, evaluating, shared=True)
            here = self._device.shares_host  # then to build disturbs as much as to evaluate
            self._building = shared if here else contextlib.nullcontext
            leader = self._prepared.leader
            leased = contextlib.nullcontext if here else shared
            elsewhere = None if leader is None else ScoresElsewhere(leader)
            self._evaluator = Evaluator(self._workshop, evaluating, leased, elsewhere)
            self._instrument = self._instrument_on(timing)
            self._ending.enter_context(contextlib.closing(self._evaluator))
            try:
                notes += self._search(began)
            except KeyboardInterrupt as error:
                if not isinstance(self._ledger.record(), Begun):  # there is nothing to show
                    raise
                notes.append(f"{told(error)}; the same command goes on from here")
                ended = status_of(error)
            finally:
                self._instrument.stop()
        if ended is not None and self._rows is not None:
            self._rows.salvage()
        record = self._ledger.record()
        now = time.monotonic()
        work = self._workshop.work
        times = {"wall_s": round(now - began, 3), "startup_s": round((work.begun or now) - began, 3)}
        done = work.to_json() | times
        self._ledger.note("runs", [*record.runs, done])
        record = self._ledger.begun()
        for tracker in self._local:
            tracker.finish(record)
        self._tracker.finish(record, hasty=ended is not None)
        return Summary(record, done, found, notes, ended)

    def _instrument_on(self, session: Session) -> Instrument:
        latencies = LatencyCache(self._options.folder / ".cache" / "latency", self._device.facts())
        cool = partial(rest, self._device, session, self._reporter.status)
        leased = partial(self._measuring, session)
        return Instrument(self._workshop, session, latencies, leased, self._reporter.status, cool)

    @contextlib.contextmanager
    def _measuring(self, session: Session) -> Iterator[None]:
        """Holds the device for itself; on this machine nothing is shown elsewhere meanwhile."""
        hushed = self._tracker.hushed() if self._device.shares_host else contextlib.nullcontext()
        with self._leased(session, shared=False), hushed:
            yield

    def _leased(self, session: Session, *, shared: bool) -> contextlib.AbstractContextManager[None]:
        """Holds the device; to wait for it is told once for each other holder."""

        def waiting(by: str) -> None:
            text = in_use(self._device, by)
            self._reporter.status(text)
            if text not in self._told:
                self._told.add(text)
                self._reporter.note(text)

        return session.lease(shared=shared, waiting=waiting)

    def _search(self, began: float) -> list[str]:
        """The baselines, then what the sampler proposes, then the front once more. Why it ended, for the user."""
        self._baseline()
        deadline = None if self._options.timeout is None else began + self._options.timeout
        rows = Scheduler(
            self._options.jobs,
            self._workshop,
            self._evaluator,
            self._instrument,
            self._building,
            quiet=self._device.shares_host,
            tell=self._tell,
            fail=self._fail,
            deadline=deadline,
        )
        self._rows = self._ending.enter_context(contextlib.closing(rows))
        try:
            self._take_over(rows)
            plain, trained = (iter(()), iter(())) if self._prepared.leader else self._proposals.baselines()
            for group in (self._proposals.unfinished(), plain):
                rows.work(self._unless_stopped(partial(next, group, None)))
                self._tracker.update(self._ledger.record())
            rows.work(self._unless_stopped(lambda: next(trained, None) or self._next(rows.recipes)))
        except TimeIsUpError:
            self._workshop.pool.close()  # what is still being built would disturb what follows
            rows.finish()
            rows.close(wait=True)
            self._finish()
            return ["the time is up; the same command goes on from here"]
        rows.close()
        if self._proposals.left_out:
            self._reporter.note(
                f"{self._proposals.left_out} configurations were not built: "
                "files of their structure miss a target, whatever they learn"
            )
        if self._proposals.left > 0 and not self._stopped:
            self._reporter.note(self._why())
        self._finish()
        return ["stopped by a callback; the same command goes on from here"] if self._stopped else []

    def _show(self) -> None:
        """Where the study stands."""
        try:
            self._reporter.progress(self._ledger.begun(), self._options.trials)
        except StopStudy:
            self._stopped = True

    def _unless_stopped(self, source: Callable[[], Proposal | None]) -> Callable[[], Proposal | None]:
        return lambda: None if self._stopped else source()

    def _take_over(self, rows: Scheduler) -> None:
        """What was built again, and what earlier studies found out."""
        with self._building():
            again = list(restore(self._ledger, self._workshop, self._evaluator, self._reporter.note))
        for outcome in again:
            rows.take(outcome)
        found = list(earlier(self._prepared.meta.identity, self._ledger, self._workshop))
        if found:
            files = len({outcome.artifact for outcome in found})
            self._reporter.note(f"{files} files of earlier studies are taken over; they count for no trial")
        for outcome in {outcome.config.key: outcome for outcome in found}.values():
            rows.take(outcome)
        rows.work(lambda: None)  # measured and told, before a runtime of theirs is thought to be untried

    def _next(self, under_way: Sequence[Recipe]) -> Proposal | None:
        """What the sampler proposes, None at the end of the search or while it waits for what is under way."""
        return None if self._patience.is_over(self._ledger.asked) else self._proposals.sampled(under_way)

    def _why(self) -> str:
        """Why a search ended before its trials did."""
        if self._prepared.leader:
            return f"the other files of study {self._prepared.leader.name!r} do not fit device {self._device.name}"
        if self._patience.is_over(self._ledger.asked):
            return f"the front has not moved for {self._options.patience} trials; --patience goes on for longer"
        may = " that may meet the targets by its structure" if self._prepared.targets else ""
        return f"every configuration of the space{may} was tried"

    def _baseline(self) -> None:
        """The original model, converted and nothing else; a trial too where the space has it."""
        record = self._ledger.record()
        if isinstance(record, Begun) and self._has(record.baseline):
            self._compare(record.baseline)
            return
        first = next(iter(self._workshop.candidates))
        config = Config(Recipe(model=first), Runtime(self._device.delegates[0], self._device.threads[0]))
        self._reporter.status("measuring the baseline")
        outcome = measured(config, self._evaluator, self._instrument, self._building, self._reporter.note)
        if isinstance(outcome, Refused):
            raise UserError(f"model {self._options.models[0]}: refused even as it is: {outcome.reason}")
        check_measurable(self._prepared.targets, self._prepared.objectives, outcome.metrics, self._device.name)
        if warning := no_better_than_chance(self._workshop.candidates[first].task, outcome):
            self._reporter.note(warning)
        again = {trial: found for trial, found in record.remeasured.items() if trial != str(BASELINE)}
        if again != record.remeasured:
            self._ledger.note("remeasured", again)
        self._ledger.begin(outcome)
        if asked := self._ledger.ask_for(config):
            self._ledger.tell(asked.number, outcome, self._prepared.targets)
        self._tracker.update(self._ledger.record())
        self._show()

    def _has(self, baseline: Measured) -> bool:
        """Whether the baseline's file is the one that was measured, also where it has to be built again for that."""
        if self._workshop.has(baseline):
            return True
        try:
            with self._building():
                return self._workshop.rebuild(baseline)
        except Infeasible:
            return False

    def _compare(self, baseline: Measured) -> None:
        """Holds the device against what it was in an earlier run, where this one goes on."""
        if self._proposals.done:
            return
        found = anchored(baseline, self._instrument, self._reporter.note)
        before = baseline.metrics[LATENCY.key]
        now = found.metrics[LATENCY.key] if isinstance(found, Measured) else None
        if now is None or abs(now / before - 1) > CHANGED:
            told = "does not run any more" if now is None else f"takes {now / before:.2f} times as long as then"
            self._changed = True
            self._reporter.note(
                f"the baseline {told}: trials of earlier runs compare with new ones on the front alone, "
                "which is measured once more"
            )

    def _tell(self, trial: int | None, outcome: Outcome) -> None:
        """Ends a trial, or adds one that nobody asked for."""
        if isinstance(outcome, Refused):
            self._reporter.note(f"{outcome.config} refused: {outcome.reason}")
        if trial is None:
            self._ledger.add(outcome, self._prepared.targets)
        else:
            self._ledger.tell(trial, outcome, self._prepared.targets)
        self._show()
        record = self._ledger.begun()
        self._patience.see(record.asked, record.hypervolume())
        if trial is not None:
            self._tracker.update(record)

    def _fail(self, trial: int | None, config: Config, reason: str, again: bool) -> None:
        """Ends a trial without an outcome."""
        if trial is None:
            self._ledger.add_failed(config, reason)
        else:
            self._ledger.fail(trial, reason, again=again)
        self._reporter.note(f"{config}: {reason}; {'queued again' if again else 'given up, see study.log'}")

    def _finish(self) -> None:
        """The front once more, then the recommended file on the test split, then where its time goes."""
        measure_front(self._ledger, self._instrument, self._reporter.note, whole=self._changed)
        try:
            self._test()
        except AutotuneError as error:
            self._reporter.note(f"the recommended file was not evaluated on the test split: {error}")
        self._reporter.status("profiling the recommended file")
        profile_pick(self._ledger, self._instrument)

    def _test(self) -> None:
        """The recommended file's quality on the test split, once."""
        pick = self._ledger.begun().front().pick()
        if pick is not None:
            test_once(self._ledger, pick, self._tested)

    def _tested(self, outcome: Measured) -> dict[str, Any]:
        with self._building():
            return self._evaluator.test(outcome)
