"""What may be wrong with what a run is asked for."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autotune.devices.device import Device
from autotune.errors import UserError
from autotune.ledger import journal
from autotune.results.meta import Identity
from autotune.results.record import Begun, Record
from autotune.space.space import Space
from autotune.targets.metric import Metric
from autotune.targets.target import Target
from autotune.tflite.flatbuffer import named


def check_writable(folder: Path, option: str = "--dir") -> None:
    """Whether a folder can be written to; it need not be there.

    Args:
        folder: to be written to.
        option: that names it, for messages.

    Raises:
        UserError: it can't be.
    """
    above = next(path for path in (folder, *folder.parents) if path.exists())
    if not above.is_dir():
        raise UserError(f"{option}: {above} is a file; choose a folder")
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise UserError(f"{option}: can't write into {above}: {error.strerror}; choose another {option}") from error


def check_delegates(space: Space, device: Device) -> None:
    """Holds a space's delegates against the device's.

    Raises:
        UserError: the space names a delegate that the device has not.
    """
    lacking = [name for name in space.delegates() if name not in device.delegates]
    if lacking:
        reason = device.missing().get(lacking[0])
        what = (
            f"delegate {lacking[0]!r} does not run there ({reason})" if reason else f"unknown delegate {lacking[0]!r}"
        )
        has = ", ".join(device.delegates)
        raise UserError(f"space {space.source}: {what}; device {device.name} has {has}")


def check_named(space: Space, device: Device) -> None:
    """What can be said of a space's delegates without asking the device.

    Raises:
        UserError: the space names a delegate that there is not.
    """
    names = device.delegate_names
    unknown = [name for name in space.delegates() if name not in names]
    if unknown and names:
        raise UserError(f"space {space.source}: unknown delegate {unknown[0]!r}; known are {', '.join(names)}")


def check_targets(targets: Sequence[Target], quality: Metric) -> None:
    """Holds targets against the task's metric of quality.

    Raises:
        UserError: a target is on a quality that is not the task's.
    """
    for target in targets:
        metric = target.metric
        if metric.kind in ("share", "number") and metric != quality:
            raise UserError(f"target {target.text!r}: this task's metric is {quality.name}, not {metric.name}")


def check_excluded(excluded: Sequence[str], layers: Sequence[Sequence[str]]) -> None:
    """Holds names and patterns to leave alone against the models' layers.

    Raises:
        UserError: a name or pattern is that of no layer.
    """
    every = [name for names in layers for name in names]
    for name in excluded:
        if not any(named(layer, [name]) for layer in every):
            raise UserError(f"--exclude {name!r}: no layer with weights is called so; there are {', '.join(every)}")


_OTHER = {
    "train_samples": "another --train-samples",
    "model": "another model (or version of what opens it)",
    **{name: f"other {name}" for name in ("data", "files", "targets", "objectives")},
    "exclude": "another --exclude",
}
"""How parts of an identity are named that differ; the rest is another one."""


def refuse_changes(record: Record, now: Identity, but: Sequence[str] = ()) -> None:
    """Raises where the study of this name is another one; one that measured nothing begins anew.

    Args:
        record: of the study.
        now: identity of what is to be run.
        but: names in the identity that may differ.

    Raises:
        UserError: it was started with something else, or is being run.
    """
    before = record.meta.identity
    if before.files is None:  # it is older than these
        before = replace(before, files=now.files)
    changed = [name for name in now.changes(before) if name not in but]
    if not changed:
        return
    if not isinstance(record, Begun):
        with journal.exclusive(record.folder, record.name):
            journal.mend(record.folder, record.name)  # keeps what is damaged
            (record.folder / journal.JOURNAL).unlink(missing_ok=True)
        return
    words = [_OTHER.get(name, f"another {name}") for name in changed]
    raise UserError(
        f"study {record.name!r} was started with {' and '.join(words)}; "
        "choose another --name (files that fit are taken from the cache all the same)"
    )
