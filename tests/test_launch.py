"""A run's beginning: what arguments and files tell is told before a device is asked anything."""

import fcntl
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.lib import format as npy

from autotune.api.keywords import to_options
from autotune.errors import UserError
from autotune.experiment import settings_of
from autotune.launch import launch
from autotune.ledger.journal import LOCK
from autotune.results.record import Begun
from autotune.testing import FakeDevice, SilentReporter, toy_files
from tests.api.test_tune import ToyPool
from tests.cli.conftest import SPACE


class Unasked(FakeDevice):
    """A device that somebody else measures on for an hour: whatever it is asked comes too late."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("delegates", "threads", "missing", "facts", "open"):
            raise AssertionError(f"the device was asked for {name}")
        return super().__getattribute__(name)


class NoPool:
    """Workers that nobody should have waited for."""

    def __init__(self, *_: Any) -> None:
        pass

    def share(self, _: Any) -> NoReturn:
        raise AssertionError("a worker was started")

    submit = share

    def close(self) -> None:
        """Has nothing to end."""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("autotune.track.picture.draw", lambda record, path: path.touch())
    monkeypatch.setattr("autotune.study.pool.RayPool", ToyPool)
    monkeypatch.setattr("autotune.devices.device_file.find_device", lambda spec, **_: Unasked())
    toy_files(tmp_path)


def run(**given: Any) -> None:
    usual = {"model": "toy.keras", "data": "toy.npz", "space": SPACE, "trials": 4, "jobs": 2}
    launch(settings_of(to_options(usual | given)), SilentReporter(), None)


def nothing() -> None:
    """Changes no file."""


def no_archive() -> None:
    Path("toy.keras").write_bytes(b"no archive")


def no_labels() -> None:
    with np.load("toy.npz") as file:
        np.savez("toy.npz", **{name: file[name] for name in file if name != "y_test"})


def bomb() -> None:
    """The data, of which one array declares four terabytes."""
    header = io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)})
    with zipfile.ZipFile("toy.npz") as before:
        members = {name: before.read(name) for name in before.namelist()} | {"x_train.npy": header.getvalue()}
    with zipfile.ZipFile("toy.npz", "w") as after:
        for name, content in members.items():
            after.writestr(name, content)


def in_the_way() -> None:
    Path("runs").write_text("a file")


def images() -> None:
    for split in ("train", "test"):
        Path("images", split, "cat").mkdir(parents=True)


@pytest.mark.parametrize(
    ("before", "given", "message"),
    [
        (nothing, {"model": "none.keras"}, "model none.keras: no such file"),
        (no_archive, {}, "not a whole .keras file"),
        (nothing, {"model": ["toy.keras", "toy.keras"]}, "two models are called toy"),
        (nothing, {"data": "none.npz"}, "data none.npz: no such file"),
        (nothing, {"data": "toy.keras"}, "data toy.keras: no x_train"),
        (nothing, {"data": "none.py:data"}, "none.py"),
        (no_labels, {}, "no y_test"),
        (bomb, {}, "declares other contents than it has"),
        (images, {"data": "images"}, "needs a folder for each of two classes"),
        (nothing, {"sampler": "none"}, "unknown sampler 'none'"),
        (nothing, {"metric": "none"}, "--metric 'none' is unknown"),
        (nothing, {"loss": "none"}, "--loss 'none' is unknown"),
        (nothing, {"space": "none"}, "no file 'none'"),
        (nothing, {"space": {"quantize": ["int9"]}}, "unknown scheme 'int9'"),
        (in_the_way, {}, "runs is a file; choose a folder"),
        (nothing, {"device": ["local", "local"]}, "two are called fake"),
    ],
)
def test_what_files_tell_takes_neither_device_nor_worker(
    before: Callable[[], None], given: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To wait behind another study, or for workers to start, would hide it for minutes."""
    monkeypatch.setattr("autotune.study.pool.RayPool", NoPool)
    before()
    left = sorted(Path().iterdir())
    with pytest.raises(UserError, match=message):
        run(**given)
    assert sorted(Path().iterdir()) == left


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"targets": ["mae<1"]}, "this task's metric is accuracy, not mae"),
        ({"objectives": ["mae", "latency"]}, "this task's metric is accuracy, not mae"),
        ({"exclude": ["none"]}, "no layer with weights is called so"),
        ({"metric": "mae"}, "metric 'mae' does not fit the labels"),
        ({"space": {"cluster": [1000]}}, "nothing in it fits the model"),
    ],
)
def test_what_a_model_tells_takes_no_device(given: dict[str, Any], message: str) -> None:
    """Only a worker, that opens the model."""
    with pytest.raises(UserError, match=message):
        run(**given)
    assert not Path("runs").exists()


def test_a_study_that_is_another_is_refused_before_the_device_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name alone it would be taken for the one to go on with; so it is while another process runs it."""
    with monkeypatch.context() as patched:
        patched.setattr("autotune.devices.device_file.find_device", lambda spec, **_: FakeDevice())
        run()
    with pytest.raises(UserError, match="was started with other data and another seed"):
        run(seed=1)
    monkeypatch.setattr("autotune.study.pool.RayPool", NoPool)
    with Path("runs", "toy", LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="is being run by another process"):
            run()


def test_the_front_is_drawn_without_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Into the study's folder, at the end of each run, also of one that finds nothing to do."""
    drawn = list[Path]()

    def draw(_: Begun, path: Path) -> None:
        drawn.append(path.parent)
        path.touch()

    monkeypatch.setattr("autotune.track.picture.draw", draw)
    monkeypatch.setattr("autotune.devices.device_file.find_device", lambda spec, **_: FakeDevice())
    for _ in range(2):
        run()
    assert drawn == [Path("runs", "toy")] * 2
    assert Path("runs", "toy", "front.png").is_file()
