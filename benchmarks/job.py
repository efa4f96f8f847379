"""The ResNet8 job: work avoided, overhead (goal: under 10 %), workers idle while work waited (goal: under 5 %),
memory (goals: driver 600 MB, worker 2 GB).
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from autotune.errors import ExitStatus
from autotune.ledger.journal import read

SHARED = Path(__file__).parents[2] / "shared"
TRIALS = 40
JOBS = 2


def main() -> None:
    """Runs 40 trials in a fresh folder, watching the processes."""
    model, data = SHARED / "models" / "resnet8.keras", SHARED / "data" / "cifar10_subset.npz"
    if not model.exists() or not data.exists():
        print("skipped: needs models/resnet8.keras and data/cifar10_subset.npz in ../shared")
        return
    with tempfile.TemporaryDirectory() as folder:
        files = ["--model", str(model), "--data", str(data), "--name", "job", "--trials", str(TRIALS)]
        targets = ["--target", "accuracy>=0.85", "--target", "latency<0.1ms"]
        command = [sys.executable, "-m", "autotune", "run", *files, *targets, "--jobs", str(JOBS)]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        driver, worker = watch(process)
        if process.returncode not in (ExitStatus.DONE, ExitStatus.UNMET):
            print(f"the job ended with status {process.returncode}")
            return
        record = read(Path(folder) / "runs" / "job", "job")
    [work] = record.runs
    asked = work["trained"] + work["reused_training"]
    overhead = work["wall_s"] - work["busy_s"]
    print(f"training runs done / asked for      {work['trained']:.0f} / {asked:.0f} = {work['trained'] / asked:.2f}")
    print(f"wall time                           {work['wall_s']:.0f} s")
    print(f"overhead                            {overhead / work['wall_s']:.1%}")
    print(f"  before the first build            {work['startup_s']:.1f} s (Ray, TensorFlow, opening the model)")
    print(f"  later: sampling, ledger, tracking {overhead - work['startup_s']:.1f} s")
    print(f"workers idle while work waited      {work['idle_s'] / (JOBS * work['searching_s']):.1%}")
    print(f"driver, most resident memory        {driver.resident / 1e6:.0f} MB")
    print(f"worker, most resident memory        {worker.resident / 1e6:.0f} MB")


@dataclass
class Peak:
    """The most memory that any process of a kind had, in bytes.

    Attributes:
        resident: in all.
        own: beyond pages that it may share, such as those of a mapped file.
    """

    resident: int = 0
    own: int = 0

    def see(self, process: psutil.Process) -> None:
        """Takes note of what a process has now."""
        memory = process.memory_info()
        self.resident = max(self.resident, memory.rss)
        self.own = max(self.own, memory.rss - memory.shared)


def watch(process: "subprocess.Popen[bytes]") -> tuple[Peak, Peak]:
    """The most memory of the driver and of any worker, until the job ends."""
    driver, worker = Peak(), Peak()
    tree = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            driver.see(tree)
            for child in tree.children(recursive=True):
                if "_Worker" in child.name() or any("_Worker" in word for word in child.cmdline()):
                    worker.see(child)
        except psutil.Error:  # it ended between two looks
            pass
        time.sleep(0.5)
    return driver, worker
