"""Measures .tflite files as they are, on any device: side by side, over time under heat, beside other work."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from autotune.config import Runtime
from autotune.devices.device import Device, Session, Window
from autotune.errors import UserError
from autotune.measure.cooling import rest
from autotune.measure.rounds import Job, JobResult, Rules, measure
from autotune.model.artifact import is_tflite
from autotune.model.file import read_model
from autotune.results.findings import TimedFile, findings
from autotune.results.measurement import Measurement
from autotune.tflite.flatbuffer import read_layers
from autotune.tflite.operators import operators

ALL = "all"
"""In place of delegates or threads: what the device has."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class BenchRow:
    """A file under one runtime, with what was measured or why nothing was."""

    model: Path
    runtime: Runtime
    result: JobResult


@dataclass(frozen=True)
class BenchWindow:
    """What about a second of inferences on end says.

    Attributes:
        at_s: when it began.
        p50_ms, p90_ms: of its inferences.
        runs: that were timed; of very short ones the device tells a part.
        temperature_c, frequency_mhz: at its end, None where the device can't tell.
    """

    at_s: float
    p50_ms: float
    p90_ms: float
    runs: int
    temperature_c: float | None
    frequency_mhz: float | None

    @classmethod
    def of(cls, window: Window) -> Self:
        """The summary of a window as a session tells it."""
        p50, p90 = np.percentile(window.times_us, [50, 90]) / 1e3
        heat, clock = (pair[-1] if pair else None for pair in (window.temperature_c, window.frequency_mhz))
        return cls(window.at_s, float(p50), float(p90), len(window.times_us), heat, clock)


def read_tflite(path: Path) -> bytes:
    """A .tflite file, whole as far as its tables go.

    Raises:
        UserError: it is missing or something else.
    """
    file = read_model(path)
    if not is_tflite(file):
        raise UserError(f"model {path}: not a .tflite file; autotune run makes one of it")
    try:
        operators(file)
    except UserError as error:
        raise UserError(f"model {path}: {error}") from error
    return file


def runtimes(device: Device, delegates: Sequence[str], threads: Sequence[int | str]) -> list[Runtime]:
    """Every pair of what is asked for.

    Args:
        device: to run on.
        delegates: by name, or ALL; the device's first where empty.
        threads: counts, or ALL; 1 where empty.

    Raises:
        UserError: the device has not such a delegate, or can't be reached.
    """
    unknown = [name for name in delegates if name not in (ALL, *device.delegate_names)]
    if unknown and device.delegate_names:  # it need not be asked
        raise UserError(f"--delegate {unknown[0]!r} is unknown; known are {', '.join(device.delegate_names)}")
    names = device.delegates if ALL in delegates else delegates or device.delegates[:1]
    for name in names:
        if name not in device.delegates:
            reason = device.missing().get(name, "unknown")
            has = ", ".join(device.delegates)
            raise UserError(f"device {device.name} has no delegate {name!r} ({reason}); it has {has}")
    counts = device.threads if ALL in threads else threads or (1,)
    return [Runtime(name, int(count)) for name in dict.fromkeys(names) for count in dict.fromkeys(counts)]


def bench(device: Device, jobs: Sequence[Job], say: Say, load: int = 0) -> list[BenchRow]:
    """Measures files in turn, in one go, while nobody else measures on the device.

    Args:
        device: to measure on.
        jobs: files, each with how it is run.
        say: told what is being done or waited for.
        load: cores to keep busy beside each file.

    Raises:
        UserError: the device can't be reached, or not be kept busy.
    """
    rules = Rules(again=0) if load else Rules()  # it would be no quieter
    with _held(device, say, load) as session:
        results = measure(session, jobs, rules, say, partial(rest, device, session, say))
    return [BenchRow(job.model, job.runtime, result) for job, result in zip(jobs, results, strict=True)]


def sustain(device: Device, job: Job, seconds: float, say: Say, load: int = 0) -> list[BenchWindow]:
    """Runs one file on end, and says what each second was like.

    Raises:
        UserError: the device can't be reached, can't do that, or can't be kept busy.
        Infeasible: the file can't be run so.
        Fault: the device or the way to it failed.
    """
    if not device.sustains:
        raise UserError(f"device {device.name} can't run a file on end; --sustain needs one that has the runner")
    with _held(device, say, load) as session:
        rest(device, session, say)
        say(f"running {job.model.name} on {job.runtime} for {seconds:g} s")
        return [BenchWindow.of(window) for window in session.sustain(job.model, job.runtime, seconds)]


def bench_findings(rows: Sequence[BenchRow]) -> list[str]:
    """What bought nothing, see findings."""
    twins = _twins(list(dict.fromkeys(row.model for row in rows)))
    return findings(
        [
            TimedFile(row.model, row.runtime, row.result, twins.get(row.model))
            for row in rows
            if isinstance(row.result, Measurement)
        ]
    )


@contextmanager
def _held(device: Device, say: Say, load: int) -> Iterator[Session]:
    """A session that holds the device's lease."""
    if load and not device.loads:
        raise UserError(f"device {device.name} can't be kept busy; --load needs one that has the runner")
    if load and (cores := device.facts().cores) is not None and load > cores:
        raise UserError(f"--load {load}: device {device.name} has {cores} cores; keep no more busy")

    def waiting(by: str) -> None:
        say(f"waiting for {device.name}: {by} measures there")

    with device.open(load) as session, session.lease(waiting=waiting):
        yield session


def _twins(models: Sequence[Path]) -> dict[Path, Path]:
    """A dense twin for each file with sparse weights that has its operators and shapes, where there is one."""
    files = {path: path.read_bytes() for path in models}
    sparse = {path for path, file in files.items() if any(layer.sparse for layer in read_layers(file))}
    dense = {_shapes(file): path for path, file in files.items() if path not in sparse}
    return {path: dense[key] for path in sparse if (key := _shapes(files[path])) in dense}


def _shapes(file: bytes) -> tuple[tuple[object, ...], ...]:
    """What a file and its sparse twin share: all operators, but those that unpack weights."""
    return tuple(
        (operator.kind, operator.macs, operator.output_shape, operator.output_dtype)
        for operator in operators(file)
        if operator.kind != "DENSIFY"
    )
