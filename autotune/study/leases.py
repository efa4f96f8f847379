"""A study's device as it is shared: held while files run, alone while they are timed."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from autotune.devices.device import Device, Session, in_use
from autotune.study.reporting import Reporter

HELD_S = 600.0
"""Seconds after which a device is let go for a moment: others may want to measure on it."""


class TimeIsUpError(Exception):
    """The deadline has come."""


class Leases:
    """Leases of a device, one for each use of it. To wait for one is told, as a line once for each other holder.

    Once the deadline has come, others are waited for as long as one of their studies may hold the device, so that
    what was built is still measured; then TimeIsUpError is raised, which says so.
    """

    def __init__(
        self,
        device: Device,
        evaluating: Session,
        timing: Session,
        reporter: Reporter,
        hushed: Callable[[], AbstractContextManager[None]],
        deadline: float | None,
    ) -> None:
        """
        Args:
            device: whose sessions these are.
            evaluating: the session that files are evaluated in.
            timing: the session that they are timed in.
            reporter: told who is waited for.
            hushed: keeps from being shown elsewhere what would disturb this machine.
            deadline: on the clock of time.monotonic(), None for none.
        """
        self._device = device
        self._evaluating = evaluating
        self._timing = timing
        self._reporter = reporter
        self._hushed = hushed
        self._deadline = deadline
        self._noted = set[str]()

    def building(self) -> AbstractContextManager[None]:
        """Held while a file is built and evaluated: on this machine to build disturbs as much as to evaluate."""
        return self._lease(self._evaluating, shared=True) if self._device.shares_host else nullcontext()

    def evaluating(self) -> AbstractContextManager[None]:
        """Held while a file is evaluated; on this machine building() holds the device already."""
        return nullcontext() if self._device.shares_host else self._lease(self._evaluating, shared=True)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Held by nobody else while a file is timed; on this machine nothing is shown elsewhere meanwhile."""
        hushed = self._hushed() if self._device.shares_host else nullcontext()
        with self._lease(self._timing, shared=False), hushed:
            yield

    def _lease(self, session: Session, *, shared: bool) -> AbstractContextManager[None]:
        return session.lease(shared=shared, waiting=self._wait)

    def _wait(self, by: str) -> None:
        text = in_use(self._device, by)
        if self._deadline is not None and time.monotonic() > self._deadline + HELD_S:
            raise TimeIsUpError(f"the time is up, {text}")
        self._reporter.status(text)
        if text not in self._noted:
            self._noted.add(text)
            self._reporter.note(text)
