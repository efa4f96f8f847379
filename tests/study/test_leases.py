"""How a study's device is shared."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from autotune.study.leases import Leases
from autotune.testing import FakeDevice, SilentReporter
from tests.devices.processes import LONG


class Elsewhere(FakeDevice):
    """A device that is not this machine."""

    shares_host = False


@pytest.mark.parametrize(
    ("device", "building", "evaluating", "hushes"),
    [(FakeDevice(), [True], [], 1), (Elsewhere(), [], [True], 0)],
)
def test_what_is_held_when(device: FakeDevice, building: list[bool], evaluating: list[bool], hushes: int) -> None:
    """On this machine all that is built disturbs, elsewhere only what runs there; to time is alone on any."""
    hushed: list[None] = []

    @contextmanager
    def hush() -> Iterator[None]:
        hushed.append(None)
        yield

    with device.open() as session, device.open() as timing:
        leases = Leases(device, session, timing, SilentReporter(), hush, None)
        with leases.building():
            assert device._leases == building
            with leases.evaluating():
                assert device._leases == building + evaluating
        assert hushed == []
        with leases.timing():
            assert device._leases == [False]
        assert len(hushed) == hushes
    assert device._leases == []


def test_who_is_waited_for_is_said_once() -> None:
    """However often it is asked, and however often there is something to wait for."""
    device, reporter = FakeDevice(), SilentReporter()

    @contextmanager
    def hush() -> Iterator[None]:
        yield

    with device.open() as session, device.open() as timing:
        leases = Leases(device, session, timing, reporter, hush, None)
        for _ in range(2):
            reporter_told, timed = threading.Event(), threading.Event()
            reporter.status = lambda text, told=reporter_told: told.set()  # type: ignore[method-assign,misc]

            def measure(done: threading.Event = timed) -> None:
                with leases.timing():
                    done.set()

            with leases.building():
                thread = threading.Thread(target=measure, daemon=True)
                thread.start()
                assert reporter_told.wait(LONG)
                assert not timed.is_set()
            assert timed.wait(LONG)
            thread.join(LONG)
    assert reporter.notes == ["waiting for device fake, which is in use (another session)"]
