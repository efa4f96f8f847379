"""Projections of a study's record: MLflow runs, pictures."""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # else it tells its makers; read when it is imported
