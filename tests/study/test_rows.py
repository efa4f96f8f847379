"""Rows under way: what is built while what is measured, and what a device shared with others gets."""

import threading
from pathlib import Path
from typing import Any

import pytest

from autotune.compress.stage import Artifact
from autotune.study import rows
from autotune.study.samplers import grid
from autotune.testing import FakeDevice, FakePool, toy_build
from tests.study.test_driver import EVERY, SPACE, options, study


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotune.study.driver.draw", lambda record, path: None)


def test_the_device_is_let_go_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing has to be measured, too: others may wait for it. Nothing is lost by it."""
    monkeypatch.setattr("autotune.study.instrument.structure", lambda file: str(b"int8" in file or b"dynamic" in file))
    shares = []
    for held in (600.0, 0.0):
        monkeypatch.setattr(rows, "HELD_S", held)
        device = FakeDevice()
        taken: list[bool] = []
        take = device.take
        monkeypatch.setattr(device, "take", lambda shared, take=take, taken=taken: taken.append(shared) or take(shared))
        (folder := tmp_path / str(held)).mkdir()
        record = study(options(folder, trials=EVERY), device).record
        assert len(record.points) == EVERY
        shares.append(taken.count(True))
    assert shares[1] > shares[0]


def test_builds_go_on_while_another_machine_measures(tmp_path: Path) -> None:
    """A device of its own needs no quiet here: some build is under way during some measurement."""
    building, seen = threading.Semaphore(0), []

    def build(*arguments: Any) -> Artifact:
        building.release()
        try:
            threading.Event().wait(0.002)
            return toy_build(*arguments)
        finally:
            building.acquire()

    device = FakeDevice(quiet=lambda: seen.append(building._value))
    device.shares_host = False
    study(options(tmp_path, trials=EVERY), device, FakePool(build=build))
    assert max(seen) > 0


def test_many_runtimes_are_no_more_builds(tmp_path: Path) -> None:
    """A row is built once, whatever it is run on."""
    built = []
    for threads in ([1], [1, 2, 4]):
        pool = FakePool()
        device = FakeDevice()
        device.threads = tuple(threads)
        (folder := tmp_path / str(len(threads))).mkdir()
        study(options(folder, space=SPACE | {"threads": threads}, sampler=grid), device, pool)
        built.append(sorted(step.key for step in pool.built))
    assert built[0] == built[1]
