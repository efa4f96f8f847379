"""The pool on real Ray: workers start once, are reused, and are replaced when lost. So is Ray itself."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from autotune.errors import Fault, Infeasible, UserError
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
def pool() -> Iterator[RayPool]:
    opened = RayPool(2, begin)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray cluster that this machine belongs to, as RAY_ADDRESS and as Ray's own file say."""
    with (
        tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as env,
    ):  # a socket's path is short
        env.setenv("RAY_TMPDIR", folder)
        env.setenv("RAY_AUTH_MODE", "disabled")
        env.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        command = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--head",
            "--block",
            "--port=0",
            "--num-cpus=1",
        ]
        command += ["--include-dashboard=false", "--disable-usage-stats", "--node-ip-address=127.0.0.1"]
        head = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            written = Path(folder, "ray", "ray_current_cluster")
            while not (written.exists() and written.read_text()):
                assert head.poll() is None
                time.sleep(0.1)
            env.setenv("RAY_ADDRESS", written.read_text().strip())
            yield written.read_text().strip()
        finally:
            for process in [*psutil.Process(head.pid).children(recursive=True), psutil.Process(head.pid)]:
                process.kill()
            head.wait()


def connected() -> str:
    """In a worker: the address of its cluster."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


def test_workers_start_once_and_are_reused(pool: RayPool) -> None:
    """Many calls, two processes, each started once; none of them is this one."""
    answers = [future.result() for future in [pool.submit(started) for _ in range(12)]]
    assert len({pid for pid, _ in answers}) == 2
    assert {count for _, count in answers} == {"1"}
    assert os.getpid() not in {pid for pid, _ in answers}


def test_sessions_lie_where_sockets_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the temporary folder, or a short one where its path is long: a scratch folder, which the next run removes."""
    assert len(str(tmp_path)) > 42
    for temporary, above in ((tmp_path, Path("/tmp")), (Path("/dev/shm"), Path("/dev/shm"))):
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        pool = RayPool(1, begin)
        sessions = Path(pool._sessions.name)
        assert sessions.parent == above
        assert (sessions / ".held").exists()
        pool.close()
        assert not sessions.exists()


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


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_lost_with_ray_itself_is_done_again(pool: RayPool, name: str) -> None:
    """Where Ray's own processes are killed Ray is started anew; what was shared is there again."""
    handle = pool.share(np.ones(5))
    assert pool.submit(total, handle).result() == 5.0
    future = pool.submit(time.sleep, 2)
    before = psutil.Process().children(recursive=True)
    [victim] = [process for process in before if process.name() == name]
    victim.kill()
    assert future.result() is None
    assert pool.submit(total, handle).result() == 5.0
    left = [process for process in before if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert left == []


def test_a_machine_that_belongs_to_a_cluster_has_a_ray_of_its_own(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a cluster is asked for, or the program that tunes has one: that is not ended with the pool."""
    own = RayPool(1, begin)
    try:
        assert own.submit(connected).result() != cluster
    finally:
        own.close()
    ray = SimpleNamespace(is_initialized=lambda: True, get_runtime_context=lambda: SimpleNamespace(gcs_address=cluster))
    monkeypatch.setitem(sys.modules, "ray", ray)
    shared = RayPool(1, begin)
    try:
        assert shared.submit(connected).result() == cluster
    finally:
        shared.close()


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
