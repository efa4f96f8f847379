"""Which store is meant, and that the password of its address is shown nowhere."""

from importlib.metadata import EntryPoint, entry_points

import pytest

from autotune.errors import UserError
from autotune.options.table import TRACKING
from autotune.track import store
from autotune.track.store import hidden, tracking_uri


@pytest.fixture(autouse=True)
def _none_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_passwords", set())
    for name in ("URI", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


def test_asked_for_before_the_environment_before_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order."""
    assert tracking_uri(None) == TRACKING
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri(None) == "http://127.0.0.1:5000"
    assert tracking_uri("sqlite:///a.db") == "sqlite:///a.db"
    assert tracking_uri("none") is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://ann@host:5000/path", "https://***@host:5000/path"),
        ("postgresql://ann@host/db", "postgresql://ann@host/db"),
        ("postgresql://ann:s3cret@host:5432/db", "postgresql://ann:***@host:5432/db"),
        ("mysql+pymysql://ann:s%40c%2Fret@host/db", "mysql+pymysql://ann:***@host/db"),
        ("https://ann:s3cret@host/mlflow?a=b", "https://ann:***@host/mlflow?a=b"),
        (
            "postgresql://host/db?user=ann&password=s3cret&sslmode=require",
            "postgresql://host/db?user=ann&password=***&sslmode=require",
        ),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dann%3BPWD%3Ds3cret", "mssql+pyodbc:///?odbc_connect=***"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, shown: str) -> None:
    """Wherever it stands: whatever is in its place is hidden."""
    assert hidden(address) == shown
    assert hidden(f"can't open {address!r}: refused") == f"can't open {shown!r}: refused"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://ann:p%40ss%2Fword@host/db", "no host p@ss/word"),
        ("postgresql://ann:p%40ss%2Fword@host/db", "at p%40ss%2Fword"),
        ("http://ann:pw@host", "ann, pw: refused"),
    ],
)
def test_a_password_that_was_told_is_hidden_alone_too(address: str, said: str) -> None:
    """As it stands in the address, and as it is meant; a short one where it is a word."""
    tracking_uri(address)
    assert not {"p@ss/word", "p%40ss%2Fword", "pw"} & set(hidden(said).replace(":", "").replace(",", "").split())
    assert "***" in hidden(said)
    assert hidden("pwd of a spam") == "pwd of a spam"


def test_the_environments_password_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's own variables have secrets, too."""
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    assert hidden("Basic s3cret, Bearer t0ken") == "Basic ***, Bearer ***"


@pytest.mark.parametrize(
    "address",
    ["postgresql://ann:p@ss@host/db", "http://ann:p/ss@host", "https://an@n:pass@host", "http://ann:p?ss/@host"],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(address: str) -> None:
    """Libraries would take a part of its password for a host or a port, and say so."""
    with pytest.raises(UserError, match="write '@' in its user name and password as %40") as caught:
        tracking_uri(address)
    assert "ss" not in str(caught.value).replace("password", "").replace("address", "")


@pytest.mark.parametrize("address", ["strange://ann:s3cret@host", "localhost:5000", "postgres://host/db"])
def test_an_address_of_no_store_is_refused(address: str) -> None:
    """Before anything is measured, and without its password."""
    with pytest.raises(UserError, match=r"the tracking address: MLflow has no [a-z]+: stores; it has ") as caught:
        tracking_uri(address)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["runs [b]/ml:runs", "C:/mlruns", "sqlite+pysqlite:///mlflow.db", "HTTP://host", "databricks", "databricks://me"],
)
def test_an_address_of_a_store_is_not(address: str) -> None:
    """In whatever way it is written that MLflow takes."""
    assert tracking_uri(address) == address


def test_all_of_mlflow_s_stores_are_known() -> None:
    """It is not asked while a study runs."""
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry

    plugins = {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}
    assert set(_tracking_store_registry._registry) - plugins == store.SCHEMES


def test_a_plug_in_has_the_addresses_that_begin_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """All others are MLflow's, and where it has to be MLflow that is said."""
    point = EntryPoint("csv", "builtins:str", "autotune.trackers")
    monkeypatch.setattr(store, "entry_points", lambda group: [point])
    monkeypatch.setattr("autotune.plugins.entry_points", lambda group: [point])
    assert tracking_uri("csv:trials.csv") == "csv:trials.csv"
    assert str(store.tracker_of("csv:trials.csv")) == "csv:trials.csv"
    with pytest.raises(UserError, match="csv: is no store of MLflow's"):
        store.mlflow_uri("csv:trials.csv")
