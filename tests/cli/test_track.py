"""sync and ui, as far as they need no MLflow; the rest is in tests/track/test_server.py and test_end_to_end.py."""

import socket
from pathlib import Path

import pytest

from autotune.cli import command as cli
from autotune.cli.track import HOST, JOBS


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Before MLflow is started."""
    Path("mlflow.db").touch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert cli.main(["ui", "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"autotune: --port {port}: address already in use; choose another --port\n"


def test_a_port_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Likewise."""
    Path("mlflow.db").touch()
    assert cli.main(["ui", "--port", "70000"]) == 2
    assert capsys.readouterr().err == "autotune: --port 70000: there is no such port; choose another --port\n"


def test_a_server_needs_no_ui(capsys: pytest.CaptureFixture[str]) -> None:
    """It has one itself."""
    assert cli.main(["ui", "--tracking-uri", "http://mlflow.example:5000"]) == 0
    assert capsys.readouterr().out == "the tracking server shows it: http://mlflow.example:5000\n"


@pytest.mark.parametrize(("said", "meant"), [(None, "false"), ("true", "true")])
def test_the_ui_has_no_processes_for_jobs(
    said: str | None, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would outlive its end; unless the user wants them."""
    began: list[dict[str, str]] = []
    monkeypatch.setattr("os.execve", lambda path, command, environment: began.append(environment))
    monkeypatch.delenv(JOBS, raising=False)
    if said is not None:
        monkeypatch.setenv(JOBS, said)
    (tmp_path / "some.db").touch()
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    cli.main(["ui", "--port", str(port), "--tracking-uri", f"sqlite:///{tmp_path}/some.db"])
    assert [environment[JOBS] for environment in began] == [meant]
