"""A study in MLflow: a parent run, a nested run for each trial, the front as artifacts."""

import json
import logging
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from autotune.front import ParetoFront, Point
from autotune.outcome import Outcome
from autotune.record import BASELINE, Record
from autotune.track.picture import draw

EXPERIMENT = "autotune"
FIRST, SECOND = 0, 1
"""Steps of a metric: as it was measured in the search, and once more at its end."""

_STUDY, _TRIAL = "autotune.study_id", "autotune.trial"

for _noisy in ("alembic", "mlflow"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)


class MlflowTracker:
    """Writes to one tracking store. What is there already is found by its tags."""

    def __init__(self, uri: str, experiment: str = EXPERIMENT) -> None:
        """
        Args:
            uri: of the tracking store: sqlite:///FILE, http://HOST:PORT, …
            experiment: in which the study's runs stand; made where it is not there.
        """
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(experiment)
        self._experiment = found.experiment_id if found else self._client.create_experiment(experiment)
        self._children: dict[str, str] | None = None
        self._parent = ""

    def update(self, record: Record) -> None:
        """Logs the trials that have no run yet."""
        children = self._open(record)
        for point in record.points:
            if str(point.trial) not in children:
                children[str(point.trial)] = self._log(record, point)

    def finish(self, record: Record) -> None:
        """Logs the front on the parent: front.json, front.png, and the files in models/; and on the trials
        what has changed since they were logged.
        """
        self.update(record)
        front = record.front()
        if front is None:
            return
        self._log_remeasured(record)
        self._mark(record, front)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "front.json").write_text(json.dumps(front.to_json(record.meta["device"]), indent=1))
            draw(record, Path(folder) / "front.png")
            self._client.log_artifacts(self._parent, folder)
        for point in front.points:
            assert point.model is not None  # a measured point has a file
            self._client.log_artifact(self._parent, point.model, "models")
        now = _now()
        totals = {
            "hypervolume": record.hypervolume(),
            "trials": len(record.points),
            "on_front": len(front.points),
            "feasible": sum(point.feasible for point in record.points),
        }
        self._client.log_batch(self._parent, [Metric(name, value, now, 0) for name, value in totals.items()])
        self._client.set_terminated(self._parent)

    def _open(self, record: Record) -> dict[str, str]:
        """The parent run and its children, found or made."""
        if self._children is not None:
            return self._children
        runs = self._runs(f"tags.`{_STUDY}` = '{record.meta['id']}'")
        parents = [run for run in runs if _TRIAL not in run.data.tags]
        self._parent = parents[0].info.run_id if parents else self._begin(record)
        self._children = {run.data.tags[_TRIAL]: run.info.run_id for run in runs if _TRIAL in run.data.tags}
        return self._children

    def _runs(self, query: str) -> list[Run]:
        runs: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment], query, max_results=1000, page_token=token)
            runs.extend(page)
            token = page.token
            if not token:
                return runs

    def _begin(self, record: Record) -> str:
        meta = record.meta
        run = self._client.create_run(self._experiment, run_name=record.name, tags={_STUDY: meta["id"]})
        run_id: str = run.info.run_id
        options = {name: str(value) for name, value in meta["options"].items()} | meta["device"]
        params = [Param(name, str(value)[:500]) for name, value in options.items()]
        params.append(Param("targets", ", ".join(meta["targets"]) or "none"))
        params.append(Param("objectives", ", ".join(metric.name for metric in record.objectives)))
        self._client.log_batch(run_id, _baseline(record, FIRST), params)
        return run_id

    def _log(self, record: Record, point: Point) -> str:
        outcome = point.outcome
        tags = {
            MLFLOW_PARENT_RUN_ID: self._parent,
            _STUDY: record.meta["id"],
            _TRIAL: str(point.trial),
            "quantize": outcome.config.recipe.quantize,
            "delegate": outcome.config.runtime.delegate,
            **_judged(record, point),
        }
        run = self._client.create_run(self._experiment, run_name=f"{point.trial}: {outcome.config}", tags=tags)
        metrics = _logged(_metrics(outcome, record.quality.key), FIRST)
        params = [Param(name, str(value)) for name, value in outcome.config.canonical().items()]
        self._client.log_batch(run.info.run_id, metrics, params)
        self._client.set_terminated(run.info.run_id, _status(outcome))
        return str(run.info.run_id)

    def _log_remeasured(self, record: Record) -> None:
        """The metrics of what was measured once more, as a second step of theirs."""
        children = self._open(record)
        for point in record.points:
            if str(point.trial) in record.remeasured:
                run_id = children[str(point.trial)]
                self._client.log_batch(run_id, _logged(_metrics(point.outcome, record.quality.key), SECOND))
                self._client.set_terminated(run_id, _status(point.outcome))  # it may have been refused then
        if str(BASELINE) in record.remeasured:
            self._client.log_batch(self._parent, _baseline(record, SECOND))

    def _mark(self, record: Record, front: ParetoFront) -> None:
        """The tags that tell what a trial is now: all are judged by the baseline as it was measured last."""
        children, pick = self._open(record), front.pick()
        on_front = {point.trial for point in front.points}
        for point in record.points:
            tags = _judged(record, point) | {
                "on_front": _flag(point.trial in on_front),
                "recommended": _flag(pick is not None and point.trial == pick.trial),
            }
            self._client.log_batch(children[str(point.trial)], tags=[RunTag(*tag) for tag in tags.items()])


def _judged(record: Record, point: Point) -> dict[str, str]:
    """Tags: what came of a trial, whether it meets the targets, and how far its latency is to be trusted."""
    found, reason = point.outcome.latency, point.outcome.reason
    return {
        "state": point.outcome.state,
        **({"reason": reason} if reason else {}),
        "feasible": _flag(point.feasible),
        "emulated": _flag(record.meta["device"].get("emulated", False)),
        **({} if found is None else {"verdict": found.verdict}),
    }


def _status(outcome: Outcome) -> str:
    return "FINISHED" if outcome.state == "measured" else "FAILED"


def _flag(value: bool) -> str:
    return str(value).lower()


def _baseline(record: Record, step: int) -> list[Metric]:
    metrics = _metrics(record.baseline, record.quality.key) if record.baseline else {}
    return _logged({f"baseline_{name}": value for name, value in metrics.items()}, step)


def _logged(metrics: Mapping[str, float], step: int) -> list[Metric]:
    now = _now()
    return [Metric(name, value, now, step) for name, value in metrics.items()]


def _metrics(outcome: Outcome, quality: str) -> dict[str, float]:
    """An outcome's metrics, the intervals of its quality and its latency, and what its file holds:
    sparsity overall, most distinct weights of a layer.
    """
    metrics: dict[str, Any] = dict(outcome.metrics)
    if "interval" in outcome.facts:
        metrics[f"{quality}_low"], metrics[f"{quality}_high"] = outcome.facts["interval"]
    if outcome.latency is not None:
        metrics["latency_low_ms"], metrics["latency_high_ms"] = outcome.latency.low_ms, outcome.latency.high_ms
    layers = outcome.facts.get("layers")
    if layers:
        weights = sum(layer["weights"] for layer in layers)
        metrics["sparsity"] = sum(layer["sparsity"] * layer["weights"] for layer in layers) / weights
        metrics["distinct_weights"] = float(max(layer["distinct"] for layer in layers))
    return metrics


def _now() -> int:
    return int(time.time() * 1000)
