"""Runs what is asked for: finds the devices, starts the workers, and runs the study on each device."""

from contextlib import closing
from functools import partial

from autotune import plugins
from autotune.compress.worker import start
from autotune.devices import device_file
from autotune.devices.device import cores
from autotune.experiment import Settings
from autotune.study import on_devices, pool
from autotune.study.reporting import Reporter, Summary
from autotune.track.tracker import Tracker


def workers(settings: Settings) -> int:
    """How many build: as many as are asked for, else as are sensible here."""
    return settings.jobs or pool.sensible_jobs(cores())


def launch(settings: Settings, reporter: Reporter, tracking_uri: str | None) -> list[Summary]:
    """Runs or continues a study, on this machine's workers or on a cluster's.

    Args:
        settings: what is asked for.
        reporter: told of progress.
        tracking_uri: MLflow's store, None for none.

    Returns:
        As run_on().

    Raises:
        UserError: as run_on(), or a device can't be found. Nothing was written then.
    """
    jobs, asked, remarks = workers(settings), [], list(settings.remarks)
    for spec in settings.devices:  # all of them, before hours are spent on the first
        reporter.status(f"trying {spec}")
        device = device_file.load_device(spec)
        options, more = settings.options(spec, device, jobs)
        asked.append((options, device))
        remarks += more
    for remark in remarks:
        reporter.note(remark)
    trackers = partial(_trackers, tracking_uri)
    with closing(pool.RayPool(jobs, partial(start, trust=settings.trust), settings.ray)) as builders:
        return on_devices.run_on(asked, builders, reporter, trackers)


def _trackers(uri: str | None) -> list[Tracker]:
    return [plugins.load("trackers", "mlflow")(uri)] if uri else []
