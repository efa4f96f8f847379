"""optuna-dashboard opens a study's journal as it is, and leaves it so."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotune.ledger.journal import read
from tests.points import all_measured
from tests.study.test_driver import options, study


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a study on fakes."""
    return study(options(tmp_path_factory.mktemp("study"), "latency<1s", trials=3)).record.folder / "journal.log"


@pytest.fixture(scope="module")
def dashboard(journal: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `optuna-dashboard runs/STUDY/journal.log`."""
    program = Path(sys.executable).with_name("optuna-dashboard")
    if not program.exists():
        pytest.skip("needs optuna-dashboard, of the extra dev")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, journal, "--host", "127.0.0.1", "--port", str(port)],
        env=os.environ | {"HOME": str(tmp_path_factory.mktemp("home"))},  # its server leaves a socket there
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield f"http://127.0.0.1:{port}"
    os.killpg(process.pid, signal.SIGKILL)  # at once: its server would wait for idle connections
    process.wait()


def get(address: str) -> Any:
    """What is answered, once it is there."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(address) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            time.sleep(0.5)
    raise AssertionError("no answer")


def test_shows_the_study(journal: Path, dashboard: str) -> None:
    """With each trial, its objectives by name, its values, and its parameters; nothing is written."""
    before = journal.read_bytes()
    [summary] = get(f"{dashboard}/api/studies")["study_summaries"]
    assert (summary["study_name"], summary["directions"]) == ("toy", ["maximize", "minimize", "minimize"])
    shown = get(f"{dashboard}/api/studies/{summary['study_id']}?after=0")
    assert shown["objective_names"] == ["accuracy", "latency_ms", "download_bytes"]
    points = all_measured(read(journal.parent, "toy").points)
    assert [trial["number"] for trial in shown["trials"]] == [point.trial for point in points]
    for trial, point in zip(shown["trials"], points, strict=True):
        assert trial["state"] == "Complete"
        assert trial["values"] == [point.outcome.metrics[name] for name in shown["objective_names"]]
        assert {"prune", "quantize", "delegate"} <= {one["name"] for one in trial["params"]}
    assert {trial["number"] for trial in shown["best_trials"]} <= {point.trial for point in points}
    assert journal.read_bytes() == before
    assert not journal.with_name("journal.log.lock").exists()
