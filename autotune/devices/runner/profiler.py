"""The profiler: what each operator of a .tflite file takes, as LiteRT itself measures it.

The Python package has no profiler, so this drives LiteRT's C API (google-ai-edge/LiteRT, litert/c) by
ctypes. Nothing there is promised to stay: only versions whose signatures and structures were checked
are touched.

What it can't tell, on ai-edge-litert 2.3.0:
- "reference": CompiledModel runs the built-in kernels where the reference kernels are asked for;
- "builtin" on several threads: CompiledModel runs built-in kernels on one;
- "gpu": the WebGPU delegate has no profile, and fails where one is asked for;
- "openvino": it runs its part of the file as a single node.
"""

import ctypes
import os
import time
from ctypes import POINTER, Structure, byref, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p
from itertools import accumulate
from pathlib import Path

import numpy as np

CHECKED = ("2.3.0",)
"""Versions of ai_edge_litert."""

WARM_UP_SECONDS = 0.02
LEAST_RUNS = 3
MOST_RUNS = 5_000

CPU = 1
"""LiteRtHwAccelerators' bit."""

FLOAT32 = 1
"""LiteRtElementType's."""

WRITE = 1
"""LiteRtTensorBufferLockMode's."""

OPERATOR, DELEGATED = 2, 8
"""Types of events: an operator of the graph; one within a delegate."""


class Event(Structure):
    """ProfiledEventData."""

    _fields_ = (
        ("tag", c_char_p),  # gone with the next inference
        ("type", c_int),
        ("start_us", c_uint64),  # 0 within a delegate
        ("elapsed_us", c_uint64),
        ("memory_before", c_int64 * 3),
        ("memory_after", c_int64 * 3),
        ("index", c_uint64),  # of an operator
        ("subgraph", c_uint64),
        ("source", c_int),
    )


class Layout(Structure):
    """LiteRtLayout."""

    _fields_ = (("rank_and_flags", c_int), ("dimensions", c_int * 8), ("strides", c_int * 8))


class TensorType(Structure):
    """LiteRtRankedTensorType."""

    _fields_ = (("element", c_int), ("layout", Layout))


HANDLE, HANDLES = c_void_p, POINTER(c_void_p)

FUNCTIONS = {
    "CreateEnvironment": (c_int, c_void_p, HANDLES),
    "CreateModelFromFile": (HANDLE, c_char_p, HANDLES),
    "GetModelSignature": (HANDLE, c_size_t, HANDLES),
    "GetNumSignatureInputs": (HANDLE, POINTER(c_size_t)),
    "GetNumSignatureOutputs": (HANDLE, POINTER(c_size_t)),
    "GetSignatureInputTensorByIndex": (HANDLE, c_size_t, HANDLES),
    "GetSignatureOutputTensorByIndex": (HANDLE, c_size_t, HANDLES),
    "GetRankedTensorType": (HANDLE, POINTER(TensorType)),
    "GetSignatureSubgraph": (HANDLE, HANDLES),
    "GetNumSubgraphOps": (HANDLE, POINTER(c_size_t)),
    "GetSubgraphOp": (HANDLE, c_size_t, HANDLES),
    "GetNumOpOutputs": (HANDLE, POINTER(c_size_t)),
    "GetOpOutput": (HANDLE, c_size_t, HANDLES),
    "GetTensorName": (HANDLE, POINTER(c_char_p)),
    "CreateOptions": (HANDLES,),
    "SetOptionsHardwareAccelerators": (HANDLE, c_int),
    "CreateOpaqueOptions": (c_char_p, c_void_p, c_void_p, HANDLES),
    "AddOpaqueOptions": (HANDLE, HANDLE),
    "CreateCompiledModel": (HANDLE, HANDLE, HANDLE, HANDLES),
    "GetCompiledModelInputTensorLayout": (HANDLE, c_size_t, c_size_t, POINTER(Layout)),
    "GetCompiledModelOutputTensorLayouts": (HANDLE, c_size_t, c_size_t, POINTER(Layout), c_bool),
    "GetCompiledModelInputBufferRequirements": (HANDLE, c_size_t, c_size_t, HANDLES),
    "GetCompiledModelOutputBufferRequirements": (HANDLE, c_size_t, c_size_t, HANDLES),
    "CreateManagedTensorBufferFromRequirements": (HANDLE, POINTER(TensorType), HANDLE, HANDLES),
    "GetTensorBufferPackedSize": (HANDLE, POINTER(c_size_t)),
    "LockTensorBuffer": (HANDLE, HANDLES, c_int),
    "UnlockTensorBuffer": (HANDLE,),
    "RunCompiledModel": (HANDLE, c_size_t, c_size_t, HANDLES, c_size_t, HANDLES),
    "CompiledModelGetProfiler": (HANDLE, HANDLES),
    "StartProfiler": (HANDLE,),
    "StopProfiler": (HANDLE,),
    "GetNumProfilerEvents": (HANDLE, POINTER(c_int)),
    "GetProfilerEvents": (HANDLE, c_int, POINTER(Event)),
}
"""Arguments of the functions used, each named LiteRt… and returning a status."""


def library():
    """LiteRT's functions by their names without LiteRt; None where this is not a version that was checked."""
    try:
        import ai_edge_litert

        if ai_edge_litert.__version__ not in CHECKED:
            return None
        loaded = ctypes.CDLL(str(Path(ai_edge_litert.__file__).with_name("libLiteRt.so")))
        return {name: function(loaded, name, arguments) for name, arguments in FUNCTIONS.items()}
    except (ImportError, AttributeError, OSError):
        return None


def function(loaded, name, arguments):
    """One function, which raises RuntimeError where its status isn't 0."""

    def checked(status, *_):
        if status:
            raise RuntimeError(f"LiteRt{name} failed with status {status}")

    found = getattr(loaded, f"LiteRt{name}")
    found.argtypes = arguments
    found.restype = c_int
    found.errcheck = checked
    return found


class Opened:
    """A file compiled for CPU kernels with the profiler in, its inputs random.

    What LiteRT made is left to the end of the process.
    """

    def __init__(self, lite, path, kernels, threads):
        self._lite = lite
        self._environment = self._get("CreateEnvironment", 0, None)
        model = self._get("CreateModelFromFile", self._environment, os.fsencode(path))
        self._signature = self._get("GetModelSignature", model, 0)
        self._compiled = self._get("CreateCompiledModel", self._environment, model, self._options(kernels, threads))
        self._inputs, self._outputs = self._buffers("Input"), self._buffers("Output")
        self._profiler = self._get("CompiledModelGetProfiler", self._compiled)
        self.names = self._names()

    def run(self):
        """One inference."""
        inputs, outputs = self._inputs, self._outputs
        self._lite["RunCompiledModel"](self._compiled, 0, len(inputs), inputs, len(outputs), outputs)

    def profiled(self):
        """One inference: how long it took, in microseconds, and its events, in order."""
        self._lite["StartProfiler"](self._profiler)  # forgets the last one's
        start = time.perf_counter_ns()
        self.run()
        took = (time.perf_counter_ns() - start) / 1e3
        self._lite["StopProfiler"](self._profiler)
        count = self._get("GetNumProfilerEvents", self._profiler, kind=c_int)
        events = (Event * count)()
        self._lite["GetProfilerEvents"](self._profiler, count, events)
        return took, list(events)

    def _get(self, name, *arguments, kind=c_void_p):
        """What a function puts into its last argument."""
        result = kind()
        self._lite[name](*arguments, byref(result))
        return result.value

    def _options(self, kernels, threads):
        options = self._get("CreateOptions")
        self._lite["SetOptionsHardwareAccelerators"](options, CPU)
        settings = {
            b"runtime_options_string": "enable_profiling = true\n",
            b"xnnpack": f'kernel_mode = "{kernels}"\nnum_threads = {threads}\n',
        }
        c = ctypes.CDLL(None)
        c.strdup.restype = c_void_p
        for group, text in settings.items():
            payload = c.strdup(text.encode())  # LiteRT's own from now on
            opaque = self._get("CreateOpaqueOptions", group, payload, ctypes.cast(c.free, c_void_p))
            self._lite["AddOpaqueOptions"](options, opaque)
        return options

    def _buffers(self, way):
        """Buffers for the inputs or the outputs."""
        count = self._get(f"GetNumSignature{way}s", self._signature, kind=c_size_t)
        buffers = (c_void_p * count)()
        for index, layout in enumerate(self._layouts(way, count)):
            tensor = self._get(f"GetSignature{way}TensorByIndex", self._signature, index)
            type_ = TensorType()
            self._lite["GetRankedTensorType"](tensor, byref(type_))
            type_.layout = layout
            needs = self._get(f"GetCompiledModel{way}BufferRequirements", self._compiled, 0, index)
            create = "CreateManagedTensorBufferFromRequirements"
            buffers[index] = self._get(create, self._environment, byref(type_), needs)
            if way == "Input":
                self._fill(buffers[index], type_.element)
        return buffers

    def _layouts(self, way, count):
        """Shapes as compiled: those in the file leave the size of a batch open."""
        layouts = (Layout * count)()
        if way == "Output":
            self._lite["GetCompiledModelOutputTensorLayouts"](self._compiled, 0, count, layouts, True)
        else:
            for index in range(count):
                self._lite["GetCompiledModelInputTensorLayout"](self._compiled, 0, index, byref(layouts[index]))
        return layouts

    def _fill(self, buffer, element):
        """Random floats; zeros for any other type, which are valid as indices too."""
        size = self._get("GetTensorBufferPackedSize", buffer, kind=c_size_t)
        floats = np.random.default_rng(0).random(size // 4, np.float32)
        values = floats if element == FLOAT32 else np.zeros(size, np.uint8)
        address = c_void_p()
        self._lite["LockTensorBuffer"](buffer, byref(address), WRITE)
        ctypes.memmove(address, values.tobytes(), size)
        self._lite["UnlockTensorBuffer"](buffer)

    def _names(self):
        """Each operator's first output."""
        subgraph = self._get("GetSignatureSubgraph", self._signature)
        names = []
        for index in range(self._get("GetNumSubgraphOps", subgraph, kind=c_size_t)):
            operator = self._get("GetSubgraphOp", subgraph, index)
            name = b""
            if self._get("GetNumOpOutputs", operator, kind=c_size_t):
                name = self._get("GetTensorName", self._get("GetOpOutput", operator, 0), kind=c_char_p)
            names.append(name.decode(errors="replace"))
        return names


def operators(events):
    """The events of the file's main graph: an operator's own time includes that of the graphs it calls."""
    found = [event for event in events if event.type in (OPERATOR, DELEGATED)]
    return [event for event in found if event.subgraph == found[0].subgraph]


def repeated(opened, seconds):
    """Times of inferences (n,) and of their operators (n, operators), in microseconds."""
    walls = []
    times = []
    start = time.perf_counter()
    while len(times) < LEAST_RUNS or (time.perf_counter() - start < seconds and len(times) < MOST_RUNS):
        wall, events = opened.profiled()
        walls.append(wall)
        times.append([event.elapsed_us for event in operators(events)])
    return np.array(walls), np.array(times, float)


def middle_mean(walls, times):
    """Mean of each operator over the middle half of the inferences: one that was interrupted doesn't count."""
    quarter = len(walls) // 4
    return times[np.argsort(walls)[quarter : len(walls) - quarter]].mean(axis=0)


def profile(model_path, delegate, threads, seconds):
    """What each operator of a file takes.

    LiteRT tells whole microseconds. Those of built-in kernels average out; a delegate's are rounded down,
    so that an operator of less than one counts as none, and the sum is short by about half of one an operator.

    Args:
        model_path: of a .tflite file.
        delegate: "xnnpack" or "builtin".
        threads: used.
        seconds: of profiled inferences, after a warm-up.

    Returns:
        A list of dicts {"name", "kind", "time_us", "start_us", "delegate"} in order of execution. A name is
        that of the operator's first output; operators within a delegate, which may be several for one of
        the file's, have a number in their part of the graph. Each starts where the one before ends, since
        a delegate doesn't tell starts and what lies between is the profiler's own work.
        None where this runtime can't tell.

    Raises:
        RuntimeError: LiteRT refuses the file.
    """
    lite = library()
    if lite is None or not (delegate == "xnnpack" or (delegate == "builtin" and threads == 1)):
        return None
    opened = Opened(lite, model_path, delegate, threads)
    start = time.perf_counter()
    while time.perf_counter() - start < WARM_UP_SECONDS:
        opened.run()
    order = [described(event, opened.names, delegate) for event in operators(opened.profiled()[1])]
    times = middle_mean(*repeated(opened, seconds)).tolist()
    starts = [0.0, *accumulate(times)]
    return [{**operator, "time_us": times[at], "start_us": starts[at]} for at, operator in enumerate(order)]


def described(event, names, delegate):
    """An operator's name, kind and delegate."""
    own = event.type == OPERATOR and event.index < len(names)  # nodes of delegates come after the file's
    return {
        "name": names[event.index] if own else f"#{event.index}",
        "kind": event.tag.decode(),
        "delegate": "" if own else delegate,
    }
