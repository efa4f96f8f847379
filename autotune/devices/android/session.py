"""Asks benchmark_model on an Android phone what a file computes and how long it takes."""

import contextlib
import fcntl
import hashlib
import os
import shlex
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from signal import Signals
from typing import Unpack

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from autotune.config import Runtime, fingerprint
from autotune.devices.android import benchmark_model as tool
from autotune.devices.android.phone import FOLDER, Overtime, Phone
from autotune.devices.client.session import POLL
from autotune.devices.device import MeasureOptions, Timing, Window, holder
from autotune.devices.runner.inference import LEAST_RUNS, WARM_UP_SECONDS, Details, decoded, encoded
from autotune.devices.runner.server import locked_file
from autotune.errors import Fault, Infeasible
from autotune.files import Scratch
from autotune.results.profile import OperatorTime
from autotune.task.data.fields import Array
from autotune.tflite.flatbuffer import ends_if_any
from autotune.tflite.state import state

BATCH, SINGLY = 100, 20
"""Samples evaluated in one go: at once where the file can be resized to them, else by a process for each."""

SERIALIZING = ("gpu", "nnapi")
"""Delegates that can keep what they compiled."""

_TYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}


class AdbSession:
    """Runs benchmark_model on a phone, a process for each question. See devices.device.Session.

    Its clock takes the inference: inputs are written before and outputs are read after; a delegate's
    copies to and from its own memory are within. Inputs are random, of the tool's own ranges. It tells
    no single times but their number, extremes, mean and three percentiles. Timing.times_us are as many
    times that have these percentiles, rising (Statistics.times()); of a build that tells none they are
    the block's mean alone.
    """

    def __init__(
        self, name: str, phone: Phone, words: Sequence[str], flags: Mapping[str, Sequence[str]], options: MeasureOptions
    ) -> None:
        """
        Args:
            name: of the device.
            phone: to run on.
            words: that start benchmark_model there.
            flags: more of them, by delegate.
            options: by which files are run; on which CPUs, the words say.
        """
        self._name = name
        self._phone = phone
        self._words = list(words)
        self._flags = flags
        self._limit = options.limit
        self._own = f"{FOLDER}/{uuid.uuid4().hex}"
        self._known: dict[tuple[str, Runtime], tuple[tool.Delegation, float | None]] = {}
        self._over = threading.Event()

    def outputs(self, model: Path, runtime: Runtime, inputs: Path) -> Array:
        """The phone's own outputs: in batches where the delegate takes as much of the file then as of one
        sample, else by a process for each sample, which also is what resets the state that a file may keep.
        """
        entry, exit_ = input_and_output(model.read_bytes())
        delegated = self._about(model, runtime)[0].delegated
        samples = np.load(inputs, mmap_mode="r", allow_pickle=False)
        parts: list[Array] = []
        size = SINGLY if state(model.read_bytes()) else BATCH
        start = 0
        while start < len(samples):
            part = encoded(samples[start : start + size], entry)
            outputs = self._batch(model, runtime, part, exit_, delegated) if size == BATCH else None
            if outputs is None:
                size, part = SINGLY, part[:SINGLY]
                outputs = self._singly(model, runtime, part, exit_)
            parts.append(outputs)
            start += len(part)
        return np.asarray(decoded(np.concatenate(parts), exit_))

    def latency(self, model: Path, runtime: Runtime, seconds: float = 0.05) -> Timing:
        delegation, serialized = self._about(model, runtime)
        before = self.temperature()
        text = self._run(model, runtime, runs=LEAST_RUNS, seconds=seconds, warm_up=WARM_UP_SECONDS)
        after = self.temperature()
        run = self._read(text)
        return Timing(
            times_us=run.regular.times(),
            first_us=run.first_us,
            init_us=run.init_us,
            init_serialized_us=serialized,
            memory_bytes=run.memory_bytes,
            operators=delegation.operators,
            delegated=delegation.delegated,
            fell_back=list(delegation.fell_back),
            temperature_c=None if before is None or after is None else [before, after],
        )

    def sustain(self, model: Path, runtime: Runtime, seconds: float) -> list[Window]:  # noqa: ARG002
        raise Infeasible("benchmark_model runs no file on end")

    def profile(self, model: Path, runtime: Runtime, seconds: float = 1.0) -> list[OperatorTime] | None:
        text = self._run(model, runtime, *tool.PROFILE, runs=1, seconds=seconds, warm_up=WARM_UP_SECONDS)
        return tool.operators(text) or None

    def temperature(self) -> float | None:
        return self._phone.conditions().temperature_c

    @contextlib.contextmanager
    def lease(self, *, shared: bool = False, waiting: Callable[[str], None]) -> Iterator[None]:
        """A lock of this machine for the phone's serial: adb leaves none on a phone that would end with us.

        Studies of other machines that reach the same phone over the network don't see it.
        """
        digest = hashlib.sha256(self._phone.serial.encode()).hexdigest()[:16]
        file = locked_file(f"/tmp/autotune-phone-{digest}.lease")  # noqa: S108  # one for all users; never a link
        try:
            while not _locked(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
                self._check_open()
                waiting(os.pread(file, 200, 0).decode(errors="replace") or "another process")
                self._over.wait(POLL)
            yield
        finally:
            os.close(file)

    def close(self) -> None:
        """Ends what another thread has the phone do, which is a Fault there, and removes this session's own files."""
        self._over.set()
        self._phone.abandon()
        with contextlib.suppress(Fault):  # the phone is gone; what is old is removed another time
            self._phone.shell(f"rm -f {self._own}.*")

    def _check_open(self) -> None:
        """Refuses a session that is closed.

        Raises:
            Fault: the session was closed.
        """
        if self._over.is_set():
            raise Fault(f"device {self._name}: the session was closed")

    # asking benchmark_model

    def _about(self, model: Path, runtime: Runtime) -> tuple[tool.Delegation, float | None]:
        """What the delegate takes of a file, and how long opening it takes with what it compiled kept; asked once."""
        key = (self._phone.send(model), runtime)
        if key not in self._known:
            text = self._run(model, runtime, *tool.PROFILE, runs=1, warm_up=0.0)
            self._known[key] = tool.delegation(text, runtime.delegate), self._serialized(model, runtime)
        return self._known[key]

    def _serialized(self, model: Path, runtime: Runtime) -> float | None:
        """Microseconds of opening a file a second time, None where nothing is kept."""
        if runtime.delegate not in SERIALIZING:
            return None
        try:
            texts = [self._run(model, runtime, *self._keeping(model, runtime), runs=1) for _ in range(2)]
        except Infeasible:  # it runs without, as was just seen
            return None
        return self._read(texts[1]).init_us

    def _keeping(self, model: Path, runtime: Runtime) -> list[str]:
        """Flags by which what a delegate compiled is kept, [] for one that can't."""
        if runtime.delegate not in SERIALIZING:
            return []
        token = fingerprint(self._phone.send(model), runtime.delegate, list(self._flags.get(runtime.delegate, ())))
        return tool.serializing(FOLDER, token[:32])

    def _batch(
        self, model: Path, runtime: Runtime, values: Array, exit_: Details, delegated: int | None
    ) -> Array | None:
        """The outputs of several samples at once, None where that is not the same as of one by one."""
        there = f"{self._own}.out"
        flags = tool.reading(values.shape, self._put(values), there)
        run = shlex.join(self._command(model, runtime, *flags, runs=1))
        try:
            text = self._ask(f"rm -f {there}; {run}", runtime)
        except Infeasible:  # its batch is fixed
            return None
        if tool.delegation(text, runtime.delegate).delegated != delegated:
            return None
        numbers = np.frombuffer(self._get(there), exit_["dtype"])
        count = len(values) * int(np.prod(exit_["shape"][1:]))
        return numbers[:count].reshape(len(values), *exit_["shape"][1:]) if len(numbers) >= count else None

    def _singly(self, model: Path, runtime: Runtime, values: Array, exit_: Details) -> Array:
        """The outputs of several samples, by a process for each."""
        sample, out, all_, log = (f"{self._own}.{part}" for part in ("one", "out", "all", "log"))
        flags = [*tool.reading([1, *values.shape[1:]], sample, out), *self._keeping(model, runtime)]
        run = shlex.join(self._command(model, runtime, *flags, runs=1))
        self._ask(
            f"""rm -f {all_}; i=0
while [ $i -lt {len(values)} ]; do
rm -f {out}
dd if={self._put(values)} of={sample} bs={values[0].nbytes} skip=$i count=1 2>/dev/null
{run} >{log} 2>&1 || {{ status=$?; cat {log}; exit $status; }}
cat {out} >>{all_}; i=$((i+1))
done
cat {log}""",
            runtime,
        )
        data = self._get(all_)
        row = int(np.prod(exit_["shape"][1:]))
        numbers = np.frombuffer(data, exit_["dtype"])
        if len(numbers) % len(values) or len(numbers) < row * len(values):
            raise Infeasible(f"{len(values)} samples gave {len(data)} bytes of outputs")
        return numbers.reshape(len(values), -1)[:, :row].reshape(len(values), *exit_["shape"][1:])

    def _run(self, model: Path, runtime: Runtime, *flags: str, **counts: Unpack[tool.Counts]) -> str:
        """What one run wrote."""
        return self._ask(shlex.join(self._command(model, runtime, *_zeros(model), *flags, **counts)), runtime)

    def _command(self, model: Path, runtime: Runtime, *flags: str, **counts: Unpack[tool.Counts]) -> list[str]:
        basic = tool.arguments(self._phone.send(model), runtime, limit=self._limit / 3, **counts)
        return [*self._words, *basic, *flags, *self._flags.get(runtime.delegate, ())]

    def _ask(self, script: str, runtime: Runtime) -> str:
        """Runs benchmark_model; asks twice before a death is put down to the file.

        Raises:
            Infeasible: it refuses the file, has no such delegate, died twice or hangs.
            Fault: the phone was lost, or can't run it at all.
        """
        for attempt in (1, 2):
            self._check_open()
            try:
                text, status = self._phone.shell(script, self._limit)
            except Overtime as error:
                raise Infeasible(f"running the file ended its process on {runtime.delegate}: {error}") from error
            problem = tool.problem(text)[:300]
            if status in (126, 127) or "CANNOT LINK EXECUTABLE" in text:
                raise Fault(f"device {self._name}: benchmark_model can't run: {problem}")
            if 0 < status < 128:
                raise Infeasible(f"{runtime.delegate} refuses the file: {problem}")
            if status == 0:
                break
            if attempt == 2:
                how = f"{_signal(status - 128)}: {problem}"
                raise Infeasible(f"running the file ended its process twice on {runtime.delegate}: {how}")
        if tool.ignored(text, "output_filepath"):
            raise Fault(f"device {self._name}: this benchmark_model is too old to write outputs; take a newer one")
        if reason := tool.unused(text, runtime.delegate):
            raise Infeasible(reason)
        return text

    def _read(self, text: str) -> tool.Run:
        """The run that benchmark_model's output tells of.

        Raises:
            Fault: it is not what benchmark_model writes.
        """
        try:
            return tool.Run.parse(text)
        except ValueError as error:
            raise Fault(f"device {self._name}: {error}") from error

    def _put(self, values: Array) -> str:
        with Scratch() as folder:
            file = Path(folder, "values")
            file.write_bytes(values.tobytes())
            return self._phone.send(file)

    def _get(self, path: str) -> bytes:
        with Scratch() as folder:
            file = Path(folder, "values")
            self._phone.fetch(path, file)
            return file.read_bytes()


def _zeros(model: Path) -> list[str]:
    """Flags for a file's input where it is of whole numbers, [] for others."""
    try:
        entry, _ = input_and_output(model.read_bytes())
    except Infeasible:  # what is no model, or of another type, benchmark_model judges itself
        return []
    whole = np.dtype(entry["dtype"]).kind in "iu" and not entry["quantization"][0]
    return tool.zeros(entry["shape"]) if whole else []


def input_and_output(file: bytes) -> tuple[Details, Details]:
    """A file's first input and output: shape, dtype and quantization (scale, zero point), as LiteRT tells them.

    Raises:
        Infeasible: it is no whole .tflite file, there are more, or one has a type that autotune can't feed or read.
    """
    if ends_if_any(file) is None:
        raise Infeasible("not a whole .tflite file")
    graph = schema.Model.GetRootAs(file).Subgraphs(0)
    if graph.InputsLength() != 1 or graph.OutputsLength() != 1:
        raise Infeasible(
            f"files with {graph.InputsLength()} inputs and {graph.OutputsLength()} outputs can't be fed and read "
            "through adb; a device file whose type is ssh or command runs them"
        )
    tensors: list[Details] = []
    for index in (graph.Inputs(0), graph.Outputs(0)):
        tensor = graph.Tensors(index)
        if tensor.Type() not in _TYPES:
            raise Infeasible(f"tensor {tensor.Name().decode()} has a type that can't be fed or read through adb")
        details = tensor.Quantization()
        scaled = details is not None and details.ScaleLength() > 0
        tensors.append(
            {
                "shape": [int(length) for length in tensor.ShapeAsNumpy()],
                "dtype": _TYPES[tensor.Type()],
                "quantization": (details.Scale(0), details.ZeroPoint(0)) if scaled else (0.0, 0),
            }
        )
    return tensors[0], tensors[1]


def _locked(file: int, mode: int) -> bool:
    """Takes a lock if it is free, and notes in its file who has it."""
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with contextlib.suppress(OSError):  # another user's file can be locked, not written
        os.ftruncate(file, 0)
        os.pwrite(file, holder().encode(), 0)
    return True


def _signal(number: int) -> str:
    return Signals(number).name if number in set(Signals) else f"exit status {128 + number}"
