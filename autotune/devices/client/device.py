"""A device on which the runner does the measuring, by whatever way it is reached."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from autotune.config import Runtime
from autotune.devices.base import ProbedDevice
from autotune.devices.client.connection import Transport
from autotune.devices.client.session import RunnerSession
from autotune.devices.delegates import RUNNER
from autotune.devices.device import MeasureOptions, Session
from autotune.results.meta import DeviceFacts

log = logging.getLogger("autotune.devices")

PROBE = Path(__file__).with_name("probe.tflite")
"""One float convolution with ReLU, 8x8x1: what every delegate can run."""


class RunnerDevice(ProbedDevice):
    """A device on which the runner does the measuring. See devices.device.Device."""

    sustains = True
    loads = True

    def __init__(
        self,
        transport: Transport,
        *,
        shares_host: bool = False,
        emulated: bool = False,
        options: MeasureOptions = MeasureOptions(),
    ) -> None:
        """
        Args:
            transport: the way to it.
            shares_host: whether builds on this machine would disturb its timings.
            emulated: whether its times are an emulator's.
            options: by which files are run.

        Raises:
            UserError: the options have no delegate at all.
        """
        super().__init__(transport.name, options, RUNNER)
        self.shares_host = shares_host
        self.emulated = emulated
        self._transport = transport

    def facts(self) -> DeviceFacts:
        return replace(super().facts(), emulated=True) if self.emulated else super().facts()

    def open(self, load: int = 0) -> closing[RunnerSession]:
        return closing(RunnerSession(self._transport, self._options, load))

    @contextmanager
    def _examined(self) -> Iterator[tuple[DeviceFacts, Session]]:
        with self.open() as session, session.lease(shared=True, waiting=self._waiting()):
            yield session.facts(), session

    def _try(self, session: Session, delegate: str) -> None:
        session.latency(PROBE, Runtime(delegate, 1), 0.0)

    def _waiting(self) -> Callable[[str], None]:
        """Tells each holder once."""
        holders = set()

        def waiting(by: str) -> None:
            if by not in holders:
                holders.add(by)
                log.warning("waiting for device %s: %s measures there", self.name, by)

        return waiting
