"""A study in MLflow: a parent run, a nested run for each trial, the front as artifacts."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from autotune.config import fingerprint
from autotune.devices.snippets import python
from autotune.files import Scratch
from autotune.ledger.artifacts import is_file_of
from autotune.report.figures import write_front
from autotune.report.picture import draw
from autotune.results.front import MeasuredPoint, ParetoFront, Point
from autotune.results.record import Begun, Record
from autotune.tflite.flatbuffer import ends_if_any
from autotune.tflite.state import state
from autotune.track.entries import study_entry, trial_entry
from autotune.track.mlflow.runs import Runs
from autotune.track.mlflow.server import experiment, failure, impatient, opened

MODELS = "models"
"""Folder of the parent's artifacts that holds the front's files."""

_SHOWN = "autotune.shown"
"""Tag of the parent: the fingerprint of what its artifacts show."""

_DIGEST = 36
"""Characters of a dataset's digest that MLflow takes."""


class MlflowTracker:
    """Writes to one tracking store, and finds again what is there. It is opened when first needed."""

    def __init__(self, uri: str) -> None:
        """
        Args:
            uri: of the tracking store: sqlite:///FILE, http://HOST:PORT, …
        """
        self._uri = uri
        self._runs: dict[str, Runs] = {}

    def update(self, record: Record) -> None:
        """Logs the trials that have no run yet, and which are on the front by now.

        Raises:
            Fault: the store can't be reached, or refuses something.
        """
        with self._reaching(record) as runs:
            if not isinstance(record, Begun):
                return
            front = record.front()
            runs.put(study_entry(record, finished=False))
            ahead = {point.trial for point in front.points} | runs.marked("on_front")
            self._put(runs, record, front, [p for p in record.points if p.trial in ahead or not runs.has(p.trial)])

    def finish(self, record: Record) -> int:
        """Logs all that is not logged yet, and the front on the parent: front.json, front.png, front.html, and
        the files in models/, each with its recipe and measurement.

        Returns:
            How many runs were written or changed.

        Raises:
            Fault: the store can't be reached, or refuses something.
        """
        with self._reaching(record) as runs:
            if not isinstance(record, Begun):
                return 0
            front = record.front()
            if not runs.tags():
                runs.put(study_entry(record, finished=False))
            written = self._put(runs, record, front, record.points)
            changed = self._log_datasets(runs, record) | self._log_front(runs, record, front)
            return written + (runs.put(study_entry(record, finished=True)) or changed)

    @contextmanager
    def _reaching(self, record: Record) -> Iterator[Runs]:
        """The study's runs. They are looked for again after a failure, which may have left one half written."""
        study = record.meta.id
        try:
            with impatient():
                if study not in self._runs:
                    client = opened(self._uri)
                    self._runs[study] = Runs(client, experiment(client), study)
                yield self._runs[study]
        except Exception as error:
            self._runs.pop(study, None)
            if (fault := failure(self._uri, error)) is not None:
                raise fault from error
            raise

    def _put(self, runs: Runs, record: Begun, front: ParetoFront, points: Sequence[Point]) -> int:
        """How many of these trials' runs were written or changed."""
        on_front = {point.trial for point in front.points}
        pick = front.pick()
        extra = {name for point in record.points for name, _ in point.outcome.config.recipe.extra}
        return sum(
            runs.put(
                trial_entry(
                    record,
                    point,
                    extra,
                    on_front=point.trial in on_front,
                    recommended=pick is not None and point.trial == pick.trial,
                ),
                point.trial,
            )
            for point in points
        )

    def _log_datasets(self, runs: Runs, record: Record) -> bool:
        """The splits, each a dataset; studies from before they were kept have none. Whether any was new."""
        data = record.meta.data
        new = [context for context in data.splits if (data.name, context) not in runs.datasets]
        for context in new:
            split = data.splits[context]
            profile = {"num_rows": split.samples, "features_shape": split.shape}
            source = json.dumps({"uri": record.meta.options.data})
            digest = split.fingerprint[:_DIGEST]
            runs.add_dataset(context, Dataset(data.name, digest, "local", source, profile=json.dumps(profile)))
        return bool(new)

    def _log_front(self, runs: Runs, record: Begun, front: ParetoFront) -> bool:
        """The front's artifacts, where they would show anything else than those that are there."""
        device = record.meta.device
        tests = {trial: tested.to_json() for trial, tested in record.tests.items()}
        shown = fingerprint([point.to_json(device) for point in record.points], list(record.meta.targets), tests)
        if runs.tags().get(_SHOWN) == shown:
            return False
        client = MlflowClient(tracking_uri=self._uri)
        with Scratch() as name:
            folder = Path(name, "artifacts")
            folder.mkdir()
            (folder / "front.json").write_text(json.dumps(front.to_json(device), indent=1))
            draw(record, folder / "front.png")
            write_front(record, folder / "front.html")
            (folder / MODELS).mkdir()
            for point in front.points:
                _add_model(record, point, folder / MODELS)
            names = {path.name for path in (folder / MODELS).iterdir()}
            client.log_artifacts(runs.parent, str(folder))
        self._drop(client, runs.parent, names)
        runs.tag(_SHOWN, shown)
        return True

    def _drop(self, client: MlflowClient, parent: str, names: set[str]) -> None:
        """Removes files that are on the front no more: whose names are not among these."""
        old = [file.path for file in client.list_artifacts(parent, MODELS) if Path(file.path).name not in names]
        if old:
            run = client.get_run(parent)
            artifacts = get_artifact_repository(run.info.artifact_uri, tracking_uri=self._uri)
            for path in old:
                artifacts.delete_artifacts(path)  # type: ignore[no-untyped-call]  # MLflow's own


def _add_model(record: Record, point: MeasuredPoint, folder: Path) -> None:
    """A file of the front, and beside it in JSON its recipe and all that was measured of it."""
    file = folder / f"{point.trial}.tflite"
    outcome = point.outcome
    facts = outcome.to_json()["facts"]
    if is_file_of(Path(point.model), outcome):
        file.symlink_to(Path(point.model).resolve())
    file_state = state(file.read_bytes()) if file.exists() else ""
    called = ends_if_any(file.read_bytes()) if file.exists() else None
    tested = record.tests.get(str(point.trial))
    sheet = {
        **point.to_json(record.meta.device),
        "model": file.name,
        "study": record.name,
        "interval": facts.get("interval"),
        "measurement": facts.get("latency"),
        "test": tested and tested.to_json(),
        "violations": point.violations,
        "layers": facts.get("layers"),
        "training": facts.get("training"),
        **outcome.cuts,
        "device": record.meta.device.to_json(),
        "load": python(Path(file.name), outcome.config, file_state, record.input(outcome.config.recipe), called),
    }
    file.with_suffix(".json").write_text(json.dumps(sheet, indent=1))
