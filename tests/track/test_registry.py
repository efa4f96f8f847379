"""Real MLflow: a file registered, loaded and served, and its outputs held against the runner's."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import mlflow.pyfunc
import numpy as np
import pytest
from mlflow import MlflowClient

from autotune.config import Runtime
from autotune.deploy import serving
from autotune.devices.client.device import PROBE
from autotune.devices.client.local import LocalDevice
from autotune.errors import Fault, UserError
from autotune.results.meta import DeviceFacts
from autotune.results.record import Record
from autotune.testing import toy_outcome, toy_record
from autotune.track.mlflow import MlflowTracker, registry
from autotune.track.mlflow.registry import Function, Origin, Version
from autotune.track.mlflow.runs import STUDY
from tests.conftest import ROOT
from tests.deploy.test_serving import ALONE

INPUTS = np.random.default_rng(0).random((3, 8, 8, 1), np.float32)
STORE = "sqlite:///mlflow.db"


def function(folder: Path) -> Function:
    """The probe on XNNPACK."""
    loader = serving.write(folder)
    needs = serving.requirements("xnnpack", DeviceFacts("desk"))
    ends = serving.signature(PROBE, "xnnpack")
    config = {"delegate": "xnnpack", "threads": 1, "state": ""}
    return Function(PROBE, folder / loader.partition(".")[0], loader, config, needs, *ends, {"": INPUTS[:2]})


def origin(record: Record, trial: int = 1) -> Origin:
    return Origin(record.name, record.meta.id, trial, "int8 on xnnpack", {"quantize": "int8"}, {"latency_ms": 0.5})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With the store; MLflow puts artifacts beside where it is run."""
    made = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(STORE)
        yield made
        mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def record(folder: Path) -> Record:
    """A study that the store shows."""
    found = toy_record(folder / "study", toy_outcome(0.9, 1.0, 1000), toy_outcome(0.8, 0.5, 500, quantize="int8"))
    MlflowTracker(STORE).update(found)
    return found


@pytest.fixture(scope="module")
def registered(folder: Path, record: Record) -> Iterator[Version]:
    """Where MLflow itself would turn to another store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow.set_tracking_uri(elsewhere := "sqlite:///elsewhere.db")
        (folder / "uv.lock").touch()
        (folder / "pyproject.toml").touch()
        made = registry.register(STORE, function(folder), "digits", "autotune", origin(record), {"threads": "1"})
        assert mlflow.get_tracking_uri() == os.environ["MLFLOW_TRACKING_URI"] == elsewhere
        assert not (folder / "elsewhere.db").exists()
        mlflow.set_tracking_uri(STORE)
        yield made


@pytest.fixture(scope="module")
def measured(folder: Path) -> np.ndarray[Any, Any]:
    """The runner's outputs."""
    np.save(folder / "inputs.npy", INPUTS)
    with LocalDevice().open() as session:
        return session.outputs(PROBE, Runtime("xnnpack", 1), folder / "inputs.npy")


def test_loaded_model_gives_what_was_measured(registered: Version, measured: np.ndarray[Any, Any]) -> None:
    """By the name and the alias; it knows what it takes, and shows an example."""
    model = mlflow.pyfunc.load_model("models:/digits@autotune")
    np.testing.assert_array_equal(model.predict(INPUTS), measured)
    assert str(model.metadata.get_input_schema()) == "[Tensor('float32', (-1, 8, 8, 1))]"
    assert str(model.metadata.get_output_schema()) == "[Tensor('float32', (-1, 6, 6, 4))]"
    np.testing.assert_array_equal(model.input_example, INPUTS[:2])
    with pytest.raises(RuntimeError, match="the delegate abacus does not run this model here"):
        mlflow.pyfunc.load_model("models:/digits@autotune", model_config={"delegate": "abacus"})


def test_says_what_it_needs(registered: Version, folder: Path) -> None:
    """LiteRT and numpy, pinned, beside MLflow: neither autotune nor a project that pick was run in; no pickles."""
    files = Path(mlflow.artifacts.download_artifacts(registered.uri))
    needs = (files / "requirements.txt").read_text().split()
    assert [re.split("==", line)[0] for line in needs] == ["mlflow", "ai-edge-litert", "numpy"]
    assert all("==" in line for line in needs)
    assert not (files / "uv.lock").exists()
    assert {path.suffix for path in files.rglob("*") if path.is_file()} <= {
        ".py",
        ".tflite",
        ".json",
        ".yaml",
        ".txt",
        "",
    }


def test_belongs_to_the_trial(registered: Version, record: Record) -> None:
    """Its run is the trial's; the alias and the tags are there."""
    client = MlflowClient(STORE)
    version = client.get_model_version_by_alias("digits", "autotune")
    assert (int(version.version), version.tags) == (1, {"threads": "1"})
    assert version.description == "int8 on xnnpack: trial 1 of study study"
    run = client.get_run(registered.run_id)
    assert version.run_id == registered.run_id
    assert run.data.tags["autotune.trial"] == "1"
    assert run.info.status == "FINISHED"
    assert run.outputs is not None
    assert [f"models:/{output.model_id}" for output in run.outputs.model_outputs] == [version.source]


def test_each_time_is_a_version(registered: Version, folder: Path) -> None:
    """The alias moves on. Of a study that the store does not know, there is a run that no tracker takes for its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        other = toy_record(folder / "other", toy_outcome(0.9, 1.0, 1000))
        again = registry.register(STORE, function(folder / "again"), "digits", "second", origin(other, 7), {})
        assert (again.version, again.uri) == (2, "models:/digits@second")
        client = MlflowClient(STORE)
        client.set_registered_model_alias("digits", "second", "1")
        third = registry.register(STORE, function(folder / "third"), "digits", "second", origin(other, 7), {})
        assert int(client.get_model_version_by_alias("digits", "second").version) == third.version == 3
        run = client.get_run(again.run_id)
        assert (run.info.run_name, run.info.status) == ("other, trial 7, registered", "FINISHED")
        assert (run.data.metrics, run.data.params) == ({"latency_ms": 0.5}, {"quantize": "int8"})
        tracker = MlflowTracker(STORE)
        tracker.update(other)
        shown = client.search_runs([run.info.experiment_id], f"tags.`{STUDY}` = '{other.meta.id}'")
        assert shown
        assert again.run_id not in [one.info.run_id for one in shown]


@pytest.fixture(scope="module")
def served(registered: Version, folder: Path) -> Iterator[str]:
    """The address of `mlflow models serve`, where there is neither autotune nor TensorFlow."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "alone").mkdir()
    (folder / "alone" / "sitecustomize.py").write_text(ALONE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow finds uvicorn there
    environment = os.environ | {"MLFLOW_TRACKING_URI": STORE, "PYTHONPATH": str(folder / "alone"), "PATH": path}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", registered.uri, "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                break
            time.sleep(0.2)
        else:
            pytest.fail((folder / "serve.log").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_served_model_gives_what_was_measured(served: str, measured: np.ndarray[Any, Any]) -> None:
    """To whoever asks in JSON."""
    body = json.dumps({"inputs": INPUTS.tolist()}).encode()
    request = Request(f"{served}/invocations", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        found = json.load(answer)["predictions"]
    np.testing.assert_array_equal(np.array(found, np.float32), measured)


def test_the_page_s_python_runs(registered: Version) -> None:
    """docs/registry.md, as it stands."""
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "registry.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["outputs"].shape == (2, 6, 6, 4)


@pytest.mark.parametrize(
    ("name", "alias", "told"),
    [
        ("a/b", "best", "--register 'a/b': MLflow refuses it: .*'/' or ':'"),
        ("a:b", "best", "--register 'a:b': MLflow refuses it"),
        ("", "best", "--register '': MLflow refuses it"),
        ("a?b", "best", "--register 'a[?]b': MLflow finds no model by 'models:/a[?]b@best'"),
        ("digits", "", "--alias '': MLflow refuses it"),
        ("digits", "a b", "--alias 'a b': MLflow refuses it"),
        ("digits", "latest", "--alias 'latest': MLflow refuses it: .*reserved"),
        ("digits", "v2", "--alias 'v2': MLflow refuses it: .*reserved"),
    ],
)
def test_names_that_are_refused(name: str, alias: str, told: str) -> None:
    """In one line, by MLflow's own rules."""
    with pytest.raises(UserError, match=f"^{told}.*$") as caught:
        registry.check(name, alias)
    assert "\n" not in str(caught.value)


def test_names_that_are_not_refused() -> None:
    """What MLflow takes and finds again."""
    for name in ("digits", "My model", "a@b", "ä.b-c_1"):
        registry.check(name, registry.ALIAS)


def test_a_server_that_is_not_there(tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a fault in one line, and MLflow's settings are what they were."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = dict(os.environ)
    with pytest.raises(Fault, match=r"127\.0\.0\.1") as caught:
        registry.register("http://127.0.0.1:9", function(tmp_path), "digits", "autotune", origin(record), {})
    assert "\n" not in str(caught.value)
    assert dict(os.environ) == before
