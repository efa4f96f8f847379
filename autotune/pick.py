"""Hands out a file with its recipe, and says how to load it."""

import json
import shutil
from pathlib import Path
from typing import Any

from autotune.errors import UserError
from autotune.front import Front, Point, interval
from autotune.record import Record
from autotune.target import Target

_RESOLVERS = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}


def choose(record: Record, targets: list[Target] | None, trial: int | None) -> tuple[Front, Point | None]:
    """The front, and the point to hand out; None where nothing meets the targets.

    Raises:
        UserError: there is no such trial, or none at all.
    """
    front = record.front(targets)
    if front is None or not front.points:
        raise UserError(f"study {record.name!r} has no measured trials yet; run it first")
    if trial is None:
        return front, front.pick()
    known = {point.trial: point for point in record.judged(front.targets)}
    if trial not in known:
        raise UserError(f"study {record.name!r} has no measured trial {trial}; see autotune front {record.name} --all")
    return front, known[trial]


def hand_out(record: Record, front: Front, point: Point, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Copies the file and writes the recipe beside it.

    Returns:
        The file's path, and the recipe.

    Raises:
        UserError: the folder can't be written to, or the study's file is gone.
    """
    assert point.model is not None  # only measured points are handed out
    file = folder / f"{record.name}-{point.trial}.tflite"
    recipe = {
        "model": file.name,
        "study": record.name,
        **{key: value for key, value in point.to_json(record.meta["device"]).items() if key != "model"},
        "targets": [target.text for target in front.targets],
        "test": record.tests.get(str(point.trial)),
        "standard_error": point.outcome.facts["standard_error"],
        "interval": list(interval(point.outcome.metrics, point.outcome.facts, front.quality)),
        "tied_with": [rival.trial for rival in front.rivals(point)],
        "layers": point.outcome.facts["layers"],
        "from": record.meta["options"],
        "device": record.meta["device"],
        "load": snippet(file, point),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(point.model, file)
        file.with_suffix(".json").write_text(json.dumps(recipe, indent=1) + "\n")
    except FileNotFoundError as error:
        raise UserError(f"{point.model} is gone; run the study again with another --name to build it anew") from error
    except OSError as error:
        raise UserError(f"--out {folder}: {error.strerror}; choose another folder") from error
    return file, recipe


def snippet(file: Path, point: Point) -> str:
    """Python that loads the file as it was measured."""
    runtime = point.outcome.config.runtime
    if runtime.delegate not in _RESOLVERS:
        return f"# {file}: load it through the delegate {runtime.delegate} of the device, {runtime.threads} threads"
    integer = point.outcome.config.recipe.io == "int8"
    return (
        "from ai_edge_litert.interpreter import Interpreter, OpResolverType\n"
        f"interpreter = Interpreter(\n    model_path={str(file)!r},\n    num_threads={runtime.threads},\n"
        f"    experimental_op_resolver_type=OpResolverType.{_RESOLVERS[runtime.delegate]},\n)\n"
        "interpreter.allocate_tensors()"
        + ("\n# int8 in and out: x / scale + zero_point, of get_input_details()[0]['quantization']" if integer else "")
    )
