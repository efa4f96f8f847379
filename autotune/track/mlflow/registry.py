"""MLflow's model registry: a file as a model of the python-function flavour, and as a version of a registered model."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.types import Schema, TensorSpec
from mlflow.utils import validation
from numpy.typing import NDArray

from autotune.errors import Fault, UserError, one_line
from autotune.files import Scratch
from autotune.json_object import JsonObject
from autotune.track.mlflow.runs import STUDY, TRIAL
from autotune.track.mlflow.server import experiment, impatient, meant, opened
from autotune.track.store import hidden

ALIAS = "autotune"
"""Of what was picked last: champion and the like are the user's to give."""

_FOUND = f"tags.`{STUDY}` = '{{}}' and tags.`{TRIAL}` = '{{}}'"


Ends = Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
"""What a function takes or gives, by name, "" where it is one: the type, whichever it is, and the shape of a sample."""


@dataclass(frozen=True)
class Function:
    """A file as a python function.

    Attributes:
        file: it.
        code: the folder of the package that runs it.
        loader: the module of it that has _load_pyfunc().
        config: for that.
        requirements: of the package, as pip takes them.
        takes, gives: the types and the shapes of a sample.
        example: inputs, (n, *shape) each.
    """

    file: Path
    code: Path
    loader: str
    config: JsonObject
    requirements: list[str]
    takes: Ends
    gives: Ends
    example: Mapping[str, NDArray[Any]]  # of the types that takes has


@dataclass(frozen=True)
class Origin:
    """The trial that a model comes from.

    Attributes:
        study: its name.
        study_id: as the study's runs are tagged.
        trial: its number.
        config: what it was, in words.
        params: the same by name.
        metrics: with their units in the names.
    """

    study: str
    study_id: str
    trial: int
    config: str
    params: Mapping[str, object]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes:
        name: of the registered model.
        version: its number.
        alias: that stands for it now.
        uri: that it is loaded by.
        tracking_uri: of the store that it is in, without its password.
        run_id: of the run that it comes from.
    """

    name: str
    version: int
    alias: str
    uri: str
    tracking_uri: str
    run_id: str

    def to_json(self) -> JsonObject:
        return asdict(self)


def check(name: str, alias: str) -> None:
    """Holds a name and an alias against MLflow's rules.

    Raises:
        UserError: it refuses one of them, or finds no model by them.
    """
    tests = {
        f"--register {name!r}": (validation._validate_model_name, name),
        f"--alias {alias!r}": (_check_alias, alias),
    }
    for option, (test, value) in tests.items():
        try:
            test(value)
        except MlflowException as error:
            raise UserError(f"{option}: MLflow refuses it: {one_line(error)}") from error
    uri = _uri(name, alias)
    parsed = _parse_model_uri(uri)
    if (parsed.name, parsed.alias) != (name, alias):
        raise UserError(f"--register {name!r}: MLflow finds no model by {uri!r}; use letters, digits, '.', '_', '-'")


def _check_alias(alias: str) -> None:
    validation._validate_model_alias_name(alias)  # type: ignore[no-untyped-call]
    validation._validate_model_alias_name_reserved(alias)  # type: ignore[no-untyped-call]


def _uri(name: str, alias: str) -> str:
    return f"models:/{name}@{alias}"


def register(uri: str, function: Function, name: str, alias: str, origin: Origin, tags: Mapping[str, str]) -> Version:
    """Logs a model, and makes it a new version that the alias stands for.

    Args:
        uri: of the tracking store; its registry is meant unless MLFLOW_REGISTRY_URI says otherwise.
        function: what the model does.
        name: of the registered model; made where it is not there. As alias, one that check() lets pass.
        alias: for the version.
        origin: the trial whose run the model comes from where the store has it; else it gets a run of its own.
        tags: of the version.

    Raises:
        Fault: the store can't be reached, or fails.
    """
    try:
        with impatient(), meant(uri):
            client = opened(uri)
            logged = _logged(client, function, name, _run(client, origin))
            description = f"{origin.config}: trial {origin.trial} of study {origin.study}"
            version = _version(client, logged, name, dict(tags), description)
            client.set_registered_model_alias(name, alias, str(version))
            return Version(name, version, alias, _uri(name, alias), hidden(uri), str(logged.source_run_id))
    except Exception as error:  # a store that is not ours fails in ways of its own
        raise Fault(hidden(one_line(error))) from error


def _run(client: MlflowClient, origin: Origin) -> Run:
    """The trial's run, found or made."""
    where = experiment(client)
    runs = client.search_runs([where], _FOUND.format(origin.study_id, origin.trial), max_results=1)
    if runs:
        return runs[0]
    # Without a tracker's tags: it would take the run for the trial's, and never log that.
    run = client.create_run(where, run_name=f"{origin.study}, trial {origin.trial}, registered")
    now = int(time.time() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in origin.metrics.items()]
    client.log_batch(run.info.run_id, metrics, [Param(key, str(value)) for key, value in origin.params.items()])
    client.set_terminated(run.info.run_id)
    return run


def _logged(client: MlflowClient, function: Function, name: str, run: Run) -> LoggedModel:
    """The model among the run's outputs, with its files."""
    run_id = run.info.run_id
    logged = client.create_logged_model(run.info.experiment_id, name, run_id, params=_texts(function.config))
    model_id = logged.model_id
    with Scratch() as folder:
        mlflow.pyfunc.save_model(
            Path(folder, "model"),
            loader_module=function.loader,
            data_path=str(function.file),
            code_paths=[str(function.code)],
            model_config=function.config,
            pip_requirements=function.requirements,
            signature=ModelSignature(_schema(function.takes), _schema(function.gives)),
            input_example=function.example.get("", function.example),
            mlflow_model=Model(logged.artifact_location, run_id, model_uuid=model_id, model_id=model_id),
        )
        client.log_model_artifacts(model_id, str(Path(folder, "model")))
    client.finalize_logged_model(model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
    return logged


def _version(client: MlflowClient, logged: LoggedModel, name: str, tags: dict[str, str], description: str) -> int:
    """The number of the model's version of a registered one, which is made where it is not there."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
    model_id = logged.model_id
    run_id = logged.source_run_id
    made = client.create_model_version(
        name, f"models:/{model_id}", run_id, tags, description=description, model_id=model_id
    )
    return int(made.version)


def _schema(ends: Ends) -> Schema:
    return Schema([TensorSpec(kind, (-1, *shape), name or None) for name, (kind, shape) in ends.items()])


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
