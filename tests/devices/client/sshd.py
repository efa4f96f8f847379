"""Boards for tests: sshd on loopback, with keys of its own, or at the end of a line that is slow and loses packets."""

import fcntl
import getpass
import heapq
import itertools
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.devices.processes import alive, eventually

DELAY = 0.03
"""Seconds that a packet takes, each way."""

LOSS = 0.01
"""Share of packets that don't arrive."""

SEPARATION = Path("/run/sshd")
"""Where root's sshd locks its unprivileged half in."""


def needed(program: str) -> str:
    """Its path; the test is skipped where there is none."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"needs {program}")
    return found


class Board:
    """A sshd that takes one key of one client, whose configuration calls it "board".

    Attributes:
        folder: holds all that belongs to it.
        client: the ssh that reaches it, as an argument list.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1", within: Sequence[str] = ()) -> None:
        """
        Args:
            folder: that it may fill.
            address: that it listens on.
            within: what its command line is preceded by, such as what enters a network namespace.
        """
        self.folder, self._within = folder, list(within)
        self._sshd, client = needed("sshd"), needed("ssh")
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("host", "user", "stranger"):
            subprocess.run(
                [needed("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
            )
        shutil.copy(folder / "user.pub", folder / "authorized")
        port = _free_port()
        self._address = (address, port)
        environment = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        environment["PATH"] = f"{Path(sys.base_prefix) / 'bin'}:{os.defpath}"
        environment["SHLVL"] = "1"  # bash reads no .bashrc then: that is this machine's, and may take its time
        _write(
            folder / "sshd_config",
            f"ListenAddress {address}:{port}",
            f"HostKey {folder}/host",
            f"AuthorizedKeysFile {folder}/authorized",
            f"PidFile {folder}/sshd.pid",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "SetEnv " + " ".join(f'"{name}={value}"' for name, value in environment.items()),
        )
        _write(
            folder / "ssh_config",
            "Host board",
            f"    HostName {address}",
            f"    Port {port}",
            f"    User {getpass.getuser()}",
            f"    IdentityFile {folder}/user",
            "    IdentitiesOnly yes",
            "    IdentityAgent none",
            f"    UserKnownHostsFile {folder}/known",
            "    GlobalKnownHostsFile none",
        )
        _write(folder / "known", f"[{address}]:{port} {(folder / 'host.pub').read_text()}")
        self.client = [client, "-F", str(folder / "ssh_config")]

    @property
    def log(self) -> str:
        """What sshd noted."""
        return (self.folder / "sshd.log").read_text()

    def configure(self, *lines: str) -> None:
        """Adds to the client's configuration of this host."""
        with (self.folder / "ssh_config").open("a") as file:
            file.writelines(f"    {line}\n" for line in lines)

    def start(self) -> None:
        """Returns when it can be connected to."""
        command = [self._sshd, "-D", "-f", str(self.folder / "sshd_config"), "-E", str(self.folder / "sshd.log")]
        self._process = subprocess.Popen([*self._within, *command], stdin=subprocess.DEVNULL)
        for _ in range(100):
            with suppress(OSError), socket.create_connection(self._address, 1) as opened:
                opened.settimeout(1)
                if opened.recv(4):
                    return
            time.sleep(0.05)
        self.stop()
        pytest.skip(f"sshd does not start here: {' '.join(self.log.split())[-200:]}")

    def processes(self) -> list[psutil.Process]:
        """All that was started by sshd."""
        return [] if self._process is None else psutil.Process(self._process.pid).children(recursive=True)

    def stop(self) -> None:
        """At once, with all that it started, as where the power is cut."""
        processes = self.processes()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        assert eventually(lambda: not any(map(alive, processes)))


@contextmanager
def running(folder: Path, address: str = "127.0.0.1", within: Sequence[str] = ()) -> Iterator[Board]:
    """One that runs."""
    made = Board(folder, address, within)
    if os.getuid() == 0:
        SEPARATION.mkdir(mode=0o755, exist_ok=True)  # as its service does; stays, since another may use it by now
    try:
        made.start()
        yield made
    finally:
        made.stop()


class Line:
    """A network namespace, and a slow line to it.

    Its packets are carried by a thread of this process: few kernels have netem.

    Attributes:
        address: of the far end.
        within: what a command line is preceded by to run there.
        cut: set while nothing is carried.
    """

    def __init__(self) -> None:
        self._name = f"autotune-{os.getpid()}"
        block = IPv4Address("198.18.0.0") + 4 * (os.getpid() % 2**15)  # of those kept for tests of networks
        self._near, self.address = str(block + 1), str(block + 2)
        self.within = [needed("ip"), "netns", "exec", self._name]
        self.cut, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._ends: list[int] = []

    def __enter__(self) -> Self:
        near, far = (f"at{os.getpid()}{end}" for end in "nf")
        try:
            _ip("netns", "add", self._name)
            self._ends = [_tunnel(near), _tunnel(far)]
            _ip("link", "set", far, "netns", self._name)
            _ip("addr", "add", f"{self._near}/30", "dev", near)
            _ip("link", "set", near, "up")
            _ip("-n", self._name, "addr", "add", f"{self.address}/30", "dev", far)
            for link in (far, "lo"):
                _ip("-n", self._name, "link", "set", link, "up")
        except (OSError, subprocess.CalledProcessError) as error:
            self.__exit__()
            pytest.skip(f"no network namespace can be made here: {error}")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for end in self._ends:
            os.close(end)
        subprocess.run([needed("ip"), "netns", "del", self._name], stderr=subprocess.DEVNULL, check=False)

    def _carry(self) -> None:
        chance, number = random.Random(1), itertools.count()
        under_way: list[tuple[float, int, int, bytes]] = []
        other = dict(zip(self._ends, reversed(self._ends), strict=True))
        while not self._over.is_set():
            now = time.monotonic()
            while under_way and under_way[0][0] <= now:
                _, _, end, packet = heapq.heappop(under_way)
                with suppress(OSError):
                    os.write(end, packet)
            wait = min(0.1, under_way[0][0] - now) if under_way else 0.1
            for end in select.select(self._ends, [], [], wait)[0]:
                packet = os.read(end, 4096)
                if chance.random() >= LOSS and not self.cut.is_set():
                    heapq.heappush(under_way, (time.monotonic() + DELAY, next(number), other[end], packet))


def _tunnel(name: str) -> int:
    """The end of a link whose packets are read and written by us."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(end, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))  # TUNSETIFF; IFF_TUN, IFF_NO_PI
    return end


def _ip(*arguments: str) -> None:
    subprocess.run([needed("ip"), *arguments], check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def _write(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
