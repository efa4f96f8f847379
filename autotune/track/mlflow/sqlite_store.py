"""An MLflow store in an SQLite file: made whole or not at all, and held against what this MLflow reads."""

import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import mlflow
import sqlalchemy
from alembic.script import ScriptDirectory
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base

from autotune.errors import Fault
from autotune.files import Scratch, beside

STALE_S = 60.0
"""Seconds since its last change after which nobody is still making a store."""

WAIT_S = 30.0
"""Seconds that others may hold a store."""

_SEEDED = {"alembic_version": 1, "experiments": 1, "workspaces": 1}
"""Rows that a store has of its own, by table."""


def ready(uri: str) -> None:
    """Sees to it that MLflow can open a store that is an SQLite file; other stores are their server's business.

    MLflow makes and migrates such a file in place, in some seventy steps that are no transaction: what is killed
    between them can't be opened again. So it is made elsewhere, and nothing is migrated unasked.

    Raises:
        Fault: it is locked, damaged, something else, or of another version of MLflow.
    """
    path = _file(uri)
    if path is None:
        return
    try:
        if not path.exists():
            with _made(path) as fresh, suppress(FileExistsError):  # another was first
                os.link(fresh, path)
        elif _is_unfinished(path):
            _replace(path)
    except (sqlite3.Error, OSError) as error:
        raise Fault(f"{path}: {error}") from error


def _file(uri: str) -> Path | None:
    """The file that holds a store, None where it is none."""
    try:
        url = sqlalchemy.make_url(uri)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return None
    name = url.database or ":memory:"
    return Path(name) if url.get_backend_name() == "sqlite" and not name.startswith((":memory:", "file:")) else None


@contextmanager
def _made(path: Path) -> Iterator[Path]:
    """A new store beside this file."""
    with Scratch() as folder:
        store = Path(folder, "mlflow.db")
        engine = utils.create_sqlalchemy_engine(f"sqlite:///{store}")  # type: ignore[no-untyped-call]
        utils._initialize_tables(engine)  # type: ignore[no-untyped-call]
        engine.dispose()
        with beside(path) as fresh:
            shutil.copyfile(store, fresh)
            yield fresh


def _replace(path: Path) -> None:
    """Puts a new store in place of an unfinished one, unless another has done so meanwhile."""
    with path.open("rb") as old:
        fcntl.flock(old, fcntl.LOCK_EX)
        if os.path.samestat(os.fstat(old.fileno()), path.stat()):
            with _made(path) as fresh:
                fresh.replace(path)


def _is_unfinished(path: Path) -> bool:
    """Whether the making of a store was interrupted, or never began; nothing is in it then.

    Raises:
        Fault: it is no store that MLflow can open as it is.
        sqlite3.Error: likewise.
    """
    scripts = ScriptDirectory.from_config(utils._get_alembic_config(""))  # type: ignore[no-untyped-call]
    with _opened(path) as store:
        tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        made = "SELECT version_num FROM alembic_version"
        versions = [name for (name,) in store.execute(made)] if "alembic_version" in tables else []
        if versions == scripts.get_heads():
            return False
        used = [table for table in tables if _rows(store, table) > _SEEDED.get(table, 0)]
    if tables and not tables & set(Base.metadata.tables):
        raise Fault(f"{path} is a database of something else than MLflow")
    if not used:
        if tables and time.time() - path.stat().st_mtime < STALE_S:
            raise Fault(
                f"{path} is not whole: another program is making it, or was ended over it; try again in a minute"
            )
        return True
    if versions and set(versions) <= {revision.revision for revision in scripts.walk_revisions()}:
        raise Fault(f"{path} is of an older MLflow: copy it, then run 'mlflow db upgrade sqlite:///{path}'")
    raise Fault(f"{path} is of another MLflow than {mlflow.__version__}, which can't read it")


def _rows(store: sqlite3.Connection, table: str) -> int:
    """How many rows a table has; two stand for more, too."""
    return len(store.execute(f'SELECT 1 FROM "{table}" LIMIT 2').fetchall())  # noqa: S608  # a name of the file's own


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, for writing, as MLflow will want it."""
    where = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(where, WAIT_S, isolation_level=None, uri=True)) as store:
        store.execute("BEGIN IMMEDIATE")
        yield store
        store.execute("ROLLBACK")
