"""What is asked of one file: its outputs, and what it takes. Each runs in a child process of its own."""

import io
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from autotune.devices.runner.accelerators import Compiled
from autotune.devices.runner.log import overheard, reasons
from autotune.devices.runner.machine import changes, grown, litert, memory, state
from autotune.devices.runner.profiler import profile as profiled

BATCH = 100
"""Samples evaluated at once, where the file can be resized to it and a request says no less."""

WARM_UP_SECONDS = 0.02
LEAST_RUNS = 3
MOST_RUNS = 5_000

ONE_EACH = {"inputs": [""], "outputs": [""]}
"""Of a file with one input and one output, which need no names."""

Array = Any
"""numpy's, of any dtype."""

Details = dict[str, Any]
"""What LiteRT tells of an input or output: its shape, dtype, and quantization (scale, zero point)."""

CPU = ("xnnpack", "builtin", "reference")
"""Delegates of the interpreter; the others are CompiledModel's accelerators."""


def interpreter(request):
    """An Interpreter for the request; not yet allocated."""
    module, _ = litert()
    types = module.OpResolverType
    resolvers = {
        "xnnpack": types.AUTO,
        "builtin": types.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": types.BUILTIN_REF,
    }
    return module.Interpreter(
        model_path=request["path"],
        num_threads=request["threads"],
        experimental_op_resolver_type=resolvers[request["delegate"]],
    )


class Interpreted:
    """A file opened by the Interpreter, on CPU kernels."""

    def __init__(self, request):
        self._request = request
        self._opened = interpreter(request)
        self._ready()

    def _ready(self):
        self._opened.allocate_tensors()
        self.entries, self.exits = self._opened.get_input_details(), self._opened.get_output_details()

    def batched(self, batch):
        """Resizes the inputs; False for a file whose batch is fixed, or that keeps state."""
        if self._request["state"]:
            return False
        before, opened = self._opened, interpreter(self._request)
        try:
            for entry in self.entries:
                opened.resize_tensor_input(entry["index"], [batch, *entry["shape"][1:]])
            opened.allocate_tensors()
        except RuntimeError:
            return False
        self._opened = opened
        self._ready()
        if len(self.exits) > 1 and any(list(exit_["shape"][:1]) != [batch] for exit_ in self.exits):
            self._opened = before
            self._ready()
            return False
        return True

    def forget(self):
        """Sets what the file keeps from one inference to the next to what that was at first."""
        if self._request["state"] == "variables":
            self._opened.reset_all_variables()
        elif self._request["state"] == "resources":  # which LiteRT can't reset
            self._opened = interpreter(self._request)
            self._ready()

    def infer(self, samples):
        """All outputs for a sample of each input, in their own types."""
        for entry, sample in zip(self.entries, samples):  # noqa: B905  # Python 3.9
            self._opened.set_tensor(entry["index"], sample)
        self._opened.invoke()
        return [self._opened.get_tensor(one["index"]) for one in self.exits]

    def delegation(self):
        """How many operators there are, how many a delegate runs, and the kinds of the others.

        Behind the file's operators LiteRT lists its DELEGATE nodes. What such a node took is all that
        leads to its outputs from its inputs.
        """
        listed = self._opened._get_ops_details()
        own = [node for node in listed if node["op_name"] != "DELEGATE"]
        if self._request["delegate"] != "xnnpack":
            return len(own), None, []
        maker = {tensor: number for number, node in enumerate(own) for tensor in node["outputs"]}
        taken = set()
        for node in listed[len(own) :]:
            inputs, wanted = set(node["inputs"]), list(node["outputs"])
            while wanted:
                tensor = wanted.pop()
                if tensor in maker and tensor not in inputs and maker[tensor] not in taken:
                    taken.add(maker[tensor])
                    wanted.extend(own[maker[tensor]]["inputs"])
        left = [node["op_name"] for number, node in enumerate(own) if number not in taken]
        return len(own), len(taken), left


def opened(request):
    """The file, ready to run."""
    if request["delegate"] in CPU:
        return Interpreted(request)
    return Compiled(request["path"], request["delegate"], request["threads"], request["state"])


def encoded(values: Array, entry: Details) -> Array:
    """Values (n, …) in an input's own type: integers as they are, floats by its scale and zero point if it has them."""
    scale, zero = entry["quantization"]
    if not scale or values.dtype.kind in "iu":
        return values.astype(entry["dtype"])
    limits = np.iinfo(entry["dtype"])
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(entry["dtype"])


def decoded(values: Array, exit_: Details) -> Array:
    """An output's values as float32: the reverse of encoded()."""
    scale, zero = exit_["quantization"]
    return ((values.astype(np.float32) - zero) * scale if scale else values).astype(np.float32)


def outputs(request):
    """Runs some of the inputs; the outputs come in their order."""
    inputs = np.load(request["inputs_path"], mmap_mode="r", allow_pickle=False)
    some = inputs[request["from"] : request["to"]]
    batch = min(request["batch"], len(inputs))
    ends = request["ends"]
    columns = [some[name] if name else some for name in ends["inputs"]]
    found, batch = through(opened(request), columns, batch)
    file = io.BytesIO()
    np.save(file, _joined(ends["outputs"], found))
    return {"batch": batch}, file.getvalue()


def through(model, inputs, batch):
    """Runs samples, so many at once where the file can be resized to it.

    What a file keeps from one inference to the next is before each sample what it was at first.

    Args:
        model: the file, opened.
        inputs: (n, …) for each of its inputs, in its order.
        batch: samples to run at once.

    Returns:
        (n, …), float32, of each of its outputs, in its order; and how many were run at once.
    """
    if [batch] != list(model.entries[0]["shape"][:1]) and not model.batched(batch):
        batch = 1
    parts = []
    for start in range(0, len(inputs[0]), batch):
        rows = [column[start : start + batch] for column in inputs]
        count = len(rows[0])
        model.forget()
        samples = [encoded(_padded(row, batch), entry) for row, entry in zip(rows, model.entries)]  # noqa: B905
        found = model.infer(samples)
        parts.append([decoded(one[:count], exit_) for one, exit_ in zip(found, model.exits)])  # noqa: B905
    return [np.concatenate(column) for column in zip(*parts)], batch  # noqa: B905


def _padded(rows, batch):
    """As many rows as a batch has."""
    return np.concatenate([rows, np.repeat(rows[:1], batch - len(rows), axis=0)])


def _joined(names, columns):
    """Outputs as one array, which is structured where there are several; as task.data.fields has them."""
    if len(columns) == 1:
        return columns[0]
    fields = [(name, column.dtype, column.shape[1:]) for name, column in zip(names, columns)]  # noqa: B905
    joined = np.empty(len(columns[0]), np.dtype(fields))
    for name, column in zip(names, columns):  # noqa: B905
        joined[name] = column
    return joined


def timed(request):
    """The file ready to be timed: a function that times one inference in microseconds, and the first facts."""
    base = memory()
    began = time.perf_counter_ns()
    model = opened(request)
    initialised = time.perf_counter_ns()
    random = np.random.default_rng(0).random
    samples = [encoded(random(entry["shape"], np.float32), entry) for entry in model.entries]

    def infer():
        start = time.perf_counter_ns()
        model.infer(samples)
        return (time.perf_counter_ns() - start) / 1e3

    first = infer()
    facts = {"init_us": (initialised - began) / 1e3, "first_us": first}
    return model, infer, base, facts


def warm_up(infer, first_us):
    start = time.perf_counter()
    while time.perf_counter() - start + first_us / 1e6 < WARM_UP_SECONDS:
        infer()


def latency(request):
    """Times single inferences: inputs written, run, outputs read."""
    model, infer, base, facts = timed(request)
    warm_up(infer, facts["first_us"])
    before = state()
    times = []
    start = time.perf_counter()
    while len(times) < LEAST_RUNS or (time.perf_counter() - start < request["seconds"] and len(times) < MOST_RUNS):
        times.append(infer())
    after = state()
    operators, delegated, left = model.delegation()
    kinds = Counter(left).items()
    return {
        **facts,
        "times_us": times,
        "memory_bytes": grown(base, Path(request["path"]).stat().st_size),
        "operators": operators,
        "delegated": delegated,
        "fell_back": [kind if count == 1 else f"{kind} x {count}" for kind, count in kinds],
        **changes(before, after),
    }, b""


def sustain(request):
    """Times inferences on end, and says what each second was like."""
    _, infer, _, facts = timed(request)
    windows = []
    start = time.perf_counter()
    while time.perf_counter() - start < request["seconds"]:
        before = state()
        times = []
        began = time.perf_counter()
        while not times or time.perf_counter() - began < 1:
            times.append(infer())
        windows.append({"at_s": began - start, "times_us": times[:MOST_RUNS], **changes(before, state())})
    return {**facts, "windows": windows}, b""


def profile(request):
    """What each operator takes. Raises RuntimeError with the reason that LiteRT's log has where it can't tell."""
    said = []
    try:
        with overheard(said):
            found = profiled(request["path"], request["delegate"], request["threads"], request["seconds"])
    except RuntimeError as error:
        raise RuntimeError(reasons(said) or str(error)) from error
    return {"operators": found}, b""
