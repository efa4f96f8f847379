"""What is sent of autotune to a device."""

import ast
from pathlib import Path

import pytest

from autotune.config import Runtime
from autotune.devices import runner
from autotune.devices.client.device import PROBE
from autotune.devices.client.session import RunnerSession
from tests.devices.here import Here

FOLDER = Path(runner.__file__).parent


@pytest.mark.parametrize("name", sorted({*runner.SENT, *runner.SERVED}))
def test_is_python_3_9(name: str) -> None:
    """Boards have what they have."""
    ast.parse((FOLDER / f"{name}.py").read_text(), feature_version=(3, 9))


def test_is_all_that_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no autotune, and nowhere else is looked for it."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['autotune'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    there = RunnerSession(Here(tmp_path))
    assert there.latency(PROBE, Runtime()).times_us
    assert there.profile(PROBE, Runtime())
    there.close()
