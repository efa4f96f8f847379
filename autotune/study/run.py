"""What a run of a study does: the baselines, then what the sampler proposes, then the front once more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from autotune.config import Config, Recipe, Runtime
from autotune.devices.device import Device
from autotune.errors import AutotuneError, UserError
from autotune.ledger.interrupts import reason_of, status_of
from autotune.ledger.ledger import Ledger
from autotune.results.outcome import Measured, Refused, Scored
from autotune.results.record import BASELINE, Begun
from autotune.search.patience import Patience
from autotune.search.proposals import Proposal, Proposals
from autotune.study.baseline import Baseline, check_measurable, no_better_than_chance
from autotune.study.builder import Builder
from autotune.study.evaluate import Evaluator
from autotune.study.finish import measure_front, profile_pick, test_once
from autotune.study.instrument import Instrument
from autotune.study.leases import Leases
from autotune.study.options import Options
from autotune.study.prepare import Prepared
from autotune.study.recorder import Recorder
from autotune.study.reporting import Reporter
from autotune.study.restore import restore
from autotune.study.scheduler import Scheduler, TimeIsUpError
from autotune.study.warm_start import earlier
from autotune.track.background import Background


@dataclass(frozen=True)
class Run:
    """One run of a study, on parts that are made."""

    options: Options
    prepared: Prepared
    device: Device
    ledger: Ledger
    builder: Builder
    leases: Leases
    evaluator: Evaluator
    instrument: Instrument
    baseline: Baseline
    scheduler: Scheduler
    proposals: Proposals
    patience: Patience
    recorder: Recorder
    reporter: Reporter
    tracker: Background

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
            if not isinstance(self.ledger.record(), Begun):  # there is nothing to show
                raise
            return [f"{reason_of(error)}; the same command goes on from here"], status_of(error)
        return [] if note is None else [note], None

    def _begin(self) -> bool:
        """The original model, converted and nothing else; a trial too where the space has it.

        Returns:
            Whether the device is another than it was in an earlier run, where this one goes on.
        """
        record = self.ledger.record()
        if isinstance(record, Begun) and self.baseline.is_there(record.baseline):
            return not self.proposals.done and self.baseline.has_changed(record.baseline)
        first = next(iter(self.prepared.candidates))
        config = Config(Recipe(model=first), Runtime(self.device.delegates[0], self.device.threads[0]))
        self.reporter.status("measuring the baseline")
        outcome = self.baseline.measure(config)
        if isinstance(outcome, Refused):
            raise UserError(f"model {self.options.models[0]}: refused even as it is: {outcome.reason}")
        check_measurable(self.prepared.targets, self.prepared.objectives, outcome.metrics, self.device.name)
        if warning := no_better_than_chance(self.prepared.candidates[first].task, outcome):
            self.reporter.note(warning)
        trials = {trial: again for trial, again in record.remeasured.items() if trial != str(BASELINE)}
        if trials != record.remeasured:
            self.ledger.note("remeasured", trials)
        self.ledger.begin(outcome)
        if trial := self.ledger.ask_for(config):
            self.ledger.tell(trial.number, outcome, self.prepared.targets)
        self.tracker.update(self.ledger.record())
        self.recorder.show()
        return False

    def _search(self) -> str | None:
        """Builds, evaluates and measures what is proposed. Why that ended early, for the user."""
        scheduler = self.scheduler
        try:
            self._take_over()
            plain, trained = (iter(()), iter(())) if self.prepared.leader else self.proposals.baselines()
            for group in (self.proposals.unfinished(), plain):
                scheduler.work(self._unless_stopped(partial(next, group, None)))
                self.tracker.update(self.ledger.record())
            scheduler.work(self._unless_stopped(lambda: next(trained, None) or self._next(scheduler.recipes)))
        except TimeIsUpError:
            self.builder.pool.close()  # what is still being built would disturb what follows
            scheduler.finish()
            scheduler.close(wait=True)
            return "the time is up; the same command goes on from here"
        scheduler.close()
        if self.proposals.left_out:
            self.reporter.note(
                f"{self.proposals.left_out} configurations were not built: "
                "files of their structure miss a target, whatever they learn"
            )
        if self.recorder.stopped:
            return "stopped by a callback; the same command goes on from here"
        if self.proposals.left > 0:
            self.reporter.note(self._why())
        return None

    def _unless_stopped(self, source: Callable[[], Proposal | None]) -> Callable[[], Proposal | None]:
        return lambda: None if self.recorder.stopped else source()

    def _take_over(self) -> None:
        """Tells what was built again, and what earlier studies found out."""
        with self.leases.building():
            again = list(restore(self.ledger, self.builder, self.evaluator, self.reporter.note))
        for outcome in again:
            self.scheduler.take(outcome)
        outcomes = list(earlier(self.prepared.meta.identity, self.ledger, self.builder))
        if outcomes:
            files = len({outcome.artifact for outcome in outcomes})
            self.reporter.note(f"{files} files of earlier studies are taken over; they count for no trial")
        for outcome in {outcome.config.key: outcome for outcome in outcomes}.values():
            self.scheduler.take(outcome)
        self.scheduler.work(lambda: None)  # measured and told, before a runtime of theirs is thought to be untried

    def _next(self, under_way: Sequence[Recipe]) -> Proposal | None:
        """What the sampler proposes, None at the end of the search or while it waits for what is under way."""
        return None if self.patience.is_over(self.ledger.asked) else self.proposals.sampled(under_way)

    def _why(self) -> str:
        """Why a search ended before its trials did."""
        if self.prepared.leader:
            return f"the other files of study {self.prepared.leader.name!r} do not fit device {self.device.name}"
        if self.patience.is_over(self.ledger.asked):
            return f"the front has not moved for {self.options.patience} trials; --patience goes on for longer"
        may = " that may meet the targets by its structure" if self.prepared.targets else ""
        return f"every configuration of the space{may} was tried"

    def _finish(self, changed: bool) -> None:
        """The front once more, then the recommended file on the test split, then where its time goes.

        Args:
            changed: whether trials of earlier runs are of a device as it was then.
        """
        measure_front(self.ledger, self.instrument, self.reporter.note, whole=changed)
        try:
            self._test()
        except AutotuneError as error:
            self.reporter.note(f"the recommended file was not evaluated on the test split: {error}")
        self.reporter.status("profiling the recommended file")
        profile_pick(self.ledger, self.instrument)

    def _test(self) -> None:
        """The recommended file's quality on the test split, once."""
        pick = self.ledger.begun().front().pick()
        if pick is not None:
            test_once(self.ledger, pick, self._tested)

    def _tested(self, outcome: Measured) -> Scored:
        with self.leases.building():
            return self.evaluator.test(outcome)
