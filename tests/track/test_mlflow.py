"""Real MLflow on sqlite: a parent, a nested run for each trial, the front as artifacts."""

import json
import os
import shutil
import socket
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from autotune.errors import Fault
from autotune.results.front import Point
from autotune.results.meta import DeviceFacts
from autotune.results.outcome import Refused
from autotune.results.record import Record
from autotune.results.remeasured import RefusedAfterAll, Remeasured
from autotune.testing import TrackerContract, toy_measurement, toy_outcome, toy_record
from autotune.track.mlflow import MlflowTracker
from autotune.track.tracker import Tracker
from tests.damage import flip


def uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def runs(folder: Path, record: Record) -> tuple[list[Run], list[Run]]:
    """The study's parents and children."""
    client = MlflowClient(uri(folder))
    experiment = client.get_experiment_by_name("autotune")
    assert experiment is not None
    query = f"tags.`autotune.study_id` = '{record.meta.id}'"
    found = client.search_runs([experiment.experiment_id], query)
    return (
        [run for run in found if "mlflow.parentRunId" not in run.data.tags],
        [run for run in found if "mlflow.parentRunId" in run.data.tags],
    )


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> None:
    """MLflow puts artifacts beside where it is run."""
    shutil.copy(empty_store, tmp_path)
    monkeypatch.chdir(tmp_path)


class TestMlflowTracker(TrackerContract):
    """It keeps the contract."""

    def tracker(self, folder: Path) -> Tracker:
        return MlflowTracker(uri(folder))

    def shown(self, folder: Path, record: Record) -> Mapping[int, str]:
        _, children = runs(folder, record)
        assert len({run.data.tags["autotune.trial"] for run in children}) == len(children)
        return {int(run.data.tags["autotune.trial"]): run.data.tags["state"] for run in children}


def test_says_how_much_it_wrote(tmp_path: Path) -> None:
    """What update() leaves to finish(), such as files; nothing where all is there."""
    record, tracker = some_record(tmp_path), MlflowTracker(uri(tmp_path))
    tracker.update(record)
    assert tracker.finish(record) > 0
    assert tracker.finish(record) == 0


def some_record(folder: Path) -> Record:
    refused = Refused(toy_outcome(0, 1, 1, delegate="builtin").config, "no kernels")
    pruned = toy_outcome(0.85, 0.5, 500, prune=0.5, quantize="int8")
    return toy_record(folder / "study", toy_outcome(0.9, 1.0, 1000), pruned, toy_outcome(0.8, 2.0, 2000), refused)


def test_what_a_trial_shows(tmp_path: Path) -> None:
    """Parameters, metrics with their units, state and tags; nested below the study's run."""
    record = some_record(tmp_path)
    tracker = MlflowTracker(uri(tmp_path))
    tracker.finish(record)
    [parent], children = runs(tmp_path, record)
    assert parent.info.run_name == "study"
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["baseline_accuracy"] == 0.9
    assert parent.data.metrics["on_front"] == 2
    assert parent.data.params["objectives"] == "accuracy, latency, download"
    by_trial = {run.data.tags["autotune.trial"]: run for run in children}
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    one = by_trial["1"]
    assert one.data.params["prune"] == "0.5"
    assert one.data.params["quantize"] == "int8"
    assert one.data.metrics["accuracy"] == 0.85
    assert one.data.metrics["accuracy_low"] == pytest.approx(0.83)
    assert one.data.metrics["accuracy_high"] == pytest.approx(0.87)
    assert one.data.metrics["latency_ms"] == 0.5
    assert one.data.metrics["download_bytes"] == 500
    assert one.data.tags["on_front"] == "true"
    assert by_trial["2"].data.tags["on_front"] == "false"
    assert (by_trial["3"].info.status, by_trial["3"].data.tags["reason"]) == ("FAILED", "no kernels")
    assert sum(run.data.tags["recommended"] == "true" for run in children) == 1


def test_the_front_is_on_the_parent(tmp_path: Path) -> None:
    """As JSON, as a picture, and as files that can be fetched."""
    record = some_record(tmp_path)
    MlflowTracker(uri(tmp_path)).finish(record)
    [parent], _ = runs(tmp_path, record)
    client = MlflowClient(uri(tmp_path))
    fetched = Path(client.download_artifacts(parent.info.run_id, "", str(tmp_path)))
    front = json.loads((fetched / "front.json").read_text())
    assert [point["trial"] for point in front] == [0, 1]
    assert (fetched / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "plotly" in (fetched / "front.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in (fetched / "models").iterdir()) == [
        "0.json",
        "0.tflite",
        "1.json",
        "1.tflite",
    ]
    assert (fetched / "models" / "1.tflite").read_bytes() == b"toy 1"
    told = json.loads((fetched / "models" / "1.json").read_text())
    assert (told["trial"], told["model"], told["config"]["prune"]) == (1, "1.tflite", 0.5)
    assert told["metrics"]["latency_ms"] == 0.5


def test_a_damaged_file_is_not_shown(tmp_path: Path) -> None:
    """What was measured of it is, without a file that it was not measured of."""
    record = toy_record(tmp_path / "toy", toy_outcome(0.9, 1.0, 1000))
    flip(record.folder / "0.tflite", 0.5)
    MlflowTracker(uri(tmp_path)).finish(record)
    [parent], _ = runs(tmp_path, record)
    files = MlflowClient(uri(tmp_path)).list_artifacts(parent.info.run_id, "models")
    assert [file.path for file in files] == ["models/0.json"]


def test_marks_move_with_the_front(tmp_path: Path) -> None:
    """A point that a later one betters is no longer tagged as on the front, and its file not among the artifacts."""
    record = some_record(tmp_path)
    tracker = MlflowTracker(uri(tmp_path))
    tracker.finish(record)
    better = toy_record(tmp_path / "more", toy_outcome(0.95, 0.1, 100)).points[0]
    tracker.finish(replace(record, points=[*record.points, replace(better, trial=9)]))
    _, children = runs(tmp_path, record)
    assert [run.data.tags["autotune.trial"] for run in children if run.data.tags["on_front"] == "true"] == ["9"]
    [parent], _ = runs(tmp_path, record)
    files = MlflowClient(uri(tmp_path)).list_artifacts(parent.info.run_id, "models")
    assert [Path(file.path).name for file in files] == ["9.json", "9.tflite"]


def test_how_far_a_latency_is_to_be_trusted(tmp_path: Path) -> None:
    """Its interval as metrics, its verdict and whether it is an emulator's as tags."""
    outcome = toy_outcome(0.9, 1.0, 1000).with_latency(toy_measurement(1.0, "rounds differ by 20%"))
    record = toy_record(tmp_path / "study", outcome)
    record = replace(record, meta=replace(record.meta, device=DeviceFacts("fake", emulated=True)))
    MlflowTracker(uri(tmp_path)).update(record)
    _, [run] = runs(tmp_path, record)
    assert (run.data.metrics["latency_low_ms"], run.data.metrics["latency_high_ms"]) == (0.99, 1.01)
    assert (run.data.tags["verdict"], run.data.tags["emulated"]) == ("rounds differ by 20%", "true")


def test_what_was_measured_once_more(tmp_path: Path) -> None:
    """Runs have the front's numbers, whichever are larger, and are judged by them; what was before is their history."""
    outcomes = [toy_outcome(0.9, 1.0, 1000), toy_outcome(0.8, 0.5, 500), toy_outcome(0.7, 0.4, 400)]
    record = toy_record(
        tmp_path / "study", *(one.with_latency(toy_measurement(one.metrics["latency_ms"])) for one in outcomes)
    )
    MlflowTracker(uri(tmp_path)).update(record)
    first, second, third = record.measured
    slower = replace(
        second, outcome=second.outcome.with_latency(toy_measurement(0.25, "drifts")), violations={"latency": 0.2}
    )
    refused = Refused(third.outcome.config, "died")
    assert record.baseline is not None
    again: dict[str, Remeasured] = {
        "-1": toy_measurement(0.8),
        "1": toy_measurement(0.25, "drifts"),
        "2": RefusedAfterAll("died"),
    }
    MlflowTracker(uri(tmp_path)).finish(
        replace(
            record,
            baseline=record.baseline.with_latency(toy_measurement(0.8)),
            points=[replace(first, violations={"latency": 0.1}), slower, Point(third.trial, refused, {}, None)],
            remeasured=again,
        )
    )
    [parent], children = runs(tmp_path, record)
    by_trial = {run.data.tags["autotune.trial"]: run for run in children}
    assert parent.data.metrics["baseline_latency_ms"] == 0.8
    one = by_trial["1"]
    assert one.data.metrics["latency_ms"] == 0.25
    assert one.data.metrics["latency_low_ms"] == pytest.approx(0.2475)
    assert (one.data.tags["verdict"], one.data.tags["feasible"]) == ("drifts", "false")
    assert by_trial["0"].data.tags["feasible"] == "false"  # by the new baseline
    assert (by_trial["2"].data.tags["state"], by_trial["2"].data.tags["reason"]) == ("refused", "died")
    assert by_trial["2"].info.status == "FAILED"
    history = MlflowClient(uri(tmp_path)).get_metric_history(one.info.run_id, "latency_ms")
    assert [entry.value for entry in sorted(history, key=lambda entry: entry.step)] == [0.5, 0.25]


def test_two_studies_do_not_mix(tmp_path: Path) -> None:
    """In one experiment each has its own parent and children."""
    first = some_record(tmp_path)
    second = toy_record(tmp_path / "second", toy_outcome(0.9, 1.0, 1000))
    tracker = MlflowTracker(uri(tmp_path))
    tracker.finish(first)
    MlflowTracker(uri(tmp_path)).finish(second)
    assert len(runs(tmp_path, first)[1]) == 4
    assert len(runs(tmp_path, second)[1]) == 1


def test_writes_from_another_thread(tmp_path: Path) -> None:
    """It uses no run that is active in a thread."""
    record = some_record(tmp_path)
    tracker = MlflowTracker(uri(tmp_path))
    thread = threading.Thread(target=tracker.update, args=(record,))
    thread.start()
    thread.join()
    assert len(runs(tmp_path, record)[1]) == 4


def test_while_the_study_goes_on(tmp_path: Path) -> None:
    """Before there is a baseline there is no run; then it is a running one, and the marks move with the front."""
    record = some_record(tmp_path)
    tracker = MlflowTracker(uri(tmp_path))
    tracker.update(Record(record.name, record.folder, record.meta))
    assert runs(tmp_path, record) == ([], [])
    tracker.update(record)
    better = replace(toy_record(tmp_path / "more", toy_outcome(0.95, 0.1, 100)).points[0], trial=9)
    tracker.update(replace(record, points=[*record.points, better]))
    [parent], children = runs(tmp_path, record)
    assert parent.info.status == "RUNNING"
    assert [run.data.tags["autotune.trial"] for run in children if run.data.tags["on_front"] == "true"] == ["9"]


def test_mlflow_s_own_variables_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They name the experiment, by its id or by its name; and ours are gone afterwards."""
    client = MlflowClient(uri(tmp_path))
    known = client.create_experiment("mine")
    before = dict(os.environ)
    for name, value in (("ID", known), ("NAME", "another")):
        monkeypatch.setenv(f"MLFLOW_EXPERIMENT_{name}", value)
        MlflowTracker(uri(tmp_path)).update(some_record(tmp_path))
        monkeypatch.delenv(f"MLFLOW_EXPERIMENT_{name}")
    assert dict(os.environ) == before
    found = {one.name: len(client.search_runs([one.experiment_id])) for one in client.search_experiments()}
    assert found == {"mine": 5, "another": 5, "Default": 0}


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the time that the user gives it, with a reason."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        server = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(Fault, match=f"MLflow at {server} can't be reached: timed out"):
            MlflowTracker(server).update(some_record(tmp_path))


def test_what_the_store_refuses_is_said(tmp_path: Path) -> None:
    """By MLflow itself."""
    with pytest.raises(Fault, match="MLflow at nonsense://: "):
        MlflowTracker("nonsense://").update(some_record(tmp_path))
