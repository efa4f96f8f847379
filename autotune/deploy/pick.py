"""Hands out a file with its recipe, and says how to load it."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from autotune.deploy.caveats import doubts, drift
from autotune.deploy.recheck import Rechecked
from autotune.devices.snippets import python, snippets
from autotune.errors import UserError
from autotune.files import sha256, whole
from autotune.json_object import JsonObject
from autotune.ledger.artifacts import is_file_of
from autotune.report.reproduce import command
from autotune.results.decision import DecisionRule, Trade, ranked, runners_up
from autotune.results.devices import Together, together
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.measurement import Measurement
from autotune.results.outcome import Measured
from autotune.results.record import Begun, Record
from autotune.study.measured_file import check_file
from autotune.targets.metric import DOWNLOAD, LATENCY, METRICS
from autotune.targets.target import Target
from autotune.text.units import heading, milliseconds, price, quality_within, tested_within
from autotune.tflite.ends import Ends
from autotune.tflite.flatbuffer import ends_if_any
from autotune.tflite.recurrent import left_float
from autotune.tflite.state import KEEPS, State, state


def choose(
    record: Record,
    targets: list[Target] | None,
    trial: int | None,
    rule: DecisionRule = DecisionRule(),  # noqa: B008  # frozen
) -> tuple[ParetoFront, MeasuredPoint | None]:
    """The front, and the point to hand out; None where nothing meets the targets.

    Args:
        record: of the study.
        targets: in place of the study's, None for those.
        trial: to take, None where the rule decides.
        rule: of the decision.

    Raises:
        UserError: there is no such trial, or none at all, or its file is gone or damaged.
    """
    if not isinstance(record, Begun) or not record.measured:
        raise UserError(f"study {record.name!r} has no measured trials yet; run it first")
    front = record.front(targets)
    if trial is None:
        point = next(ranked(front, rule), None)
    else:
        by_trial = {point.trial: point for point in record.judged(front.targets)}
        if trial not in by_trial:
            raise UserError(
                f"study {record.name!r} has no measured trial {trial}; see {command(record, 'front', '--all')}"
            )
        point = by_trial[trial]
    if point is not None:
        check_file(record, point)
    return front, point


def choose_together(
    records: Mapping[str, Begun], targets: list[Target] | None, trial: int | None, rule: DecisionRule
) -> tuple[Together, MeasuredPoint | None]:
    """One file for several devices: what there is to choose from, and what is chosen, as a point of all of them.

    Args:
        records: by device, the one that the search was for first.
        targets: as choose().
        trial: of the first device, of the file to take; None where the rule decides.
        rule: of the decision.

    Raises:
        UserError: no file was measured on all of them, none is of this trial, or it is gone or damaged.
    """
    choice = together(records, targets)
    first = next(iter(records.values()))
    devices = ", ".join(records)
    if choice is None:
        raise UserError(f"study {first.name!r} has no file that was measured on all of {devices}")
    if trial is None:
        point = next(ranked(choice.front, rule), None)
    else:
        [artifact] = [point.outcome.artifact for point in first.points if point.trial == trial] or [None]
        if artifact not in choice.files:
            raise UserError(f"the file of trial {trial} of study {first.name!r} was not measured on all of {devices}")
        point = choice.files[artifact]
    for device, on_device in ({} if point is None else choice.on_each(point)).items():
        check_file(records[device], on_device)
    return choice, point


@dataclass(frozen=True)
class Picked:
    """A point that is handed out, with all that there is to say of it.

    Attributes:
        record: of the study.
        front: that the point was chosen from.
        point: it.
        rechecked: what became of it when it was measured once more.
        rule: by which it was chosen.
    """

    record: Begun
    front: ParetoFront
    point: MeasuredPoint
    rechecked: Rechecked
    rule: DecisionRule = DecisionRule()  # noqa: RUF009  # frozen

    @cached_property
    def runners_up(self) -> list[Trade]:
        """What would be taken in its place."""
        return runners_up(self.front, self.point, self.rule)

    @cached_property
    def state(self) -> State:
        """What its file keeps from one inference to the next."""
        return state(Path(self.point.model).read_bytes())

    @cached_property
    def ends(self) -> Ends | None:
        """What its file's inputs and outputs are called."""
        return ends_if_any(Path(self.point.model).read_bytes())

    @cached_property
    def remarks(self) -> list[str]:
        """What there is to know of its file, and what the second look at it has brought to light; a line each."""
        outcome = self.point.outcome
        of_file = [f"it {KEEPS}"] if self.state else []
        if outcome.config.recipe.quantize != "none" and (line := left_float(outcome.layers)):
            of_file.append(line)
        return [*of_file, *self.rechecked.remarks, *doubts(self.record, self.front, self.point, self.rechecked)]

    def to_json(self, file: Path) -> JsonObject:
        """What it is on its device.

        Args:
            file: as it was handed out.
        """
        point = self.point
        rechecked = self.rechecked
        config = self.point.outcome.config
        return {
            **{key: value for key, value in point.to_json(self.record.meta.device).items() if key != "model"},
            "runners_up": [trade.to_json() for trade in self.runners_up],
            "remeasured": None if rechecked.latency is None else _remeasured(point, rechecked.latency),
            "test": rechecked.test and rechecked.test.to_json(),
            "baseline_test": rechecked.baseline and rechecked.baseline.to_json(),
            "remarks": self.remarks,
            "standard_error": point.outcome.certainty.standard_error,
            "interval": list(point.outcome.interval(self.front.quality)),
            "evaluated_on": point.outcome.evaluated_on and asdict(point.outcome.evaluated_on),
            "tied_with": [rival.trial for rival in self.front.rivals(point)],
            "from": self.record.meta.options.to_json(),
            "device": self.record.meta.device.to_json(),
            "load": python(file, config, self.state, self.record.input(config.recipe), self.ends),
        }


def _remeasured(point: MeasuredPoint, now: Measurement) -> JsonObject:
    """A latency as it is now, and how it compares with the study's."""
    return {**now.to_json(), **asdict(drift(point, now))}


def hand_out(picked: Picked, folder: Path) -> tuple[Path, JsonObject]:
    """Copies the file, and writes its recipe and a page for people beside it.

    Args:
        picked: the point.
        folder: to put the files into.

    Returns:
        The file's path, and the recipe.

    Raises:
        UserError: the folder can't be written to, or the file is gone or damaged by now.
    """
    check_file(picked.record, picked.point)
    file = _file(picked, folder)
    return _written(picked, file, _head(picked, file) | picked.to_json(file), page([picked], file))


def hand_out_together(picked: Mapping[str, Picked], folder: Path) -> tuple[Path, JsonObject]:
    """The same for one file on several devices; its recipe says what it is on each.

    Args:
        picked: the file's point, by device.
        folder: to put the files into.

    Returns:
        The file's path, and the recipe.

    Raises:
        UserError: as hand_out().
    """
    first = next(iter(picked.values()))
    for on_device in picked.values():
        check_file(on_device.record, on_device.point)
    file = _file(first, folder)
    devices = {device: on_device.to_json(file) for device, on_device in picked.items()}
    return _written(first, file, _head(first, file) | {"devices": devices}, page(list(picked.values()), file))


def page(picked: Sequence[Picked], file: Path) -> str:
    """A page on a file in Markdown: what it is, its numbers on each device, and code that runs it so.

    Args:
        picked: the file's point, on each device.
        file: as it was handed out.
    """
    first = picked[0]
    front, record = first.front, first.record
    targets = f", for {', '.join(target.text for target in front.targets)}" if front.targets else ""
    recipe = first.point.outcome.config.recipe
    weight = heading(DOWNLOAD, record.codec)
    lines = [f"# {file.name}", "", f"{recipe}: study {record.name}{targets}. All of it is in {file.stem}.json.", ""]
    lines += _cuts(first.point.outcome)
    lines += [f"| device | runs on | {front.quality.name} | on the test split | median | size | {weight} |"]
    lines += ["|---" * 7 + "|", *(_row(on_device) for on_device in picked), ""]
    lines += [f"- {on_device.record.device}: {remark}" for on_device in picked for remark in on_device.remarks]
    for on_device in picked:
        runtime = on_device.point.outcome.config.runtime
        config, types = on_device.point.outcome.config, on_device.record.input(recipe)
        for snippet in snippets(file, config, on_device.state, types, on_device.ends):
            title = f"{snippet.language}, {on_device.record.device}: {runtime.delegate}, {runtime.threads} threads"
            lines += [
                "",
                f"## {title}",
                "",
                f"Needs: {snippet.needs}.",
                "",
                f"```{snippet.language}",
                snippet.code,
                "```",
            ]
    return "\n".join(lines) + "\n"


def _cuts(outcome: Measured) -> list[str]:
    """Which layers have fewer channels than the model's."""
    dead, cut = outcome.cuts.get("dead", {}).get("channels"), outcome.cuts.get("cut")
    lines = []
    for what, layers in (("Channels that changed nothing, taken out", dead), ("Channels cut", cut)):
        if layers:
            lines += [f"{what}: {', '.join(f'{name} {old} → {new}' for name, (old, new) in layers.items())}.", ""]
    return lines


def _row(picked: Picked) -> str:
    """A line of the page's table: with 95 % intervals, the latency as it is now where it was measured again."""
    quality, outcome = picked.front.quality, picked.point.outcome
    runtime = outcome.config.runtime
    latency = picked.rechecked.latency or outcome.latency
    test = "not evaluated" if picked.rechecked.test is None else tested_within(picked.rechecked.test, quality)
    median = milliseconds(outcome.metrics[LATENCY.key])
    if latency is not None:
        median = f"{milliseconds(latency.p50_ms)} ±{latency.reach:.1%}"
        if not latency.stable:
            median += f" ({latency.verdict})"
    seen = quality_within(outcome, quality)
    sizes = [price(outcome.metrics, metric) for metric in (METRICS["size"], DOWNLOAD)]
    cells = [picked.record.device, runtime.short, seen, test, median, *sizes]
    return f"| {' | '.join(cells)} |"


def _file(picked: Picked, folder: Path) -> Path:
    return folder / f"{picked.record.name}-{picked.point.trial}.tflite"


def _head(picked: Picked, file: Path) -> JsonObject:
    """What a recipe says whatever the device."""
    return {
        "model": file.name,
        "study": picked.record.name,
        "targets": [target.text for target in picked.front.targets],
        "rule": picked.rule.to_json(),
        "layers": picked.point.outcome.layers,
        **picked.point.outcome.cuts,
    }


def _written(picked: Picked, file: Path, recipe: JsonObject, text: str) -> tuple[Path, JsonObject]:
    try:
        with whole(file) as fresh:
            shutil.copyfile(picked.point.model, fresh)
            recipe["sha256"] = sha256(fresh)
            if not is_file_of(fresh, picked.point.outcome):
                raise UserError(f"{file}: the copy is not the file that was measured; try again, or another --out")
        write_recipe(file, recipe)
        file.with_suffix(".md").write_text(text)
    except OSError as error:
        raise UserError(f"--out {file.parent}: {error.strerror}; choose another folder") from error
    return file, recipe


def write_recipe(file: Path, recipe: JsonObject) -> None:
    """Writes the recipe of a file that was handed out beside it."""
    file.with_suffix(".json").write_text(json.dumps(recipe, indent=1) + "\n")
