"""The pool on real Ray: workers start once, are reused, and are replaced when lost."""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import psutil
import pytest

from autotune.errors import Fault, Infeasible, UserError
from autotune.study import pool as pools
from autotune.study.pool import RayPool, sensible_jobs


def begin(threads: int) -> None:
    os.environ["STARTED"] = str(int(os.environ.get("STARTED", "0")) + threads)


def started() -> tuple[int, str]:
    time.sleep(0.05)
    return os.getpid(), os.environ["STARTED"]


def total(array: np.ndarray) -> float:
    return float(array.sum())


def refuse(kind: str) -> None:
    raise {"user": UserError, "infeasible": Infeasible}[kind](f"{kind} says no")


def break_down() -> None:
    raise KeyError("our defect")


def leave() -> str:
    handle, name = tempfile.mkstemp()
    os.close(handle)
    return name


def die() -> None:
    os._exit(1)


def die_loudly() -> None:
    os.write(2, b"last words\n")
    os._exit(1)


def chatter(text: str) -> None:
    print(text)  # noqa: T201
    os.write(2, f"native {text}\n".encode())


def die_once(marker: str) -> str:
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(1)
    return "alive"


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[RayPool, Any]]:
    """A pool that a thread was the first to ask, which has ended; and what that shared."""
    opened = RayPool(2, begin)
    handles: list[Any] = []
    thread = threading.Thread(target=lambda: handles.append(opened.share(np.ones(3))))
    thread.start()
    thread.join()
    yield opened, handles[0]
    opened.close()


@pytest.fixture(scope="module")
def pool(asked: tuple[RayPool, Any]) -> RayPool:
    return asked[0]


def test_workers_start_once_and_are_reused(pool: RayPool) -> None:
    """Many calls, two processes, each started once; none of them is this one."""
    answers = [future.result() for future in [pool.submit(started) for _ in range(12)]]
    assert len({pid for pid, _ in answers}) == 2
    assert {count for _, count in answers} == {"1"}
    assert os.getpid() not in {pid for pid, _ in answers}


def test_ray_outlives_the_thread_that_asked_for_it_first(asked: tuple[RayPool, Any]) -> None:
    """Linux ends Ray's processes with the thread that started them, which must not be the caller's."""
    pool, handle = asked
    time.sleep(1)
    assert pool.submit(total, handle).result(timeout=30) == 3.0


def test_shared_values_arrive(pool: RayPool) -> None:
    """A large array, sent once, is an argument like any other."""
    handle = pool.share(np.ones(300_000))
    assert pool.submit(total, handle).result() == 300_000.0


@pytest.mark.parametrize(("kind", "error"), [("user", UserError), ("infeasible", Infeasible)])
def test_what_a_worker_raises_on_purpose_comes_back(pool: RayPool, kind: str, error: type[Exception]) -> None:
    """With its own words, no traceback around them."""
    with pytest.raises(error) as caught:
        pool.submit(refuse, kind).result()
    assert str(caught.value) == f"{kind} says no"


def test_a_defect_comes_back_with_its_traceback(pool: RayPool) -> None:
    """So that it can be mended; the worker goes on."""
    with pytest.raises(RuntimeError, match="break_down"):
        pool.submit(break_down).result()
    assert pool.submit(total, np.ones(3)).result() == 3.0


def test_a_lost_worker_is_a_fault_and_is_replaced(pool: RayPool) -> None:
    """Each of them, several times over: the pool stays whole."""
    for future in [pool.submit(die) for _ in range(3)]:
        with pytest.raises(Fault, match="a worker was lost"):
            future.result()
    answers = [future.result() for future in [pool.submit(started) for _ in range(12)]]
    assert len({pid for pid, _ in answers}) == 2


def test_what_workers_print_goes_to_the_log(
    pool: RayPool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """And nowhere else: native code's lines too, with the worker's number, and what one said before it was lost."""
    with caplog.at_level("INFO", "autotune.worker"):
        pool.submit(chatter, "hello").result()
        pool.submit(chatter, "again").result()
        with pytest.raises(Fault):
            pool.submit(die_loudly).result()
    said = [record.getMessage().split(": ", 1) for record in caplog.records]
    for text in ("hello", "native hello", "again", "native again", "last words"):
        assert [line for _, line in said].count(text) == 1
    assert all(number.isdigit() for number, _ in said)
    assert not {"hello", "native again", "last words"} & set("".join(capfd.readouterr()).splitlines())


def test_a_worker_that_grew_is_replaced(pool: RayPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its memory a worker gives way to a fresh one, between two calls."""
    monkeypatch.setattr(pools, "MOST_MEMORY", 0)
    assert len({future.result()[0] for future in [pool.submit(started) for _ in range(4)]}) == 4


def test_ray_listens_on_loopback_alone(pool: RayPool) -> None:
    """Every listening socket of this process and of all that it started."""
    pool.submit(started).result()
    this = psutil.Process()
    sockets = [
        socket for process in [this, *this.children(recursive=True)] for socket in process.net_connections("inet")
    ]
    listening = [socket.laddr.ip.removeprefix("::ffff:") for socket in sockets if socket.status == psutil.CONN_LISTEN]
    assert len(listening) > 3
    assert set(listening) <= {"127.0.0.1", "::1"}


def test_nothing_is_started_before_it_is_needed() -> None:
    """A study that takes all from the cache needs no Ray."""
    opened = RayPool(2, begin)
    assert opened._ray is None
    opened.close()


def test_sensible_jobs() -> None:
    """At least one, and no more than cores."""
    assert sensible_jobs(1) == 1
    assert 1 <= sensible_jobs(64) <= 64


def test_closing_ends_what_runs(pool: RayPool) -> None:
    """A call under way is a fault then; close() does not wait for it. The last test of this pool.

    What workers left in the temporary directory goes too: TensorFlow writes modules there, and a
    killed process can't delete them.
    """
    leftover = Path(pool.submit(leave).result())
    assert leftover.exists()
    future = pool.submit(time.sleep, 600)
    time.sleep(0.5)
    pool.close()
    with pytest.raises(Fault):
        future.result(timeout=30)
    assert not leftover.exists()


def test_takes_the_ray_that_its_program_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves it running in the end; the workers alone are ended."""
    ray = MagicMock()
    ray.is_initialized.return_value = True
    ray.get.return_value = ((7, "1"), 0)
    monkeypatch.setitem(sys.modules, "ray", ray)
    pool = RayPool(1, begin)
    assert pool.submit(started).result() == (7, "1")
    pool.close()
    ray.init.assert_not_called()
    ray.kill.assert_called_once()
    ray.shutdown.assert_not_called()
