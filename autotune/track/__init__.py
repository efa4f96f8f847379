"""Projections of a study's record: MLflow runs, pictures."""

import os
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # else it tells its makers; read when it is imported
try:
    Path.home()
except RuntimeError:  # a user without an entry, and no HOME, as in some containers: MLflow can't be imported there
    os.environ["HOME"] = "/nonexistent"
