"""Lets a device cool down before it is measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.devices.device import Device, Session

POLL = 2.0
"""Seconds between two looks at the temperature."""


@dataclass(frozen=True)
class Cooling:
    """When a device is cool enough to be measured.

    Attributes:
        below_c: degrees Celsius that its hottest sensor must be below.
        at_most_s: seconds to wait for that; what is measured then is measured warm.
    """

    below_c: float
    at_most_s: float

    def rest(self, session: "Session", waiting: Callable[[str], None]) -> None:
        """Waits until the device is cool, or for as long as it may; not at all where it can't tell.

        Args:
            session: on the device.
            waiting: told how warm it is, now and then.

        Raises:
            Fault: the device or the way to it failed.
        """
        deadline = time.monotonic() + self.at_most_s
        while (found := session.temperature()) is not None and found >= self.below_c:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            waiting(f"cooling down: {found:.0f} °C, to be below {self.below_c:g} °C; {left:.0f} s at most")
            time.sleep(min(POLL, left))


def rest(device: "Device", session: "Session", waiting: Callable[[str], None]) -> None:
    """Lets a device cool down where it is to; see Cooling.rest()."""
    if device.cooling is not None:
        device.cooling.rest(session, waiting)
