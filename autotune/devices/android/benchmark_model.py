"""The flags and the output of LiteRT's benchmark_model (tflite/tools/benchmark); what runs it is elsewhere.

Flags, lines and columns are those of the tool's sources. Its lines may begin with "INFO: " and the like;
older builds leave that away, and tell no percentiles.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Required, Self, TypedDict, Unpack

import numpy as np

from autotune.config import Runtime
from autotune.results.profile import OperatorTime

MOST_RUNS = 10_000_000
"""That a run may have had: more than an inference each microsecond for as long as it may take."""

DELEGATES = ("xnnpack", "builtin", "gpu", "nnapi", "hexagon")
"""Those that the tool can be asked for, best known first."""

PROFILE = ("--enable_op_profiling=true", "--op_profiling_output_mode=csv")
"""Flags that add what each operator takes; a build that does not know CSV prints a table."""

_FLAGS = {
    "xnnpack": ["--use_xnnpack=true"],
    "builtin": ["--use_xnnpack=false"],
    "gpu": ["--use_gpu=true"],
    "nnapi": ["--use_nnapi=true"],
    "hexagon": ["--use_hexagon=true"],
}
_NAMES = {"xnnpack": "XNNPACK", "gpu": "GPU", "nnapi": "NNAPI", "hexagon": "Hexagon"}
"""What the tool calls each in its messages."""

_NODES = {
    "TfLiteXNNPackDelegate": "xnnpack",
    "TfLiteGpuDelegate": "gpu",
    "TfLiteNnapiDelegate": "nnapi",
    "TfLiteHexagonDelegate": "hexagon",
}
"""The nodes by which delegates replace those of the file."""

_LEVEL = r"(?:VERBOSE|INFO|WARN|WARNING|ERROR|FATAL): "
_NUMBER = r"([\d.]+(?:e[+-]?\d+)?)"
_STATISTICS = re.compile(rf"^(?:{_LEVEL})?count=\d+.*$", re.MULTILINE)
_TIMINGS = re.compile(rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER},")
_MEMORY = re.compile(rf"emory footprint[^:\n]*\(MB\): init=(?:{_NUMBER}) overall={_NUMBER}")
_REPLACED = re.compile(r"Replacing (\d{1,9})(?: out of (\d{1,9}))? node\(s\) with delegate \((\w+)\) node")
_PROBLEM = re.compile(rf"^(?:ERROR|FATAL): *(\S.*(?:\n(?!{_LEVEL})\S.*)*)", re.MULTILINE)
_WARNING = re.compile(
    r"^(?:WARN: *)?((?:Unconsumed cmdline flags|Could not create|.* unsupported on this).*)$", re.MULTILINE
)


# --- flags ----------------------------------------------------------------------------------------


class Counts(TypedDict, total=False):
    """How often and how long one run times a file.

    Attributes:
        runs: inferences to time at least.
        seconds: to time them for at least; 0 by default.
        warm_up: seconds of inferences before, one at least; None, as by default, for none at all.
    """

    runs: Required[int]
    seconds: float
    warm_up: float | None


def arguments(graph: str, runtime: Runtime, *, limit: float, **counts: Unpack[Counts]) -> list[str]:
    """The flags of one run. Ask for more by reading(), serializing() and PROFILE.

    Args:
        graph: path of the file.
        runtime: its delegate is one of DELEGATES.
        limit: seconds after which neither warm-up nor timing goes on.
        counts: how often and how long.
    """
    warm_up = counts.get("warm_up")
    return [
        f"--graph={graph}",
        f"--num_threads={runtime.threads}",
        *_FLAGS[runtime.delegate],
        f"--num_runs={counts['runs']}",
        f"--min_secs={counts.get('seconds', 0.0):g}",
        f"--max_secs={limit:g}",
        f"--warmup_runs={0 if warm_up is None else 1}",
        f"--warmup_min_secs={warm_up or 0.0:g}",
    ]


def reading(shape: Sequence[int], inputs: str, outputs: str) -> list[str]:
    """Flags for values of one's own: the first input's, raw, from a file; all outputs' of the last run into one.

    Args:
        shape: that the input is resized to.
        inputs: path of as many bytes as that takes in the input's own type.
        outputs: path of what is written.
    """
    return [
        "--input_layer=input",  # a name is asked for, and not looked at
        f"--input_layer_shape={','.join(map(str, shape))}",
        f"--input_layer_value_files=input:{inputs}",
        f"--output_filepath={outputs}",
    ]


def zeros(shape: Sequence[int]) -> list[str]:
    """Flags for an input of whole numbers that are all 0, valid as an index of any table. Without them they are
    random, from 0 to 99.

    Args:
        shape: of the first input.
    """
    return [
        "--input_layer=input",
        f"--input_layer_shape={','.join(map(str, shape))}",
        "--input_layer_value_range=input,0,0",
    ]


def serializing(folder: str, token: str) -> list[str]:
    """Flags by which the GPU and NNAPI delegates keep what they compiled.

    Args:
        folder: to keep it in.
        token: that stands for the file and its runtime.
    """
    return [f"--delegate_serialize_dir={folder}", f"--delegate_serialize_token={token}"]


# --- one run --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Statistics:
    """What the tool tells of a row of inferences, in microseconds; percentiles are None in older builds.

    The p-th percentile is the time of rank ⌊count · p / 100⌋ in rising order, counted from 0.
    """

    count: int
    min: float
    max: float
    avg: float
    p5: float | None
    median: float | None
    p95: float | None

    @classmethod
    def parse(cls, line: str) -> Self:
        """Statistics from "count=3 first=… curr=… min=…"; where all are the same, it only tells curr.

        Raises:
            ValueError: it tells no times.
        """
        numbers = {name: float(value) for name, value in re.findall(rf"(\w+)={_NUMBER}", line)}
        same, count = numbers.get("curr", 0.0), numbers.get("count", 0.0)
        basic = [numbers.get(name, same) for name in ("min", "max", "avg")]
        others = [numbers.get(name) for name in ("p5", "median", "p95")]
        if not 1 <= count <= MOST_RUNS or not all(0 < time < inf for time in [*basic, *others] if time is not None):
            raise ValueError(f"benchmark_model told no times: {line.strip()}")
        return cls(int(count), *basic, *others)

    def times(self) -> list[float]:
        """A time for each inference, rising: what is told is exact, between it they rise evenly.

        Of a build that tells no percentiles there is the mean alone.
        """
        if self.p5 is None or self.median is None or self.p95 is None:
            return [self.avg]
        n = self.count
        ranks = [0, n * 5 // 100, n * 50 // 100, n * 95 // 100, n - 1]
        exact = [self.min, self.p5, self.median, self.p95, self.max]
        return [float(time) for time in np.interp(range(n), ranks, exact)]


@dataclass(frozen=True)
class Run:
    """What the tool tells of one run.

    Attributes:
        init_us: of opening the file, applying the delegate and allocating tensors.
        first_us: of the first inference of the warm-up; 0 without one.
        regular: of the inferences after the warm-up.
        memory_bytes: by which the process's largest resident set grew since before the file was opened.
    """

    init_us: float
    first_us: float
    regular: Statistics
    memory_bytes: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The run that the tool's whole output tells of.

        Raises:
            ValueError: it is not the output of a whole run.
        """
        timings, rows = _TIMINGS.search(text), _STATISTICS.findall(text)
        if "BENCHMARK RESULTS" in text:
            raise ValueError("this is litert/tools' benchmark_model; take the one of tflite/tools/benchmark")
        if timings is None or len(rows) != 2:
            raise ValueError(f"benchmark_model told no times; it ended with {problem(text)!r}")
        memory = _MEMORY.search(text)
        if not all(float(number) < inf for number in (timings[1], timings[2], memory[2] if memory else "0")):
            raise ValueError("benchmark_model told no finite times")
        return cls(
            init_us=float(timings[1]),
            first_us=float(timings[2]),
            regular=Statistics.parse(rows[1]),
            memory_bytes=None if memory is None else round(float(memory[2]) * 2**20),
        )


def problem(text: str) -> str:
    """Why a run failed, in one line: its errors, or else its last line."""
    text = "\n".join(line for line in text.splitlines() if line.strip() and "Benchmarking failed" not in line)
    errors = [" ".join(error.split()) for error in _PROBLEM.findall(text)]
    return "; ".join(errors) or text.rpartition("\n")[2].strip()


# --- delegates ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Delegation:
    """What a delegate took of a file. What the tool does not tell is None.

    Attributes:
        operators: of the file.
        delegated: how many of them the delegate runs.
        fell_back: kinds of the others as they were run, "KIND x COUNT" where there are several.
    """

    operators: int | None = None
    delegated: int | None = None
    fell_back: tuple[str, ...] = ()


def unused(text: str, delegate: str) -> str:
    """Why a run that went well was not through the delegate, which the tool then leaves out; "" where it was."""
    name = _NAMES.get(delegate)
    if name is None or f"xplicitly applied {name} delegate" in text or _idle(text, name):
        return ""
    warnings = [line.strip() for line in _WARNING.findall(text)]
    return "; ".join([f"benchmark_model has no {name} delegate here", *warnings])


def ignored(text: str, flag: str) -> bool:
    """Whether the build does not know a flag, which it then leaves out."""
    return re.search(rf"Unconsumed cmdline flags:.*--{flag}\b", text) is not None


def delegation(text: str, delegate: str) -> Delegation:
    """What a run's output says of it; of what fell back only where the run was told to profile."""
    profile = operators(text)
    replaced = [(_delegate(node), int(taken), int(of or 0)) for taken, of, node in _REPLACED.findall(text)]
    ours = [row for row in replaced if row[0] == delegate]
    total = sum(of for _, _, of in ours or replaced) or (None if replaced else len(profile) or None)
    name = _NAMES.get(delegate)
    if name is None:
        return Delegation(total)
    if not ours and not _idle(text, name):  # a build that does not say
        return Delegation(total)
    others = Counter(row.kind for row in profile if row.delegate != delegate)
    fell_back = tuple(kind if count == 1 else f"{kind} x {count}" for kind, count in others.items())
    return Delegation(total, sum(taken for _, taken, _ in ours), fell_back)


def _delegate(node: str) -> str:
    """Whose node it is, "" where the file's own."""
    return _NODES.get(node.partition("/")[0].removesuffix("V2"), "")


def _idle(text: str, name: str) -> bool:
    """Whether the delegate was applied, and took nothing."""
    return f"Though {name} delegate is explicitly applied" in text


# --- the profile ----------------------------------------------------------------------------------


def operators(text: str) -> list[OperatorTime]:
    """What each operator took, in the order in which they run; [] of a run that was not told to profile.

    A delegate that does not tell its own operators is one row. A build that does not tell when each
    began lets it begin where the one before ended.
    """
    rows: list[OperatorTime] = []
    now = 0.0
    for cells in _table(text):
        name = cells["name"].replace("\t", ",")
        kind = cells["node type"]
        time = 1e3 * float(cells["avg ms"])
        start = 1e3 * float(cells["start"]) if "start" in cells else now
        inner = name.startswith("Delegate/")  # XNNPACK's own operators, the only ones that are told
        name = name.removeprefix("Delegate/") if inner else re.sub(r"^\[(.*)\](:\d+)?$", r"\1", name)
        rows.append(OperatorTime(name, kind, time, start, "xnnpack" if inner else _delegate(kind)))
        now = start + time
    return rows


def _table(text: str) -> list[dict[str, str]]:
    """The rows of the first "Run Order" of the regular runs by column: of CSV, or of a table with tabs."""
    _, _, text = text.partition("Operator-wise Profiling Info for Regular Benchmark Runs")
    _, _, text = text.partition(" Run Order =")
    lines = text.partition("\n\n")[0].splitlines()[1:]
    if not lines:
        return []
    separator = "\t" if "\t" in lines[0] else ","
    header = [cell.strip("[] ").lower().replace("_", " ") for cell in lines[0].strip("\t").split(separator)]
    # kinds may hold commas, such as "Convolution (NHWC, F32) GEMM"; in CSV names don't
    cut = (line.strip("\t").rsplit(separator, len(header) - 1) for line in lines[1:])
    rows = [dict(zip(header, (cell.strip() for cell in row), strict=True)) for row in cut if len(row) == len(header)]
    return [row for row in rows if {"name", "node type", "avg ms"} <= row.keys() and _has_times(row)]


def _has_times(row: dict[str, str]) -> bool:
    """Whether a row's times are some."""
    times = [row[column] for column in ("avg ms", "start") if column in row]
    return all(re.fullmatch(r"\d{1,12}(\.\d{1,20})?", time, re.ASCII) for time in times)
