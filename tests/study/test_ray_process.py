"""What goes on in Ray's process, without Ray."""

from typing import Any
from unittest.mock import MagicMock

import pytest

from autotune.study import ray_process, ray_workers
from autotune.study.ray_messages import Answer, Call, RayOptions
from autotune.study.ray_process import _patient
from autotune.study.ray_workers import Workers


def begin(_: int) -> None:
    pass


def ray(memory: int, most: int = 0) -> MagicMock:
    """Workers' calls all give 7, and take so much memory."""
    fake = MagicMock()
    fake.exceptions.RayTaskError = fake.exceptions.RayError = KeyError
    fake.get.return_value = (7, memory, most)
    return fake


@pytest.mark.parametrize(("memory", "replaced"), [(0, 0), (int(2 * ray_workers.MOST_MEMORY), 3)])
def test_a_worker_that_grew_is_replaced(memory: int, replaced: int, tmp_path: Any) -> None:
    """Beyond its memory a worker gives way to a fresh one, between two calls."""
    answers: list[Answer] = []
    workers, fake = Workers(RayOptions(1, begin, None, str(tmp_path), str(tmp_path), []), answers.append), ray(memory)
    workers.begin(fake)
    for number in range(3):
        workers.call(Call(number, abs, (-7,)))
    workers._threads.shutdown(wait=True)
    assert [(answer.number, answer.result) for answer in answers] == [(0, 7), (1, 7), (2, 7)]
    assert fake.kill.call_count == replaced


@pytest.mark.parametrize(
    ("most", "address", "left"),
    [(1_000_000_000, None, 4), (2_000_000_000, None, 2), (9_000_000_000, None, 1), (9_000_000_000, "head:6379", 4)],
)
def test_there_are_as_many_workers_as_memory_suffices_for(
    most: int, address: str | None, left: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once one has told what it takes, and at least one; every call is answered. A cluster's have their own."""
    monkeypatch.setattr(ray_workers, "available", lambda: 4.5e9)
    answers: list[Answer] = []
    workers = Workers(RayOptions(4, begin, address, str(tmp_path), str(tmp_path), []), answers.append)
    fake = ray(0, most)
    workers.begin(fake)
    for number in range(20):
        workers.call(Call(number, abs, (-7,)))
    workers._threads.shutdown(wait=True)
    assert sorted(answer.number for answer in answers) == list(range(20))
    assert (len(workers._hired), fake.kill.call_count) == (left, 4 - left)


def test_a_raylet_that_takes_long_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than by Ray itself, which gives up after 30 s, whatever the load."""
    monkeypatch.setattr(ray_process, "_child_ended", lambda: False)
    looks = iter([RuntimeError("not there"), RuntimeError("not there"), {"node": 1}])

    def look(*_: Any) -> Any:
        found = next(looks)
        if isinstance(found, RuntimeError):
            raise found
        return found

    assert _patient(look)("address", "id") == {"node": 1}


def test_a_raylet_that_has_ended_is_not_waited_for() -> None:
    """Nor is anything where no process of Ray's is left: this one has no child."""

    def look(*_: Any) -> Any:
        raise RuntimeError("not there")

    with pytest.raises(RuntimeError, match="not there"):
        _patient(look)("address", "id")
