"""Which devices there are, and what each is like."""

import inspect
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import entry_points

from autotune import plugins
from autotune.devices.android.phone import ANSWER, listed
from autotune.devices.device_file import device_files, find_device
from autotune.errors import Fault, UserError
from autotune.json_object import JsonObject
from autotune.results.meta import DeviceFacts


@dataclass(frozen=True)
class Seen:
    """A device as it was found.

    Attributes:
        device: as it was asked for.
        reason: why it can't be used, None where it can.
        facts: what there is to know about it, None where it can't be used.
        delegates: that run there.
        missing: those that don't, with the reasons.
        threads: counts that make sense there.
        temperature_c: of its hottest sensor, None where it can't tell.
        emulated: whether its times are an emulator's.
    """

    device: str
    reason: str | None = None
    facts: DeviceFacts | None = None
    delegates: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    threads: tuple[int, ...] = ()
    temperature_c: float | None = None
    emulated: bool = False

    def to_json(self) -> JsonObject:
        return {**asdict(self), "facts": self.facts.to_json() if self.facts else {}}


def devices() -> list[str]:
    """What find_device() takes: local, plug-ins that need to be told nothing, attached phones, the files in ./devices/.

    Raises:
        UserError: a plug-in can't be imported.
    """
    files = [path.stem for path in device_files()]
    return ["local", *_plugged(), *_phones(), *files]


def look(device: str) -> Seen:
    """Connects to a device and tries each delegate on it; never raises for one that can't be used."""
    try:
        there = find_device(device)
        delegates, facts = there.delegates, there.facts()
        with there.open() as session:
            heat = session.temperature()
        return Seen(device, None, facts, delegates, there.missing(), there.threads, heat, there.emulated)
    except (UserError, Fault) as error:
        return Seen(device, str(error))


def _plugged() -> list[str]:
    """Devices of plug-ins whose classes are made without arguments."""
    ours = ("local", "adb")  # the first is there already, of the second each phone
    names = sorted({point.name for point in entry_points(group="autotune.devices")} - set(ours))
    return [name for name in names if _bare(plugins.load("devices", name))]


def _bare(kind: type) -> bool:
    try:
        inspect.signature(kind).bind()
    except TypeError:
        return False
    return True


def _phones() -> list[str]:
    """Each phone that adb sees, in whatever state."""
    adb = shutil.which("adb")
    if adb is None:
        return []
    try:
        seen = subprocess.run(
            [adb, "devices", "-l"], capture_output=True, text=True, timeout=ANSWER, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [f"adb:{serial}" for serial in listed(seen)]
