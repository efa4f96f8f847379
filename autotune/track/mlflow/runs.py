"""A study's runs in an MLflow store: found by their tags, and brought to what they should be."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID, MLFLOW_SOURCE_NAME

from autotune.track.entries import Entry

STUDY, TRIAL = "autotune.study_id", "autotune.trial"
"""Tags: the study's id, and the number of the trial; the study's own run has but the first."""

_PAGE = 1000


@dataclass
class _There:
    """What a run in the store is known to have."""

    run_id: str
    status: str
    tags: dict[str, str]
    params: set[str]
    metrics: dict[str, float]


class Runs:
    """The runs of one study. What differs from what it should be is written, and nothing else.

    Attributes:
        datasets: names and contexts of those that the study's own run has.
    """

    def __init__(self, client: MlflowClient, experiment: str, study: str) -> None:
        """
        Args:
            client: of the store.
            experiment: its id.
            study: its id.

        Raises:
            MlflowException: the store fails; also each method.
        """
        self._client = client
        self._experiment = experiment
        self._study = study
        # User, source and commit, as MLflow's own runs have.
        self._context: Mapping[str, str] = resolve_tags({MLFLOW_SOURCE_NAME: "autotune"})
        runs = sorted(self._search_runs(), key=lambda run: run.info.start_time or 0, reverse=True)
        self._there = {run.data.tags.get(TRIAL): _there(run) for run in runs}  # of several, the one begun first
        self.datasets = {name for run in runs if TRIAL not in run.data.tags for name in _datasets(run)}

    @property
    def parent(self) -> str:
        """The run of the study itself, once it was put."""
        return self._there[None].run_id

    def tags(self, trial: int | None = None) -> Mapping[str, str]:
        """The tags of a trial's run, or of the study's own; empty where there is none."""
        run = self._there.get(_key(trial))
        return run.tags if run else {}

    def marked(self, name: str) -> set[int]:
        """The trials whose tag of this name is true."""
        return {int(key) for key, run in self._there.items() if key is not None and run.tags.get(name) == "true"}

    def has(self, trial: int) -> bool:
        """Whether a trial has a run, whole or not."""
        return _key(trial) in self._there

    def put(self, entry: Entry, trial: int | None = None) -> bool:
        """Makes a run be so, or makes it.

        Args:
            entry: it.
            trial: that it is of; None for the study's own, which comes first.

        Returns:
            Whether there was anything to write.
        """
        run = self._there.get(_key(trial))
        new = run is None
        if run is None:
            run = self._there[_key(trial)] = self._created(entry, trial)
        tags = {name: value for name, value in entry.tags.items() if run.tags.get(name) != value}
        params = {name: value for name, value in entry.params.items() if name not in run.params}
        metrics = {name: series for name, series in entry.metrics.items() if run.metrics.get(name) != series[-1][1]}
        now = int(time.time() * 1000)
        if tags or params or metrics:
            self._client.log_batch(
                run.run_id,
                [
                    Metric(name, value, now if name in run.metrics else entry.ended or now, step)
                    for name, series in metrics.items()
                    for step, value in series
                ],
                [Param(name, value) for name, value in params.items()],
                [RunTag(name, value) for name, value in tags.items()],
            )
            run.tags.update(tags)
            run.params.update(params)
            run.metrics.update({name: series[-1][1] for name, series in metrics.items()})
        ends = entry.status != run.status
        if ends:
            if entry.status == "RUNNING":
                self._client.update_run(run.run_id, entry.status)
            else:
                self._client.set_terminated(run.run_id, entry.status, entry.ended or now)
            run.status = entry.status
        return new or ends or bool(tags or params or metrics)

    def tag(self, name: str, value: str) -> None:
        """Sets a tag of the study's own run."""
        self._client.set_tag(self.parent, name, value)
        self._there[None].tags[name] = value

    def add_dataset(self, context: str, dataset: Dataset) -> None:
        """Says on the study's own run what it used, and what for."""
        self._client.log_inputs(self.parent, [DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)])])
        self.datasets.add((dataset.name, context))

    def _created(self, entry: Entry, trial: int | None) -> _There:
        own = {} if trial is None else {TRIAL: str(trial), MLFLOW_PARENT_RUN_ID: self.parent}
        tags = {**self._context, **entry.tags, STUDY: self._study, **own}
        run = self._client.create_run(self._experiment, entry.began or None, tags, entry.name)
        return _There(run.info.run_id, run.info.status, tags, set(), {})

    def _search_runs(self) -> Iterator[Run]:
        token: str | None = ""
        while token is not None:
            query = f"tags.`{STUDY}` = '{self._study}'"
            page = self._client.search_runs([self._experiment], query, max_results=_PAGE, page_token=token or None)
            yield from page
            token = page.token or None


def _key(trial: int | None) -> str | None:
    return None if trial is None else str(trial)


def _there(run: Run) -> _There:
    data = run.data
    return _There(run.info.run_id, run.info.status, dict(data.tags), set(data.params), dict(data.metrics))


def _datasets(run: Run) -> Iterator[tuple[str, str]]:
    inputs: Any = run.inputs  # MLflow's types have no None, which it is of a run that used nothing
    for used in inputs.dataset_inputs if inputs else ():
        contexts = [tag.value for tag in used.tags if tag.key == MLFLOW_DATASET_CONTEXT]
        yield used.dataset.name, contexts[0] if contexts else ""
