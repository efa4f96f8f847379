"""A store in an SQLite file, real MLflow: whole or not there, and one line for what can't be opened."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from mlflow import MlflowClient

from autotune.errors import Fault
from autotune.track.mlflow import sqlite_store
from autotune.track.mlflow.sqlite_store import ready

OLDER = "97727af70f4d"
"""A revision of MLflow's tables long ago."""


def address(path: Path) -> str:
    return f"sqlite:///{path}"


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as store:
        for statement in statements:
            store.execute(statement)
        store.commit()


def runs(path: Path) -> int:
    """How many there are, by way of MLflow."""
    client = MlflowClient(address(path))
    return len(client.search_runs([one.experiment_id for one in client.search_experiments()]))


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What MLflow itself leaves when it is killed while it makes a store."""
    path = tmp_path_factory.mktemp("interrupted") / "mlflow.db"
    code = f"from mlflow import MlflowClient; MlflowClient({address(path)!r}).search_experiments()"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not _has_begun(path):
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    return path


def _has_begun(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
            return bool(store.execute("SELECT version_num FROM alembic_version").fetchall())
    except sqlite3.Error:
        return False


def test_killed_while_it_is_made_there_is_none(tmp_path: Path) -> None:
    """At any moment; what is made next is whole."""
    path = tmp_path / "mlflow.db"
    command = [sys.executable, "-c", f"from autotune.track.mlflow.sqlite_store import ready; ready({address(path)!r})"]
    with subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}) as process:
        while not list(tmp_path.glob("autotune-*/mlflow.db")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not path.exists()


def test_what_was_interrupted_is_made_anew(
    interrupted: Path, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that MLflow left half made holds nothing and could never be opened again; nor could an empty file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlflow.store.db.utils._initialize_tables", lambda engine: _copy(empty_store, engine))
    path = tmp_path / "mlflow.db"
    shutil.copy(interrupted, path)
    with pytest.raises(Fault, match="is not whole: another program is making it"):
        ready(address(path))  # it was written to just now
    monkeypatch.setattr(sqlite_store, "STALE_S", -1.0)
    ready(address(path))
    assert runs(path) == 0
    empty = tmp_path / "empty.db"
    empty.touch()
    ready(address(empty))
    assert runs(empty) == 0
    assert list(tmp_path.glob(".new-*")) == []


def _copy(store: Path, engine: sqlalchemy.Engine) -> None:
    """In place of MLflow's seconds of making one."""
    shutil.copy(store, str(engine.url.database))


def test_of_two_makers_the_first_wins(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps what it has written meanwhile, whether there was none or an unfinished one."""
    monkeypatch.chdir(tmp_path)
    path, together = tmp_path / "mlflow.db", threading.Barrier(2)

    def make(engine: sqlalchemy.Engine) -> None:
        _copy(empty_store, engine)
        together.wait()
        if threading.current_thread() is not threading.main_thread():
            first.wait()

    first = threading.Event()
    monkeypatch.setattr("mlflow.store.db.utils._initialize_tables", make)
    second = threading.Thread(target=ready, args=(address(path),))
    second.start()
    ready(address(path))
    MlflowClient(address(path)).create_run("0")
    first.set()
    second.join()
    assert runs(path) == 1


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def foreign(path: Path) -> None:
    change(path.with_name("new.db"), "CREATE TABLE cats (name TEXT)", "INSERT INTO cats VALUES ('Tom')")
    path.with_name("new.db").replace(path)


def older(path: Path) -> None:
    change(path, f"UPDATE alembic_version SET version_num = '{OLDER}'", "DROP TABLE logged_models")


def newer(path: Path) -> None:
    change(path, "UPDATE alembic_version SET version_num = 'from tomorrow'")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def write_protected(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (garbage, "file is not a database"),
        (foreign, "is a database of something else than MLflow"),
        (older, "is of an older MLflow: copy it, then run 'mlflow db upgrade sqlite:///"),
        (newer, "is of another MLflow than 3."),
        (cut, "malformed"),
        (write_protected, "unable to open database file"),
    ],
)
def test_what_mlflow_can_not_open_is_one_line(
    damage: Callable[[Path], None], says: str, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is left as it is: an older store is not migrated, since that is not one transaction."""
    monkeypatch.chdir(tmp_path)
    path = Path(shutil.copy(empty_store, tmp_path / "mlflow.db"))
    MlflowClient(address(path)).create_run("0")
    damage(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(Fault) as caught:
        ready(address(path))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_locked_store_is_one_line(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it was waited for."""
    monkeypatch.setattr(sqlite_store, "WAIT_S", 0.01)
    path = Path(shutil.copy(empty_store, tmp_path / "mlflow.db"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Fault, match=r"mlflow.db: database is locked$"):
            ready(address(path))
    ready(address(path))


@pytest.mark.parametrize(
    "uri", ["sqlite://", "sqlite:///:memory:", "http://127.0.0.1:1", "postgresql://host/db", "no uri"]
)
def test_what_is_no_sqlite_file_is_its_servers_business(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made for it."""
    monkeypatch.chdir(tmp_path)
    ready(uri)
    assert list(tmp_path.iterdir()) == []
