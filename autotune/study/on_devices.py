"""One search, then its files on every other device that they are to be shipped to."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from autotune.devices.device import Device
from autotune.ledger import siblings
from autotune.model.load import import_model
from autotune.study.candidates import Importer, Opened
from autotune.study.driver import run
from autotune.study.examine import check_names
from autotune.study.options import Options
from autotune.study.pool import Pool
from autotune.study.reporting import Reporter, Summary
from autotune.track.tracker import Tracker


def run_on(
    runs: Sequence[tuple[Options, Device]],
    pool: Pool,
    reporter: Reporter,
    trackers: Callable[[], Sequence[Tracker]],
    importer: Importer = import_model,
    opened: Opened | None = None,
    began: float | None = None,
    local: Sequence[Tracker] = (),
) -> list[Summary]:
    """Runs a study on the device that it searches for, then its files on the others; see siblings.

    Args:
        runs: the same for each device, the one to search for first. The timeout is for all of it.
        pool: to build in; closed by the caller.
        reporter: told of progress.
        trackers: made once the input is known to be right, for each device, in a thread of their own; they may write.
        importer: opens the model, in a worker.
        opened: what examine() has opened already.
        began: when, on the clock of time.monotonic(); None for now.
        local: trackers that write into each study's folder, as driver.run() takes them.

    Returns:
        A summary for each device, in the order in which they were run; fewer where one ended early.

    Raises:
        UserError: as driver.run(); or two devices are called the same.
    """
    began = time.monotonic() if began is None else began
    check_names([device for _, device in runs])
    options = runs[0][0]
    searching = siblings.first(options.folder, options.name)
    done: list[Summary] = []
    for options, device in sorted(runs, key=lambda run: searching is not None and run[1].name != searching.device):
        if options.timeout is not None:
            options = replace(options, timeout=max(0.0, options.timeout - (time.monotonic() - began)))
        done.append(run(options, device, pool, reporter, trackers, importer, opened, local=local))
        if done[-1].notes:
            break
    return done
