"""What a device is: it opens sessions, and a session runs files."""

import getpass
import os
import platform
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from autotune.config import Runtime
from autotune.results.meta import DeviceFacts
from autotune.results.profile import OperatorTime
from autotune.task.data.fields import Array


@dataclass(frozen=True)
class Cooling:
    """When a device is cool enough to be measured.

    Attributes:
        below_c: degrees Celsius that its hottest sensor must be below.
        at_most_s: seconds to wait for that; what is measured then is measured warm.
    """

    below_c: float
    at_most_s: float


@dataclass(frozen=True)
class MeasureOptions:
    """How files are run and measured, whatever the device and the way to it. A device file has these for keys.

    Attributes:
        delegates: to look for; None for all that autotune knows there.
        threads: counts to offer; powers of two up to the device's cores where empty.
        cpus: that files are run on; all where empty.
        limit: seconds that a file may take over what it is asked for.
        cooling: to wait for before the device is measured.
    """

    delegates: tuple[str, ...] | None = None
    threads: tuple[int, ...] = ()
    cpus: tuple[int, ...] = ()
    limit: float = 120.0
    cooling: Cooling | None = None


@dataclass(frozen=True)
class Timing:
    """One block of timed inferences in a fresh process, end to end: inputs written, outputs read back.

    What a device can't tell is None.

    Attributes:
        times_us: of each inference after the warm-up, in order, in microseconds; at least one.
        first_us: of the very first inference, which is not among times_us.
        init_us: of opening the file, applying the delegate and allocating tensors.
        init_serialized_us: the same with what the delegate had compiled kept from an earlier time.
        memory_bytes: peak of the process over what it used before it opened the file.
        operators: of the file.
        delegated: how many of them the delegate runs.
        fell_back: kinds of the others, "KIND x COUNT" where there are several.
        others: cores that other processes used meanwhile, on average.
        frequency_mhz: of the fastest core before and after.
        temperature_c: of the hottest sensor before and after.
    """

    times_us: list[float]
    first_us: float
    init_us: float
    init_serialized_us: float | None = None
    memory_bytes: int | None = None
    operators: int | None = None
    delegated: int | None = None
    fell_back: list[str] = field(default_factory=list)
    others: float | None = None
    frequency_mhz: list[float] | None = None
    temperature_c: list[float] | None = None


@dataclass(frozen=True)
class Window:
    """About a second of inferences on end, of a process that goes on. What a device can't tell is None.

    Attributes:
        at_s: when it began, in seconds since the first.
        times_us: of each inference in order, in microseconds; at least one, of very many the first.
        frequency_mhz: of the fastest core before and after.
        temperature_c: of the hottest sensor before and after.
    """

    at_s: float
    times_us: list[float]
    frequency_mhz: list[float] | None = None
    temperature_c: list[float] | None = None


class Session(Protocol):
    """A connection to a device, used by one thread at a time. What it raises:

    Infeasible where the file can't be run so, for a reason that would hold again; Fault where
    the device or the way to it failed.
    """

    def outputs(self, model: Path, runtime: Runtime, inputs: Path) -> Array:
        """The file's outputs (n, *output shape), float32, for the inputs (n, *input shape) in an .npy. Several inputs
        or outputs are fields of one structured array, by the names that tflite.ends has.

        Each sample is run as if it were the first: what a file keeps from one inference to the next
        (tflite.state) is reset before each.
        """
        ...

    def latency(self, model: Path, runtime: Runtime, seconds: float = 0.05) -> Timing:
        """Times single inferences of random inputs for about this long, after a warm-up."""
        ...

    def sustain(self, model: Path, runtime: Runtime, seconds: float) -> list[Window]:
        """Latency over time: runs a file on end for so long. Only asked where Device.sustains says so."""
        ...

    def profile(self, model: Path, runtime: Runtime, seconds: float = 1.0) -> list[OperatorTime] | None:
        """What each operator takes, in the order in which they run; None where the runtime can't tell."""
        ...

    def temperature(self) -> float | None:
        """The hottest sensor's temperature in °C, None where the device can't tell."""
        ...

    def lease(self, *, shared: bool = False, waiting: Callable[[str], None]) -> AbstractContextManager[None]:
        """Holds the device: waits until nobody else does.

        Args:
            shared: with others that only build on the device's machine or evaluate on it; nobody
                measures meanwhile.
            waiting: told who holds it, now and then.
        """
        ...


class Device(Protocol):
    """A machine that runs .tflite files. To ask for anything but its attributes may connect to it.

    Attributes:
        name: of the device; results are kept by it.
        shares_host: whether builds on this machine would disturb its timings.
        emulated: whether its times are an emulator's, not a real device's.
        cooling: to wait for before it is measured, None for none.
        delegate_names: those that a delegate can have there; empty where only the device itself can tell.
        sustains: whether its sessions can run a file on end.
        loads: whether its cores can be kept busy beside a file.
    """

    name: str
    shares_host: bool
    emulated: bool
    cooling: Cooling | None
    delegate_names: tuple[str, ...]
    sustains: bool
    loads: bool

    @property
    def delegates(self) -> tuple[str, ...]:
        """The delegates that ran a tiny model on it."""
        ...

    @property
    def threads(self) -> tuple[int, ...]:
        """Counts that make sense on it, rising."""
        ...

    def missing(self) -> dict[str, str]:
        """Delegates that autotune knows and the device has not, with the reasons."""
        ...

    def facts(self) -> DeviceFacts:
        """What there is to know about it, kept with the study."""
        ...

    def open(self, load: int = 0) -> AbstractContextManager[Session]:
        """A session. Closing it, which any thread may do, leaves nothing running: what another thread has it do
        ends at once, with a Fault there, and so does whatever it is asked from then on.

        Args:
            load: cores that are kept busy beside each file; above 0 only where it says that it loads.
        """
        ...


def in_use(device: Device, by: str) -> str:
    """What to say while somebody else holds a device."""
    return f"waiting for device {device.name}, which is in use ({by})"


def holder() -> str:
    """Who holds a device, for others: this process, its machine and its user, by number where that has no name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # such as in a container
        user = f"user {os.getuid()}"
    return f"{user} on {platform.node()}, process {os.getpid()}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
