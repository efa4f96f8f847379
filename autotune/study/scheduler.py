"""Proposals under way: a recipe's file is built, evaluated on every runtime, measured in quiet, and told."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from autotune.config import Config, Recipe
from autotune.errors import Broken, Fault
from autotune.results.outcome import Measured, Outcome
from autotune.search.proposals import Proposal
from autotune.study.baseline import TRIES
from autotune.study.builder import Builder
from autotune.study.evaluate import Evaluator
from autotune.study.instrument import Instrument, TimedOutcome
from autotune.study.leases import HELD_S, TimeIsUpError
from autotune.study.log import log

T = TypeVar("T")

WAITING = 4
"""Files of unknown latency for which a device that shares its machine is made quiet."""

LAST_WORDS = 2.0
"""Seconds in which a measurement must have ended whose session was closed."""


class Scheduler:
    """Works proposals off, as many at a time as there are workers, while their source has more."""

    def __init__(
        self,
        jobs: int,
        builder: Builder,
        evaluator: Evaluator,
        instrument: Instrument,
        building: Callable[[], AbstractContextManager[None]],
        *,
        quiet: bool,
        tell: Callable[[int | None, Outcome], None],
        fail: Callable[[int | None, Config, str, bool], None],
        deadline: float | None,
    ) -> None:
        """
        Args:
            jobs: number of workers.
            builder: that builds the files.
            evaluator: of the study.
            instrument: of the study.
            building: holds the device while anything is built.
            quiet: whether nothing may be built while something is measured.
            tell: gets each outcome, with the number of its trial or None.
            fail: gets what failed: its trial, the configuration, the reason, and whether it is tried again.
            deadline: on the clock of time.monotonic(), None for none.
        """
        self._jobs = jobs
        self._builder = builder
        self._evaluator = evaluator
        self._instrument = instrument
        self._hold = building
        self._quiet = quiet
        self._tell = tell
        self._fail = fail
        self._deadline = deadline
        self._threads = ThreadPoolExecutor(jobs + 2)
        self._building: dict[Future[list[Outcome | Exception]], Proposal] = {}
        self._measuring: Future[list[TimedOutcome]] | None = None
        self._measured: list[tuple[int | None, Measured]] = []
        self._waiting: list[tuple[int | None, Measured]] = []
        self._again: list[Proposal] = []
        self._faults: Counter[str] = Counter()
        self._held = contextlib.ExitStack()
        self._since = 0.0

    @property
    def recipes(self) -> list[Recipe]:
        """What is being built."""
        return [proposal.recipe for proposal in self._building.values()]

    def close(self, *, wait: bool = False) -> None:
        """Begins nothing more, and lets the device go.

        Args:
            wait: for what is under way, whose workers were ended.
        """
        self._builder.stop()
        self._threads.shutdown(wait=wait, cancel_futures=True)
        self._held.close()

    def finish(self) -> None:
        """Measures and tells what is built by now, whose workers were ended; what is not stays unfinished."""
        self._builder.stop()
        self._deadline = None
        wait(self._building)
        self._tell_built()
        self._held.pop_all().close()
        with contextlib.suppress(TimeIsUpError):  # others have the device, for longer than is waited for
            while self._waiting or self._measuring is not None:
                self._measure(more=False)
                self._collect()

    def salvage(self) -> None:
        """Tells what was finished when a study was ended, once its sessions are closed; the rest stays unfinished."""
        self._tell_built()
        if self._measuring is not None and wait([self._measuring], LAST_WORDS).done:
            for (trial, before), result in zip(self._measured, _result(self._measuring), strict=False):
                if isinstance(result, Outcome):
                    self._sort(trial, before.config, result, measured=True)

    def _tell_built(self) -> None:
        """Tells or puts by what has come of the builds that are over."""
        for future in [future for future in self._building if future.done()]:
            proposal = self._building.pop(future)
            for index, result in enumerate(_result(future)):
                if isinstance(result, Outcome):
                    self._sort(proposal.trial if index == 0 else None, proposal.configs[index], result)

    def take(self, outcome: Outcome) -> None:
        """Tells what was evaluated before, once its latency is known."""
        self._sort(None, outcome.config, outcome)

    def drain(self, source: Callable[[], Proposal | None]) -> None:
        """Works until the source has no more proposals and all that it gave are told.

        Args:
            source: the next proposal, None where there is none now; asked again after each outcome.

        Raises:
            TimeIsUpError: the deadline has come.
            Broken: there are no workers any more. What is under way stays unfinished.
        """
        while True:
            more = self._fill(source)
            self._measure(more)
            if not self._building and self._measuring is None:
                if not self._waiting and not more:
                    return
                continue
            self._collect()

    def _fill(self, source: Callable[[], Proposal | None]) -> bool:
        """Begins proposals while there are workers for them. False where the source has none.

        A measurement in quiet waits for trainings under way; meanwhile what needs no training is begun still.

        Raises:
            TimeIsUpError: the deadline has come, and there is more to begin.
        """
        while len(self._building) <= self._jobs:
            due = self._is_due()
            if due and not any(map(self._builder.trains, self.recipes)):
                return True
            proposal = self._again.pop() if self._again else source()
            if proposal is None:
                return bool(self._building)  # an outcome may give it an idea
            if self._deadline is not None and time.monotonic() > self._deadline:
                raise TimeIsUpError
            if due and self._builder.trains(proposal.recipe):
                self._again.append(proposal)
                return True
            if not self._building:
                self._held.enter_context(self._hold())
                self._since = time.monotonic()
            self._builder.usage.proposal_begun(self._jobs)
            self._building[self._threads.submit(self._evaluator.evaluate_runtimes, proposal.configs)] = proposal
        return True

    def _is_due(self) -> bool:
        """Whether nothing long may be begun for now: the device is measured, is to be, or is let go for a moment."""
        if not self._quiet:
            return False
        recipes = len({outcome.config.recipe.key for _, outcome in self._waiting})
        held = bool(self._building) and time.monotonic() - self._since > HELD_S
        return self._measuring is not None or recipes >= WAITING or held

    def _measure(self, more: bool) -> None:
        """Begins to measure what waits for it, where the device is quiet enough."""
        if not self._waiting or self._measuring is not None:
            return
        if self._quiet and (self._building or (more and not self._is_due())):
            return
        self._measured, self._waiting = self._waiting, []
        outcomes = [outcome for _, outcome in self._measured]
        self._measuring = self._threads.submit(self._measured_in_quiet, outcomes)

    def _measured_in_quiet(self, outcomes: Sequence[Measured]) -> list[TimedOutcome]:
        with self._builder.usage.resting() if self._quiet else contextlib.nullcontext():
            return self._instrument.measure(outcomes)

    def _collect(self) -> None:
        """Waits for something to end, and tells it.

        Raises:
            TimeIsUpError: the deadline has come.
        """
        under_way: list[Future[Any]] = [  # of outcomes, and of results
            *self._building,
            *([self._measuring] if self._measuring else []),
        ]
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        done = wait(under_way, left, FIRST_COMPLETED).done
        if not done:
            raise TimeIsUpError
        for future in [future for future in self._building if future in done]:
            proposal = self._building.pop(future)
            for index, result in enumerate(future.result()):
                self._sort(proposal.trial if index == 0 else None, proposal.configs[index], result)
            if not self._building:
                self._held.pop_all().close()
        if self._measuring is not None and self._measuring in done:
            measured, self._measuring = self._measuring, None
            for (trial, before), result in zip(self._measured, measured.result(), strict=True):
                self._sort(trial, before.config, result, measured=True)

    def _sort(self, trial: int | None, config: Config, result: Outcome | Exception, *, measured: bool = False) -> None:
        """Tells what is known, and puts by what is still to be measured."""
        if isinstance(result, Measured) and not measured:
            timed = self._instrument.known(result)
            if timed is None:
                self._waiting.append((trial, result))
            else:
                self._tell(trial, timed)
        elif isinstance(result, Outcome):
            self._tell(trial, result)
        elif isinstance(result, Broken):
            raise result
        elif isinstance(result, Fault | OSError):  # a lost worker, a full disk
            self._faults[config.key] += 1
            again = self._faults[config.key] < TRIES
            log.error("%s: %s", config, result)
            self._fail(trial, config, str(result), again)
            if again and trial is None:
                self._again.append(Proposal(None, (config,)))
        else:  # a stage's own failure, with its traceback; the user's metric
            log.error("%s failed: %s", config, result)
            self._fail(trial, config, str(result).strip().splitlines()[-1][:300], False)


def _result(future: Future[list[T]]) -> Sequence[T]:
    """What came of work that is over, nothing where it was cancelled or failed."""
    return [] if future.cancelled() or future.exception() is not None else future.result()
