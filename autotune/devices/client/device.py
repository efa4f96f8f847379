"""A device on which the runner does the measuring, by whatever way it is reached."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autotune.config import Runtime
from autotune.devices.base import ProbedDevice
from autotune.devices.client.connection import Transport
from autotune.devices.client.session import RunnerSession
from autotune.devices.device import MeasureOptions, Session

log = logging.getLogger("autotune.devices")

DELEGATES = ("xnnpack", "builtin", "reference", "gpu", "openvino_cpu", "openvino_gpu", "openvino_npu")
"""What the runner knows, best known first."""

PROBE = Path(__file__).with_name("probe.tflite")
"""One float convolution with ReLU, 8x8x1: what every delegate can run."""


class RunnerDevice(ProbedDevice):
    """A device on which the runner does the measuring. See devices.device.Device."""

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
        super().__init__(transport.name, options, DELEGATES)
        self.shares_host = shares_host
        self.emulated = emulated
        self._transport = transport

    def facts(self) -> dict[str, Any]:
        return super().facts() | ({"emulated": True} if self.emulated else {})

    @contextmanager
    def open(self, load: int = 0) -> Iterator[RunnerSession]:
        """
        Args:
            load: cores that are kept busy beside each file.
        """
        session = RunnerSession(self._transport, self._options, load)
        try:
            yield session
        finally:
            session.close()

    @contextmanager
    def _examined(self) -> Iterator[tuple[dict[str, Any], Session]]:
        with self.open() as session, session.lease(shared=True, waiting=self._waiting()):
            yield session.facts(), session

    def _try(self, session: Session, delegate: str) -> None:
        session.latency(PROBE, Runtime(delegate, 1), 0.0)

    def _waiting(self) -> Callable[[str], None]:
        """Tells each holder once."""
        told = set()

        def waiting(by: str) -> None:
            if by not in told:
                told.add(by)
                log.warning("waiting for device %s: %s measures there", self.name, by)

        return waiting
