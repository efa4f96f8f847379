"""An experiment: what a run needs to know, from a YAML file and the command line."""

import re
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from autotune import plugins
from autotune.errors import UserError
from autotune.files import is_file
from autotune.json_object import JsonObject
from autotune.model.trust import Trust
from autotune.options.table import DATA, MODELS, OPTIONS, RunOptions
from autotune.plugins import resource
from autotune.space import file as space_file
from autotune.space.space import Categorical, Space
from autotune.targets import objectives
from autotune.targets.metric import CODECS
from autotune.targets.target import Target, parse_all
from autotune.yaml_file import Lines, place, read_yaml

if TYPE_CHECKING:
    from autotune.study.options import Options

KEYS = {name: option.kind for name, option in OPTIONS.items() if option.in_files}
"""What an experiment file may say, and as what."""


@dataclass(frozen=True)
class Settings:
    """A run as it was asked for, complete save for what the device decides.

    Attributes:
        values: of the file overridden by the command line; paths resolved.
        targets: parsed.
        objectives: parsed; empty where the targets say.
        remarks: to be shown to the user.
        file: that a space of its own stands in, None where that is of the call.
        lines: of this space's keys, for messages.
    """

    values: RunOptions
    targets: list[Target]
    objectives: tuple[str, ...]
    remarks: list[str]
    file: str | None
    lines: Lines

    @property
    def trust(self) -> Trust:
        """What code model files may run."""
        return Trust.of(self.values.trust, self.values.custom_objects)

    @property
    def folder(self) -> Path:
        """That holds the studies."""
        return Path(self.values.dir)

    def draft(self, jobs: int) -> "Options":
        """The driver's options as far as no device is asked: the space has all that any device may have.

        Args:
            jobs: number of workers.

        Raises:
            UserError: the space, the sampler or a device is not one.
        """
        return self.options(self.values.device[0], _Anything(), jobs)[0]

    def options(self, spec: str, device: "_Offers", jobs: int) -> "tuple[Options, list[str]]":
        """The driver's options, and remarks to be shown to the user.

        Args:
            spec: one of values.device.
            device: that it stands for.
            jobs: number of workers.

        Raises:
            UserError: the space is not one, or the device can't be reached.
        """
        from autotune.devices.device_file import located
        from autotune.study.options import Options

        space, remarks = self._space(device)
        values = self.values
        options = Options(
            models=tuple(Path(model) for model in values.model),
            data=fspath(values.data),
            space=space,
            targets=self.targets,
            objectives=self.objectives,
            name=values.name,
            folder=self.folder,
            sampler=plugins.load("samplers", values.sampler),
            jobs=jobs,
            trust=self.trust,
            device=located(spec),
            **values.as_said(),
        )
        return options, remarks

    def _space(self, device: "_Offers") -> tuple[Space, list[str]]:
        """The space on this device: without delegates that it has not, as long as another is left."""
        from autotune.compress.pipeline import dimensions
        from autotune.devices import delegates

        written = self.values.space
        extra = dimensions()
        auto = [name for name in device.delegates if name != "reference"] or list(device.delegates)
        if isinstance(written, str):
            space = space_file.read(written, device.threads, extra, auto)
        else:
            space = space_file.parse(written, f"in {self.file or 'the call'}", device.threads, extra, self.lines, auto)
        left = [name for name in space.delegates() if name in device.delegates]
        named = {*delegates.DELEGATES, *device.missing()}
        lacking = [name for name in space.delegates() if name in named and name not in left]
        if not left or not lacking:
            return space, []  # what is unknown is refused with the rest of the input
        without = ", ".join(lacking)
        remark = f"the space goes without {without}, which device {device.name} has not; autotune devices says why"
        return replace(space, dimensions=space.dimensions | {"delegate": Categorical(tuple(left))}), [remark]


class _Offers(Protocol):
    """What a space wants to know of a device: see devices.device.Device."""

    name: str

    @property
    def delegates(self) -> tuple[str, ...]: ...
    @property
    def threads(self) -> tuple[int, ...]: ...
    def missing(self) -> dict[str, str]: ...


class _Anything:
    """A device that has all that any device may have."""

    name = "any"
    threads = (1,)

    @property
    def delegates(self) -> tuple[str, ...]:
        from autotune.devices import delegates

        return delegates.DELEGATES

    def missing(self) -> dict[str, str]:
        return {}


def settings_of(call: Mapping[str, object]) -> Settings:
    """What a run is asked for.

    Args:
        call: by the names of OPTIONS; None where one is not given, others than these are left alone.

    Raises:
        UserError: the experiment file is not one, or model or data are not named anywhere.
    """
    call = {name: call[name] for name in OPTIONS if call.get(name) is not None}
    experiment = str(call.get("experiment") or "")
    values, lines = read(experiment) if experiment else ({}, {})
    values |= call
    for key, what in (("model", MODELS), ("data", DATA)):
        if not values.get(key):
            raise UserError(f"no --{key} ({what}), and no experiment that names one")
    options = _options(values)
    targets, remarks = parse_all(options.targets)
    goals, remark = objectives.parse(options.objectives)
    if options.codec not in CODECS:
        raise UserError(f"--codec {options.codec!r} is unknown; there are {', '.join(CODECS)}")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", options.name):
        raise UserError(f"--name {options.name!r}: use letters, digits, '.', '_' and '-', not starting with '.' or '-'")
    file, lines = (None, {}) if "space" in call else (experiment or None, lines)
    return Settings(options, targets, goals, [*remarks, *([remark] if remark else [])], file, lines)


def _options(values: JsonObject) -> RunOptions:
    """Of what is said, each as its kind: lists as tuples; a device or folder that is empty is the usual one."""
    values = {"name": Path(values["model"][0]).resolve().stem} | values
    options: JsonObject = {name: value for name, value in values.items() if value or name not in ("device", "dir")}
    options |= {name: tuple(_listed(value)) for name, value in options.items() if OPTIONS[name].kind.several}
    return RunOptions(**options)


def read(name: str) -> tuple[JsonObject, Lines]:
    """An experiment file by path, or a shipped one by name; its paths resolved against its folder.

    Returns:
        What it says, and the lines of its own space's dimensions.

    Raises:
        UserError: there is none, or it says what it can't.
    """
    path = resource("experiments", name)
    content, lines = read_yaml(path, "experiment")
    if not isinstance(content, dict):
        raise UserError(f"experiment {path}: must map {', '.join(KEYS)} to values")
    values: JsonObject = content
    _check(values, path, lines)
    if "model" in values:
        values["model"] = [str(path.parent / model) for model in _listed(values["model"])]
    if "data" in values and not values["data"].startswith("tfds:"):
        values["data"] = str(path.parent / values["data"])
    if "custom_objects" in values:
        values["custom_objects"] = [_beside(path, module) for module in values["custom_objects"]]
    if isinstance(values.get("space"), str):
        values["space"] = _beside(path, values["space"])
    if "device" in values:
        values["device"] = [_beside(path, spec) for spec in _listed(values["device"])]
    inner = {keys[1:]: line for keys, line in lines.items() if keys[0] == "space" and len(keys) > 1}
    return {"name": path.stem} | values, inner


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _beside(path: Path, name: str) -> str:
    """A file beside the experiment, else the name as it stands."""
    return str(path.parent / name) if is_file(path.parent / name) else name


def _check(values: JsonObject, path: Path, lines: Lines) -> None:
    for key, value in values.items():
        where = f"experiment {path}{place(lines, key)}"
        if key not in KEYS:
            raise UserError(f"{where}: unknown key {key!r}; known are {', '.join(KEYS)}")
        kind = KEYS[key]
        if not isinstance(value, kind.types) or isinstance(value, bool):
            raise UserError(f"{where}: {key} can't be {value!r}")
        if kind.number is not None:
            try:
                kind.number(str(value))
            except ArgumentTypeError as error:
                raise UserError(f"{where}: {key} can't be {value!r}: {error}") from error
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            hint = " such as 'latency<50ms', each in quotes" if key == "targets" else ""
            raise UserError(f"{where}: {key} must be texts{hint}")
