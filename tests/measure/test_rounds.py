"""The instrument: rounds, their order, and when they end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from autotune.config import Runtime
from autotune.devices.device import Timing
from autotune.errors import Fault, Infeasible
from autotune.measure.rounds import FEWEST, Job, Rules, measure
from autotune.measure.statistics import LEAST_ROUNDS
from autotune.results.measurement import Measurement
from autotune.testing import FakeDevice
from autotune.testing.fakes import FakeSession

JOBS = [Job(Path(name), Runtime()) for name in ("a", "b", "c")]


class Session(FakeSession):
    """Plays back times by file; the last goes on for ever.

    Attributes:
        asked: files, in order.
    """

    def __init__(self, **times: Sequence[Any]) -> None:
        super().__init__(FakeDevice())
        self._times = {name: list(values) for name, values in times.items()}
        self.asked: list[str] = []

    def latency(self, model: Path, runtime: Runtime, seconds: float = 0.05) -> Timing:
        self.asked.append(model.name)
        values = self._times[model.name]
        value = values.pop(0) if len(values) > 1 else values[0]
        if isinstance(value, Exception):
            raise value
        return value if isinstance(value, Timing) else Timing([float(value)] * 5, 1.0, 1.0)


def noisy(others: float = 0.0) -> list[Timing]:
    """Rounds that scatter by 20 %."""
    return [Timing([100.0 + 20 * (k % 3 - 1)] * 5, 1, 1, others=others) for k in range(100)]


def test_rounds_are_interleaved() -> None:
    """Each file has its turn in each round, so that a drift hits all alike."""
    session = Session(a=[100], b=[200], c=[300])
    found = measure(session, JOBS)
    assert session.asked == ["a", "b", "c"] * LEAST_ROUNDS
    assert [one.p50_ms for one in found if isinstance(one, Measurement)] == [0.1, 0.2, 0.3]


def test_a_file_that_scatters_gets_more_rounds() -> None:
    """The others are done with meanwhile; it ends at the most rounds."""
    session = Session(a=[100], b=noisy(), c=[300])
    found = measure(session, JOBS, Rules(most_rounds=15, again=0))
    assert (session.asked.count("a"), session.asked.count("b")) == (LEAST_ROUNDS, 15)
    assert isinstance(found[1], Measurement)
    assert "differ" in found[1].verdict


def test_what_is_not_stable_is_measured_again_after_all_others() -> None:
    """A disturbance that passes leaves no mark; one that stays is said."""
    passing = [*noisy()[:12], Timing([100.0] * 5, 1, 1)]
    session = Session(a=[100], b=passing, c=noisy())
    told: list[str] = []
    found = measure(session, JOBS, Rules(most_rounds=12), status=told.append)
    assert session.asked[LEAST_ROUNDS * 3 :].count("a") == 0
    assert [one.stable for one in found if isinstance(one, Measurement)] == [True, True, False]
    assert any("measuring 2 again: rounds differ" in text for text in told)


def test_refused_and_lost_files_do_not_cost_the_others() -> None:
    """Each has its own end."""
    session = Session(a=[Infeasible("no kernel")], b=[100, Fault("lost")], c=[300])
    found = measure(session, JOBS)
    assert [type(one) for one in found] == [Infeasible, Fault, Measurement]


def test_slow_files_get_fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six rounds of a file that takes seconds would cost more than they tell."""
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr("autotune.measure.rounds.time.monotonic", lambda: float(next(clock)))
    session = Session(a=noisy())
    measure(session, JOBS[:1], Rules(most_s=6.0, again=0))
    assert len(session.asked) == FEWEST


def test_rests_before_each_round() -> None:
    """A hot device cools down first."""
    rests: list[int] = []
    measure(Session(a=[100]), JOBS[:1], rest=lambda: rests.append(1))
    assert len(rests) == LEAST_ROUNDS


def test_a_device_that_is_lost_while_it_rests_costs_the_files_in_hand() -> None:
    """Not the study: each has the fault."""

    def lost() -> None:
        raise Fault("gone")

    found = measure(Session(a=[100], b=[100]), JOBS[:2], rest=lost)
    assert [type(one) for one in found] == [Fault, Fault]


def test_few_slow_rounds_claim_no_more_than_they_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many inferences they have: those of one process are not independent."""
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr("autotune.measure.rounds.time.monotonic", lambda: float(next(clock)))
    rounds = [Timing([value] * 200, 1, 1) for value in (960.0, 1000.0, 1035.0)]
    [found] = measure(Session(a=rounds), JOBS[:1], Rules(again=0))
    assert isinstance(found, Measurement)
    assert (found.low_ms, found.high_ms) == (0.96, 1.035)


def test_a_measurement_is_stopped_between_files() -> None:
    """What was settled by then is known, the rest is a fault; nothing is timed any more, nor measured again."""
    session = Session(a=[100], b=noisy(), c=noisy())
    found = measure(session, JOBS, stopped=lambda: len(session.asked) == 3 * LEAST_ROUNDS + 1)
    assert len(session.asked) == 3 * LEAST_ROUNDS + 1
    assert isinstance(found[0], Measurement)
    assert [str(one) for one in found[1:]] == ["stopped", "stopped"]


def test_a_device_that_is_lost_the_second_time_takes_nothing_back() -> None:
    """What was measured, though not stable, stays measured."""
    session = Session(a=[100], b=[*noisy()[:20], Fault("lost")], c=[300])
    found = measure(session, JOBS, Rules(most_rounds=20))
    assert isinstance(found[1], Measurement)
    assert not found[1].stable
