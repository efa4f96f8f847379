"""A .tflite file run through LiteRT's CompiledModel: on the GPU, or by OpenVINO on a CPU, GPU or NPU.

What an accelerator left to the CPU is known from LiteRT's log alone: is_fully_accelerated() counts XNNPACK's
operators in, and says True where OpenVINO's libraries are missing.

The log's lines are those of LiteRT 2.3.
"""

import ctypes
import importlib.util
import os
import re
from pathlib import Path

from autotune.devices.runner.log import overheard, reasons

EVERYWHERE = 'NO"\ngraph.-1.graph_backend = "{:d}'
"""A value of OpenVINO's PERF_COUNT that lets every partition run on a backend. LiteRT's Python names that of the first
partition alone, and leaves the others to the NPU; its plug-in knows a default for all, -1. Options go to it as lines
of TOML, in which a value stands as it is: litert/c/options/litert_intel_openvino_options.cc.
"""


class Compiled:
    """One file on one accelerator (gpu, openvino_cpu, openvino_gpu, openvino_npu); the CPU takes what that one can't.

    Make it in a process that ends with the measurement, forked from one that has used no OpenVINO: for
    OpenVINO's CPU backend the process is bound to as many cores as threads are asked for.
    """

    def __init__(self, model_path, delegate, threads, state):
        """Raises RuntimeError where LiteRT refuses the file or the accelerator, or that one takes nothing of it."""
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        described = Interpreter(
            model_path=model_path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        self.entries, self.exits = described.get_input_details(), described.get_output_details()
        self._operators = [operator["op_name"] for operator in described._get_ops_details()]
        self._runs = model_path, delegate, threads
        self._keeps = bool(state)
        self._compile()

    def _compile(self):
        from ai_edge_litert.compiled_model import CompiledModel

        model_path, delegate, threads = self._runs
        said = []
        try:
            with overheard(said):
                self._model = CompiledModel.from_file(model_path, options=_options(delegate, threads))
                self._inputs = self._model.create_input_buffers(0)
                self._outputs = self._model.create_output_buffers(0)
                signature = self._model.get_signature_by_index(0)
                ins = self._model.get_input_tensor_details(signature["key"])
                outs = self._model.get_output_tensor_details(signature["key"])
        except RuntimeError as error:
            raise RuntimeError(reasons(said) or str(error)) from error
        self._written = _in_order(self.entries, [ins[name]["index"] for name in signature["inputs"]], self._inputs)
        self._read = _in_order(self.exits, [outs[name]["index"] for name in signature["outputs"]], self._outputs)
        found = _on_gpu if delegate == "gpu" else _on_openvino
        self._taken, self._left = found("".join(said), self._operators)
        if elsewhere := _elsewhere("".join(said), delegate):
            raise RuntimeError(elsewhere)
        if self._taken == 0:
            raise RuntimeError(reasons(said) or "it takes none of the file's operators")

    def batched(self, batch):  # noqa: ARG002  # as Interpreted takes it
        """False: accelerators compile a file for the batch that it has."""
        return False

    def forget(self):
        """Compiles a file that keeps state anew: LiteRT can't reset it here."""
        if self._keeps:
            self._compile()

    def infer(self, samples):
        """All outputs for a sample of each input, in their own types; the GPU is done once they can be read."""
        for buffer, sample in zip(self._written, samples):  # noqa: B905  # Python 3.9
            buffer.write(sample)
        self._model.run_by_index(0, self._inputs, self._outputs)
        return [
            buffer.read(int(one["shape"].prod()), one["dtype"]).reshape(one["shape"])
            for buffer, one in zip(self._read, self.exits)  # noqa: B905
        ]

    def delegation(self):
        """The file's operators, how many of them the accelerator took, and the kinds that it left to the CPU.

        The count is None where the log doesn't say. Kinds are those refused: the GPU also leaves the
        operators of all but its largest partition, which the log only counts.
        """
        return len(self._operators), self._taken, sorted(set(self._left))


def _in_order(details, indexes, buffers):
    """The buffers of tensors with these indexes, in the order of the file's own inputs or outputs."""
    return [buffers[indexes.index(one["index"])] for one in details]


def _options(delegate, threads):
    """CompiledModel's options for a delegate; loads OpenVINO's libraries where it is one of those."""
    from ai_edge_litert.compiled_model import CpuOptions, HardwareAccelerator, IntelOpenVinoOptions, Options

    on_cpu = CpuOptions(num_threads=threads)
    if delegate not in ("gpu", "openvino_cpu", "openvino_gpu", "openvino_npu"):
        raise ValueError(f"no delegate {delegate!r} here")
    if delegate == "gpu":
        return Options(HardwareAccelerator.GPU | HardwareAccelerator.CPU, cpu_options=on_cpu)
    _load_openvino()
    if delegate == "openvino_cpu":  # it starts a thread per core of the process; its own option is lost on the way
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    backend = IntelOpenVinoOptions.GRAPH_BACKEND[delegate.removeprefix("openvino_").upper()]
    return Options(
        HardwareAccelerator.NPU | HardwareAccelerator.CPU,
        cpu_options=on_cpu,
        intel_openvino_options=IntelOpenVinoOptions(
            graph_backend=backend, configs_map={"PERF_COUNT": EVERYWHERE.format(backend)}
        ),
    )


def _load_openvino():
    """Loads what LiteRT's plug-in needs from the package openvino, wherever that is: no LD_LIBRARY_PATH."""
    found = importlib.util.find_spec("openvino")
    if found is None:
        raise RuntimeError("the Python package openvino is not installed")
    folder = Path(found.submodule_search_locations[0], "libs")
    for name in ("libopenvino.so.*", "libopenvino_tensorflow_lite_frontend.so.*"):
        for library in folder.glob(name):
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)


def _on_gpu(log, operators):
    """How many operators the GPU took (None where unknown), and the kinds that it refused."""
    split = re.search(r"(\d+) operations will run on the GPU, and the remaining", log)
    if split:
        refused = log[: split.start()].rpartition("not supported by GPU delegate:")[2]
        return int(split[1]), re.findall(r"^(\w+): ", refused, re.MULTILINE)
    return (len(operators) if re.search(r"Initializing \w+-based API", log) else None), []


def _on_openvino(log, operators):
    """How many operators OpenVINO took, and the kinds that it refused."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    chosen = re.search(r"subgraph<0>, selected (\d+) ops", log)
    applied = re.search(r"[1-9]\d* compiler plugins were applied", log)
    if not (chosen and applied):  # a plug-in that isn't there, or failed, leaves all to the CPU
        return 0, operators
    kinds = {code: kind for kind, code in vars(BuiltinOperator).items() if isinstance(code, int)}
    refused = re.findall(r"op type (\d+) is not supported", log)
    return int(chosen[1]), [kinds.get(int(code), f"operator {code}") for code in refused]


def _elsewhere(log, delegate):
    """Which of OpenVINO's backends compiled a partition that was not asked for; "" where none did."""
    others = set(re.findall(r"Compiling partition \d+ for device (\w+)", log)) - {
        delegate.removeprefix("openvino_").upper()
    }
    return f"a part of it would run on OpenVINO's {', '.join(sorted(others))}" if others else ""
