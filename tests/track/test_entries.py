"""What a study is in MLflow, as values."""

import math
from dataclasses import replace
from pathlib import Path

from autotune.config import FIELDS, Config
from autotune.results.meta import DeviceFacts
from autotune.results.outcome import Measured
from autotune.testing import toy_outcome, toy_record
from autotune.track.entries import Entry, parameters, study_entry, trial_entry


def entry(folder: Path, outcome: Measured) -> Entry:
    record = toy_record(folder, outcome)
    return trial_entry(record, record.points[0], on_front=True, recommended=False)


def test_every_trial_has_the_same_parameters() -> None:
    """Parallel coordinates show only those that have them all; what has no part is 0 or none."""
    plain, trained = Config.of({}), Config.of({"prune": 0.5, "quantize": "qat", "epochs": 7, "decimals": 3})
    known = {"decimals"}
    assert parameters(plain, known).keys() == parameters(trained, known).keys()
    assert parameters(plain, known).keys() == (FIELDS.keys() | known) - {"model"}
    told = parameters(plain, known)
    assert (told["epochs"], told["augment"], told["prune_pattern"], told["decimals"]) == (0, "none", "none", 0)
    assert told["io"] == "float32"
    assert parameters(trained, known)["epochs"] == 7
    assert parameters(Config.of({"model": "small"}))["model"] == "small"


def test_trainings_are_curves_and_layers_are_named(tmp_path: Path) -> None:
    """A value for each epoch from 1 on; sparsity of each layer by its own name, and of all of them in a row."""
    outcome = toy_outcome(0.9, 1.0, 1000, prune=0.5)
    name = "net/relu/Relu;net/norm/FusedBatchNormV3;net/conv/Conv2D"
    layers = [{"name": one, "weights": 10, "sparsity": share, "distinct": 3} for one, share in ((name, 0.5), ("d", 0))]
    training = [{"stage": "prune", "loss": [0.5, 0.25], "agreement": [0.75, math.nan]}]
    metrics = entry(tmp_path, replace(outcome, stages={"layers": layers, "training": training})).metrics
    assert metrics["training/prune_loss"] == [(1, 0.5), (2, 0.25)]
    assert metrics["training/prune_agreement"] == [(1, 0.75)]
    assert metrics["sparsity/net.conv.Conv2D"] == [(0, 0.5)]
    assert metrics["layer_sparsity"] == [(0, 0.5), (1, 0.0)]
    assert metrics["sparsity"] == [(0, 0.25)]


def test_names_are_such_as_mlflow_takes(tmp_path: Path) -> None:
    """A metric of the user's may be called anything."""
    outcome = toy_outcome(0.9, 1.0, 1000)
    assert "my_own_score" in entry(tmp_path, replace(outcome, metrics=outcome.metrics | {"my(own;score": 1.0})).metrics


def test_a_study_tells_its_device_and_versions(tmp_path: Path) -> None:
    """As parameters; lists as people write them, and nothing of what is not known. It is summed up at its end."""
    record = toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000))
    device = DeviceFacts.from_json({"device": "fake", "cores": 4, "governor": None})
    options = replace(record.meta.options, model=("a.keras", "b.keras"))
    record = replace(record, meta=replace(record.meta, device=device, versions={"keras": "3.1"}, options=options))
    running, ended = study_entry(record, finished=False), study_entry(record, finished=True)
    assert running.params["device_cores"] == "4"
    assert running.params["version_keras"] == "3.1"
    assert running.params["model"] == "a.keras, b.keras"
    assert "device_governor" not in running.params
    assert (running.status, ended.status) == ("RUNNING", "FINISHED")
    assert "mlflow.note.content" not in running.tags
    assert "Recommended" in ended.tags["mlflow.note.content"]
