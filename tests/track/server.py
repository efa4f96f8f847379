"""A real `mlflow server` on loopback, that can be stopped and started again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

LONG = 120.0
"""Seconds after which it is not going to start."""


class Server:
    """It keeps its port and its store.

    Attributes:
        uri: where it answers while it runs.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder, self.uri = folder, f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers; at once where it runs."""
        if self._process is not None:
            return
        store = ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db", "--artifacts-destination"]
        place = ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        command = [sys.executable, "-m", "mlflow", "server", *place, *store, str(self._folder / "artifacts")]
        without = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        own = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")} | without
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=own, start_new_session=True)
        end = time.monotonic() + LONG
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "server.log").read_text()
            assert time.monotonic() < end, "it does not start"
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends it with all that it has started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
