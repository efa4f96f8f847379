"""Where a cluster is: whatever is wrong with it is one line, within seconds."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version

import pytest

from autotune.errors import UserError
from autotune.study import ray_address
from autotune.study.pool import RayPool
from autotune.study.ray_address import _check_versions, reached


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of something that is no Ray: it takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def serve() -> None:
            try:
                while True:
                    taken.append(server.accept()[0])
            except OSError:  # it was closed
                pass

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        for connection in taken:
            connection.close()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("head", "--ray head: is no address; write HOST:PORT"),
        ("head:66666", "--ray head:66666: is no address"),
        ("127.0.0.1:1", r"--ray 127.0.0.1:1: can't be reached \(Connection refused\)"),
        ("no.such.host.invalid:6379", r"--ray no.such.host.invalid:6379: can't be reached \(.+\)"),
        ("ray://head:10001", "--ray ray://head:10001: Ray's client can't be used"),
    ],
)
def test_an_address_that_is_none(address: str, message: str) -> None:
    """Said before Ray is asked."""
    with pytest.raises(UserError, match=message):
        reached(address)


def test_what_is_no_ray(mute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another service at the address is not waited for; a study ends in the same line."""
    monkeypatch.setattr(ray_address, "ANSWERED_S", 3.0)
    with pytest.raises(UserError, match=f"--ray {mute}: what answers there is no Ray"):
        reached(mute)


def test_a_pool_tells_at_once() -> None:
    """A wrong address is the user's, and not tried again as a Ray that does not start is."""
    with (
        closing(RayPool(1, abs, "127.0.0.1:1")) as pool,  # type: ignore[arg-type]  # never called
        pytest.raises(UserError, match=r"--ray 127\.0\.0\.1:1: can't be reached"),
    ):
        pool.submit(abs, -7).result()


def test_auto_is_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere in Ray; the line names what that stands for."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UserError, match=r"--ray auto \(127.0.0.1:1\): can't be reached"):
        reached("auto")


def test_versions_must_be_the_same() -> None:
    """Ray works with no others."""
    with pytest.raises(UserError, match=r"--ray head:1: has Ray 2\.0\.0, this machine .*; they must be the same"):
        _check_versions("--ray head:1", {"ray_version": "2.0.0", "python_version": "3.1.4"})
    with pytest.raises(UserError, match=r"has Python 3\.1\.4, this machine"):
        _check_versions("--ray head:1", {"ray_version": version("ray"), "python_version": "3.1.4"})
