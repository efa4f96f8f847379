"""What is refused by what it says of itself, before it takes all the memory there is."""

import resource
from collections.abc import Iterable
from pathlib import Path

HARMLESS = 100 * 2**20
"""Bytes to which anything may unpack."""

RATIO = 100
"""By which what is larger may grow: trained weights and data hardly grow by 20, a bomb by 1,000 and more."""


def check_unpacked(packed: int, unpacked: int) -> None:
    """Whether a file may be unpacked.

    Args:
        packed: bytes that it has.
        unpacked: bytes that it says it becomes.

    Raises:
        ValueError: it is a bomb, or too large for this machine; the message says what it would become.
    """
    if unpacked > max(HARMLESS, RATIO * packed):
        raise ValueError(f"would unpack to {unpacked / 1e6:,.0f} MB, more than {RATIO} times its size")
    check_memory(unpacked)


def check_memory(size: int) -> None:
    """Whether so many bytes can be had.

    Raises:
        ValueError: there is not as much memory; the message says so.
    """
    if size > HARMLESS and size > (free := available()):
        raise ValueError(f"takes {size / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB of memory are free")


def available() -> float:
    """Bytes of memory that this process can have now; infinite where the system doesn't tell."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    limits = [] if soft == resource.RLIM_INFINITY else [float(soft)]
    return min([*limits, *_free(Path("/proc/meminfo"))], default=float("inf"))


def _free(table: Path) -> Iterable[float]:
    try:
        lines = table.read_text().splitlines()
    except OSError:  # no Linux
        return []
    return [1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
