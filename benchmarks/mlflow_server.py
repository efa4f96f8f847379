"""An MLflow server on loopback, which can be killed, or stopped where it stands."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil


class Server:
    """A server with a store of its own, from its start until close().

    Attributes:
        uri: of it.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        """Starts it, and waits until it answers.

        Args:
            folder: for its store and artifacts.
            variables: of its environment, beside this process'.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{port}"
        store = ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
        artifacts = ["--artifacts-destination", str(folder / "art")]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        self._process = subprocess.Popen(
            [*command, *store, *artifacts],
            env=os.environ | (variables or {}),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"mlflow server ended with status {self._process.returncode}")
            time.sleep(0.2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def kill(self) -> None:
        """Ends it where it stands; connections are refused from then on."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """Lets it hang: connections are taken, and nothing is ever answered."""
        self._signal(signal.SIGSTOP)

    def close(self) -> None:
        """Ends it, whatever it does."""
        self.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.uri}/health", timeout=1).close()
        except OSError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        """To it and all its children, which it would start again."""
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            for one in [process, *process.children(recursive=True)]:
                with suppress(psutil.Error):
                    one.send_signal(number)
