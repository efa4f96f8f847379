"""What a run did and did not do, on a clock of the test's own."""

from collections.abc import Callable

import pytest

from autotune.study.reporting import Activity
from autotune.study.usage import Usage

Pass = Callable[[float], None]


def build() -> Activity:
    return Activity("worker", "convert")


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Lets seconds pass."""
    now = 100.0

    def pass_(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("autotune.study.usage.time.monotonic", lambda: now)
    return pass_


def test_busy_is_when_anything_is_under_way(wait: Pass) -> None:
    """Once, however much is under way at a time; it began with the first."""
    usage = Usage()
    wait(5)
    with usage.under_way(build()):
        wait(1)
        with usage.under_way(build()):
            wait(2)
    wait(4)
    with usage.under_way(build()):
        wait(1)
    assert usage.to_json()["busy_s"] == 4
    assert usage.began == 105


def test_what_is_under_way_is_told(wait: Pass) -> None:
    """All of it, in the order in which it began, whenever that changes."""
    told: list[list[str]] = []
    usage = Usage(lambda under_way: told.append([activity.doing for activity in under_way]))
    with usage.under_way(Activity("worker", "prune")):
        with usage.under_way(Activity("device", "measure")):
            pass
        with usage.under_way(Activity("worker", "prune")):
            pass
    assert told == [["prune"], ["prune", "measure"], ["prune"], ["prune", "prune"], ["prune"], []]


def test_idle_are_free_workers_while_a_row_waits(wait: Pass) -> None:
    """Summed over the workers; more under way than there are workers is no less than none idle."""
    usage = Usage()
    usage.proposal_begun(2)
    wait(1)  # both idle
    with usage.under_way(build()):
        wait(2)  # one is
        with usage.under_way(build()), usage.under_way(build()):
            wait(4)  # none
        wait(8)  # one again
    usage.proposal_begun(2)
    assert usage.to_json()["idle_s"] == 2 * 1 + 2 + 8
    assert usage.to_json()["searching_s"] == 1 + 2 + 4 + 8


def test_nothing_waits_before_the_first_row_and_after_the_last(wait: Pass) -> None:
    """There is nothing to do then."""
    usage = Usage()
    with usage.under_way(build()):
        wait(1)
    wait(1)
    usage.proposal_begun(2)
    wait(1)
    assert usage.to_json()["idle_s"] == 0


def test_workers_that_rest_are_not_idle(wait: Pass) -> None:
    """While something is measured in quiet. To get there, and to go on from there, is idle."""
    usage = Usage()
    usage.proposal_begun(2)
    with usage.under_way(build()):
        wait(1)
    with usage.resting(), usage.under_way(build()):
        wait(10)
    wait(3)
    usage.proposal_begun(2)
    assert usage.to_json()["idle_s"] == 1 + 2 * 3
