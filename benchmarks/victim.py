"""A study that is hurt: its processes, what it has finished, and how both are held against what they were."""

import os
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil

from autotune.errors import ExitStatus
from autotune.ledger.journal import JOURNAL, read_if_any
from benchmarks import kinds
from benchmarks.kinds import ROOT, Kind, store

_NATIVE = ("raylet", "gcs_server")

GONE_S = 60.0
"""Seconds that processes may take to end after the one that they belong to."""


class Victim:
    """A study in a folder, and the run of it that is under way.

    Attributes:
        folder: of it.
        kind: of it.
    """

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.folder, self.kind = folder, kind
        folder.mkdir()
        (folder / "tmp").mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = set[psutil.Process]()
        self._watching = threading.Event()
        self._journal = b""
        self._told: dict[int, Any] = {}
        self._entries: dict[str, tuple[int, int]] = {}
        self._damaged = set[str]()

    @property
    def study(self) -> Path:
        return self.folder / "runs" / self.kind.name

    @property
    def log(self) -> Path:
        """What the last run said."""
        return self.folder / "said.log"

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {"TMPDIR": str(self.folder / "tmp"), "PYTHONPATH": str(ROOT)}

    @property
    def ending(self) -> str:
        """How the run ended: its status, and the last line that it said."""
        said = self.log.read_text(errors="replace").strip().rpartition("\n")[2]
        return f"ended with status {self.status}: {said}"

    def start(self, tracking: str | None = None) -> None:
        """Begins a run, or goes on with it.

        Args:
            tracking: the MLflow store of this run; by default the study's own.
        """
        with self.log.open("wb") as said:
            self._process = subprocess.Popen(
                self.kind.command(self.folder, tracking or store(self.folder)),
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self._seen = {psutil.Process(self._process.pid)}
        self._watching = threading.Event()
        threading.Thread(target=self._watch, args=(self._watching,), daemon=True).start()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether the run has ended by then."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._watching.set()
        return True

    @property
    def runs(self) -> bool:
        """Whether a run is under way."""
        return self._process is not None and self._process.poll() is None

    def goes_on(self) -> bool:
        """Waits until another trial is told, or the run has ended; whether it has not."""
        before = len(self._points())
        while not self.wait(0.5):
            if len(self._points()) > before:
                return True
        return False

    def makes_store(self) -> bool:
        """Waits until the run begins to make an MLflow store, or has ended; whether it has not."""
        while not self.wait(0.005):
            if any((self.folder / "tmp").glob("*/mlflow.db")):
                return True
        return False

    def has(self, name: str) -> bool:
        """Waits until there is a process of this name, or the run has ended; whether it has not."""
        while not self.processes(name):
            if self.wait(0.05):
                return False
        return self.runs

    @property
    def status(self) -> int:
        """That the run ended with."""
        assert self._process is not None
        assert self._process.returncode is not None
        return self._process.returncode

    def processes(self, name: str) -> list[psutil.Process]:
        """Those of the run that are called so: driver, worker, raylet, gcs_server, ray, runner."""
        assert self._process is not None
        if name == "driver":
            return [psutil.Process(self._process.pid)]
        return [process for process in list(self._seen) if _is(process, name)]

    def fill(self, largest: int) -> None:
        """Fills the disk: no process of Python's writes a file of more than these bytes from now on."""
        for process in {*self.processes("driver"), *list(self._seen)}:
            with suppress(psutil.Error):
                if process.name() not in _NATIVE:  # they would be killed
                    process.rlimit(psutil.RLIMIT_FSIZE, (largest, largest))

    def kill_all(self) -> None:
        """Every process of the run at once, as where the machine is switched off."""
        for process in [*self.processes("driver"), *list(self._seen)]:
            with suppress(psutil.Error):
                process.kill()

    def left(self) -> list[str]:
        """What still runs of a run that has ended, after a while."""
        end = time.monotonic() + GONE_S
        while (running := [process for process in self._seen if _runs(process)]) and time.monotonic() < end:
            time.sleep(0.1)
        for process in running:
            with suppress(psutil.Error):
                process.kill()
        return [f"{process.pid} is left running" for process in running]

    def remember(self) -> None:
        """Takes what is finished for what the next runs are held against."""
        path = self.study / JOURNAL
        record = read_if_any(self.study, self.kind.name)
        if record is not None and record.damage is None:
            data = path.read_bytes()
            self._journal = data[: data.rfind(b"\n") + 1]
        self._told = self._points()
        whole = set(self._keys()) - self._damaged
        self._entries = {key: where for key in whole if (where := self._entry(key)) is not None}

    def forget(self, key: str) -> None:
        """An entry of the cache that was damaged on purpose."""
        self._entries.pop(key, None)
        self._damaged.add(key)

    def changed(self) -> list[str]:
        """What of all that was finished is not as it was."""
        path, wrong = self.study / JOURNAL, []
        if not (path.read_bytes() if path.exists() else b"").startswith(self._journal):
            wrong.append("lines of the journal are gone")
        told = self._points()
        wrong += [
            f"trial {trial} was told otherwise or lost" for trial in self._told if told.get(trial) != self._told[trial]
        ]
        configs = Counter(str(outcome["config"]) for outcome in told.values())
        wrong += [f"{config} was measured {count} times" for config, count in configs.items() if count > 1]
        wrong += [f"{key[:8]} was built again" for key, where in self._entries.items() if self._entry(key) != where]
        return wrong

    def unfinished(self) -> list[str]:
        """What is wrong about a run that ended by itself, and should be whole."""
        wrong = [] if self.status in (ExitStatus.DONE, ExitStatus.UNMET) else [self.ending]
        record = read_if_any(self.study, self.kind.name)
        asked = 0 if record is None else record.trials_done
        if self.status in (ExitStatus.DONE, ExitStatus.UNMET) and asked < self.kind.trials:
            wrong.append(f"{asked} trials of {self.kind.trials}")
        return wrong

    def untracked(self) -> list[str]:
        """What the MLflow store of a study that came to its end has not, or has twice, after `autotune sync`."""
        sync = kinds.sync(self.folder)
        ended = subprocess.run(
            sync, env=self._environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if ended.returncode != ExitStatus.DONE:
            return [f"sync ended with status {ended.returncode}: {ended.stderr.strip()}"]
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as database:
            rows = database.execute("SELECT value, COUNT(*) FROM tags WHERE key = 'autotune.trial' GROUP BY value")
            runs = {int(trial): count for trial, count in rows}
        wrong = [f"trial {trial} is not in MLflow" for trial in self._points() if trial not in runs]
        return [*wrong, *(f"trial {trial} is in MLflow {count} times" for trial, count in runs.items() if count > 1)]

    def scratch(self) -> list[str]:
        """What is left in the end that is temporary, of the last run or of those before it."""
        left = [
            *(self.folder / "tmp").iterdir(),
            *self.folder.rglob(".new-*"),
            *(self.folder / "runs").rglob("autotune-*"),
        ]
        return [f"{path.relative_to(self.folder)} is left" for path in {*left}]

    def said(self) -> list[str]:
        """What a run must not say."""
        text = self.log.read_text(errors="replace")
        return ["a traceback"] if "Traceback" in text else []

    @property
    def cached(self) -> list[Path]:
        """The folders of the cache's entries."""
        return [path.parent for path in (self.folder / "runs" / ".cache").glob("*/*/facts.json")]

    def _keys(self) -> list[str]:
        return [path.name for path in self.cached]

    def _entry(self, key: str) -> tuple[int, int] | None:
        for path in self.cached:
            if path.name == key:
                with suppress(OSError):
                    status = (path / "facts.json").stat()
                    return status.st_ino, status.st_mtime_ns
        return None

    def _points(self) -> dict[int, Any]:
        record = read_if_any(self.study, self.kind.name)
        return {} if record is None else {point.trial: _as_told(point.outcome.to_json()) for point in record.points}

    def _watch(self, ended: threading.Event) -> None:
        assert self._process is not None
        seen, driver = self._seen, psutil.Process(self._process.pid)
        while not ended.wait(0.05):
            with suppress(psutil.Error):
                seen.update(driver.children(recursive=True))
            for process in list(seen):
                with suppress(psutil.Error):  # what is adopted by others when its parent dies
                    seen.update(process.children(recursive=True))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is(process: psutil.Process, name: str) -> bool:
    """Whether a process runs and is called so, see Victim.processes()."""
    try:
        if not _runs(process):
            return False
        words = process.cmdline()
        if name == "worker":
            return words[:1] != [] and words[0].startswith("ray::_Worker")  # and what it does, where it does anything
        if name == "ray":
            return any("autotune.study.ray_process" in word for word in words)
        if name == "runner":
            return any("types.ModuleType" in word for word in words)
        return process.name() == name
    except psutil.Error:
        return False


def _as_told(outcome: dict[str, Any]) -> dict[str, Any]:
    """What of an outcome stays: the front's latencies are measured once more at a study's end."""
    return {name: outcome.get(name) for name in ("config", "state", "artifact", "reason")}
