"""Where a study lies: its journal, who may write to it, and what can be read from it."""

import fcntl
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from autotune.errors import UserError
from autotune.front import Point
from autotune.outcome import Measurement, Outcome
from autotune.record import BASELINE, Gaps, Record, model_path
from autotune.target import Target

JOURNAL = "journal.log"
PACKAGE = "litert-autotune"
FORMAT = 1
"""Of what a journal holds; a study's meta has the one that it was written in."""

FREE = "free"
"""Attribute of trials that nobody asked for."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


def read(folder: Path, name: str) -> Record:
    """A study's record, without writing to it.

    Raises:
        UserError: there is no such study, it is damaged, or from a newer version of autotune.
    """
    if not (folder / JOURNAL).is_file():
        known = sorted(path.parent.name for path in folder.parent.glob(f"*/{JOURNAL}"))
        raise UserError(
            f"no study {name!r} in {folder.parent}; there {'is ' + ', '.join(known) if known else 'is none'}"
        )
    try:
        return record_of(optuna.load_study(study_name=name, storage=storage(folder)), folder, Gaps())
    except (KeyError, json.JSONDecodeError, AssertionError) as error:
        raise UserError(f"study {name!r}: {folder / JOURNAL} is damaged or empty") from error


@contextmanager
def exclusive(folder: Path, name: str) -> Iterator[None]:
    """Holds the study: nobody else may write to it. The kernel lets go when its holder dies.

    Raises:
        UserError: another process holds it.
    """
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"study {name!r} is being run by another process; wait for it, or choose another --name"
            ) from error
        yield


def storage(folder: Path) -> JournalStorage:
    """A study's journal, for Optuna."""
    path = str(folder / JOURNAL)
    return JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))


def mend(journal: Path) -> None:
    """Takes back what a killed writer left: its lock, and a line without an end."""
    journal.with_name(journal.name + ".lock").unlink(missing_ok=True)
    if journal.exists():
        data = journal.read_bytes()
        if data and not data.endswith(b"\n"):
            with journal.open("r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)


def record_of(study: optuna.Study, folder: Path, gaps: Gaps) -> Record:
    """The study's record.

    Args:
        study: it.
        folder: of it.
        gaps: to the baseline, as far as they are known.

    Raises:
        UserError: it is from a newer version of autotune.
    """
    attrs = study.user_attrs
    if attrs["meta"].get("format", 0) > FORMAT:
        raise UserError(
            f"study {study.study_name!r} is from a newer version of autotune "
            f"({attrs['meta'].get('versions', {}).get(PACKAGE, 'unknown')}); update autotune, or choose another --name"
        )
    again = attrs.get("remeasured", {})
    baseline = _outcome(attrs["baseline"], again.get(str(BASELINE))) if "baseline" in attrs else None
    tests, runs, profiles = attrs.get("tests", {}), attrs.get("runs", []), attrs.get("profiles", {})
    record = Record(study.study_name, folder, attrs["meta"], baseline, [], {}, tests, runs, again, profiles, gaps)
    targets = record.targets
    points, failed = [], Counter[str]()
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.FAIL and "fault" in trial.user_attrs:
            failed[trial.user_attrs["fault"]] += 1
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            points.append(point_of(trial, record, targets))
    return replace(record, points=points, failed=dict(failed))


def point_of(trial: FrozenTrial, record: Record, targets: Sequence[Target]) -> Point:
    """A finished trial, held against targets where the record has a baseline."""
    outcome = _outcome(trial.user_attrs["outcome"], record.remeasured.get(str(trial.number)))
    model = str(model_path(record.folder, outcome.artifact)) if outcome.artifact else None
    point = Point(trial.number, outcome, {}, model, trial.user_attrs.get(FREE, False))
    return record.judge(point, targets) if outcome.state == "measured" and record.baseline is not None else point


def _outcome(values: dict[str, Any], again: dict[str, Any] | None) -> Outcome:
    """An outcome, with the latency that was taken once more where there is one."""
    outcome = Outcome.from_json(values)
    if again is None:
        return outcome
    if "refused" in again:
        return Outcome(outcome.config, "refused", artifact=outcome.artifact, reason=again["refused"])
    return outcome.timed(Measurement.from_json(again))
