"""The pool where Ray does not start, or is lost: its process is a double, which fails as it is told to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autotune.errors import Broken, Fault
from autotune.study import pool as pools
from autotune.study.pool import LOSSES, STARTS, RayPool
from tests.study import ray_double

Planned = Callable[[str], RayPool]


def begin(_: int) -> None:
    pass


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    return tmp_path / "starts"


@pytest.fixture
def planned(starts: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planned]:
    """A pool whose Ray does by turns what the words say."""
    monkeypatch.setattr(pools, "_BOOT", ray_double.BOOT)
    monkeypatch.setenv("STARTS", str(starts))
    opened = []

    def pool(plan: str) -> RayPool:
        monkeypatch.setenv("PLAN", plan)
        opened.append(RayPool(1, begin))
        return opened[-1]

    yield pool
    for one in opened:
        one.close()


@pytest.mark.parametrize("plan", ["fail work", "die fail work", "lose work", "lose fail fail work"])
def test_what_is_asked_for_is_done_in_the_end(planned: Planned, plan: str, starts: Path) -> None:
    """A start that fails is tried again, and so is what Ray was lost over."""
    assert planned(plan).submit(divmod, 7, 2).result() == (3, 1)
    assert len(starts.read_text()) == len(plan.split())


def test_a_ray_that_never_starts_is_one_line(planned: Planned, starts: Path) -> None:
    """That ends the run, with Ray's own reason; the next call tries again."""
    pool = planned("fail")
    for tries in (STARTS, 2 * STARTS):
        with pytest.raises(Broken) as caught:
            pool.submit(divmod, 7, 2).result()
        assert str(caught.value) == "the workers can't be started: the current node timed out"
        assert len(starts.read_text()) == tries


def test_a_call_that_ray_is_always_lost_over_is_a_fault(planned: Planned, starts: Path) -> None:
    """It costs itself: it may be what takes all memory."""
    pool = planned("lose")
    with pytest.raises(Fault, match="Ray was lost") as caught:
        pool.submit(divmod, 7, 2).result()
    assert not isinstance(caught.value, Broken)
    assert len(starts.read_text()) == 1 + LOSSES


def test_a_closed_pool_starts_nothing(planned: Planned, starts: Path) -> None:
    """What it was asked for is a fault, and so is what it is asked for later."""
    pool = planned("lose")
    pool.close()
    with pytest.raises(Fault, match="the workers were ended"):
        pool.submit(divmod, 7, 2)
    assert not starts.exists()
