"""A model file whose bytes end the process that opens it, as native code does over some that are damaged."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from autotune.compress.cache import ArtifactCache
from autotune.errors import Lost, UserError
from autotune.space.file import parse
from autotune.study.candidates import open_candidates
from autotune.study.options import Options
from autotune.testing import toy_files, toy_import


class DyingPool:
    """A pool whose workers die over the first so many calls."""

    def __init__(self, deaths: int) -> None:
        self.calls, self._deaths = 0, deaths

    def share(self, value: Any) -> Any:
        return value

    def submit(self, function: Any, *arguments: Any) -> "Future[Any]":
        self.calls += 1
        future: Future[Any] = Future()
        if self.calls <= self._deaths:
            future.set_exception(Lost("a worker was lost (ActorDiedError)"))
        else:
            future.set_result(function(*arguments))
        return future

    def close(self) -> None:
        """Has nothing to end."""


def opened(folder: Path, pool: DyingPool) -> Any:
    model, data = toy_files(folder)
    options = Options((model,), str(data), parse({"quantize": "none"}, "toy", (1,)), [], name="toy", folder=folder)
    return open_candidates(options, ArtifactCache(folder / ".cache"), pool, toy_import)


def test_a_worker_that_is_lost_once_is_no_matter(tmp_path: Path) -> None:
    """It may have been the machine: the file is opened by another."""
    pool = DyingPool(1)
    assert opened(tmp_path, pool).candidates
    assert pool.calls == 2


def test_a_file_that_ends_two_workers_is_wrong_input(tmp_path: Path) -> None:
    """One line that names it, and no fault of ours; nothing is written."""
    with pytest.raises(UserError, match=r"^toy\.\w+: opening it ended its process twice .*: it is damaged, or takes"):
        opened(tmp_path, DyingPool(2))
    assert not (tmp_path / ".cache").exists()
