"""An experiment: what a run needs to know, from a YAML file and the command line."""

import re
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune import space as spaces
from autotune.errors import UserError
from autotune.plugins import resource
from autotune.target import Target, parse_all

if TYPE_CHECKING:
    from autotune.study.prepare import Options

FOLDER = "runs"
KEYS = {
    "model": str,
    "data": str,
    "space": (str, dict),
    "device": str,
    "targets": list,
    "trials": int,
    "seed": int,
    "jobs": int,
    "name": str,
    "loss": str,
    "metric": str,
}
"""What an experiment file may say, and as what."""


@dataclass(frozen=True)
class Settings:
    """A run as it was asked for, complete save for what the device decides.

    Attributes:
        values: of KEYS, of the file overridden by the command line; paths resolved.
        targets: parsed.
        remarks: to be shown to the user.
        folder, timeout, ray, tracking_uri: from the command line alone.
    """

    values: dict[str, Any]
    targets: list[Target]
    remarks: list[str]
    folder: Path
    timeout: float | None
    ray: str | None
    tracking_uri: str | None

    @property
    def device(self) -> str:
        return str(self.values.get("device", "local"))

    @property
    def jobs(self) -> int | None:
        return self.values.get("jobs")

    def options(self, threads: Sequence[int], jobs: int) -> "Options":
        """The driver's options.

        Args:
            threads: counts that make sense on the device.
            jobs: number of workers.

        Raises:
            UserError: the space is not one.
        """
        from autotune.study.prepare import Options

        space = self.values.get("space", "full")
        named = isinstance(space, str)
        return Options(
            model=Path(self.values["model"]),
            data=Path(self.values["data"]),
            space=spaces.load(space, threads) if named else spaces.parse(space, "(in the experiment)", threads),
            targets=self.targets,
            name=self.values["name"],
            folder=self.folder,
            trials=self.values.get("trials", 30),
            timeout=self.timeout,
            jobs=jobs,
            seed=self.values.get("seed", 0),
            loss=self.values.get("loss"),
            metric=self.values.get("metric"),
        )


def settle(arguments: Namespace) -> Settings:
    """What a `run` command asks for.

    Raises:
        UserError: the experiment file is not one, or model or data are not named anywhere.
    """
    values = read(arguments.experiment) if arguments.experiment else {}
    given = {key: getattr(arguments, key) for key in KEYS if getattr(arguments, key, None) is not None}
    values = {"targets": []} | values | given
    for key, what in (("model", "a .keras or .h5 file"), ("data", "an .npz file")):
        if key not in values:
            raise UserError(f"no --{key} ({what}), and no experiment that names one")
    targets, remarks = parse_all(arguments.target or values["targets"])
    values.setdefault("name", Path(values["model"]).stem)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", values["name"]):
        raise UserError(
            f"--name {values['name']!r}: use letters, digits, '.', '_' and '-', not starting with '.' or '-'"
        )
    return Settings(
        values,
        targets,
        remarks,
        Path(arguments.dir or FOLDER),
        arguments.timeout,
        arguments.ray,
        arguments.tracking_uri,
    )


def read(name: str) -> dict[str, Any]:
    """An experiment file by path, or a shipped one by name; its paths resolved against its folder.

    Raises:
        UserError: there is none, or it says what it can't.
    """
    import yaml

    path = resource("experiments", name)
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"experiment {path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UserError(f"experiment {path}: must map {', '.join(KEYS)} to values")
    _check(values, path)
    for key in ("model", "data"):
        if key in values:
            values[key] = str(path.parent / values[key])
    if isinstance(values.get("space"), str) and (path.parent / values["space"]).is_file():
        values["space"] = str(path.parent / values["space"])
    return {"name": path.stem} | values


def _check(values: dict[str, Any], path: Path) -> None:
    for key, value in values.items():
        if key not in KEYS:
            raise UserError(f"experiment {path}: unknown key {key!r}; known are {', '.join(KEYS)}")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):  # type: ignore[arg-type]  # types, or a tuple of them
            raise UserError(f"experiment {path}: {key} can't be {value!r}")
        if KEYS[key] is int and value < (0 if key == "seed" else 1):
            raise UserError(f"experiment {path}: {key} can't be {value!r}")
    if not all(isinstance(target, str) for target in values.get("targets", [])):
        raise UserError(f"experiment {path}: targets must be texts such as 'latency<50ms', each in quotes")
