"""Where a study lies: its journal, who may write to it, and what can be read from it."""

import fcntl
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from autotune.errors import UserError
from autotune.files import make_way, remove, whole
from autotune.json_object import JsonObject
from autotune.ledger.artifacts import ScoreFiles, model_path
from autotune.ledger.journal_file import Damage, JournalFile, cut, free_name, opened
from autotune.ledger.quiet import quiet
from autotune.results.channel_plan import ChannelPlan
from autotune.results.front import MeasuredPoint, Point
from autotune.results.meta import Meta
from autotune.results.outcome import Measured, Refused, outcome_from_json
from autotune.results.profile import KeptProfile
from autotune.results.quality import Scored
from autotune.results.record import BASELINE, Begun, Gaps, Record
from autotune.results.remeasured import Remeasured, remeasured_from_json, with_second
from autotune.targets.target import Target

JOURNAL, LOCK = "journal.log", "lock"
PACKAGE = "litert-autotune"
FORMAT = 1
"""Of what a journal holds; a study's meta has the one that it was written in."""

FREE = "free"
"""Attribute of trials that nobody asked for."""


class MetaError(ValueError):
    """What a study was started with can't be understood; says why in a line."""


def read(folder: Path, name: str) -> Record:
    """A study's record, without writing to it; as far as its journal is whole.

    Raises:
        UserError: as read_if_any(), or there is no such study, or nothing of it is whole.
    """
    path = folder / JOURNAL
    if not os.path.lexists(path):
        names = sorted(path.parent.name for path in folder.parent.glob(f"*/{JOURNAL}"))
        raise UserError(
            f"no study {name!r} in {folder.parent}; there {'is ' + ', '.join(names) if names else 'is none'}"
        )
    record = read_if_any(folder, name)
    if record is None:
        raise UserError(f"study {name!r}: {path} is damaged or empty")
    return record


def read_if_any(folder: Path, name: str) -> Record | None:
    """What read() gives; None where a run of this name begins anew: there is no journal, or nothing of it is whole.

    Raises:
        UserError: the journal can't be read or understood, is of a study of another name, or from a newer version of
            autotune.
    """
    path = folder / JOURNAL
    if not path.is_file():
        return None
    record, damage = _opened(folder, name)
    if record is None or damage is None or (not damage.ended and _is_held(folder)):
        return record
    return replace(
        record,
        damage=f"study {name!r}: {path} is damaged from line {damage.line} on; "
        "what is before counts, and the next run goes on from there",
    )


def _opened(folder: Path, name: str) -> tuple[Record | None, Damage | None]:
    """A study's record as far as its journal is whole, and where that ends; None where it has not begun there.

    Raises:
        UserError: as read_if_any().
    """
    path = folder / JOURNAL

    def record(storage: JournalStorage) -> Record | None:
        names = {study.study_name for study in storage.get_all_studies()}
        if names - {name}:
            raise UserError(
                f"study {name!r}: {path} is of study {min(names - {name})!r}; "
                "call its folder so again, or choose another --name"
            )
        study = optuna.load_study(study_name=name, storage=storage) if names else None
        if study is None or "meta" not in study.user_attrs:
            return None
        record = record_of(study, folder, Gaps(ScoreFiles(folder)))
        if isinstance(record, Begun):
            record.hypervolume()  # looks at what all points are held against each other by
        return record

    try:
        return opened(path, record)
    except OSError as error:
        raise UserError(f"study {name!r}: {path} can't be read: {error.strerror}") from error
    except MetaError as error:
        raise UserError(
            f"study {name!r}: {path} doesn't tell what the study was started with ({error}); "
            "use the version of autotune that wrote it, or choose another --name"
        ) from error


@contextmanager
def exclusive(folder: Path, name: str) -> Iterator[None]:
    """Holds the study: nobody else may write to it. The kernel lets go when its holder dies.

    Raises:
        UserError: another process holds it.
    """
    path = folder / LOCK
    make_way(path)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _busy(name) from error
        yield


def check_free(folder: Path, name: str) -> None:
    """Refuses a study that is under way elsewhere.

    Raises:
        UserError: another process holds the study.
    """
    if _is_held(folder):
        raise _busy(name)


def _busy(name: str) -> UserError:
    return UserError(f"study {name!r} is being run by another process; wait for it, or choose another --name")


def _is_held(folder: Path) -> bool:
    """Whether a process holds the study."""
    try:
        with (folder / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def storage(folder: Path) -> JournalStorage:
    """A study's journal, for Optuna."""
    return JournalStorage(JournalFile(folder / JOURNAL))


def mend(folder: Path, name: str) -> str | None:
    """Takes back what a killed writer left, and ends the journal where it is damaged, for whoever holds the study.

    Returns:
        What became of what was damaged, None where nothing was.

    Raises:
        UserError: as read_if_any().
    """
    path = folder / JOURNAL
    for left in (path.with_name(path.name + ".lock"), *folder.glob(".new-*")):
        remove(left)
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        aside = path.rename(free_name(path))
        return f"study {name!r}: {path} was no file, and is kept as {aside.name}; the study begins anew"
    record, damage = _opened(folder, name)
    note = None
    if damage is not None:
        aside = cut(path, damage)
        note = f"study {name!r}: {path} was damaged from line {damage.line} on, which is kept as {aside.name}; " + (
            "the study begins anew" if record is None else "the study goes on from what is before"
        )
    if record is None:
        path.unlink()
    return note


@quiet()
def create(storage: BaseStorage, name: str, meta: Meta) -> optuna.Study:
    """A new study.

    Args:
        storage: to keep it in.
        name: of it.
        meta: kept with it; says what the objectives are.
    """
    goals = Record(name, Path(), meta).objectives
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=["maximize" if goal.better == "higher" else "minimize" for goal in goals],
    )
    study.set_user_attr("meta", meta.to_json())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([goal.key for goal in goals])  # for Optuna's own views
    return study


def load_or_create(folder: Path, name: str, meta: Meta) -> optuna.Study:
    """The study of a folder, created where it is not there; its journal appears with all that a study begins with."""
    path = folder / JOURNAL
    if not path.exists():
        with whole(path) as fresh:
            create(JournalStorage(JournalFile(fresh)), name, meta)
    return optuna.load_study(study_name=name, storage=storage(folder))


def record_of(study: optuna.Study, folder: Path, gaps: Gaps) -> Record:
    """The study's record.

    Args:
        study: it.
        folder: of it.
        gaps: to the baseline, as far as they are known.

    Raises:
        UserError: it is from a newer version of autotune.
        MetaError: what it was started with can't be understood.
    """
    attrs = study.user_attrs
    remeasured = {trial: remeasured_from_json(values) for trial, values in attrs.get("remeasured", {}).items()}
    record = Record(
        study.study_name,
        folder,
        _meta(study),
        tests={trial: Scored.from_json(values) for trial, values in attrs.get("tests", {}).items()},
        runs=attrs.get("runs", []),
        remeasured=remeasured,
        profiles={trial: KeptProfile.from_json(values) for trial, values in attrs.get("profiles", {}).items()},
        channels={name: ChannelPlan.from_json(values) for name, values in attrs.get("channels", {}).items()},
        gaps=gaps,
    )
    if "baseline" in attrs:
        record = record.begin(_baseline(attrs["baseline"], remeasured.get(str(BASELINE))))
    targets = record.targets
    points = []
    failed = Counter[str]()
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.FAIL and "fault" in trial.user_attrs:
            failed[trial.user_attrs["fault"]] += 1
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            points.append(point_of(trial, record, targets))
    return replace(record, points=points, failed=dict(failed))


def _meta(study: optuna.Study) -> Meta:
    """What a study was started with.

    Raises:
        UserError, MetaError: as record_of().
    """
    values = study.user_attrs["meta"]
    try:
        if values.get("format", 0) > FORMAT:
            raise UserError(
                f"study {study.study_name!r} is from a newer version of autotune "
                f"({values.get('versions', {}).get(PACKAGE, 'unknown')}); update autotune, or choose another --name"
            )
        meta = Meta.from_json(values)
        record = Record(study.study_name, Path(), meta)
        _ = record.targets, record.objectives  # which are texts until then
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MetaError(str(error)) from error
    return meta


def point_of(trial: FrozenTrial, record: Record, targets: Sequence[Target]) -> Point:
    """A finished trial, held against targets where the study has begun."""
    outcome = with_second(outcome_from_json(trial.user_attrs["outcome"]), record.remeasured.get(str(trial.number)))
    free = trial.user_attrs.get(FREE, False)
    began, ended = (when.timestamp() if when else 0.0 for when in (trial.datetime_start, trial.datetime_complete))
    if isinstance(outcome, Refused):
        model = str(model_path(record.folder, outcome.artifact)) if outcome.artifact else None
        return Point(trial.number, outcome, {}, model, free, began=began, ended=ended)
    model = str(model_path(record.folder, outcome.artifact))
    point = MeasuredPoint(trial.number, outcome, {}, model, free, began=began, ended=ended)
    return record.judge(point, targets) if isinstance(record, Begun) else point


def _baseline(values: JsonObject, again: Remeasured | None) -> Measured:
    """The baseline, with its second measurement where there is one.

    Raises:
        ValueError: it was refused.
    """
    outcome = with_second(outcome_from_json(values), again)
    if isinstance(outcome, Refused):
        raise ValueError("a baseline that was refused")
    return outcome
