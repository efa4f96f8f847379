"""What is wrong with what a run is asked for, as far as arguments and files tell: before a device is asked anything."""

from collections.abc import Sequence

from autotune.compress.cache import ArtifactCache
from autotune.devices.device import Device
from autotune.errors import UserError
from autotune.ledger import journal
from autotune.model.file import read_model
from autotune.results.record import Begun
from autotune.study.candidates import Importer, Opened, name_models, open_candidates
from autotune.study.checks import check_named, check_writable, refuse_changes
from autotune.study.indices import check_indices
from autotune.study.options import Options
from autotune.study.pool import Pool
from autotune.study.prepare import fitted_space, fitting_configs, identity, place, targets_and_objectives
from autotune.task import inference
from autotune.task.data import check_source


def check_names(devices: Sequence[Device]) -> None:
    """Holds devices' names against each other.

    Raises:
        UserError: two devices are called the same.
    """
    names = [device.name for device in devices]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"--device: two are called {min(twice)}; results go by the name")


def check_files(options: Options, devices: Sequence[Device]) -> None:
    """What can be known without a worker, which takes its time to start.

    Raises:
        UserError: there is no such model or data, names are unknown, nothing can be written, or the study is being run.
    """
    for device in devices:
        check_named(options.space, device)
        _, name, folder = place(options, device)
        check_writable(folder)
        journal.check_free(folder, name)
    for path in name_models(options.models).values():
        read_model(path)
    check_source(options.data)
    inference.check_names(options.loss, options.metric)


def examine(options: Options, devices: Sequence[Device], pool: Pool, importer: Importer) -> Opened:
    """Opens models and data, and holds all that is asked for against them; no device is asked anything.

    Args:
        options: what is asked for, with a space of all that any device may have.
        devices: to measure on.
        pool: as prepare() takes it.
        importer: opens a model.

    Returns:
        What prepare() takes.

    Raises:
        UserError: something does not fit. Nothing was written then.
    """
    opened = open_candidates(options, ArtifactCache(options.folder / ".cache"), pool, importer)
    check_indices(opened.candidates.values())
    targets, goals = targets_and_objectives(options, opened)
    for device in devices:
        leader, name, folder = place(options, device)
        now = identity(options, targets, goals, opened, device)
        if leader is not None:
            refuse_changes(leader, now, but=("device", "space"))
        before = journal.read_if_any(folder, name)
        if isinstance(before, Begun):
            refuse_changes(before, now, but=("space",))  # what a device has decides on it, too
    fitting_configs(fitted_space(options.space, opened.candidates), opened.candidates)
    return opened
