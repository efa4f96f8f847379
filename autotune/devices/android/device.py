"""Android phones: LiteRT's benchmark_model, run through the user's adb."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

from autotune.config import Runtime
from autotune.devices.android import benchmark_model as tool
from autotune.devices.android.phone import Phone
from autotune.devices.android.session import AdbSession
from autotune.devices.base import ProbedDevice
from autotune.devices.client.device import PROBE
from autotune.devices.device import MeasureOptions, Session
from autotune.errors import Infeasible, UserError
from autotune.results.meta import DeviceFacts

PLACES = ("/data/local/tmp/benchmark_model", "/data/local/tmp/android_aarch64_benchmark_model")
"""Where benchmark_model is looked for on the phone."""


class AdbDevice(ProbedDevice):
    """An Android phone. See devices.device.Device."""

    short = "serial"

    def __init__(
        self,
        name: str = "adb",
        *,
        serial: str | None = None,
        adb: str = "adb",
        benchmark_model: str | None = None,
        flags: Mapping[str, Sequence[str]] | None = None,
        libraries: str | None = None,
        options: MeasureOptions = MeasureOptions(),
    ) -> None:
        """
        Args:
            name: of the device.
            serial: of the phone, as "adb devices" shows it; None takes $ANDROID_SERIAL or the only phone.
            adb: the program, by name or path.
            benchmark_model: a file here, which is sent there, or a path there; looked for there where None.
            flags: more of benchmark_model's, by delegate.
            libraries: folder there with the libraries that a delegate needs, such as Hexagon's.
            options: by which files are run.

        Raises:
            UserError: a delegate is unknown, or there is none.
        """
        if unknown := [key for key in (*(options.delegates or ()), *(flags or {})) if key not in tool.DELEGATES]:
            raise UserError(f"device {name}: unknown delegate {unknown[0]!r}; known are {', '.join(tool.DELEGATES)}")
        super().__init__(name, options, tool.DELEGATES)
        self._serial = serial or os.environ.get("ANDROID_SERIAL") or None
        self.emulated = (self._serial or "").startswith("emulator-")  # else known with the facts
        self._adb = adb
        self._program = benchmark_model
        self._flags = {key: list(value) for key, value in (flags or {}).items()}
        self._libraries = libraries

    def facts(self) -> DeviceFacts:
        """The phone's facts, with temperature and battery as they are now."""
        facts = super().facts()
        return replace(facts, more={**facts.more, **asdict(self._phone.conditions())})

    def open(self, load: int = 0) -> closing[AdbSession]:  # noqa: ARG002  # it loads nothing
        words = [*self._prefix(), self._tool]
        return closing(AdbSession(self.name, self._phone, words, self._flags, self._options))

    @contextmanager
    def _examined(self) -> Iterator[tuple[DeviceFacts, Session]]:
        facts = self._phone.facts(self._tool)
        self.emulated = bool(facts.emulated)
        with self.open() as session:
            yield facts, session

    def _try(self, session: Session, delegate: str) -> None:
        if session.latency(PROBE, Runtime(delegate, 1), 0.0).delegated == 0:
            raise Infeasible(f"{delegate} takes nothing of a small convolution")

    def _prefix(self) -> list[str]:
        """Words before benchmark_model: where it runs, and with which libraries."""
        pinned = ["taskset", f"{sum(1 << cpu for cpu in self._options.cpus):x}"] if self._options.cpus else []
        return [*pinned, "env", f"LD_LIBRARY_PATH={self._libraries}"] if self._libraries else pinned

    @cached_property
    def _phone(self) -> Phone:
        return Phone(self.name, self._adb, self._serial)

    @cached_property
    def _tool(self) -> str:
        """Path of benchmark_model on the phone.

        Raises:
            UserError: there is none.
        """
        path = Path(self._program) if self._program else None
        with suppress(RuntimeError):  # "~" is no home here: no such file then
            path = path and path.expanduser()
        if path is not None and path.is_file():
            return self._phone.send(path)
        if path is not None and not path.is_absolute():
            raise UserError(f"device {self.name}: benchmark_model {path}: no such file here; give its path")
        places = [str(path)] if path else PLACES
        tests = "; ".join(f"[ -x {shlex.quote(place)} ] && echo {shlex.quote(place)}" for place in places)
        programs = self._phone.shell(tests)[0].splitlines()
        if not programs:
            what = "build or fetch LiteRT's for this phone and give its path as benchmark_model in the device file"
            raise UserError(f"device {self.name}: no benchmark_model at {' or '.join(places)} on the phone; {what}")
        return programs[0]
