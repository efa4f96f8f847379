"""One search, several devices: beside the study that searched there is one for each other device.

The first study of a name builds files, on a device of its own. A run of that name for another device measures
those files there, and keeps what it finds as a study of its own, NAME@DEVICE.
"""

import contextlib
import re
from pathlib import Path

from autotune.config import Recipe
from autotune.devices import device_file
from autotune.errors import UserError
from autotune.ledger import journal
from autotune.results.record import MARK, Begun, Record


def beside(name: str, device: str) -> str:
    """The study of this name on another device than its own."""
    return name + MARK + re.sub(r"[^A-Za-z0-9._-]", "-", device)


def first(folder: Path, name: str) -> Begun | None:
    """The study that searches; None where there is none yet, or it has measured nothing.

    Args:
        folder: that holds the studies.
        name: as the user gave it.

    Raises:
        UserError: as journal.read_if_any().
    """
    record = journal.read_if_any(folder / name, name)
    return record if isinstance(record, Begun) else None


def leader(folder: Path, name: str, device: str) -> Begun | None:
    """The study whose files a run for this device measures; None where the run searches itself. See first()."""
    record = first(folder, name)
    return None if record is None or record.device == device else record


def siblings(folder: Path, name: str) -> dict[str, Begun]:
    """The studies of one search by their devices, the one that searched first; without others that can't be read.

    Args:
        folder: that holds the studies.
        name: of any of them.

    Raises:
        UserError: there is no such study, or it can't be read.
    """
    first = name.partition(MARK)[0]
    others = sorted(path.parent for path in folder.glob(f"{first}{MARK}*/{journal.JOURNAL}"))
    records = []
    for path in [folder / first, *others]:
        try:
            records.append(journal.read(path, path.name))
        except UserError:
            if path.name == name:
                raise
    return {record.device: record for record in records if isinstance(record, Begun)}


def find(folder: Path, name: str, device: str | None = None) -> Record:
    """A study on the device that is meant.

    Args:
        folder: that holds the studies.
        name: as the user gave it.
        device: its name, or what the user calls it now; None for the one that the study of this name was on.

    Raises:
        UserError: there is no such study, or it was not measured there.
    """
    if device is None:
        return journal.read(folder / name, name)
    records = siblings(folder, name)
    if device not in records:
        with contextlib.suppress(UserError):  # to be told where it was measured helps more
            device = device_file.find_device(device).name
    return on(records, device)


def on(records: dict[str, Begun], device: str) -> Begun:
    """The study of a device.

    Args:
        records: as siblings() gives them.
        device: its name.

    Raises:
        UserError: it was not measured there.
    """
    if device not in records:
        name = next(iter(records.values())).name if records else ""
        raise UserError(
            f"study {name!r} was measured on {', '.join(records)}, not on {device}; "
            "the same autotune run with --device measures its files there"
        )
    return records[device]


def files(record: Record) -> list[Recipe]:
    """The recipes that a study has files of, in the order in which they were built."""
    built = (point.outcome for point in sorted(record.points, key=lambda point: point.trial))
    return list(dict.fromkeys(outcome.config.recipe for outcome in built if outcome.artifact))
