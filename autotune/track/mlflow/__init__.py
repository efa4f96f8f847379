"""Studies and models in MLflow: the door to it. Whatever is imported of this room, MLflow is first, and quietly."""

from autotune.process.environment import variables
from autotune.track.environment import at_import

with variables(at_import()):
    import mlflow  # noqa: F401

from autotune.track.mlflow.tracker import MlflowTracker  # after MLflow itself

__all__ = ["MlflowTracker"]
