"""What a run did and did not do, on a clock of the test's own."""

from collections.abc import Callable

import pytest

from autotune.study.reporting import Activity
from autotune.study.usage import Work

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
    work = Work()
    wait(5)
    with work.under_way(build()):
        wait(1)
        with work.under_way(build()):
            wait(2)
    wait(4)
    with work.under_way(build()):
        wait(1)
    assert work.to_json()["busy_s"] == 4
    assert work.begun == 105


def test_what_is_under_way_is_told(wait: Pass) -> None:
    """All of it, in the order in which it began, whenever that changes."""
    told: list[list[str]] = []
    work = Work(lambda under_way: told.append([activity.doing for activity in under_way]))
    with work.under_way(Activity("worker", "prune")):
        with work.under_way(Activity("device", "measure")):
            pass
        with work.under_way(Activity("worker", "prune")):
            pass
    assert told == [["prune"], ["prune", "measure"], ["prune"], ["prune", "prune"], ["prune"], []]


def test_idle_are_free_workers_while_a_row_waits(wait: Pass) -> None:
    """Summed over the workers; more under way than there are workers is no less than none idle."""
    work = Work()
    work.row(2)
    wait(1)  # both idle
    with work.under_way(build()):
        wait(2)  # one is
        with work.under_way(build()), work.under_way(build()):
            wait(4)  # none
        wait(8)  # one again
    work.row(2)
    assert work.to_json()["idle_s"] == 2 * 1 + 2 + 8
    assert work.to_json()["searching_s"] == 1 + 2 + 4 + 8


def test_nothing_waits_before_the_first_row_and_after_the_last(wait: Pass) -> None:
    """There is nothing to do then."""
    work = Work()
    with work.under_way(build()):
        wait(1)
    wait(1)
    work.row(2)
    wait(1)
    assert work.to_json()["idle_s"] == 0


def test_workers_that_rest_are_not_idle(wait: Pass) -> None:
    """While something is measured in quiet. To get there, and to go on from there, is idle."""
    work = Work()
    work.row(2)
    with work.under_way(build()):
        wait(1)
    with work.resting(), work.under_way(build()):
        wait(10)
    wait(3)
    work.row(2)
    assert work.to_json()["idle_s"] == 1 + 2 * 3
