"""This machine, measured by a runner that is its child."""

import json
import os
import platform
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from autotune.config import Runtime
from autotune.devices import runner
from autotune.devices.device import Session, Timing, cores
from autotune.errors import Fault, Infeasible

TIMEOUT = 120.0
"""Seconds after which a runner that does not answer is ended."""


class LocalDevice:
    """The machine that autotune runs on."""

    name = "local"
    delegates: tuple[str, ...] = ("xnnpack", "builtin", "reference")
    shares_host = True

    def __init__(self) -> None:
        self.threads = tuple(2**power for power in range(cores().bit_length()) if 2**power <= cores())

    def facts(self) -> dict[str, Any]:
        return {
            "device": self.name,
            "machine": platform.machine(),
            "system": f"{platform.system()} {platform.release()}",
            "cpu": _cpu(),
            "cores": cores(),
            "litert": version("ai-edge-litert"),
        }

    @contextmanager
    def open(self) -> Iterator[Session]:
        session = RunnerSession([sys.executable, runner.__file__])
        try:
            yield session
        finally:
            session.close()


class RunnerSession:
    """Talks to a runner, and starts another where one dies or hangs."""

    def __init__(self, command: list[str], timeout: float = TIMEOUT) -> None:
        self._command, self._timeout = command, timeout
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def outputs(self, model: Path, runtime: Runtime, inputs: Path) -> NDArray[np.float32]:
        with tempfile.TemporaryDirectory() as folder:
            outputs = Path(folder) / "outputs.npy"
            self._ask({"do": "outputs", "inputs": str(inputs), "outputs": str(outputs)}, model, runtime)
            return np.asarray(np.load(outputs, allow_pickle=False))

    def latency(self, model: Path, runtime: Runtime) -> Timing:
        return Timing(**self._ask({"do": "latency"}, model, runtime))

    def close(self) -> None:
        """Ends the runner."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                stream.close()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _ask(self, request: dict[str, Any], model: Path, runtime: Runtime) -> dict[str, Any]:
        """Asks twice before a death or a silence is put down to the file.

        Raises:
            Infeasible: LiteRT refuses, or the runner died or hung twice over it.
            Fault: the runner can't be started.
        """
        request |= {"model": str(model.resolve()), "delegate": runtime.delegate, "threads": runtime.threads}
        for attempt in (1, 2):
            try:
                answer = self._exchange(request)
                break
            except _LostError as error:
                self.close()
                if attempt == 2:
                    raise Infeasible(f"running the file ended the runner twice: {error}") from error
        if "refused" in answer:
            raise Infeasible(f"{runtime.delegate} refuses the file: {answer['refused'][:300]}")
        result: dict[str, Any] = answer["ok"]
        return result

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._start() if self._process is None else self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except OSError as error:
            raise _LostError(self._end(process)) from error
        if not select.select([process.stdout], [], [], self._timeout)[0]:
            raise _LostError(f"no answer in {self._timeout:g} s")
        line = process.stdout.readline()
        if not line.endswith("\n"):
            raise _LostError(self._end(process))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _start(self) -> "subprocess.Popen[str]":
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with the session
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                start_new_session=True,  # Ctrl-C is for the driver
                env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
            )
        except OSError as error:
            raise Fault(f"can't start the runner: {error}") from error
        return self._process

    def _end(self, process: "subprocess.Popen[str]") -> str:
        """How a dead runner ended, with the last line of its log."""
        status = process.wait()
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        assert self._log is not None
        self._log.seek(0)
        last = [line for line in self._log.read().splitlines() if line.strip()][-1:]
        return f"{how}{': ' if last else ''}{''.join(last)[:200]}"


class _LostError(Exception):
    """The runner died or went silent."""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
