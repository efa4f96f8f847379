"""Waiting for a device to cool down."""

import pytest

from autotune.devices.device import Cooling
from autotune.measure import cooling
from autotune.testing import FakeDevice
from autotune.testing.fakes import FakeSession


class Warm(FakeSession):
    """Reads these temperatures in turn; the last for ever."""

    def __init__(self, *temperatures: float | None) -> None:
        super().__init__(FakeDevice())
        self.left = list(temperatures)

    def temperature(self) -> float | None:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooling, "POLL", 0.001)


def told(session: Warm, rule: Cooling) -> list[str]:
    lines: list[str] = []
    cooling.cool_down(rule, session, lines.append)
    return lines


def test_waits_until_it_is_cool() -> None:
    """It says how warm it still is each time, and takes no look more than it needs."""
    session = Warm(70.0, 65.0, 59.9, 0.0)
    lines = told(session, Cooling(60, 100))
    assert [line.partition(",")[0] for line in lines] == ["cooling down: 70 °C", "cooling down: 65 °C"]
    assert session.left == [0.0]


@pytest.mark.parametrize("temperature", [59.9, None])
def test_does_not_wait_for_what_is_cool_or_can_not_tell(temperature: float | None) -> None:
    """There is nothing to say either."""
    assert told(Warm(temperature), Cooling(60, 100)) == []


def test_waits_no_longer_than_it_may() -> None:
    """A device that stays warm is measured warm."""
    assert told(Warm(90.0), Cooling(60, 0.01))
    assert told(Warm(90.0), Cooling(60, 0)) == []
