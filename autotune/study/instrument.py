"""How fast files run: measured on the leased device, or known of their structure."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from autotune.config import Runtime
from autotune.devices.device import Session
from autotune.errors import Fault, Infeasible, UserError
from autotune.measure.profile import Profile, profiled
from autotune.measure.rounds import Job, JobResult, Rules, measure
from autotune.results.measurement import Measurement
from autotune.results.outcome import Measured, Outcome, Refused
from autotune.study.builder import Builder
from autotune.study.latency_cache import LatencyCache
from autotune.study.reporting import Activity
from autotune.tflite.structure import structure

PROFILE_S = 0.5
"""Seconds that a file is run for to see where its time goes."""

RULES = Rules()
ROUGHLY = Rules(within=0.02, most_s=3.0, again=0)
"""For many files of which only it matters about what they take: in noise each would get 6 to 12 seconds else."""

TimedOutcome = Outcome | Fault
"""An outcome with its latency, refused where it can't be run; or the fault that the device had over it."""

_Key = tuple[str, Runtime]
T = TypeVar("T")


class Instrument:
    """Measures a study's outcomes."""

    def __init__(
        self,
        builder: Builder,
        session: Session,
        latencies: LatencyCache,
        leased: Callable[[], AbstractContextManager[None]],
        status: Callable[[str], None],
        rest: Callable[[], None],
    ) -> None:
        """
        Args:
            builder: that built the files.
            session: on the device.
            latencies: what is known.
            leased: holds the device; nobody else uses it meanwhile.
            status: told what is being done.
            rest: lets the device cool down.
        """
        self._builder = builder
        self._session = session
        self._latencies = latencies
        self._leased = leased
        self._status = status
        self._rest = rest
        self._structures: dict[str, str] = {}
        self._stopped = threading.Event()

    def stop(self) -> None:
        """No file is timed from now on: a measurement under way ends with the file that is being timed."""
        self._stopped.set()

    def known(self, outcome: Measured) -> Outcome | None:
        """An evaluated outcome with the latency of its structure, None where that was not measured."""
        latency = self._latencies.get(*self._key(outcome))
        return None if latency is None else _with_latency(outcome, latency)

    def measure(self, outcomes: Sequence[Measured]) -> list[TimedOutcome]:
        """Evaluated outcomes with their latency; where another file of the structure was measured, with that file's.

        Returns:
            For each its outcome, refused where it can't be run, or the fault that the device had over it.
        """
        keys = [self._key(outcome) for outcome in outcomes]
        results = self._once(keys, outcomes, self._times)
        return [with_result(outcome, results[key]) for key, outcome in zip(keys, outcomes, strict=True)]

    def measure_files(
        self, jobs: Sequence[Job], stopped: Callable[[], bool], *, rough: bool = False
    ) -> list[JobResult]:
        """What files take that are no trial's; where a file of the structure was measured, that.

        Args:
            jobs: to time.
            stopped: whether to time no more.
            rough: by ROUGHLY; kept apart from what is measured for trials.

        Raises:
            Fault: the device or the way to it failed, or the measurement was stopped.
        """
        kind = "roughly " if rough else ""
        keys = [(kind + structure(job.model.read_bytes()), job.runtime) for job in jobs]
        rules = ROUGHLY if rough else RULES
        results = self._once(keys, jobs, partial(self._measured, rules=rules, stopped=stopped))
        for fault in results.values():
            if isinstance(fault, Fault):
                raise fault
        return [_used(results[key], key[1]) for key in keys]

    def measure_anew(self, outcomes: Sequence[Measured]) -> list[TimedOutcome]:
        """The same outcomes, each file measured itself, whatever is known of its structure."""
        return [with_result(outcome, result) for outcome, result in zip(outcomes, self._times(outcomes), strict=True)]

    def profile(self, outcome: Measured, device: str) -> Profile:
        """Where the time of an outcome's file goes.

        Args:
            outcome: measured.
            device: its name.

        Raises:
            UserError: only LiteRT can tell what the file is.
            Fault: the device or the way to it failed, or the file is gone or damaged.
        """
        model = self._builder.file(outcome)
        with self._leased(), self._builder.usage.under_way(Activity("device", "profile", outcome.config.recipe)):
            return profiled(self._session, model, outcome.config.runtime, device, PROFILE_S)

    def anchor(self, outcome: Measured) -> tuple[TimedOutcome, str | None]:
        """Measures the baseline, whatever is known of it.

        Returns:
            Its outcome, and why older measurements are not reused from now on, None where they are.
        """
        [result] = self._times([outcome])
        note = self._latencies.anchor(*self._key(outcome), result) if isinstance(result, Measurement) else None
        return with_result(outcome, result), note

    def _once(
        self, keys: Sequence[_Key], files: Sequence[T], time: Callable[[Sequence[T]], list[JobResult]]
    ) -> dict[_Key, JobResult]:
        """What is known of each structure, else what timing the first of its files gives."""
        results: dict[_Key, JobResult] = {key: latency for key in keys if (latency := self._latencies.get(*key))}
        missing = {key: file for key, file in reversed([*zip(keys, files, strict=True)]) if key not in results}
        for key, result in zip(missing, time(list(missing.values())), strict=True):
            results[key] = result
            if isinstance(result, Measurement):
                self._latencies.put(*key, result)
        return results

    def _times(self, outcomes: Sequence[Measured]) -> list[JobResult]:
        """What was found of each file; a fault where it is gone or damaged, for all where the device is lost."""
        jobs: dict[int, Job] = {}
        results: dict[int, JobResult] = {}
        for index, outcome in enumerate(outcomes):
            try:
                jobs[index] = Job(self._builder.file(outcome), outcome.config.runtime)
            except Fault as error:
                results[index] = error
        results |= dict(zip(jobs, self._measured(list(jobs.values())), strict=True))
        return [results[index] for index in range(len(outcomes))]

    def _measured(
        self, jobs: Sequence[Job], rules: Rules = RULES, stopped: Callable[[], bool] = lambda: False
    ) -> list[JobResult]:
        if not jobs:
            return []
        try:
            with self._leased(), self._builder.usage.under_way(Activity("device", "measure")):
                return measure(
                    self._session, jobs, rules, self._status, self._rest, lambda: self._stopped.is_set() or stopped()
                )
        except Fault as error:  # the device was lost while we waited for it
            return [error] * len(jobs)

    def _key(self, outcome: Measured) -> _Key:
        """Structure and runtime."""
        artifact = outcome.artifact
        if artifact not in self._structures:
            try:
                self._structures[artifact] = structure(self._builder.file(outcome).read_bytes())
            except (Fault, UserError):  # it is damaged, or only LiteRT can tell what it is
                self._structures[artifact] = artifact
        return self._structures[artifact], outcome.config.runtime


def with_result(outcome: Measured, result: JobResult) -> TimedOutcome:
    """An evaluated outcome with its latency, refused where it can't be run or its delegate runs nothing of it."""
    return result if isinstance(result, Fault) else _with_latency(outcome, result)


def _with_latency(outcome: Measured, result: Measurement | Infeasible) -> Outcome:
    used = _used(result, outcome.config.runtime)
    if isinstance(used, Measurement):
        return outcome.with_latency(used)
    return Refused(outcome.config, str(used), outcome.artifact)


def _used(result: JobResult, runtime: Runtime) -> JobResult:
    """What was measured, as long as the delegate runs anything of the file."""
    if isinstance(result, Measurement) and result.delegated == 0:
        return Infeasible(f"{runtime.delegate} runs none of the file's {result.operators} operators")
    return result
