"""A device on which runner.py does the measuring, by whatever way it is reached."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from autotune.config import Runtime
from autotune.devices.cooling import Cooling
from autotune.devices.session import LIMIT, RunnerSession, Transport
from autotune.errors import Fault, Infeasible, UserError

log = logging.getLogger("autotune.devices")

DELEGATES = ("xnnpack", "builtin", "reference", "gpu", "openvino_cpu", "openvino_gpu", "openvino_npu")
"""What the runner knows, best known first."""

PROBE = Path(__file__).with_name("probe.tflite")
"""One float convolution with ReLU, 8x8x1: what every delegate can run."""


class RunnerDevice:
    """A device on which runner.py does the measuring. See devices.device.Device."""

    def __init__(
        self,
        transport: Transport,
        *,
        shares_host: bool = False,
        emulated: bool = False,
        delegates: Sequence[str] = DELEGATES,
        threads: Sequence[int] = (),
        cpus: Sequence[int] = (),
        limit: float = LIMIT,
        cooling: Cooling | None = None,
    ) -> None:
        """
        Args:
            transport: the way to it.
            shares_host: whether builds on this machine would disturb its timings.
            emulated: whether its times are an emulator's.
            delegates: to look for.
            threads: counts to offer; powers of two up to its cores where empty.
            cpus: that files are run on; all where empty.
            limit: seconds that a file may take over what it is asked for.
            cooling: to wait for before it is measured.
        """
        self.name, self.shares_host, self.emulated = transport.name, shares_host, emulated
        self.cooling = cooling
        self._transport, self._cpus, self._limit = transport, tuple(cpus), limit
        self._wanted, self._threads = tuple(delegates), tuple(threads)

    @property
    def delegates(self) -> tuple[str, ...]:
        return tuple(name for name in self._wanted if name not in self._checked[1])

    @property
    def threads(self) -> tuple[int, ...]:
        cores = len(self._cpus) or int(self._checked[0]["cores"])
        return self._threads or tuple(2**power for power in range(cores.bit_length()) if 2**power <= cores)

    def missing(self) -> dict[str, str]:
        return self._checked[1]

    def facts(self) -> dict[str, Any]:
        pinned = {"cpus": list(self._cpus)} if self._cpus else {}
        marked = {"emulated": True} if self.emulated else {}
        return {"device": self.name, **self._checked[0], **pinned, **marked}

    @contextmanager
    def open(self, load: int = 0) -> Iterator[RunnerSession]:
        """
        Args:
            load: cores that are kept busy beside each file.
        """
        session = RunnerSession(self._transport, self._cpus, self._limit, load)
        try:
            yield session
        finally:
            session.close()

    def _waiting(self) -> Callable[[str], None]:
        """Tells each holder once."""
        told = set()

        def waiting(by: str) -> None:
            if by not in told:
                told.add(by)
                log.warning("waiting for device %s: %s measures there", self.name, by)

        return waiting

    @cached_property
    def _checked(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Facts, and which delegates don't run the probe.

        Raises:
            UserError: the device can't be reached, or no delegate runs.
        """
        missing = {}
        try:
            with self.open() as session, session.lease(shared=True, waiting=self._waiting()):
                facts = session.facts()
                for delegate in self._wanted:
                    try:
                        session.latency(PROBE, Runtime(delegate, 1), 0.0)
                    except Infeasible as error:
                        missing[delegate] = str(error)
        except Fault as error:
            raise UserError(str(error)) from error
        if len(missing) == len(self._wanted):
            first, reason = next(iter(missing.items()))
            raise UserError(f"device {self.name}: no delegate runs there; {first}: {reason}")
        return facts, missing
