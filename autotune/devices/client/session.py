"""What a runner is asked: files are sent, run and measured, and the device is held for it."""

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from autotune.config import Runtime
from autotune.devices.client import answers
from autotune.devices.client.connection import Connection, Transport
from autotune.devices.device import MeasureOptions, Timing, Window, holder
from autotune.devices.runner import inference, server
from autotune.errors import Fault, Infeasible, UserError, one_line
from autotune.json_object import JsonObject
from autotune.results.meta import DeviceFacts
from autotune.results.profile import OperatorTime
from autotune.task.data.fields import Array
from autotune.tflite.flatbuffer import ends
from autotune.tflite.state import state

T = TypeVar("T")

log = logging.getLogger("autotune.runner")

GRACE = 30.0
"""Seconds by which a runner's answer may come later than the limit that the runner itself keeps."""

POLL = 0.2
"""Seconds between two tries for the lease."""

PIECE = 1 << 24
"""Bytes of a file that are sent at once: samples may be more than memory should hold."""

TAKEOVER = 10.0
"""Seconds in which a new runner must have the lease of the one that was lost."""


class RunnerSession:
    """A runner, by way of a transport. See devices.device.Session."""

    def __init__(
        self,
        transport: Transport,
        options: MeasureOptions = MeasureOptions(),
        load: int = 0,
    ) -> None:
        """
        Args:
            transport: the way to it.
            options: by which files are run.
            load: cores that are kept busy beside each file.
        """
        self._transport = transport
        self._limit = options.limit
        self._fixed = {"cpus": list(options.cpus), "load": load}
        self._sent: set[str] = set()
        self._digests: dict[tuple[Path, int, int], str] = {}
        self._files: dict[str, JsonObject] = {}
        self._connection = Connection(transport, uuid.uuid4().hex, self._greet)
        self._mode = "none"
        self._lock = threading.RLock()

    # what a Session does

    def outputs(self, model: Path, runtime: Runtime, inputs: Path) -> Array:
        """Asked for in blocks, so that the limit is none of a whole data set's; they grow where a file is fast."""
        count = len(np.load(inputs, mmap_mode="r", allow_pickle=False))
        block = batch = inference.BATCH
        start = 0
        parts = []
        while start < count:
            end = min(start + block, count)
            began = time.monotonic()
            span = {"inputs": self._send(inputs), "from": start, "to": end, "batch": batch}
            answer, data = self._run("outputs", model, runtime, span)
            parts.append(self._understood(partial(answers.outputs, data, end - start)))
            batch = self._understood(partial(answers.batch, answer))
            start = end
            if time.monotonic() - began < self._limit / 8:
                block *= 2
        return self._understood(lambda: np.concatenate(parts))

    def latency(self, model: Path, runtime: Runtime, seconds: float = 0.05) -> Timing:
        answer, _ = self._run("latency", model, runtime, {"seconds": seconds})
        return self._understood(lambda: answers.timing(answer))

    def sustain(self, model: Path, runtime: Runtime, seconds: float) -> list[Window]:
        answer, _ = self._run("sustain", model, runtime, {"seconds": seconds})
        return self._understood(lambda: answers.windows(answer))

    def profile(self, model: Path, runtime: Runtime, seconds: float = 1.0) -> list[OperatorTime] | None:
        answer, _ = self._run("profile", model, runtime, {"seconds": seconds})
        return self._understood(lambda: answers.operators(answer))

    @contextmanager
    def lease(self, *, shared: bool = False, waiting: Callable[[str], None]) -> Iterator[None]:
        over = threading.Event()
        orderly = True
        try:
            self._hold("shared" if shared else "exclusive", waiting)
            threading.Thread(target=self._stay_awake, args=(over,), daemon=True).start()
            yield
        except BaseException as error:
            orderly = isinstance(error, (Infeasible, Fault))  # else nobody waits for what runs in another thread
            raise
        finally:
            over.set()
            self._mode = "none"
            if not orderly:
                self._connection.abandon()  # the kernel frees the lease
            elif self._connection.process is not None:
                with suppress(Fault):  # a lost one leaves it, too
                    self._ask({"do": "lease", "mode": "none"})

    def _stay_awake(self, over: threading.Event) -> None:
        """A sign of life now and then: a long build must not look like a driver that is gone."""
        while not over.wait(server.SILENT_SECONDS / 4):
            with self._lock, suppress(Fault):
                if self._connection.process is not None and not over.is_set():
                    self._ask({"do": "state"})

    def facts(self) -> DeviceFacts:
        """What there is to know about the machine."""
        answer = self._ask({"do": "facts"})
        return self._understood(lambda: answers.facts(answer, self._transport.name))

    def temperature(self) -> float | None:
        answer = self._ask({"do": "state"})
        return self._understood(lambda: answers.temperature(answer))

    def close(self) -> None:
        """Ends the runner; at once where another thread has it do something, which is a Fault there."""
        idle = self._lock.acquire(blocking=False)
        try:
            self._connection.end(at_once=not idle)
        finally:
            if idle:
                self._lock.release()

    # requests

    def _run(self, do: str, model: Path, runtime: Runtime, extra: JsonObject) -> tuple[JsonObject, bytes]:
        """Runs a file; asks twice before a death is put down to it.

        Args:
            do: what is asked of it.
            model: the file.
            runtime: by which it is run.
            extra: what this request has besides.

        Raises:
            Infeasible: LiteRT refuses, or the file ended its process twice or hangs.
            Fault: the runner or the way to it was lost.
        """
        limit = self._limit + extra.get("seconds", 0.0)
        with self._lock:
            for attempt in (1, 2):
                if attempt == 2 and "batch" in extra:
                    extra = {**extra, "batch": 1}  # it may have been too much for the memory
                request = {"do": do, "model": self._send(model), "limit_s": limit, **self._fixed, **extra}
                request |= {"delegate": runtime.delegate, "threads": runtime.threads}
                request |= self._about(model, request["model"])
                answer, data = self._connection.exchange(request, limit + GRACE)
                for line in answer.pop("said", ()):
                    log.info("%s: %s", self._transport.name, line)
                if "refused" in answer:
                    what = f"{runtime.delegate} refuses the file"
                    if do == "profile":  # by another way, which may not open what the delegate runs
                        what = f"LiteRT's profiler can't run the file on {runtime.delegate}"
                    raise Infeasible(f"{what}: {answer['refused'][:300]}")
                if "died" not in answer:
                    break
                if answer["died"].startswith("no answer"):
                    samples = f" for {extra['to'] - extra['from']} samples" if "to" in extra else ""
                    advice = "give the device file a longer `limit`"
                    raise Infeasible(f"on {runtime.delegate} {answer['died']}{samples}; {advice}")
                if attempt == 2:
                    raise Infeasible(
                        f"running the file ended its process twice on {runtime.delegate}: {answer['died']}"
                    )
        return self._ok(answer), data

    def _ask(self, request: JsonObject, data: bytes = b"") -> JsonObject:
        with self._lock:
            answer, _ = self._connection.exchange(request, GRACE + len(data) / 1e5, data)
        return self._ok(answer)

    def _ok(self, answer: JsonObject) -> JsonObject:
        if "broken" in answer:
            self._sent.clear()  # files may be gone
            raise Fault(f"device {self._transport.name}: {answer['broken'][:300]}")
        if "ok" not in answer:
            raise Fault(f"device {self._transport.name}: answers as to another question")
        result: JsonObject = answer["ok"]
        return result

    def _understood(self, read: Callable[[], T]) -> T:
        """What an answer says.

        Args:
            read: takes it apart, by one of answers' functions.

        Raises:
            Fault: it is none to what was asked.
        """
        try:
            return read()
        except ValueError as error:
            raise Fault(f"device {self._transport.name}: what it says is no answer, {one_line(error)}") from error

    def _about(self, model: Path, digest: str) -> JsonObject:
        """What the runner is to know of a file that was sent."""
        if digest not in self._files:
            file = model.read_bytes()
            try:
                names = ends(file)
                fields = {"inputs": list(names.input_fields), "outputs": list(names.output_fields)}
            except UserError:  # LiteRT will refuse it, and say why
                fields = inference.ONE_EACH
            self._files[digest] = {"state": state(file), "ends": fields}
        return self._files[digest]

    def _send(self, path: Path) -> str:
        """Puts a file there unless it is there, and gives its sha256."""
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size)
        with self._lock:
            if key not in self._digests:
                with path.open("rb") as file:
                    self._digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
            digest = self._digests[key]
            if self._connection.process is None or digest not in self._sent:
                if not self._ask({"do": "have", "file": digest}).get("have"):
                    self._put(path, digest, status.st_size)
                self._sent.add(digest)
        return digest

    def _put(self, path: Path, digest: str, size: int) -> None:
        with path.open("rb") as file:
            for start in range(0, max(size, 1), PIECE):
                self._ask({"do": "put", "file": digest, "size": size, "from": start}, file.read(PIECE))

    def _hold(self, mode: str, waiting: Callable[[str], None]) -> None:
        while (by := self._lease_or_reconnect(mode)) is not None:
            waiting(by)
            time.sleep(POLL)
        self._mode = mode

    def _lease_or_reconnect(self, mode: str) -> str | None:
        try:
            return self._lease(mode)
        except Fault:  # waiting may outlast a connection, and asking twice does no harm
            return self._lease(mode)

    def _lease(self, mode: str, queue: bool = True) -> str | None:
        """Who holds it, None where it is ours now."""
        answer = self._ask({"do": "lease", "mode": mode, "holder": holder(), "queue": queue})
        return self._understood(lambda: answers.holder(answer))

    def _greet(self) -> None:
        """Begins with a new runner, which may have lost files, by the lease that the one before it held."""
        self._sent.clear()
        began = time.monotonic()
        while self._mode != "none" and (by := self._lease(self._mode, queue=False)) is not None:
            if time.monotonic() > began + TAKEOVER:
                self._connection.close()
                raise Fault(f"device {self._transport.name}: its lease was lost to {by}")
            time.sleep(POLL)
