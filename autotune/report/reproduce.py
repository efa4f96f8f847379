"""How what a study found is found again: commands, and a search space of one point."""

import json
import shlex
from pathlib import Path

from autotune.options.table import RunOptions
from autotune.results.front import Point
from autotune.results.record import Record
from autotune.targets.metric import bare, is_quality
from autotune.task import user_code

_INLINE = "in "
"""How the source of a space begins that is part of an experiment's file."""


def study_command(record: Record) -> str:
    """The command that runs the study once more; --custom-objects and --trust are for the user to give."""
    space = record.meta.options.space or ""
    inline = space.startswith(_INLINE)
    words = [space.removeprefix(_INLINE)] if inline else []
    words += [] if inline or not space else ["--space", space]
    words += [word for target in record.meta.targets for word in ("--target", target)]
    words += [*_objectives(record), "--trials", str(max(record.trials_done, 1)), "--name", record.asked_as]
    return _run(record, words)


def _objectives(record: Record) -> list[str]:
    names = ["quality" if metric == record.quality else metric.name for metric in record.objectives]
    return [word for name in names for word in ("--objective", name)]


def point_space(point: Point) -> str:
    """A search space (JSON, which is YAML, too) of nothing but this point; for each of several models."""
    return json.dumps({name: value for name, value in point.outcome.config.canonical().items() if name != "model"})


def point_command(record: Record) -> str:
    """The command that builds, evaluates and measures a point once more, its point_space() being in point.yaml."""
    trials = str(len(record.meta.options.model or ("",)))
    words = ["--space", "point.yaml", *_objectives(record), "--trials", trials, "--name", f"{record.asked_as}-point"]
    return _run(record, words)


def command(record: Record, name: str, *more: str) -> str:
    """The command of this name on the study, and these words after it."""
    return shlex.join(["autotune", name, record.name, *_folder(record.folder), *more])


def pick_command(record: Record, trial: int | str) -> str:
    """The command that hands out a trial's file."""
    device = ["--device", record.device] if record.name != record.asked_as else []
    return shlex.join(["autotune", "pick", record.asked_as, "--trial", str(trial), *device, *_folder(record.folder)])


def _run(record: Record, words: list[str]) -> str:
    """What data, model and device were, and these words."""
    options = record.meta.options
    share = options.validation_share
    values = {
        "--data": options.data,
        "--device": options.device,
        "--seed": options.seed,
        "--loss": None if user_code.is_function(options.loss) else options.loss,
        "--metric": options.metric if options.metric and is_quality(bare(options.metric)) else None,
        "--codec": None if options.codec == RunOptions.codec else options.codec,
        "--train-samples": options.train_samples,
        "--validation-share": None if share == RunOptions.validation_share else share,
    }
    setting = [word for model in options.model or () for word in ("--model", model)]
    setting += [word for option, value in values.items() if value is not None for word in (option, str(value))]
    setting += [word for layer in options.excluded or () for word in ("--exclude", layer)]
    setting += [word for shape in options.shape or () for word in ("--shape", shape)]
    setting += ["--signature", options.signature] if options.signature else []
    here = words[:1] if words and not words[0].startswith("-") else []
    return shlex.join(["autotune", "run", *here, *setting, *words[len(here) :], *_folder(record.folder)])


def _folder(folder: Path) -> list[str]:
    return [] if str(folder.parent) == RunOptions.dir else ["--dir", str(folder.parent)]
