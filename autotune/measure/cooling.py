"""Lets a device cool down before it is measured."""

import time
from collections.abc import Callable

from autotune.devices.device import Cooling, Device, Session

POLL = 2.0
"""Seconds between two looks at the temperature."""


def rest(device: Device, session: Session, waiting: Callable[[str], None]) -> None:
    """Lets a device cool down where it is to.

    Args:
        device: that is to be measured.
        session: on it.
        waiting: told how warm it is, now and then.

    Raises:
        Fault: the device or the way to it failed.
    """
    if device.cooling is not None:
        cool_down(device.cooling, session, waiting)


def cool_down(cooling: Cooling, session: Session, waiting: Callable[[str], None]) -> None:
    """Waits until the device is cool, or for as long as it may; not at all where it can't tell."""
    deadline = time.monotonic() + cooling.at_most_s
    while (degrees := session.temperature()) is not None and degrees >= cooling.below_c:
        left = deadline - time.monotonic()
        if left <= 0:
            return
        waiting(f"cooling down: {degrees:.0f} °C, to be below {cooling.below_c:g} °C; {left:.0f} s at most")
        time.sleep(min(POLL, left))
