"""An MLflow store: how it is reached, how long it is waited for, and what is said where it fails."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service.utils import _use_tracking_uri
from sqlalchemy.exc import SQLAlchemyError
from urllib3.exceptions import HTTPError

from autotune.errors import Fault
from autotune.process.environment import variables
from autotune.track.mlflow.sqlite_store import ready
from autotune.track.store import hidden

EXPERIMENT = "autotune"

_TRACKING_URI = "MLFLOW_TRACKING_URI"

_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Tag of the experiment: MLflow's UI opens it as one of models, not of prompts."""

_IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # a uv project that pick happens to be run in is not what a model needs
}
"""In place of MLflow's own defaults, by which a server that is not there holds up its caller for minutes."""

_NOISY = ("alembic", "mlflow")
"""Loggers that say more than errors."""


def opened(uri: str) -> MlflowClient:
    """A store's client; the store is made where it is an SQLite file that is not there.

    Raises:
        Fault: it can't be opened.
    """
    ready(uri)
    return MlflowClient(uri)


def failure(uri: str, error: Exception) -> Fault | None:
    """What to say of a store that failed, in one line without its password; None where it is no failure of a store."""
    if isinstance(error, Fault):
        return Fault(hidden(f"MLflow at {uri}: {error}"))
    if (reason := unreachable(error)) is not None:
        return Fault(hidden(f"MLflow at {uri} can't be reached: {reason}"))
    if isinstance(error, ImportError):
        return Fault(hidden(f"MLflow at {uri}: {error}; install what this kind of store needs"))
    if isinstance(error, MlflowException | SQLAlchemyError | OSError):
        return Fault(hidden(f"MLflow at {uri}: {str(error).strip().partition(chr(10))[0] or type(error).__name__}"))
    return None


def experiment(client: MlflowClient) -> str:
    """The id of the experiment that MLflow's variables name, else of EXPERIMENT; made where it is not there."""
    if number := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return str(client.get_experiment(number).experiment_id)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    named = client.get_experiment_by_name(name)
    return str(named.experiment_id if named else client.create_experiment(name, tags=_KIND))


@contextmanager
def impatient() -> Iterator[None]:
    """MLflow's variables, where the user has not set them, are ours for now, and its loggers tell errors alone."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with variables(_IMPATIENT):
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def meant(uri: str) -> Iterator[None]:
    """MLflow itself turns to this store for now, as it does where it looks for a version's files."""
    before = os.environ.get(_TRACKING_URI)
    try:
        with _use_tracking_uri(uri):
            yield
    finally:
        if before is not None:  # MLflow forgets the variable, too
            os.environ[_TRACKING_URI] = before


def unreachable(error: BaseException) -> str | None:
    """Why a server could not be reached, None where it was something else."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if not any(isinstance(link, HTTPError) for link in chain):
        return None
    return getattr(chain[-1], "strerror", None) or str(chain[-1])
