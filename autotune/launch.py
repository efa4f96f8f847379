"""Runs what is asked for: finds the devices, starts the workers, and runs the study on each device."""

import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial

from autotune.compress.worker import start
from autotune.devices import device_file
from autotune.devices.device import Device, cores
from autotune.experiment import Settings
from autotune.model.load import import_model
from autotune.study import examine, on_devices, pool
from autotune.study.options import Options
from autotune.study.reporting import Reporter, Summary
from autotune.track.picture import PictureTracker
from autotune.track.store import tracker_of
from autotune.track.tracker import Tracker


def workers(settings: Settings) -> int:
    """How many build: as many as are asked for, else as are sensible here."""
    return settings.values.jobs or pool.sensible_jobs(cores())


def launch(settings: Settings, reporter: Reporter, tracking_uri: str | None) -> list[Summary]:
    """Runs or continues a study, on this machine's workers or on a cluster's.

    Args:
        settings: what is asked for.
        reporter: told of progress.
        tracking_uri: of MLflow's store or a plug-in's, None for none.

    Returns:
        As run_on().

    Raises:
        UserError: as run_on(), or a device can't be found. Nothing was written then. What arguments and files tell is
            found before a device is asked anything, and what takes no worker to find out before one is started.
    """
    began = time.monotonic()
    jobs = workers(settings)
    devices = [device_file.find_device(spec) for spec in settings.values.device]
    draft = settings.draft(jobs)
    examine.check_names(devices)
    examine.check_files(draft, devices)
    trackers, local = partial(_trackers, tracking_uri), [PictureTracker()]
    with closing(pool.RayPool(jobs, partial(start, trust=settings.trust), settings.values.ray)) as builders:
        reporter.status("opening the model")
        opened = examine.examine(draft, devices, builders, import_model)
        runs = _runs(settings, devices, jobs, reporter)
        return on_devices.run_on(runs, builders, reporter, trackers, opened=opened, began=began, local=local)


def _runs(settings: Settings, devices: Sequence[Device], jobs: int, reporter: Reporter) -> list[tuple[Options, Device]]:
    """What is asked for of each device: all of them are asked what they have before hours are spent on the first.

    Raises:
        UserError: one can't be reached, or has nothing of what the space names.
    """
    runs = []
    remarks = list(settings.remarks)
    for spec, device in zip(settings.values.device, devices, strict=True):
        reporter.status(f"trying {spec}")
        options, more = settings.options(spec, device, jobs)
        runs.append((options, device))
        remarks += more
    for remark in remarks:
        reporter.note(remark)
    return runs


def _trackers(uri: str | None) -> list[Tracker]:
    return [tracker_of(uri)] if uri else []
