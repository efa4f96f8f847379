"""Importing autotune changes nothing in the process of whoever imports it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1] / "autotune"

NEW_PROCESS = """
import importlib, json, logging, os, signal, sys, tempfile, threading, warnings

LIBRARIES = (
    "numpy", "scipy.optimize", "pandas", "PIL.Image", "sklearn.ensemble", "matplotlib.figure", "plotly.graph_objects",
    "plotly.offline", "plotly.subplots", "rich.live", "sqlalchemy", "optuna", "mlflow.pyfunc", "mlflow.store.db.utils",
    "ray",
)
for name in LIBRARIES:  # what they change themselves is not ours
    importlib.import_module(name)
for name in ("tensorflow", "tf_keras", "keras", "tensorflow_model_optimization", "h5py", "torch"):
    sys.modules[name] = None  # nothing that needs them can be imported

def state():
    import matplotlib

    loggers = {name: logging.getLogger(name) for name in ("", "autotune", "optuna", "mlflow", "alembic", "ray", "absl")}
    return {
        "environment": dict(os.environ),
        "loggers": {name: [log.level, log.propagate, log.disabled, len(log.handlers), len(log.filters)]
                    for name, log in loggers.items()},
        "warnings": [str(entry) for entry in warnings.filters],
        "signals": {number: str(signal.getsignal(number)) for number in signal.valid_signals()},
        "backend": str(dict.get(matplotlib.rcParams, "backend")),
        "path": sys.path,
        "hooks": [str(sys.excepthook), str(threading.excepthook), str(sys.displayhook)],
        "streams": [id(sys.stdout), id(sys.stderr), id(sys.stdin)],
        "threads": [thread.name for thread in threading.enumerate()],
        "temporary": tempfile.tempdir,
        "mask": os.umask(0o022),
    }

before = json.loads(json.dumps(state()))
skipped = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        skipped.append(name)
after = json.loads(json.dumps(state()))
changed = {name: [before[name], value] for name, value in after.items() if value != before[name]}
print(json.dumps({"changed": changed, "skipped": skipped}))
"""


def run(script: str, *arguments: str, **environment: str) -> Any:
    """What a script says as JSON in a process of its own, which is no test as libraries see it."""
    bare = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MLFLOW", "_MLFLOW", "CI"))
    }
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=bare | {"PYTHONPATH": str(PACKAGE.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def modules() -> list[str]:
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in sorted(PACKAGE.rglob("*.py"))]
    return [".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"]


def test_nothing_is_changed_by_an_import() -> None:
    """No variable, logger, warning, signal, stream, thread or path: all of it is set where a run starts."""
    said = run(NEW_PROCESS, *modules(), DO_NOT_TRACK="true")
    assert said["changed"] == {}
    building = ("autotune.compress.", "autotune.model.", "autotune.task.data.tfds", "autotune.search.gp")
    assert [name for name in said["skipped"] if not name.startswith(building)] == []


def test_mlflow_tells_nobody_and_the_environment_is_as_it_was() -> None:
    """It reads once, at its own import, whether it may."""
    script = """
import json, os
before = dict(os.environ)
import autotune.track.mlflow
from mlflow.telemetry.client import get_telemetry_client
print(json.dumps([get_telemetry_client() is None, dict(os.environ) == before]))
"""
    assert run(script) == [True, True]
