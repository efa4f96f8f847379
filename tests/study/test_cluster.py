"""Workers on a real cluster of two hosts, which are two raylets of this machine: one is lost, another joins."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from autotune.errors import Broken, Lost, UserError
from autotune.study import ray_workers
from autotune.study.pool import RayPool
from autotune.study.ray_address import reached
from tests.devices.processes import eventually

RAY = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]


def begin(_: int) -> None:
    """In place of TensorFlow's start."""


def host(folder: str) -> str:
    """In a worker: where it is, once there is a file "go"; its name is in the folder while it waits."""
    import ray

    name = ray.get_runtime_context().get_node_id()
    Path(folder, name).touch()
    while not Path(folder, "go").exists():
        time.sleep(0.05)
    return str(name)


def waiting(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class Cluster:
    """A head, and hosts that join and are lost; each has a core for workers. Whoever has not its token is refused."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._hosts: list[subprocess.Popen[bytes]] = []
        head = self.add("--head", "--port=0", "--include-dashboard=false")
        written = Path(folder, "ray", "ray_current_cluster")
        while not (written.exists() and written.read_text()):
            assert head.poll() is None
            time.sleep(0.1)
        self.address = written.read_text().strip()

    def add(self, *arguments: str, cores: int = 1) -> "subprocess.Popen[bytes]":
        """Has a host join; by default one that is none of the head."""
        command = [*RAY, "--node-ip-address=127.0.0.1", f"--num-cpus={cores}"]
        command += arguments or ("--address", self.address)
        quiet = subprocess.DEVNULL
        env = os.environ | {"RAY_TMPDIR": self._folder}
        started = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True, env=env)
        self._hosts.append(started)
        return started

    def lose(self, started: "subprocess.Popen[bytes]") -> None:
        """Kills all that there is of a host."""
        self._hosts.remove(started)
        for process in [*psutil.Process(started.pid).children(recursive=True), psutil.Process(started.pid)]:
            with suppress(psutil.NoSuchProcess):  # it ended with the one before it
                process.kill()
        started.wait()

    def end(self) -> None:
        for started in reversed(list(self._hosts)):
            self.lose(started)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:  # a socket's path is short
        started = Cluster(folder)
        try:
            yield started
        finally:
            started.end()


def test_a_host_is_lost_and_another_joins(cluster: Cluster, tmp_path: Path) -> None:
    """What was under way there is lost, what was elsewhere goes on, and so does all that comes after."""
    second = cluster.add()
    pool = RayPool(2, begin, cluster.address)
    try:
        both = [pool.submit(host, str(tmp_path)) for _ in range(2)]
        assert eventually(lambda: len(waiting(tmp_path)) == 2)
        cluster.lose(second)
        assert eventually(lambda: any(future.done() for future in both))
        (tmp_path / "go").touch()
        assert [type(error) for error in (future.exception() for future in both) if error] == [Lost]
        survivor = next(future.result() for future in both if future.exception() is None)
        assert {pool.submit(host, str(tmp_path)).result() for _ in range(3)} == {survivor}
        cluster.add()
        (tmp_path / "go").unlink()
        for path in tmp_path.iterdir():
            path.unlink()
        both = [pool.submit(host, str(tmp_path)) for _ in range(2)]
        assert eventually(lambda: len(waiting(tmp_path)) == 2)
        (tmp_path / "go").touch()
        assert len({future.result() for future in both}) == 2
    finally:
        pool.close()


def test_another_token(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused in a line that says where Ray looks for it; so is none."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with closing(RayPool(1, begin, cluster.address)) as pool, pytest.raises(UserError, match="wants another token"):
        pool.submit(abs, -7).result()
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UserError, match=r"wants another token than this machine's; RAY_AUTH_MODE=token with"):
        reached(cluster.address)


def test_more_workers_than_there_are_places_for(cluster: Cluster, tmp_path: Path) -> None:
    """The one that has a place does all the work."""
    (tmp_path / "go").touch()
    pool = RayPool(4, begin, cluster.address)
    try:
        assert len({future.result() for future in [pool.submit(host, str(tmp_path)) for _ in range(6)]}) == 1
    finally:
        pool.close()


def stumble(_: int) -> None:
    """In place of TensorFlow's start, on a host that has it not."""
    raise ModuleNotFoundError("No module named 'tensorflow'")


def test_workers_that_never_start(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that lacks a package says which; workers are not started there without an end."""
    monkeypatch.setattr(ray_workers, "IN_VAIN", 2)
    with (
        closing(RayPool(1, stumble, cluster.address)) as pool,
        pytest.raises(Broken, match=r"no worker starts on the cluster: .*No module named 'tensorflow'"),
    ):
        pool.submit(abs, -7).result()


def test_a_cluster_without_a_place(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says so; it is not waited for without an end."""
    monkeypatch.setattr(ray_workers, "PLACED_S", 1.0)
    other = RayPool(1, begin, cluster.address)
    pool = RayPool(1, begin, cluster.address)
    try:
        other.submit(abs, -7).result()
        with pytest.raises(Broken, match="no host of the cluster has a free core"):
            pool.submit(abs, -7).result()
    finally:
        pool.close()
        other.close()
