"""autotune sync, ui and --register where the store can't be opened: one line, without passwords."""

import logging
from pathlib import Path

import pytest

from autotune.cli import command as cli
from autotune.deploy.registration import Registration
from autotune.errors import Fault
from autotune.experiment import settings_of
from autotune.study.driver import run
from autotune.study.log import logged
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_import, toy_outcome, toy_record
from autotune.track import store
from autotune.track.background import Background
from autotune.track.mlflow import MlflowTracker, registry
from tests.study.test_driver import options

SECRET = "s3cret"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_passwords", set())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def study(tmp_path: Path) -> str:
    """The name of a study in runs/."""
    asked = options(tmp_path, trials=1)
    run(asked, FakeDevice(), FakePool(), SilentReporter(), list, toy_import)
    return asked.name


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("sqlite:///garbage.db", "MLflow at sqlite:///garbage.db: garbage.db: file is not a database"),
        (
            f"mssql+pyodbc://ann:{SECRET}@host/db",
            "MLflow at mssql+pyodbc://ann:***@host/db: No module named 'pyodbc'; install",
        ),
        (
            f"mysql+pymysql://ann:{SECRET}@host/db",
            "MLflow at mysql+pymysql://ann:***@host/db: No module named 'pymysql'; install",
        ),
        (
            f"postgresql://ann:{SECRET}@host/db",
            "MLflow at postgresql://ann:***@host/db: No module named 'psycopg",
        ),
        (
            f"http://ann:{SECRET}@127.0.0.1:9",
            "MLflow at http://ann:***@127.0.0.1:9 can't be reached: Connection refused",
        ),
    ],
)
def test_sync_says_in_one_line_what_is_wrong(
    uri: str, says: str, study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And ends with status 1."""
    Path("garbage.db").write_bytes(b"no database" * 100)
    capsys.readouterr()
    assert cli.main(["sync", study, "--tracking-uri", uri]) == 1
    out, err = capsys.readouterr()
    assert err.startswith(f"autotune: {says}")
    assert err.count("\n") == 1
    assert SECRET not in out + err


def test_a_log_has_no_password(tmp_path: Path) -> None:
    """Nor has what a run notes: a tracker fails with its address in the traceback of a library."""
    uri, notes = f"http://ann:{SECRET}@127.0.0.1:9", list[str]()
    record = toy_record(tmp_path / "study", toy_outcome(0.9, 1.0, 1000))
    store.tracking_uri(uri)
    with logged() as log_to:
        log_to(tmp_path)
        with Background(lambda: [MlflowTracker(uri)], notes.append) as tracker:
            tracker.finish(record)
        logging.getLogger("autotune").error("the password alone: %s", SECRET)
    text = (tmp_path / "study.log").read_text()
    assert "http://ann:***@127.0.0.1:9" in text
    assert "Traceback" in text
    assert "Connection refused" in notes[0]
    assert SECRET not in text + "".join(notes)


def test_what_is_shown_of_objects_has_no_password() -> None:
    """Neither of the settings of a run, nor of a registration."""
    uri = f"http://ann:{SECRET}@host"
    settings = settings_of({"model": ["model.keras"], "data": "data.npz", "tracking_uri": uri})
    assert settings.values.tracking_uri == uri
    assert SECRET not in repr(settings)
    assert SECRET not in repr(Registration.of("name", None, uri))


def test_a_registry_that_fails_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library below says."""
    uri = f"postgresql://ann:{SECRET}@host/db"
    store.tracking_uri(uri)
    monkeypatch.setattr(registry, "opened", lambda uri: (_ for _ in ()).throw(ValueError(f"bad {uri}, bad {SECRET}")))
    with pytest.raises(Fault) as caught:
        registry.register(uri, None, "name", "alias", None, {})  # type: ignore[arg-type]  # it does not get that far
    assert str(caught.value) == "bad postgresql://ann:***@host/db, bad ***"


def test_ui_keeps_it_out_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which every user of a machine can read; MLflow takes the address from its environment."""
    began: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr("os.execve", lambda path, command, environment: began.append((command, environment)))
    monkeypatch.setattr("autotune.cli.track._check_port", lambda port: None)
    uri = f"postgresql://ann:{SECRET}@host/db"
    cli.main(["ui", "--tracking-uri", uri])
    [(command, environment)] = began
    assert SECRET not in " ".join(command) + capsys.readouterr().out
    assert environment["MLFLOW_BACKEND_STORE_URI"] == uri
