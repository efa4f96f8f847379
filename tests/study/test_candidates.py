"""A model file whose bytes end the process that opens it, as native code does over some that are damaged."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from autotune.compress.cache import ArtifactCache
from autotune.compress.channels.examine import count_dead
from autotune.errors import Lost, UserError
from autotune.space.file import parse
from autotune.study.candidates import open_candidates
from autotune.study.options import Options
from autotune.testing import FakePool, toy_files, toy_import


class DyingPool(FakePool):
    """A pool whose workers die over the first so many calls.

    Attributes:
        calls: the functions that were called, in order.
    """

    def __init__(self, deaths: int) -> None:
        super().__init__(1)
        self.calls: list[Any] = []
        self._deaths = deaths

    def submit(self, function: Any, *arguments: Any) -> "Future[Any]":
        self.calls.append(function)
        if len(self.calls) > self._deaths:
            return super().submit(function, *arguments)
        future: Future[Any] = Future()
        future.set_exception(Lost("a worker was lost (ActorDiedError)"))
        return future


class ChannelsLosePool(FakePool):
    """A pool whose workers are lost over a look at channels."""

    def submit(self, function: Any, *arguments: Any) -> "Future[Any]":
        if function is not count_dead:
            return super().submit(function, *arguments)
        future: Future[Any] = Future()
        future.set_exception(Lost("a worker was lost (ActorDiedError)"))
        return future


def opened(folder: Path, pool: FakePool) -> Any:
    model, data = toy_files(folder)
    options = Options((model,), str(data), parse({"quantize": "none"}, "toy", (1,)), [], name="toy", folder=folder)
    return open_candidates(options, ArtifactCache(folder / ".cache"), pool, toy_import)


def test_a_worker_that_is_lost_once_is_no_matter(tmp_path: Path) -> None:
    """It may have been the machine: the file is opened by another."""
    pool = DyingPool(1)
    assert opened(tmp_path, pool).candidates
    assert pool.calls == [toy_import, toy_import, count_dead]


def test_channels_that_can_not_be_looked_at_stay(tmp_path: Path) -> None:
    """Nobody asked for it: the model is as good as one without dead channels, and the next run looks again."""
    found = opened(tmp_path, ChannelsLosePool())
    assert found.dead == {"": 0}
    assert len(found.fresh) == 1


def test_a_file_that_ends_two_workers_is_wrong_input(tmp_path: Path) -> None:
    """One line that names it, and no fault of ours; nothing is written."""
    with pytest.raises(UserError, match=r"^toy\.\w+: opening it ended its process twice .*: it is damaged, or takes"):
        opened(tmp_path, DyingPool(2))
    assert not (tmp_path / ".cache").exists()
