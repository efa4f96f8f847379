"""What the runner sees of its machine."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from autotune.devices.runner import child, machine
from tests.devices.processes import eventually


def test_load_is_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU time that it got is ours, however much that was; a core that it didn't get is no quiet one."""
    process = child.burner([])  # type: ignore[no-untyped-call]
    monkeypatch.setattr(machine, "BURNERS", [process])
    try:
        assert eventually(lambda: machine.state()["own_s"] > time.process_time() + 0.2)  # type: ignore[no-untyped-call]
        assert psutil.Process(process).cpu_times().user > 0.1
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    monkeypatch.setattr(machine, "BURNERS", [])
    assert machine.state()["own_s"] <= time.process_time()  # type: ignore[no-untyped-call]


def test_lines_of_keys_and_values(tmp_path: Path) -> None:
    """As the kernel writes them; a file that is not there has none."""
    (tmp_path / "status").write_text("model name\t: A: B\nVmRSS:\t   12 kB\n\nflags\n")
    found = machine.table(tmp_path / "status")  # type: ignore[no-untyped-call]
    assert (found["model name"], found["VmRSS"], machine.size(found["VmRSS"])) == ("A: B", "12 kB", 12288)  # type: ignore[no-untyped-call]
    assert machine.table(tmp_path / "none") == {}  # type: ignore[no-untyped-call]
    assert machine.size(None) is None  # type: ignore[no-untyped-call]
