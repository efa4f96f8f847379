"""What a run is asked for, held against model, data, device and an earlier run, before anything is written."""

import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from autotune.compress import load, pipeline
from autotune.compress.cache import ArtifactCache
from autotune.compress.stage import Artifact
from autotune.config import fingerprint
from autotune.data import read_data
from autotune.devices.device import Device
from autotune.errors import UserError
from autotune.record import Record
from autotune.space import Space
from autotune.study import asktell
from autotune.study.pool import Pool
from autotune.target import Target
from autotune.task import Task, make_task, read_model


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    Attributes:
        model, data: files.
        space: to sample from.
        targets: to meet; constraints of the search.
        trials: of the study in all, those of earlier runs included.
        timeout: seconds after which nothing new is begun, None for no limit.
        jobs: number of workers.
        seed: of splits, shuffles and the sampler.
        name: of the study.
        folder: that holds studies and their cache.
        loss, metric: None where model and labels shall say.
    """

    model: Path
    data: Path
    space: Space
    targets: list[Target]
    name: str
    folder: Path
    trials: int = 30
    timeout: float | None = None
    jobs: int = 1
    seed: int = 0
    loss: str | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A run whose input is right.

    Attributes:
        task: what it is about.
        base: the model, as compress.load.import_model gave it.
        cache: of artifacts.
        folder: of the study.
        meta: that the study is kept with.
    """

    task: Task
    base: bytes
    cache: ArtifactCache
    folder: Path
    meta: dict[str, Any]


def prepare(options: Options, device: Device, pool: Pool, importer: Callable[[bytes, str], Artifact]) -> Prepared:
    """Opens and checks everything, then makes the study's folder.

    Args:
        options: what is asked for.
        device: to measure on.
        pool: whose workers may open the model.
        importer: opens it.

    Raises:
        UserError: something does not fit. Nothing was written then.
    """
    folder = options.folder / options.name
    _check_writable(folder)
    source = read_model(options.model)
    data = read_data(options.data, options.seed)
    _check_delegates(options, device)
    cache = ArtifactCache(options.folder / ".cache")
    key = fingerprint(sha256(source).hexdigest(), load.VERSION, pipeline.toolchain())
    base = cache.get(key) or pool.submit(importer, source, options.model.name).result()
    task = make_task(options.model, source, base.facts, data, options.loss, options.metric, options.seed)
    _check_targets(options, task)
    meta = _meta(options, source, task, device)
    if (folder / asktell.JOURNAL).exists():
        _refuse_changes(asktell.read(folder, options.name), meta)
    folder.mkdir(parents=True, exist_ok=True)
    cache.put(key, base)
    return Prepared(task, base.data, cache, folder, meta)


def _check_targets(options: Options, task: Task) -> None:
    for target in options.targets:
        metric = target.metric
        if metric.kind in ("share", "number") and metric is not task.quality:
            raise UserError(f"target {target.text!r}: this task's metric is {task.quality.name}, not {metric.name}")


def _check_delegates(options: Options, device: Device) -> None:
    unknown = [name for name in options.space.delegates() if name not in device.delegates]
    if unknown:
        raise UserError(
            f"space {options.space.source}: unknown delegate {unknown[0]!r}; "
            f"device {device.name} has {', '.join(device.delegates)}"
        )


def _meta(options: Options, source: bytes, task: Task, device: Device) -> dict[str, Any]:
    """What a study is kept with: its identity, and what a person wants to know of it."""
    data = task.data
    splits = [data.train.fingerprint(), data.validation.fingerprint(), data.test.fingerprint()]
    return {
        "version": 1,
        "id": uuid.uuid4().hex,
        "seed": options.seed,
        "quality": task.quality.name,
        "targets": [target.text for target in options.targets],
        "device": device.facts(),
        "options": {
            "model": str(options.model.resolve()),
            "data": str(options.data.resolve()),
            "space": options.space.source,
            "loss": task.loss,
            "metric": task.quality.name,
            "seed": options.seed,
        },
        "identity": {
            "model": sha256(source).hexdigest(),
            "data": fingerprint(splits),
            "space": options.space.fingerprint(),
            "targets": fingerprint([target.text for target in options.targets]),
            "loss": task.loss,
            "metric": task.quality.name,
            "seed": options.seed,
            "device": device.name,
        },
    }


def _refuse_changes(record: Record, meta: dict[str, Any]) -> None:
    before, now = record.meta["identity"], meta["identity"]
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise UserError(
            f"study {record.name!r} was started with another {' and another '.join(changed)}; "
            "choose another --name (files that fit are taken from the cache all the same)"
        )


def _check_writable(folder: Path) -> None:
    """Raises:
    UserError: the folder is not there and can't be made, or can't be written to.
    """
    above = next(path for path in (folder, *folder.parents) if path.exists())
    if not above.is_dir():
        raise UserError(f"--dir: {above} is a file; choose a folder")
    try:
        with tempfile.TemporaryDirectory(dir=above):
            pass
    except OSError as error:
        raise UserError(f"--dir: can't write into {above}: {error.strerror}; choose another --dir") from error
