"""Fakes of everything slow: with toy_files(), FakePool and FakeDevice the whole loop runs in seconds."""

import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from autotune.compress import pipeline
from autotune.compress.channels.examine import count_dead
from autotune.compress.stage import TrainingData
from autotune.config import Runtime
from autotune.devices.device import Cooling, Session, Timing, Window
from autotune.errors import Fault, Infeasible
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact
from autotune.model.opening import Opening
from autotune.model.trust import Trust
from autotune.results.meta import DeviceFacts
from autotune.results.profile import OperatorTime
from autotune.study.reporting import Silent
from autotune.targets.metric import CODECS
from autotune.task.model_facts import ModelFacts, TensorSpec

T = TypeVar("T")

CLASSES = 4

History = list[tuple[str, JsonObject]]
"""What a toy file holds: the stages that made it, each with its parameters."""


def toy_files(folder: Path, samples: int = 200) -> tuple[Path, Path]:
    """Writes a model file that toy_import() opens, and data whose inputs hold their labels.

    Returns:
        The paths of model and data.
    """
    model, data = folder / "toy.keras", folder / "toy.npz"
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr(zipfile.ZipInfo("config.json"), "{}")
    y = np.arange(samples) % CLASSES
    x = y[:, np.newaxis] + np.linspace(0, 0.5, samples)[:, np.newaxis]
    np.savez(data, x_train=x, y_train=y, x_test=x, y_test=y)
    return model, data


def toy_import(data: bytes, name: str, trust: Trust, opening: Opening = Opening()) -> Artifact:  # noqa: B008  # frozen
    """An import in place of model.load.import_model()."""
    facts = ModelFacts(
        (TensorSpec((1,)),),
        (TensorSpec((CLASSES,), activation="softmax"),),
        ("dense",),
        parameters=100,
        largest_layer=100,
    )
    return Artifact(data, facts.to_json())


def toy_build(
    step: pipeline.Step, base: bytes, parent: bytes | None, data: TrainingData, smaller: bytes | None = None
) -> Artifact:
    """A build in place of compress.pipeline.build(): the "file" is a JSON list of what was done."""
    history = [*json.loads(parent or smaller or b"[]"), [step.stage, step.parameters]]
    file = json.dumps(history).encode()
    scheme = step.parameters.get("scheme", "none")
    size = 1000 * toy_share(step.parameters.get("sparsity", 0), step.parameters.get("clusters", 0), scheme)
    layer = {"name": "dense", "operator": "FULLY_CONNECTED", "weights": 100, "sparsity": 0.0, "distinct": 100}
    return Artifact(file, {"downloads": toy_downloads(size), "layers": [layer]})


def toy_downloads(size: float) -> dict[str, float]:
    """What a toy file is under each codec, of its size under the first."""
    return {codec: size * factor for codec, factor in zip(CODECS, (1.0, 0.8, 0.95, 0.9), strict=True)}


def toy_share(sparsity: float, clusters: int, scheme: str) -> float:
    """What a toy file's download is of the original's."""
    share = {"none": 1.0, "float16": 0.5}.get(scheme, 0.25)
    return share * (1 - 0.8 * sparsity) * (0.6 if clusters else 1.0)


class FakePool:
    """Calls in threads of this process; pipeline.build() is replaced by a toy, whose models have no dead channels.

    Attributes:
        built: the steps built, in order.
    """

    def __init__(self, jobs: int = 2, build: Callable[..., Artifact] = toy_build) -> None:
        self.built: list[pipeline.Step] = []
        self._build = build
        self._threads = ThreadPoolExecutor(jobs)

    def share(self, value: object) -> object:
        return value

    def submit(self, function: Callable[..., T], *arguments: object) -> "Future[T]":
        try:
            return self._threads.submit(self._call, function, *arguments)
        except RuntimeError as error:  # closed
            raise Fault("the workers were ended") from error

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _call(self, function: Callable[..., T], *arguments: object) -> T:
        if function is count_dead:
            return cast("T", 0)
        if function is not pipeline.build:
            return function(*arguments)
        self.built.append(cast("pipeline.Step", arguments[0]))
        return cast("T", self._build(*arguments))


class FakeDevice:
    """Runs toy files: accuracy falls with compression, latency with quantization and threads.

    Attributes:
        refuses: a delegate that it offers and then refuses.
        idle: a delegate that runs nothing.
        wrong: a delegate whose outputs are another class's.
        slower: factor on every time.
        memory: that every file takes, in bytes; None where it can't tell.
        faults: how many measurements fail before they work.
        calls: "outputs", "latency" and so on, in order.
        closed: set once a session was closed.
        quiet: told before each measurement of latency; raise in it to check that it is.
    """

    name = "fake"
    delegates: tuple[str, ...] = ("xnnpack", "builtin", "reference")
    threads: tuple[int, ...] = (1, 2)
    shares_host = True
    emulated = False
    cooling: Cooling | None = None
    delegate_names: tuple[str, ...] = ()
    sustains = False
    loads = False

    def __init__(
        self,
        *,
        refuses: str | None = None,
        idle: str | None = None,
        wrong: str | None = None,
        faults: int = 0,
        quiet: Callable[[], None] = lambda: None,
    ) -> None:
        self.refuses = refuses
        self.idle = idle
        self.wrong = wrong
        self.faults = faults
        self.quiet = quiet
        self.slower = 1.0
        self.memory: int | None = 1000
        self.calls: list[str] = []
        self.closed = threading.Event()
        self._leases: list[bool] = []
        self._lock = threading.Lock()

    def missing(self) -> dict[str, str]:
        return {}

    def facts(self) -> DeviceFacts:
        return DeviceFacts(self.name)

    @contextmanager
    def open(self, load: int = 0) -> Iterator[Session]:
        session = FakeSession(self)
        try:
            yield session
        finally:
            session.over = True
            self.closed.set()

    def take(self, shared: bool) -> bool:
        """Whether a session has the lease that it asks for."""
        with self._lock:
            if self._leases and not (shared and all(self._leases)):
                return False
            self._leases.append(shared)
            return True

    def leave(self, shared: bool) -> None:
        """Gives such a lease back."""
        with self._lock:
            self._leases.remove(shared)

    def call(self, what: str, runtime: Runtime) -> None:
        """Notes a call, and refuses or fails as it was told to."""
        with self._lock:
            self.calls.append(what)
            if runtime.delegate == self.refuses:
                raise Infeasible(f"{runtime.delegate} refuses the file")
            if what == "latency" and self.faults:
                self.faults -= 1
                raise Fault("the connection was lost")


class FakeSession:
    """A session on a FakeDevice.

    Attributes:
        over: whether it was closed.
    """

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self.over = False

    def outputs(self, model: Path, runtime: Runtime, inputs: Path) -> NDArray[np.float32]:
        self._device.call("outputs", runtime)
        labels = np.load(inputs)[:, 0].astype(int)
        outputs: NDArray[np.float32] = np.eye(CLASSES, dtype=np.float32)[labels]
        wrong = len(labels) if runtime.delegate == self._device.wrong else int(len(labels) * toy_loss(model))
        outputs[:wrong] = np.roll(outputs[:wrong], 1, axis=1)
        return outputs

    def latency(self, model: Path, runtime: Runtime, seconds: float = 0.05) -> Timing:
        self._device.quiet()
        self._device.call("latency", runtime)
        slow = {"xnnpack": 1, "builtin": 4, "reference": 40}[runtime.delegate]
        scheme = _scheme(_history(model))
        mean = 100.0 * slow * (1 if scheme in ("none", "float16") else 0.4) / runtime.threads**0.5
        mean *= self._device.slower
        delegated = 0 if runtime.delegate == self._device.idle else 4
        return Timing(
            [mean] * 9 + [2 * mean],
            5 * mean,
            3 * mean,
            memory_bytes=self._device.memory,
            operators=4,
            delegated=delegated,
        )

    def sustain(self, model: Path, runtime: Runtime, seconds: float) -> list[Window]:
        raise Infeasible("toy files are not run on end")

    def profile(self, model: Path, runtime: Runtime, seconds: float = 1.0) -> list[OperatorTime] | None:
        self._device.call("profile", runtime)
        return None

    def temperature(self) -> float | None:
        return None

    @contextmanager
    def lease(self, *, shared: bool = False, waiting: Callable[[str], None]) -> Iterator[None]:
        while not self._device.take(shared):
            if self.over:
                raise Fault("the session was closed")
            waiting("another session")
            time.sleep(0.001)
        try:
            yield
        finally:
            self._device.leave(shared)


def toy_loss(model: Path) -> float:
    """The share of its samples that a toy file gets wrong."""
    history = _history(model)
    lost = 0.1 + {"none": 0.0, "float16": 0.0}.get(_scheme(history), 0.02)
    for stage, parameters in history:
        lost += {"prune": 0.2 * parameters.get("sparsity", 0), "cluster": 0.03}.get(stage.removesuffix("_once"), 0)
    return float(lost)


def _history(model: Path) -> History:
    try:
        history: History = json.loads(model.read_text())
    except json.JSONDecodeError as error:
        raise Infeasible("not a toy file") from error
    return history


def _scheme(history: History) -> str:
    return str(history[-1][1]["scheme"])


class SilentReporter(Silent):
    """Keeps what it is told.

    Attributes:
        notes: lines.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
