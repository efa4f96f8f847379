"""Variables of MLflow's, as autotune needs them where the user has not set them."""

from autotune.process.environment import homeless


def at_import() -> dict[str, str]:
    """What MLflow reads once, when it is imported or started: else it tells its makers of its use."""
    return {"MLFLOW_DISABLE_TELEMETRY": "true", **homeless()}
