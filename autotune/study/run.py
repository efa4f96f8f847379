"""What a run of a study does: the baselines, then what the sampler proposes, then the front once more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from autotune.config import Config, Recipe, Runtime
from autotune.devices.device import Device
from autotune.errors import AutotuneError, Broken, Fault, UserError
from autotune.ledger.ledger import Ledger
from autotune.process.interrupts import reason_of, status_of
from autotune.results.outcome import Measured, Refused
from autotune.results.quality import Scored
from autotune.results.record import BASELINE, Begun
from autotune.search.proposals import Proposal, Proposals
from autotune.study.baseline import BaselineCheck, check_measurable, no_better_than_chance
from autotune.study.builder import Builder
from autotune.study.channel_plans import ChannelPlans
from autotune.study.channels import ChannelPlanner
from autotune.study.evaluate import Evaluator
from autotune.study.finish import measure_front, profile_pick, test_once
from autotune.study.instrument import Instrument
from autotune.study.leases import Leases, TimeIsUpError
from autotune.study.log import log
from autotune.study.options import Options
from autotune.study.pool import Pool
from autotune.study.prepare import Prepared
from autotune.study.recorder import Recorder
from autotune.study.reporting import Reporter
from autotune.study.restore import restore
from autotune.study.scheduler import Scheduler
from autotune.study.warm_start import earlier
from autotune.track.background import Background


@dataclass(frozen=True)
class Setup:
    """What a run of a study is set up with, before its parts are made.

    Attributes:
        options: what is asked for.
        prepared: the study, checked.
        device: to measure on.
        pool: to build in.
        ledger: of the study.
        plans: of its channels; filled where the run begins.
        reporter: told of progress.
        tracker: shows the study elsewhere.
        began: when, on the clock of time.monotonic().
    """

    options: Options
    prepared: Prepared
    device: Device
    pool: Pool
    ledger: Ledger
    plans: ChannelPlans
    reporter: Reporter
    tracker: Background
    began: float


@dataclass(frozen=True)
class Run:
    """One run of a study, on parts that are made."""

    setup: Setup
    recorder: Recorder
    builder: Builder
    leases: Leases
    evaluator: Evaluator
    instrument: Instrument
    baseline_check: BaselineCheck
    planner: ChannelPlanner
    scheduler: Scheduler
    proposals: Proposals

    def go(self) -> tuple[list[str], int | None]:
        """The baselines, then what the sampler proposes, then the front once more.

        Returns:
            Why it ended early, for the user; and the exit status for the signal that ended it, None where none did.
        """
        try:
            changed = self._begin()
            note = self._search()
            self._finish(changed)
        except KeyboardInterrupt as error:
            if not isinstance(self.setup.ledger.record(), Begun):  # there is nothing to show
                raise
            return [f"{reason_of(error)}; the same command goes on from here"], status_of(error)
        except TimeIsUpError as error:  # others have the device
            if not isinstance(self.setup.ledger.record(), Begun):
                raise Fault(str(error)) from error
            return [f"{error}; the same command goes on from here"], None
        return [] if note is None else [note], None

    def _begin(self) -> bool:
        """The original model, converted and nothing else; a trial too where the space has it.

        Returns:
            Whether the device is another than it was in an earlier run, where this one goes on.
        """
        setup = self.setup
        record = setup.ledger.record()
        if isinstance(record, Begun) and self.baseline_check.is_there(record.baseline):
            return not self.proposals.done and self.baseline_check.has_changed(record.baseline)
        first = next(iter(setup.prepared.candidates))
        config = Config(Recipe(model=first), Runtime(setup.device.delegates[0], setup.device.threads[0]))
        setup.reporter.status("measuring the baseline")
        outcome = self.baseline_check.measure(config)
        if isinstance(outcome, Refused):
            raise UserError(f"model {setup.options.models[0]}: refused even as it is: {outcome.reason}")
        check_measurable(setup.prepared.targets, setup.prepared.objectives, outcome.metrics, setup.device.name)
        if warning := no_better_than_chance(setup.prepared.candidates[first].task, outcome):
            setup.reporter.note(warning)
        trials = {trial: again for trial, again in record.remeasured.items() if trial != str(BASELINE)}
        if trials != record.remeasured:
            setup.ledger.note_remeasured(trials)
        setup.ledger.begin(outcome)
        if trial := setup.ledger.ask_for(config):
            setup.ledger.tell(trial.number, outcome, setup.prepared.targets)
        setup.tracker.update(setup.ledger.record())
        self.recorder.show()
        return False

    def _plan_channels(self) -> None:
        """How channels are cut, where no run of the study has found out.

        Raises:
            Broken: there are no workers any more.
            TimeIsUpError: the deadline has come.
        """
        setup = self.setup
        plans = setup.plans.plans
        if not plans and setup.prepared.leader is None and self.proposals.left > 0 and not self.recorder.stopped:
            try:
                plans |= self.planner.plans()
            except Broken:
                raise
            except (Fault, OSError, RuntimeError) as error:  # of the machine, or a worker's with its traceback
                log.error("planning which channels are cut: %s", error)
                reason = str(error).strip().splitlines()[-1]
                setup.reporter.note(f"no channels are cut in this run: {reason}")
                plans |= self.planner.none(error)
                return
        if plans and not setup.ledger.record().channels:
            setup.ledger.note("channels", {name: planned.to_json() for name, planned in plans.items()})

    def _search(self) -> str | None:
        """Builds, evaluates and measures what is proposed. Why that ended early, for the user."""
        setup, scheduler = self.setup, self.scheduler
        try:
            self._plan_channels()
            self._take_over()
            plain, trained = (iter(()), iter(())) if setup.prepared.leader else self.proposals.baselines()
            for group in (self.proposals.unfinished(), plain):
                scheduler.drain(self._unless_stopped(partial(next, group, None)))
                setup.tracker.update(setup.ledger.record())
            scheduler.drain(self._unless_stopped(lambda: next(trained, None) or self._next(scheduler.recipes)))
            self._train_on_all()
        except TimeIsUpError:
            setup.pool.close()  # what is still being built would disturb what follows
            scheduler.finish()
            scheduler.close(wait=True)
            return "the time is up; the same command goes on from here"
        scheduler.close()
        if self.proposals.left_out:
            setup.reporter.note(
                f"{self.proposals.left_out} configurations were not built: "
                "files of their structure miss a target, whatever they learn"
            )
        if self.recorder.stopped:
            return "stopped by a callback; the same command goes on from here"
        if self.proposals.left > 0:
            setup.reporter.note(self._why())
        return None

    def _unless_stopped(self, source: Callable[[], Proposal | None]) -> Callable[[], Proposal | None]:
        return lambda: None if self.recorder.stopped else source()

    def _take_over(self) -> None:
        """Tells what was built again, and what earlier studies found out."""
        setup = self.setup
        with self.leases.building():
            again = list(restore(setup.ledger, self.builder, self.evaluator, setup.reporter.note))
        for outcome in again:
            self.scheduler.take(outcome)
        outcomes = list(earlier(setup.prepared.meta.identity, setup.ledger, self.builder))
        if outcomes:
            files = len({outcome.artifact for outcome in outcomes})
            setup.reporter.note(f"{files} files of earlier studies are taken over; they count for no trial")
        for outcome in {outcome.config.key: outcome for outcome in outcomes}.values():
            self.scheduler.take(outcome)
        self.scheduler.drain(lambda: None)  # measured and told, before a runtime of theirs is thought to be untried

    def _train_on_all(self) -> None:
        """The front's files again, of trainings on all samples where the search had some of them."""
        setup = self.setup
        if setup.options.train_samples is None or setup.prepared.leader is not None:
            return
        if proposals := self.proposals.on_all_samples():
            setup.reporter.note(f"training {len(proposals)} files of the front again, on all samples")
            self.scheduler.drain(self._unless_stopped(partial(next, iter(proposals), None)))
            setup.tracker.update(setup.ledger.record())

    def _next(self, under_way: Sequence[Recipe]) -> Proposal | None:
        """What the sampler proposes, None at the end of the search or while it waits for what is under way."""
        return None if self.recorder.out_of_patience else self.proposals.sampled(under_way)

    def _why(self) -> str:
        """Why a search ended before its trials did."""
        setup = self.setup
        if setup.prepared.leader:
            return f"the other files of study {setup.prepared.leader.name!r} do not fit device {setup.device.name}"
        if self.recorder.out_of_patience:
            return f"the front has not moved for {setup.options.patience} trials; --patience goes on for longer"
        may = " that may meet the targets by its structure" if setup.prepared.targets else ""
        return f"every configuration of the space{may} was tried"

    def _finish(self, changed: bool) -> None:
        """The front once more, then the recommended file on the test split, then where its time goes.

        Args:
            changed: whether trials of earlier runs are of a device as it was then.
        """
        setup = self.setup
        measure_front(setup.ledger, self.instrument, setup.reporter.note, whole=changed)
        try:
            self._test()
        except AutotuneError as error:
            setup.reporter.note(f"the recommended file was not evaluated on the test split: {error}")
        setup.reporter.status("profiling the recommended file")
        profile_pick(setup.ledger, self.instrument)

    def _test(self) -> None:
        """The recommended file's quality on the test split, once."""
        pick = self.setup.ledger.begun().front().pick()
        if pick is not None:
            test_once(self.setup.ledger, pick, self._tested)

    def _tested(self, outcome: Measured) -> Scored:
        with self.leases.building():
            return self.evaluator.test(outcome)
