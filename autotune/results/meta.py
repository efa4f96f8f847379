"""What a study was started with, as its journal keeps it."""

from dataclasses import dataclass

from autotune.json_object import JsonFields


@dataclass(frozen=True)
class DeviceFacts(JsonFields):
    """What there is to know about a device. None, or no name at all, for what it does not tell.

    Attributes:
        device: its name.
        machine: architecture of its processor.
        system: its operating system.
        cpu: its processor's name.
        cores: that files may use.
        memory_bytes: of main memory in all.
        governor: of the processor's frequency.
        runtime: the package that runs files.
        litert: the version of that.
        load: cores that were busy when it was asked, on average of the last minute.
        cpus: numbers of those that files are run on, where not on all.
        emulated: whether its times are an emulator's.
    """

    device: str
    machine: str | None = None
    system: str | None = None
    cpu: str | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    governor: str | None = None
    runtime: str | None = None
    litert: str | None = None
    load: float | None = None
    cpus: tuple[int, ...] | None = None
    emulated: bool | None = None
