"""The kinds of study that are hurt: how each is run, and what may happen to it."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autotune.testing import toy_files

ROOT = Path(__file__).parents[1]

LATER = ("worker", "raylet", "gcs_server", "ray", "runner")
"""Processes whose end a run survives; a study on fakes has none of them."""

_DEMO, _FILES = ROOT / "experiments" / "digits", {"model": "digits.keras", "data": "digits.npz"}

_SPACE = {
    "prune": [0, 0.5, 0.75],
    "cluster": [0, 16],
    "quantize": ["none", "float16", "dynamic", "weight_int8", "int8"],
    "delegate": ["xnnpack"],
    "threads": [1],
    "epochs": 1,
}

_OWN_LEASE = (
    "import sys; from autotune.devices.client import command; command.LEASE = sys.argv.pop(1); "
    "from autotune.cli.command import main; sys.exit(main())"
)
"""autotune, which measures though others measure on this machine."""

_ANY = ("driver killed", "driver terminated", "all killed", "cache damaged", "journal damaged", "disk full")


@dataclass(frozen=True)
class Kind:
    """A kind of study.

    Attributes:
        name: of the study.
        trials: of it.
        span: seconds that a run takes, more or less; faults come within them.
        largest: bytes of the largest file that it writes, more or less.
        faults: what may happen to it: what is hit, and how.
        command: that runs it, by its folder and the MLflow store that it is to be tracked in.
    """

    name: str
    trials: int
    span: float
    largest: int
    faults: tuple[str, ...]
    command: Callable[[Path, str], list[str]]


def store(folder: Path) -> str:
    """The address of the MLflow store in a study's folder."""
    return f"sqlite:///{folder}/mlflow.db"


def sync(folder: Path) -> list[str]:
    """The command that brings the store in a digits study's folder up to what the study knows."""
    return [sys.executable, "-m", "autotune", "sync", "digits", *_places(folder, store(folder))]


def _toy(folder: Path, _: str) -> list[str]:
    if not (folder / "toy.npz").exists():
        toy_files(folder)
    return [sys.executable, "-m", "benchmarks.toy", str(folder)]


def _digits(folder: Path, tracking: str) -> list[str]:
    space = folder / "space.yaml"
    space.write_text(json.dumps(_SPACE))  # JSON is YAML
    files = [word for name in ("model", "data") for word in (f"--{name}", str(_DEMO / _FILES[name]))]
    options = ["--space", str(space), "--name", "digits", "--trials", str(DIGITS.trials), "--jobs", "1", "--plain"]
    command = [sys.executable, "-c", _OWN_LEASE, str(folder / "lease"), "run"]
    return [*command, *files, *options, *_places(folder, tracking)]


def _places(folder: Path, tracking: str) -> list[str]:
    return ["--dir", str(folder / "runs"), "--tracking-uri", tracking]


TOY = Kind("toy", 40, 5.0, 60_000, _ANY, _toy)

DIGITS = Kind(
    "digits",
    16,
    40.0,
    600_000,
    (*_ANY, *(f"{name} killed" for name in LATER), "store killed", "server killed", "server stopped"),
    _digits,
)
