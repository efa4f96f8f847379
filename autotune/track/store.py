"""Which MLflow store is meant."""

import os

TRACKING = "sqlite:///mlflow.db"
"""Where a bare `mlflow ui` looks, too."""


def tracking_uri(asked: str | None) -> str | None:
    """The MLflow store to use, None for none.

    Args:
        asked: by the user; "none" for none.
    """
    uri = asked or os.environ.get("MLFLOW_TRACKING_URI") or TRACKING
    return None if uri == "none" else uri
