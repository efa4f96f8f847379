"""What devices have in common that find out by trying which delegates they have."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property

from autotune.devices.delegates import DELEGATES
from autotune.devices.device import MeasureOptions, Session
from autotune.errors import Fault, Infeasible, UserError
from autotune.results.meta import DeviceFacts


class ProbedDevice:
    """A device that is asked for its facts and tries its delegates once. See devices.device.Device.

    A subclass says how: _examined() and _try(), and open().
    """

    shares_host = False
    emulated = False
    sustains = False
    loads = False
    delegate_names = DELEGATES

    def __init__(self, name: str, options: MeasureOptions, delegates: Sequence[str]) -> None:
        """
        Args:
            name: of the device.
            options: by which files are run.
            delegates: to look for where the options name none.

        Raises:
            UserError: the options have no delegate at all.
        """
        self.name = name
        self.cooling = options.cooling
        self._options = options
        self._wanted = tuple(delegates) if options.delegates is None else options.delegates
        if not self._wanted:
            raise UserError(f"device {name}: delegates is empty; name some of {', '.join(delegates)}, or leave it out")

    @property
    def delegates(self) -> tuple[str, ...]:
        return tuple(name for name in self._wanted if name not in self._probed.missing)

    @property
    def threads(self) -> tuple[int, ...]:
        return self._options.threads or self._powers()

    def missing(self) -> dict[str, str]:
        return self._probed.missing

    def facts(self) -> DeviceFacts:
        facts = self._probed.facts
        return replace(facts, cpus=self._options.cpus) if self._options.cpus else facts

    def _examined(self) -> AbstractContextManager[tuple[DeviceFacts, Session]]:
        """The device's facts, with its cores among them, and a session in which delegates may be tried.

        Raises:
            UserError: the device can't be used.
            Fault: it can't be reached.
        """
        raise NotImplementedError

    def _try(self, session: Session, delegate: str) -> None:
        """Runs a tiny file.

        Raises:
            Infeasible: the delegate doesn't.
            Fault: the device was lost.
        """
        raise NotImplementedError

    def _powers(self) -> tuple[int, ...]:
        """Powers of two, up to as many as files may use cores."""
        cores = len(self._options.cpus) or self._probed.facts.cores or 1
        return tuple(2**power for power in range(cores.bit_length()))

    @cached_property
    def _probed(self) -> "_Probed":
        """What the device is and has, asked for once.

        Raises:
            UserError: the device can't be used, or no delegate runs.
        """
        missing: dict[str, str] = {}
        try:
            with self._examined() as (facts, session):
                for delegate in self._wanted:
                    try:
                        self._try(session, delegate)
                    except Infeasible as error:
                        missing[delegate] = str(error)
        except Fault as error:
            raise UserError(str(error)) from error
        if len(missing) == len(self._wanted):
            first, reason = next(iter(missing.items()))
            raise UserError(f"device {self.name}: no delegate runs there; {first}: {reason}")
        return _Probed(facts, missing)


@dataclass(frozen=True)
class _Probed:
    """What a device is, and which delegates don't run there, with the reasons."""

    facts: DeviceFacts
    missing: dict[str, str]
