"""Registers a picked file in MLflow's model registry."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from autotune.deploy import serving
from autotune.deploy.pick import Picked, write_recipe
from autotune.deploy.reopen import samples
from autotune.errors import Fault, UserError
from autotune.files import Scratch
from autotune.json_object import JsonObject
from autotune.ledger.artifacts import is_file_of
from autotune.model.trust import Trust
from autotune.results.front import MeasuredPoint
from autotune.task.data.fields import parts
from autotune.track.mlflow import registry
from autotune.track.mlflow.registry import Function, Origin
from autotune.track.store import hidden, mlflow_uri

EXAMPLES = 2
"""Samples of a model's input example."""


@dataclass(frozen=True)
class Registration:
    """What a file is to be registered as.

    Attributes:
        uri: of the tracking store.
        name: of the registered model.
        alias: that the new version gets.
    """

    uri: str = field(repr=False)
    name: str
    alias: str

    @classmethod
    def of(cls, name: str | None, alias: str | None = None, store: str | None = None) -> Self:
        """
        Args:
            name: of the registered model.
            alias: None for registry.ALIAS.
            store: the tracking store, as tracking_uri() takes it.

        Raises:
            UserError: MLflow refuses name or alias, there is but an alias, or no store is meant.
        """
        if name is None:
            raise UserError("--alias goes with --register: it is of a registered model")
        alias = registry.ALIAS if alias is None else alias
        registry.check(name, alias)
        uri = mlflow_uri(store)
        if uri is None:
            raise UserError("--register needs an MLflow store; --tracking-uri or $MLFLOW_TRACKING_URI says none")
        return cls(uri, name, alias)

    def check(self, point: MeasuredPoint) -> None:
        """Holds a point against what Python can run.

        Raises:
            UserError: Python has no way to run the point's file as it was measured.
        """
        try:
            serving.signature(Path(point.model), point.outcome.config.runtime.delegate)
        except UserError as error:
            raise UserError(f"--register {self.name}: trial {point.trial}: {error}") from error

    def register(self, picked: Sequence[Picked], file: Path, recipe: JsonObject, trust: Trust) -> None:
        """Makes a file a new version of the registered model, which runs it as on the first of its devices.

        Args:
            picked: the file's point, on each device.
            file: as it was handed out.
            recipe: of it; it is told of the version, and written once more.
            trust: what code the study's models may run, as it was when they were opened.

        Raises:
            UserError: the file is not the one that was measured.
            Fault: the store can't be reached, or fails. The message says how to try again.
        """
        if not is_file_of(file, picked[0].point.outcome):
            raise UserError(f"--register {self.name}: {file} is not the file that was measured; pick it again")
        with Scratch() as folder:
            function = _function(picked[0], file, Path(folder), trust)
            try:
                version = registry.register(self.uri, function, self.name, self.alias, _origin(picked[0]), tags(picked))
            except Fault as error:
                raise Fault(
                    f"{file} is not registered: {hidden(self.uri)}: {error}; the same command tries again"
                ) from error
        recipe["registered"] = version.to_json()
        write_recipe(file, recipe)


def _function(picked: Picked, file: Path, folder: Path, trust: Trust) -> Function:
    """What MLflow is to run.

    Args:
        picked: what the file is on the device whose runtime counts.
        file: as it was handed out.
        folder: for its modules.
        trust: as Registration.register().
    """
    runtime = picked.point.outcome.config.runtime
    loader = serving.write(folder)
    takes, gives = serving.signature(file, runtime.delegate)
    if len(takes) == 1:  # that is quantized takes integers as they are
        [(name, (kind, shape))] = takes.items()
        dtype = np.dtype(picked.record.input(picked.point.outcome.config.recipe).given)
        takes = {name: (kind if dtype.kind == "f" else dtype, shape)}
    ends = {"inputs": list(takes), "outputs": list(gives)}
    return Function(
        file=file,
        code=folder / loader.partition(".")[0],
        loader=loader,
        config={"delegate": runtime.delegate, "threads": runtime.threads, "state": picked.state, "ends": ends},
        requirements=serving.requirements(runtime.delegate, picked.record.meta.device),
        takes=takes,
        gives=gives,
        example=_example(picked, takes, trust),
    )


def _origin(picked: Picked) -> Origin:
    record, point = picked.record, picked.point
    config = point.outcome.config
    return Origin(record.name, record.meta.id, point.trial, str(config), config.canonical(), _metrics(picked))


def tags(picked: Sequence[Picked]) -> dict[str, str]:
    """What a version is found by, and told from others: where it comes from, its recipe, and what it is on each device.

    Args:
        picked: the file's point, on each device. What it is on the second and the others begins with their names.
    """
    first = picked[0]
    values = {
        "study": first.record.name,
        "trial": first.point.trial,
        "targets": ", ".join(target.text for target in first.front.targets),
    }
    values |= first.point.outcome.config.recipe.canonical()
    for each in picked:
        start = "" if each is first else re.sub(r"[^\w.-]", "_", each.record.device) + "."
        runtime = each.point.outcome.config.runtime
        on = {"device": each.record.device, "delegate": runtime.delegate, "threads": runtime.threads, **_metrics(each)}
        values |= {f"{start}{name}": value for name, value in on.items()}
    return {name: f"{value:.10g}" if isinstance(value, float) else str(value) for name, value in values.items()}


def _metrics(picked: Picked) -> dict[str, float]:
    """The study's, and those of the second look at the file."""
    metrics = dict(picked.point.outcome.metrics)
    rechecked = picked.rechecked
    quality = picked.record.quality
    if rechecked.latency is not None:
        metrics["latency_remeasured_ms"] = rechecked.latency.p50_ms
    if rechecked.test is not None:
        metrics[f"test_{quality.key}"] = rechecked.test.scores[quality.key]
    return metrics


def _example(picked: Picked, takes: serving.Types, trust: Trust) -> dict[str, NDArray[np.generic]]:
    """Validation samples of each input where they are at hand, else zeros."""
    inputs = samples(picked.record, picked.point, EXAMPLES, trust)
    if inputs is None:
        return {name: np.zeros((1, *shape), kind) for name, (kind, shape) in takes.items()}
    values = parts(inputs)
    return {name: values[name].astype(kind) for name, (kind, _) in takes.items()}
