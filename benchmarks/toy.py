"""A study on fakes that is to be killed: real driver, ledger, cache and files; no TensorFlow or Ray."""

import sys
import time
from pathlib import Path
from typing import Any

from autotune import plugins
from autotune.errors import AutotuneError, ExitStatus
from autotune.model.artifact import Artifact
from autotune.process.interrupts import in_order, status_of
from autotune.space.file import parse
from autotune.study.driver import run
from autotune.study.options import Options
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_build, toy_import

TRIALS = 40

BUILD_S = 0.03
"""Seconds that each stage takes."""

SPACE = {
    "prune": [0, 0.25, 0.5, 0.75],
    "cluster": [0, 8, 16, 32],
    "quantize": ["none", "float16", "dynamic", "int8"],
    "delegate": ["xnnpack", "builtin"],
    "threads": [1, 2],
}


def main(folder: Path) -> int:
    """Runs or continues the study in a folder, of toy_files() there; the exit status, as of autotune run."""
    space = parse(SPACE, "toy", (1, 2))
    sampler = plugins.load("samplers", "random")
    options = Options(
        (folder / "toy.keras",),
        str(folder / "toy.npz"),
        space,
        [],
        name="toy",
        folder=folder / "runs",
        trials=TRIALS,
        jobs=2,
        sampler=sampler,
    )
    pool = FakePool(build=_slowly)
    try:
        with in_order(restore=False):
            summary = run(options, FakeDevice(), pool, SilentReporter(), list, toy_import)
        return ExitStatus.DONE if summary.ended is None else summary.ended
    except KeyboardInterrupt as error:
        return status_of(error)
    except (AutotuneError, OSError) as error:
        print(f"autotune: {error}", file=sys.stderr)
        return status_of(error)
    finally:
        pool.close()


def _slowly(*arguments: Any) -> Artifact:
    time.sleep(BUILD_S)
    return toy_build(*arguments)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
