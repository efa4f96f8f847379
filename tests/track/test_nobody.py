"""A user of whom nothing is known but a number, as in a container: no entry, no name, no home."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

AS_NOBODY = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]

STUDY = """
import sys
from pathlib import Path
from autotune.cli.command import main
from autotune.study.driver import run
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_import
from autotune.track.mlflow import MlflowTracker
from autotune.track.picture import PictureTracker
from tests.study.test_driver import options

class Notes(SilentReporter):
    def note(self, text):
        print(text, file=sys.stderr)

asked = options(Path.cwd(), trials=2)
trackers = lambda: [MlflowTracker("sqlite:///mlflow.db")]
run(asked, FakeDevice(), FakePool(), Notes(), trackers, toy_import, local=[PictureTracker()])
sys.exit(main(["report", "toy"]) or main(["sync", "toy"]))
"""


def test_nobody_runs_a_study_and_sees_it(tmp_path: Path, empty_store: Path) -> None:
    """It is drawn, tracked to the last trial, and shown."""
    if shutil.which("unshare") is None or subprocess.run([*AS_NOBODY, "true"], check=False).returncode:
        pytest.skip("user namespaces are not allowed here")
    shutil.copy(empty_store, tmp_path)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)}
    command = [*AS_NOBODY, sys.executable, "-c", STUDY]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "runs/toy/front.png").stat().st_size
    assert (tmp_path / "toy.html").stat().st_size
    assert done.stdout.endswith("4 were there already\n")
