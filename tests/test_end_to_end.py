"""The real thing, whole: TFMOT, LiteRT, Ray, MLflow, by the command line, on the demo's model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.ledger.journal import read

DIGITS = Path(__file__).parents[1] / "experiments" / "digits"
SPACE = """
prune: [0, 0.5]
cluster: [0, 16]
quantize: [none, dynamic, int8, qat]
delegate: [xnnpack, builtin]
threads: [1]
epochs: 2
learning_rate: 0.001
"""
TRIALS = 8


def autotune(*arguments: str, folder: Path, check: int | None = 0) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-m", "autotune", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    if check is not None:
        assert done.returncode == check, done.stdout + done.stderr
    return done


def watched(*arguments: str, folder: Path, status: int) -> tuple[str, set[str]]:
    """What a run that ends with this status prints, and what its driver has imported by then."""
    script = (
        "import json, sys\n"
        "from autotune.cli import command as cli\n"
        "status = cli.main(sys.argv[1:])\n"
        "print(json.dumps(sorted(sys.modules)))\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    assert done.returncode == status, done.stdout + done.stderr
    shown, _, modules = done.stdout.rstrip().rpartition("\n")
    return shown, set(json.loads(modules))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}


def command(name: str, *more: str) -> list[str]:
    files = ["--model", str(DIGITS / "digits.keras"), "--data", str(DIGITS / "digits.npz"), "--space", "space.yaml"]
    targets = ["--target", "latency<5ms", "--target", "accuracy>=baseline-10%"]
    return ["run", *files, *targets, "--trials", str(TRIALS), "--jobs", "2", "--name", name, *more]


def front(name: str, folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(autotune("front", name, "--json", folder=folder).stdout)
    return found


def trials(name: str, folder: Path) -> dict[int, dict[str, Any]]:
    record = read(folder / "runs" / name, name)
    return {point.trial: point.outcome.to_json() for point in record.points}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, dict[str, Any]]]:
    """A study whose driver was killed with SIGKILL after its first trials, and those trials."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "space.yaml").write_text(SPACE)
    process = subprocess.Popen(
        [sys.executable, "-m", "autotune", *command("first")],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=_environment(),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("4/"):
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return folder, trials("first", folder)


@pytest.fixture(scope="module")
def study(killed: tuple[Path, dict[int, dict[str, Any]]]) -> tuple[Path, str]:
    """The same command again, and what it printed."""
    folder, _ = killed
    return folder, autotune(*command("first"), folder=folder).stdout


def _untimed(outcome: dict[str, Any]) -> dict[str, Any]:
    facts = {name: value for name, value in outcome["facts"].items() if name != "latency"}
    metrics = {name: outcome["metrics"][name] for name in ("accuracy", "size_bytes", "download_bytes")}
    return outcome | {"facts": facts, "metrics": metrics}


def test_killed_driver_goes_on(killed: tuple[Path, dict[int, Any]], study: tuple[Path, str]) -> None:
    """Finished trials are there, none is repeated, and the study reaches its number.

    Unchanged but for the front's latencies, which are taken once more at the end.
    """
    folder, before = killed
    after = trials("first", folder)
    assert len(before) < len(after)
    assert {number: _untimed(after[number]) for number in before} == {
        number: _untimed(outcome) for number, outcome in before.items()
    }
    configs = [json.dumps(outcome["config"], sort_keys=True) for outcome in after.values()]
    assert len(configs) == len(set(configs))
    record = read(folder / "runs" / "first", "first")
    assert record.trials_done == TRIALS
    assert " trials were there already" in study[1]


def test_says_what_people_want_to_know(study: tuple[Path, str]) -> None:
    """The front, the recommendation, its file, its test score, and where to look further."""
    folder, shown = study
    assert "* recommended: trial" in shown
    assert "on the 449 test samples that the search never saw: accuracy" in shown
    assert "autotune ui --tracking-uri sqlite:///mlflow.db" in shown
    [model] = [line.strip() for line in shown.splitlines() if line.strip().endswith(".tflite")]
    assert (folder / model).is_file()


def test_every_dimension_was_sampled_and_applied(study: tuple[Path, str]) -> None:
    """Trials differ in all four; what was asked of the weights is what the files hold."""
    measured = [outcome for outcome in trials("first", study[0]).values() if outcome["state"] == "measured"]
    for name in ("prune", "cluster", "quantize", "delegate"):
        assert len({outcome["config"][name] for outcome in measured}) > 1
    for outcome in measured:
        for layer in outcome["facts"]["layers"]:
            assert layer["sparsity"] >= outcome["config"]["prune"] - 1 / layer["weights"]
            if outcome["config"]["cluster"]:
                assert layer["distinct"] <= outcome["config"]["cluster"]


def test_logged_accuracy_holds_in_a_fresh_process(study: tuple[Path, str]) -> None:
    """Every file of the front, run sample by sample by a program of its own, scores what was logged, exactly."""
    folder, _ = study
    script = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
kinds = {"xnnpack": OpResolverType.AUTO, "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
x, y = np.load("x.npy"), np.load("y.npy")
for point in json.load(sys.stdin):
    config = point["config"]
    run = Interpreter(point["model"], num_threads=config["threads"],
                      experimental_op_resolver_type=kinds[config["delegate"]])
    run.allocate_tensors()
    right = 0
    for image, label in zip(x, y):
        run.set_tensor(run.get_input_details()[0]["index"], image[None])
        run.invoke()
        right += int(run.get_tensor(run.get_output_details()[0]["index"]).argmax() == label)
    print(right / len(y))
"""
    from autotune.task.data import read_data

    validation = read_data(str(DIGITS / "digits.npz"), (8, 8, 1), 0).validation
    np.save(folder / "x.npy", validation.x.astype(np.float32))  # what the files take
    np.save(folder / "y.npy", validation.y)
    points = front("first", folder)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, input=json.dumps(points), capture_output=True, text=True, check=True
    )
    assert [float(line) for line in done.stdout.split()] == [point["metrics"]["accuracy"] for point in points]


@pytest.fixture(scope="module")
def again(study: tuple[Path, str]) -> tuple[str, set[str]]:
    """A second study, the same but for its name, a target that nothing meets, and a single trial: see watched()."""
    folder, _ = study
    return watched(*command("second", "--trials", "1", "--target", "latency<0.001us"), folder=folder, status=3)


def test_unmet_targets_show_the_nearest_miss(again: tuple[str, set[str]]) -> None:
    """And end with status 3."""
    assert "nothing meets the targets; nearest is trial" in again[0]


def test_second_identical_run_builds_nothing(study: tuple[Path, str], again: tuple[str, set[str]]) -> None:
    """Under another name it takes all over, trains and converts nothing, and says so."""
    folder, _ = study
    first, second = (trials(name, folder) for name in ("first", "second"))
    same = [
        (one["metrics"], other["metrics"])
        for one in first.values()
        for other in second.values()
        if one["config"] == other["config"] and one["state"] == "measured"
    ]
    assert len(same) == sum(one["state"] == "measured" for one in first.values()) >= TRIALS
    for one, other in same:
        for name in ("accuracy", "size_bytes", "download_bytes"):
            assert one[name] == other[name]
    assert "nothing was trained or converted" in again[0]


def test_driver_never_imports_tensorflow(again: tuple[str, set[str]]) -> None:
    """In a whole run, though Optuna and MLflow are there."""
    assert {"optuna", "mlflow"} <= again[1]
    assert not {"tensorflow", "keras", "tf_keras"} & again[1]


def test_mlflow_shows_the_study(study: tuple[Path, str]) -> None:
    """Parent, children and artifacts, in the store that `autotune ui` opens."""
    from mlflow import MlflowClient

    folder, _ = study
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("autotune")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.mlflow.runName = 'first'")
    [parent] = runs
    children = client.search_runs(
        [experiment.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", max_results=100
    )
    assert len(children) == len(trials("first", folder))
    names = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
    assert names == {"front.html", "front.json", "front.png", "models"}
    record = read(folder / "runs" / "first", "first").begun()
    points = record.front().points
    kept = {Path(artifact.path).name for artifact in client.list_artifacts(parent.info.run_id, "models")}
    assert kept == {f"{point.trial}{suffix}" for point in points for suffix in (".json", ".tflite")}
    assert parent.inputs is not None
    assert {one.tags[0].value for one in parent.inputs.dataset_inputs} == {"train", "validation", "test"}
    trained = [run for run in children if "training/prune_loss" in run.data.metrics]
    assert len(client.get_metric_history(trained[0].info.run_id, "training/prune_loss")) == 2


def test_the_ui_opens_on_loopback(study: tuple[Path, str]) -> None:
    """`autotune ui` serves the study's store, on 127.0.0.1 alone."""
    import socket
    import urllib.request

    import psutil

    folder, _ = study
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "autotune", "ui", "--port", str(port)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    try:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search",
            data=b'{"max_results": 10}',
            headers={"Content-Type": "application/json"},
        )
        for _ in range(120):
            try:
                with urllib.request.urlopen(request) as answer:
                    content = json.load(answer)
                break
            except OSError:
                time.sleep(0.5)
        assert "autotune" in {experiment["name"] for experiment in content["experiments"]}
        listening = {
            connection.laddr.ip
            for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for connection in one.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def test_a_model_that_can_not_be_opened_leaves_nothing(tmp_path: Path) -> None:
    """A custom layer is found by the worker, and said in one line."""
    import io
    import zipfile

    source = zipfile.ZipFile(DIGITS / "digits.keras")
    config = json.loads(source.read("config.json"))
    config["config"]["layers"][1] |= {"registered_name": "mine>Twice", "class_name": "Twice", "module": "mine"}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, json.dumps(config) if name == "config.json" else source.read(name))
    (tmp_path / "custom.keras").write_bytes(target.getvalue())
    done = autotune(
        "run", "--model", "custom.keras", "--data", str(DIGITS / "digits.npz"), "--jobs", "1", folder=tmp_path, check=2
    )
    assert "layer 'rescaling' (Twice) is a custom class" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["custom.keras"]
