"""An experiment: what a run needs to know, from a YAML file and the command line."""

import re
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from autotune import plugins
from autotune.arguments import NUMBERS
from autotune.errors import UserError
from autotune.files import is_file
from autotune.model.trust import Trust
from autotune.plugins import resource
from autotune.space import file as space_file
from autotune.space.space import Categorical, Space
from autotune.targets import objectives
from autotune.targets.target import Target, parse_all
from autotune.yaml_file import Lines, place, read_yaml

if TYPE_CHECKING:
    from autotune.study.options import Options

FOLDER = "runs"
TRIALS = 60
PATIENCE = 15
DATA = "an .npz file, a folder of class folders of images, tfds:NAME or FILE.py:FUNCTION"
KEYS = {
    "model": (str, list),
    "data": str,
    "space": (str, dict),
    "device": (str, list),
    "targets": list,
    "objectives": list,
    "trials": int,
    "patience": int,
    "sampler": str,
    "seed": int,
    "jobs": int,
    "name": str,
    "loss": str,
    "metric": str,
    "validation_share": float,
    "exclude": list,
    "custom_objects": list,
}
"""What an experiment file may say, and as what."""


@dataclass(frozen=True)
class Settings:
    """A run as it was asked for, complete save for what the device decides.

    Attributes:
        values: of KEYS, of the file overridden by the command line; paths resolved.
        targets: parsed.
        objectives: parsed; empty where the targets say.
        remarks: to be shown to the user.
        file: that a space of its own stands in, None where that is of the call.
        lines: of this space's keys, for messages.
        folder, timeout, ray, tracking_uri, trusted: from the command line or the call alone.
    """

    values: dict[str, Any]
    targets: list[Target]
    objectives: tuple[str, ...]
    remarks: list[str]
    file: str | None
    lines: Lines
    folder: Path
    timeout: float | None
    ray: str | None
    tracking_uri: str | None = field(repr=False)  # it may have a password
    trusted: bool

    @property
    def trust(self) -> Trust:
        """What code model files may run."""
        return Trust.of(self.trusted, self.values.get("custom_objects", ()))

    @property
    def devices(self) -> list[str]:
        """The devices as the user calls them; at least one."""
        return _listed(self.values.get("device") or "local")

    @property
    def jobs(self) -> int | None:
        return self.values.get("jobs")

    def draft(self, jobs: int) -> "Options":
        """The driver's options as far as no device is asked: the space has all that any device may have.

        Args:
            jobs: number of workers.

        Raises:
            UserError: the space, the sampler or a device is not one.
        """
        return self.options(self.devices[0], _Anything(), jobs)[0]

    def options(self, spec: str, device: "_Offers", jobs: int) -> "tuple[Options, list[str]]":
        """The driver's options, and remarks to be shown to the user.

        Args:
            spec: one of devices.
            device: that it stands for.
            jobs: number of workers.

        Raises:
            UserError: the space is not one, or the device can't be reached.
        """
        from autotune.devices.device_file import located
        from autotune.study.options import Options

        space, remarks = self._space(device)
        options = Options(
            models=tuple(Path(model) for model in self.values["model"]),
            data=self.values["data"],
            space=space,
            targets=self.targets,
            objectives=self.objectives,
            name=self.values["name"],
            folder=self.folder,
            trials=self.values.get("trials", TRIALS),
            patience=self.values.get("patience", PATIENCE),
            sampler=plugins.load("samplers", self.values.get("sampler", "ehvi")),
            timeout=self.timeout,
            jobs=jobs,
            seed=self.values.get("seed", 0),
            loss=self.values.get("loss"),
            metric=self.values.get("metric"),
            share=self.values.get("validation_share", 0.5),
            excluded=tuple(self.values.get("exclude", ())),
            trust=self.trust,
            device=located(spec),
        )
        return options, remarks

    def _space(self, device: "_Offers") -> tuple[Space, list[str]]:
        """The space on this device: without delegates that it has not, as long as another is left."""
        from autotune.compress.pipeline import dimensions
        from autotune.devices import delegates

        given = self.values.get("space", "full")
        extra = dimensions()
        auto = [name for name in device.delegates if name != "reference"] or list(device.delegates)
        if isinstance(given, str):
            space = space_file.read(given, device.threads, extra, auto)
        else:
            space = space_file.parse(given, f"in {self.file or 'the call'}", device.threads, extra, self.lines, auto)
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


def settle(given: Mapping[str, Any]) -> Settings:
    """What a run is asked for.

    Args:
        given: by the names of KEYS, and experiment, dir, timeout, ray, tracking_uri, trust; None where it is not.

    Raises:
        UserError: the experiment file is not one, or model or data are not named anywhere.
    """
    given = {name: value for name, value in given.items() if value is not None}
    experiment = given.get("experiment")
    values, lines = read(experiment) if experiment else ({}, {})
    if "space" in given:
        experiment = None
        lines = {}
    values = {"targets": []} | values | {key: given[key] for key in KEYS if key in given}
    for key, what in (("model", "a .keras, .h5 or .tflite file, or a SavedModel folder"), ("data", DATA)):
        if not values.get(key):
            raise UserError(f"no --{key} ({what}), and no experiment that names one")
    targets, remarks = parse_all(values["targets"])
    goals, remark = objectives.parse(values.get("objectives", ()))
    values.setdefault("name", Path(values["model"][0]).resolve().stem)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", values["name"]):
        raise UserError(
            f"--name {values['name']!r}: use letters, digits, '.', '_' and '-', not starting with '.' or '-'"
        )
    return Settings(
        values,
        targets,
        goals,
        [*remarks, *([remark] if remark else [])],
        experiment,
        lines,
        Path(given.get("dir") or FOLDER),
        given.get("timeout"),
        given.get("ray"),
        given.get("tracking_uri"),
        given.get("trust", False),
    )


def read(name: str) -> tuple[dict[str, Any], Lines]:
    """An experiment file by path, or a shipped one by name; its paths resolved against its folder.

    Returns:
        What it says, and the lines of its own space's dimensions.

    Raises:
        UserError: there is none, or it says what it can't.
    """
    path = resource("experiments", name)
    values, lines = read_yaml(path, "experiment")
    if not isinstance(values, dict):
        raise UserError(f"experiment {path}: must map {', '.join(KEYS)} to values")
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


def _check(values: dict[str, Any], path: Path, lines: Lines) -> None:
    for key, value in values.items():
        where = f"experiment {path}{place(lines, key)}"
        if key not in KEYS:
            raise UserError(f"{where}: unknown key {key!r}; known are {', '.join(KEYS)}")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):  # type: ignore[arg-type]  # types, or a tuple of them
            raise UserError(f"{where}: {key} can't be {value!r}")
        if key in NUMBERS:
            try:
                NUMBERS[key](str(value))
            except ArgumentTypeError as error:
                raise UserError(f"{where}: {key} can't be {value!r}: {error}") from error
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            hint = " such as 'latency<50ms', each in quotes" if key == "targets" else ""
            raise UserError(f"{where}: {key} must be texts{hint}")
