"""The instrument: how often, in which order and how long files are timed, until it is known how fast they are."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotune.config import Runtime
from autotune.devices.device import Session, Timing
from autotune.errors import Fault, Infeasible
from autotune.measure.statistics import LEAST_ROUNDS, settled, summary
from autotune.results.measurement import Measurement


@dataclass(frozen=True)
class Rules:
    """When a measurement is over.

    Attributes:
        within: share of the median that its interval may reach to either side.
        most_s: seconds after which a file gets no further round, once it had a few.
        most_rounds: rounds a file gets at most.
        block_s: seconds that a round times each file for.
        again: how often what was not stable is measured anew, after all others.
    """

    within: float = 0.01
    most_s: float = 6.0
    most_rounds: int = 20
    block_s: float = 0.05
    again: int = 1


FEWEST = 3
"""Rounds that even a slow file gets."""


@dataclass(frozen=True)
class Job:
    """A file, and how it is run."""

    model: Path
    runtime: Runtime


JobResult = Measurement | Infeasible | Fault
"""What was measured, or why nothing was."""


def measure(
    session: Session,
    jobs: Sequence[Job],
    rules: Rules = Rules(),  # frozen
    status: Callable[[str], None] = lambda _: None,
    rest: Callable[[], None] = lambda: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[JobResult]:
    """Times files in turn, round by round, so that a disturbance hits some rounds of all and not all of one.

    What is not stable is measured once more after all others; of its measurements the stable one is
    kept, else the one with the narrowest interval.

    Args:
        session: on the device, whose lease is held.
        jobs: to time.
        rules: when it is over.
        status: told what is being done.
        rest: called before each round; may wait until the device has cooled down.
        stopped: whether to time no more; what is not settled then is a Fault.

    Returns:
        For each job its measurement, or why there is none.
    """
    results = _rounds(session, dict(enumerate(jobs)), rules, status, rest, stopped)
    for _ in range(rules.again):
        doubtful = {
            index: jobs[index]
            for index, result in results.items()
            if isinstance(result, Measurement) and not result.stable
        }
        if not doubtful:
            break
        status(f"measuring {len(doubtful)} again: {_verdicts(results[index] for index in doubtful)}")
        for index, result in _rounds(session, doubtful, rules, lambda _: None, rest, stopped).items():
            results[index] = _better(results[index], result)
    return [results[index] for index in range(len(jobs))]


def _rounds(
    session: Session,
    jobs: Mapping[int, Job],
    rules: Rules,
    status: Callable[[str], None],
    rest: Callable[[], None],
    stopped: Callable[[], bool],
) -> dict[int, JobResult]:
    rounds: dict[int, list[Timing]] = {index: [] for index in jobs}
    spent = dict.fromkeys(jobs, 0.0)
    failed: dict[int, JobResult] = {}
    going = list(jobs)
    for number in range(rules.most_rounds):
        if not going:
            break
        try:
            rest()
        except Fault as error:
            failed |= dict.fromkeys(going, error)
            break
        status(f"measuring {len(going)}, round {number + 1}")
        for index in list(going):
            if stopped():
                failed |= dict.fromkeys(going, Fault("stopped"))
                going.clear()
                break
            began = time.monotonic()
            try:
                rounds[index].append(session.latency(jobs[index].model, jobs[index].runtime, rules.block_s))
            except (Infeasible, Fault) as error:
                failed[index] = error
                going.remove(index)
                continue
            spent[index] += time.monotonic() - began
            if _over(rounds[index], spent[index], rules):
                going.remove(index)
    return {index: failed.get(index) or summary(rounds[index]) for index in jobs}


def _over(rounds: Sequence[Timing], spent: float, rules: Rules) -> bool:
    if settled(rounds, rules.within):
        return True
    slow = spent / len(rounds) * LEAST_ROUNDS > rules.most_s
    return spent > rules.most_s and len(rounds) >= (FEWEST if slow else LEAST_ROUNDS)


def _better(before: JobResult, after: JobResult) -> JobResult:
    if isinstance(after, Fault):  # says nothing of the file
        return before
    if not isinstance(before, Measurement) or not isinstance(after, Measurement):
        return after
    return min(before, after, key=lambda result: (not result.stable, (result.high_ms - result.low_ms) / result.p50_ms))


def _verdicts(results: Iterable[JobResult]) -> str:
    return next((result.verdict for result in results if isinstance(result, Measurement)), "")
