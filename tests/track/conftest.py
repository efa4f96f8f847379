"""What tests of tracking share: an empty store to copy, and a tracking server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.track.server import Server


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mlflow.db without runs, since MLflow takes seconds to make one."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Server]:
    """A tracking server, not started yet."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder)
    one = Server(folder)
    yield one
    one.stop()
