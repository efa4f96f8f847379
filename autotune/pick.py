"""Hands out a file with its recipe, and says how to load it."""

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from autotune.choice import Choice, Trade, ranked, runners_up
from autotune.errors import UserError
from autotune.front import Front, Point, interval
from autotune.outcome import Measurement
from autotune.record import Record
from autotune.show_table import missed
from autotune.show_units import milliseconds, number
from autotune.study.latencies import CHANGED
from autotune.study.recheck import Rechecked
from autotune.target import LATENCY, Target
from autotune.together import Together, together

_RESOLVERS = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}


def choose(
    record: Record,
    targets: list[Target] | None,
    trial: int | None,
    choice: Choice = Choice(),  # noqa: B008  # frozen
) -> tuple[Front, Point | None]:
    """The front, and the point to hand out; None where nothing meets the targets.

    Args:
        record: of the study.
        targets: in place of the study's, None for those.
        trial: to take, None where the rule decides.
        choice: the rule.

    Raises:
        UserError: there is no such trial, or none at all, or its file is gone.
    """
    front = record.front(targets)
    if front is None or not front.points:
        raise UserError(f"study {record.name!r} has no measured trials yet; run it first")
    if trial is None:
        point = next(ranked(front, choice), None)
    else:
        known = {point.trial: point for point in record.judged(front.targets)}
        if trial not in known:
            raise UserError(
                f"study {record.name!r} has no measured trial {trial}; see autotune front {record.name} --all"
            )
        point = known[trial]
    if point is not None:
        _check_file(point)
    return front, point


def choose_together(
    records: Mapping[str, Record], targets: list[Target] | None, trial: int | None, choice: Choice
) -> tuple[Together, Point | None]:
    """One file for several devices: what there is to choose from, and what is chosen, as a point of all of them.

    Args:
        records: by device, the one that the search was for first.
        targets: as choose().
        trial: of the first device, of the file to take; None where the rule decides.
        choice: the rule.

    Raises:
        UserError: no file was measured on all of them, none is of this trial, or it is gone.
    """
    found = together(records, targets)
    first, devices = next(iter(records.values())), ", ".join(records)
    if found is None:
        raise UserError(f"study {first.name!r} has no file that was measured on all of {devices}")
    if trial is None:
        point = next(ranked(found.front, choice), None)
    else:
        [artifact] = [point.outcome.artifact for point in first.points if point.trial == trial] or [None]
        if artifact not in found.files:
            raise UserError(f"the file of trial {trial} of study {first.name!r} was not measured on all of {devices}")
        point = found.files[artifact]
    if point is not None:
        _check_file(point)
    return found, point


def _check_file(point: Point) -> None:
    if not Path(str(point.model)).exists():
        raise UserError(f"{point.model} is gone; run the study again with another --name to build it anew")


@dataclass(frozen=True)
class Picked:
    """A point that is handed out, with all that there is to say of it.

    Attributes:
        record: of the study.
        front: that the point was chosen from.
        point: it.
        found: what became of it when it was measured once more.
        choice: how it was chosen.
    """

    record: Record
    front: Front
    point: Point
    found: Rechecked
    choice: Choice = Choice()  # noqa: RUF009  # frozen

    @cached_property
    def runners_up(self) -> list[Trade]:
        """What would be taken in its place."""
        return runners_up(self.front, self.point, self.choice)

    @cached_property
    def remarks(self) -> list[str]:
        """What the second look at it has brought to light; a line each."""
        return [*self.found.remarks, *doubts(self.record, self.front, self.point, self.found)]

    def to_json(self, file: Path) -> dict[str, Any]:
        """What it is on its device.

        Args:
            file: as it was handed out.
        """
        point, found = self.point, self.found
        return {
            **{key: value for key, value in point.to_json(self.record.meta["device"]).items() if key != "model"},
            "runners_up": [trade.to_json() for trade in self.runners_up],
            "remeasured": None if found.latency is None else found.latency.to_json() | drift(point, found.latency),
            "test": found.test,
            "remarks": self.remarks,
            "standard_error": point.outcome.facts["standard_error"],
            "interval": list(interval(point.outcome.metrics, point.outcome.facts, self.front.quality)),
            "evaluated_on": point.outcome.facts.get("evaluated_on"),
            "tied_with": [rival.trial for rival in self.front.rivals(point)],
            "from": self.record.meta["options"],
            "device": self.record.meta["device"],
            "load": snippet(file, point),
        }


def hand_out(picked: Picked, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Copies the file and writes the recipe beside it.

    Args:
        picked: the point.
        folder: to put the files into.

    Returns:
        The file's path, and the recipe.

    Raises:
        UserError: the folder can't be written to.
    """
    file = _file(picked, folder)
    return _written(picked, file, _head(picked, file) | picked.to_json(file))


def hand_out_together(picked: Mapping[str, Picked], folder: Path) -> tuple[Path, dict[str, Any]]:
    """The same for one file on several devices; its recipe says what it is on each.

    Args:
        picked: the file's point, by device.
        folder: to put the files into.

    Returns:
        The file's path, and the recipe.

    Raises:
        UserError: the folder can't be written to.
    """
    first = next(iter(picked.values()))
    file = _file(first, folder)
    devices = {device: one.to_json(file) for device, one in picked.items()}
    return _written(first, file, _head(first, file) | {"devices": devices})


def _file(picked: Picked, folder: Path) -> Path:
    return folder / f"{picked.record.name}-{picked.point.trial}.tflite"


def _head(picked: Picked, file: Path) -> dict[str, Any]:
    """What a recipe says whatever the device."""
    return {
        "model": file.name,
        "study": picked.record.name,
        "targets": [target.text for target in picked.front.targets],
        "rule": picked.choice.to_json(),
        "layers": picked.point.outcome.facts["layers"],
    }


def _written(picked: Picked, file: Path, recipe: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    assert picked.point.model is not None  # only measured points are handed out
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picked.point.model, file)
        file.with_suffix(".json").write_text(json.dumps(recipe, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"--out {file.parent}: {error.strerror}; choose another folder") from error
    return file, recipe


def drift(point: Point, now: Measurement) -> dict[str, Any]:
    """How a latency compares with the study's: its change as a share of that, and whether their intervals meet."""
    before, then = point.outcome.metrics[LATENCY.key], point.outcome.latency
    low, high = (before, before) if then is None else (then.low_ms, then.high_ms)
    return {"change": now.p50_ms / before - 1, "intervals_meet": low <= now.high_ms and now.low_ms <= high}


def doubts(record: Record, front: Front, point: Point, found: Rechecked) -> Iterator[str]:
    """What the second look at a picked file has brought to light; a line each."""
    if found.latency is not None:
        yield from _doubts_of_latency(record, front, point, found.latency)
    if found.test is not None:
        yield from _doubts_of_test(front, point, found.test)


def _doubts_of_latency(record: Record, front: Front, point: Point, now: Measurement) -> Iterator[str]:
    gap = drift(point, now)
    if abs(gap["change"]) > CHANGED and not gap["intervals_meet"]:
        yield (
            f"its latency is now {milliseconds(now.p50_ms)}, {gap['change']:+.0%} off the search's, and the intervals "
            f"do not meet: is device {record.meta['device']['device']} as it was then?"
        )
    if not now.stable:
        yield f"its latency now is not stable: {now.verdict}"
    judged = record.judge(replace(point, outcome=point.outcome.timed(now)), front.targets)
    if point.feasible and not judged.feasible:
        yield f"as measured now: {missed(front, judged)}"


def _doubts_of_test(front: Front, point: Point, scores: dict[str, Any]) -> Iterator[str]:
    quality = front.quality
    seen, value = point.outcome.metrics[quality.key], scores[quality.key]
    if _apart(
        (seen, *interval(point.outcome.metrics, point.outcome.facts, quality)),
        (value, *interval(scores, scores, quality)),
    ):
        yield (
            f"its {quality.name} is {number(value, quality)} on the test split and {number(seen, quality)} on "
            "validation, further apart than chance makes them: quote the former"
        )
    for target in front.targets:
        if target.metric == quality and not target.met(value, front.baseline.metrics):
            yield f"on the test split it misses {target.text}: the search's best is partly luck; ask for a margin"


def _apart(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """Whether two values of independent samples differ, by the 95 % interval of their difference.

    It is put together from their own (value, low, high): R. G. Newcombe, Interval Estimation for the
    Difference between Independent Proportions, Statistics in Medicine 17, 1998, method 10.
    """
    (more, low, _), (less, _, high) = sorted((one, other), reverse=True)
    return more - less > math.hypot(more - low, high - less)


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
