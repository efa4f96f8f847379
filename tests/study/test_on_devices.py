"""One search, then its files on every other device."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.errors import UserError
from autotune.study.on_devices import run_on
from autotune.study.reporting import Summary
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_import
from tests.study.test_driver import options


def named(name: str) -> FakeDevice:
    device = FakeDevice()
    device.name = name
    return device


def studies(folder: Path, *names: str, pool: FakePool | None = None, timeout: float | None = None) -> list[Summary]:
    asked = [(options(folder, trials=5, timeout=timeout), named(name)) for name in names]
    return run_on(asked, pool or FakePool(), SilentReporter(), list, toy_import)


def test_the_first_is_searched_for_and_the_others_are_measured(tmp_path: Path) -> None:
    """A study for each, all of the same files, each of which is built once."""
    pool = FakePool()
    done = studies(tmp_path, "desk", "board", "phone", pool=pool)
    assert [summary.record.name for summary in done] == ["toy", "toy@board", "toy@phone"]
    files = [{point.outcome.artifact for point in summary.record.points} for summary in done]
    assert files[0] == files[1] == files[2]
    assert len({step.key for step in pool.built}) == len(pool.built)


def test_the_search_comes_first_whatever_the_order(tmp_path: Path) -> None:
    """What it finds now is measured on the others in the same run."""
    studies(tmp_path, "desk")
    done = studies(tmp_path, "board", "desk")
    assert [summary.record.name for summary in done] == ["toy", "toy@board"]


def test_another_device_alone(tmp_path: Path) -> None:
    """The search does not go on for it."""
    before = studies(tmp_path, "desk")[0].record
    [summary] = studies(tmp_path, "board")
    assert summary.record.name == "toy@board"
    assert summary.record.trials_done == before.trials_done


def test_time_is_for_all_of_them(tmp_path: Path) -> None:
    """Where it is up on the first nothing is begun on the next, and both are told how to go on."""
    done = studies(tmp_path, "desk", "board", timeout=1e-9)
    assert len(done) == 1
    assert done[0].notes == ["the time is up; the same command goes on from here"]


def test_two_of_a_name(tmp_path: Path) -> None:
    """Their results could not be told apart: refused before anything is written."""
    with pytest.raises(UserError, match="--device: two are called desk"):
        studies(tmp_path, "desk", "desk")
    assert not (tmp_path / "runs").exists()


def test_one_that_is_refused_costs_nothing(tmp_path: Path) -> None:
    """A study that was finished stays as it is."""
    first = options(tmp_path, trials=5)
    other = replace(first, seed=1)
    with pytest.raises(UserError, match=r"was started with .*another"):
        run_on([(first, named("desk")), (other, named("board"))], FakePool(), SilentReporter(), list, toy_import)
    assert (tmp_path / "runs" / "toy").is_dir()
    assert not (tmp_path / "runs" / "toy@board").exists()
