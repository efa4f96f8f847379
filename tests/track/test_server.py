"""A tracking server over HTTP that comes and goes: real ones, on loopback."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import FileInfo, Run

from autotune.cli import command as cli
from autotune.space.file import parse
from autotune.study.driver import run
from autotune.study.options import Options
from autotune.targets.target import parse_all
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_files, toy_import, toy_outcome, toy_record
from autotune.track import background
from autotune.track.background import Background
from autotune.track.mlflow import MlflowTracker
from tests.track.server import Server
from tests.track.test_background import until


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(background, "PACE_S", 0.0)
    monkeypatch.setattr(background, "LONGEST_S", 1.0)
    monkeypatch.chdir(tmp_path)


def everything(uri: str, experiment: str = "autotune") -> list[Mapping[str, Any]]:
    """All that a store holds: runs with params, tags and inputs, each metric's history, artifacts."""
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id], max_results=1000)
    return [_whole(client, one) for one in sorted(runs, key=lambda one: str(one.info.run_id))]


def _whole(client: MlflowClient, one: Run) -> Mapping[str, Any]:
    run_id = one.info.run_id
    histories = {name: [dict(m) for m in client.get_metric_history(run_id, name)] for name in one.data.metrics}
    return {**one.to_dictionary(), "histories": histories, "artifacts": list(_artifacts(client, run_id, ""))}


def _artifacts(client: MlflowClient, run_id: str, path: str) -> list[tuple[str, int | None]]:
    found: list[FileInfo] = client.list_artifacts(run_id, path)
    return [
        each
        for one in found
        for each in (_artifacts(client, run_id, one.path) if one.is_dir else [(one.path, one.file_size)])
    ]


def test_a_server_that_is_not_there_costs_no_trial(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The study runs to its end and says how to catch up; sync does, says what it wrote, and does nothing twice."""
    server.stop()
    model, data = toy_files(tmp_path)
    space = parse({"quantize": ["none", "int8"], "prune": [0, 0.5], "threads": [1, 2]}, "toy", (1, 2))
    options = Options((model,), str(data), space, parse_all(["latency<0.06ms"])[0], "toy", Path("runs"), trials=2)
    reporter = SilentReporter()
    found = run(options, FakeDevice(), FakePool(), reporter, lambda: [MlflowTracker(server.uri)], toy_import)
    assert found.record.trials_done == 2
    said = [note for note in reporter.notes if "Connection refused" in note]
    assert said[-1].startswith(f"tracking is behind (MLflow at {server.uri} can't be reached: Connection refused)")
    assert said[-1].endswith("autotune sync toy catches up")
    assert cli.main(["sync", "toy", "--tracking-uri", server.uri]) == 1
    assert f"autotune: MLflow at {server.uri} can't be reached" in capsys.readouterr().err

    server.start()
    assert cli.main(["sync", "toy", "--tracking-uri", server.uri]) == 0
    runs = 1 + len(found.record.points)
    assert capsys.readouterr().out == f"study toy: {runs} runs written, 0 were there already\n"
    before = everything(server.uri)
    assert len(before) == runs
    assert cli.main(["sync", "toy", "--tracking-uri", server.uri]) == 0
    assert capsys.readouterr().out == f"study toy: 0 runs written, {runs} were there already\n"
    assert everything(server.uri) == before


def test_a_server_that_comes_back_is_caught_up_with(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, in the same run; nothing is there twice."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "comes and goes")
    server.start()
    record = toy_record(tmp_path / "other", *(toy_outcome(0.9, 1.0 / (1 + n), 1000, prune=n / 10) for n in range(4)))
    half, notes = replace(record, points=record.points[:2]), list[str]()
    client = MlflowClient(server.uri)
    with Background(lambda: [MlflowTracker(server.uri)], notes.append) as tracker:
        tracker.update(half)
        until(lambda: client.get_experiment_by_name("comes and goes") is not None)
        until(lambda: len(everything(server.uri, "comes and goes")) == 3)
        server.stop()
        tracker.update(record)
        until(lambda: len(notes) == 1)
        assert "Connection refused); the study goes on, and it will catch up" in notes[0]
        server.start()
        until(lambda: len(notes) == 2)
        assert notes[1] == "tracking works again, and has caught up"
        tracker.finish(record)
    assert len(notes) == 2
    shown = everything(server.uri, "comes and goes")
    tags = [one["data"]["tags"] for one in shown]
    assert sorted(each.get("autotune.trial", "") for each in tags) == ["", *(str(p.trial) for p in record.points)]
    assert {one["info"]["status"] for one in shown} == {"FINISHED"}
