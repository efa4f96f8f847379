"""A run whose terminal is closed: on fakes of everything slow, in a process of its own."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from autotune.ledger.journal import read
from autotune.testing import toy_files
from tests.devices.processes import eventually

RUN = """
import sys, time
import autotune.devices.device_file, autotune.launch, autotune.study.driver, autotune.study.pool
from autotune.cli import command
from autotune.testing import FakeDevice, FakePool, toy_import

device = FakeDevice(quiet=lambda: time.sleep(0.01))
autotune.devices.device_file.find_device = lambda spec: device
autotune.study.pool.RayPool = lambda *_: FakePool()
autotune.launch.import_model = toy_import
autotune.track.picture.draw = lambda record, path: path.touch()
status = command.main()
assert not device._leases and device.closed.is_set()
sys.exit(status)
"""
SPACE = "prune: [0, 0.5, 0.75]\nquantize: [none, dynamic, int8]\ndelegate: [xnnpack]\nthreads: [1, 2]\nepochs: 1\n"


def test_a_closed_terminal_ends_a_run_in_order(tmp_path: Path) -> None:
    """With the status of SIGHUP though nothing can be written any more; the lease is given back, and a run goes on."""
    toy_files(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "run.py").write_text(RUN)
    command = [sys.executable, "run.py", "run", "--model", "toy.keras", "--data", "toy.npz", "--space", "space.yaml"]
    command += ["--tracking-uri", "none", "--name", "toy", "--trials", "12", "--jobs", "1"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
    program, terminal = pty.fork()
    if not program:
        os.chdir(tmp_path)
        os.execve(command[0], command, environment)
    assert eventually(lambda: os.read(terminal, 4096) and trials(tmp_path) > 2)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]) == 129
    told = trials(tmp_path)
    assert 2 < told < 12
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (0, "")
    assert trials(tmp_path) >= 12


def trials(folder: Path) -> int:
    """How many have been told."""
    study = folder / "runs" / "toy"
    return len(read(study, "toy").points) if (study / "journal.log").exists() else 0
