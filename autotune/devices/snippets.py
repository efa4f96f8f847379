"""Code that runs a picked file as it was measured: the same kernels, the same number of threads."""

from dataclasses import dataclass
from pathlib import Path

from autotune.config import Config
from autotune.results.meta import InputTypes
from autotune.tflite.ends import Ends
from autotune.tflite.state import State

_RESOLVERS = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
_OPENVINO = "openvino_"
_BACKENDS = {"CPU": 0, "GPU": 1, "NPU": 2}

FLOATS = InputTypes()


@dataclass(frozen=True)
class Snippet:
    """A piece of code.

    Attributes:
        language: as code blocks name it.
        needs: what has to be installed or linked, one line.
        code: lines of it.
    """

    language: str
    needs: str
    code: str


def snippets(
    file: Path, config: Config, state: State, types: InputTypes = FLOATS, ends: Ends | None = None
) -> list[Snippet]:
    """What is known of how to run a file in Python, in Kotlin on Android, and in C++; fewer where a delegate has none.

    Args:
        file: as it was handed out; Python opens it by this path, the others by its name.
        config: that it was measured by.
        state: what the file keeps from one inference to the next.
        types: of its model's input, as Record.input() gives them.
        ends: what its inputs and outputs are called; None where that does not matter.
    """
    more = state, _on_integers(config, types), _several(ends)
    every = (_python(file, config, *more), _kotlin(file.name, config, *more), _cpp(file.name, config, *more))
    return [snippet for snippet in every if snippet is not None]


def python(file: Path, config: Config, state: State, types: InputTypes = FLOATS, ends: Ends | None = None) -> str:
    """Python that loads the file; a comment where the delegate is a plug-in's, which knows how."""
    snippet = _python(file, config, state, _on_integers(config, types), _several(ends))
    runtime = config.runtime
    if snippet is None:
        return f"# {file}: load it through the delegate {runtime.delegate} of the device, {runtime.threads} threads"
    return snippet.code


def _python(file: Path, config: Config, state: State, integers: str | None, several: Ends | None) -> Snippet | None:
    runtime = config.runtime
    if runtime.delegate in _RESOLVERS:
        code = (
            "from ai_edge_litert.interpreter import Interpreter, OpResolverType\n"
            f"interpreter = Interpreter(\n    model_path={str(file)!r},\n    num_threads={runtime.threads},\n"
            f"    experimental_op_resolver_type=OpResolverType.{_RESOLVERS[runtime.delegate]},\n)\n"
            "interpreter.allocate_tensors()"
        )
        comments = _comments(integers, state, "#", "interpreter.reset_all_variables()")
        by_name = ""
        if several and several.signature:
            arguments = ", ".join(f"{name}=…" for name in several.inputs)
            by_name = "\nrun = interpreter.get_signature_runner()\n"
            by_name += f"# run({arguments}) gives a dictionary with {', '.join(several.outputs)}"
        return Snippet("python", "pip install ai-edge-litert", code + comments + (by_name or _order(several, "#")))
    accelerator = "GPU"
    before = ""
    more = ""
    if runtime.delegate.startswith(_OPENVINO):
        backend = runtime.delegate.removeprefix(_OPENVINO).upper()
        accelerator = "NPU"
        before = _openvino(backend, runtime.threads)
        more = (
            "\n        intel_openvino_options=IntelOpenVinoOptions("
            f"graph_backend=IntelOpenVinoOptions.GRAPH_BACKEND[{backend!r}], configs_map=everywhere),"
        )
    elif runtime.delegate != "gpu":
        return None
    names = ["CompiledModel", "CpuOptions", "HardwareAccelerator", "Options"]
    if more:
        names.insert(-1, "IntelOpenVinoOptions")
    code = (
        f"{before}from ai_edge_litert.compiled_model import {', '.join(names)}\n"
        f"model = CompiledModel.from_file(\n    {str(file)!r},\n    options=Options(\n"
        f"        HardwareAccelerator.{accelerator} | HardwareAccelerator.CPU,\n"
        f"        cpu_options=CpuOptions(num_threads={runtime.threads}),{more}\n    ),\n)\n"
        "inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)\n"
        "# inputs[0].write(x); model.run_by_index(0, inputs, outputs); y = outputs[0].read(y_size, y_dtype)"
    )
    packages = "ai-edge-litert openvino" if more else "ai-edge-litert"
    return Snippet("python", f"pip install {packages}", code + _comments(integers, state, "#") + _order(several, "#"))


def _openvino(backend: str, threads: int) -> str:
    """What LiteRT's plug-in for OpenVINO wants before it is used; accelerators.EVERYWHERE says why the last line."""
    everywhere = f'NO"\ngraph.-1.graph_backend = "{_BACKENDS[backend]}'
    bound = f"os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{threads}])  # a thread per core\n"
    return (
        "import ctypes, importlib.util, os, pathlib\n"
        'libraries = pathlib.Path(importlib.util.find_spec("openvino").submodule_search_locations[0], "libs")\n'
        'for name in ("libopenvino.so.*", "libopenvino_tensorflow_lite_frontend.so.*"):\n'
        "    for library in libraries.glob(name):\n"
        "        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)\n"
        + (bound if backend == "CPU" else "")
        + "# this backend for all parts of the model, not for the first alone\n"
        + f'everywhere = {{"PERF_COUNT": {everywhere!r}}}\n'
    )


def _kotlin(name: str, config: Config, state: State, integers: str | None, several: Ends | None) -> Snippet | None:
    """LiteRT's Interpreter on Android, the model among the app's assets.

    Options: org.tensorflow.lite.Interpreter.Options in LiteRT's API reference for Java.
    """
    runtime = config.runtime
    options = {
        "xnnpack": f"Interpreter.Options().setNumThreads({runtime.threads}).setUseXNNPACK(true)",
        "builtin": f"Interpreter.Options().setNumThreads({runtime.threads}).setUseXNNPACK(false)",
        "gpu": "Interpreter.Options().addDelegate(GpuDelegate())",
        "nnapi": "Interpreter.Options().addDelegate(NnApiDelegate())",
    }.get(runtime.delegate)
    if options is None:
        return None
    delegate = {"gpu": "gpu.GpuDelegate", "nnapi": "nnapi.NnApiDelegate"}.get(runtime.delegate)
    imports = f"import org.tensorflow.lite.{delegate}\n" if delegate else ""
    needs = "com.google.ai.edge.litert:litert" + (", :litert-gpu" if runtime.delegate == "gpu" else "")
    code = (
        f"import java.io.FileInputStream\nimport java.nio.channels.FileChannel\n"
        f"import org.tensorflow.lite.Interpreter\n{imports}\n"
        f'val model = context.assets.openFd("{name}").use {{ asset ->\n'
        "    FileInputStream(asset.fileDescriptor).channel.map(\n"
        "        FileChannel.MapMode.READ_ONLY, asset.startOffset, asset.declaredLength)\n}\n"
        f"val interpreter = Interpreter(model, {options})"
    )
    code += _comments(integers, state, "//", "interpreter.resetVariableTensors()")
    if several is None:
        code += "\ninterpreter.run(input, output)"
    elif several.signature:
        maps = [", ".join(f'"{each}" to {each}' for each in names) for names in (several.inputs, several.outputs)]
        code += f"\ninterpreter.runSignature(mapOf({maps[0]}), mapOf({maps[1]}))"
    else:
        code += _order(several, "//")
        code += "\ninterpreter.runForMultipleInputsOutputs(arrayOf(…), mapOf(0 to …))"
    return Snippet("kotlin", f'{needs}, and androidResources {{ noCompress += "tflite" }}', code)


def _cpp(name: str, config: Config, state: State, integers: str | None, several: Ends | None) -> Snippet | None:
    """LiteRT's C++ Interpreter."""
    runtime = config.runtime
    resolver = {
        "xnnpack": ("kernels/register.h", "ops::builtin::BuiltinOpResolver"),
        "builtin": ("kernels/register.h", "ops::builtin::BuiltinOpResolverWithoutDefaultDelegates"),
        "reference": ("kernels/register_ref.h", "ops::builtin::BuiltinRefOpResolver"),
        "gpu": ("kernels/register.h", "ops::builtin::BuiltinOpResolverWithoutDefaultDelegates"),
    }.get(runtime.delegate)
    if resolver is None:
        return None
    header, kind = resolver
    on_gpu = runtime.delegate == "gpu"
    includes = [header, "interpreter_builder.h", "model_builder.h"]
    delegates = '#include "tflite/delegates/gpu/delegate.h"\n' if on_gpu else ""
    code = (
        delegates
        + "".join(f'#include "tflite/{include}"\n' for include in includes)
        + f'\nauto model = tflite::FlatBufferModel::BuildFromFile("{name}");\n'
        f"tflite::{kind} resolver;\n"
        "tflite::InterpreterBuilder builder(*model, resolver);\n"
        f"builder.SetNumThreads({runtime.threads});\n"
        + (
            "TfLiteGpuDelegateOptionsV2 options = TfLiteGpuDelegateOptionsV2Default();\n"
            "builder.AddDelegate(TfLiteGpuDelegateV2Create(&options));\n"
            if on_gpu
            else ""
        )
        + "std::unique_ptr<tflite::Interpreter> interpreter;\n"
        "builder(&interpreter);\n"
        "interpreter->AllocateTensors();"
    )
    needs = "LiteRT's C++ library (in TensorFlow's tree the headers are in tensorflow/lite/)"
    if runtime.delegate == "xnnpack":
        needs += ", built with XNNPACK, which it then applies by itself"
    code += _comments(integers, state, "//", "interpreter->ResetVariableTensors();")
    if several and several.signature:
        code += (
            f'\ntflite::SignatureRunner* runner = interpreter->GetSignatureRunner("{several.signature}");\n'
            "runner->AllocateTensors();\n"
            f"// runner->input_tensor(NAME) of {', '.join(several.inputs)}; runner->Invoke();\n"
            f"// runner->output_tensor(NAME) of {', '.join(several.outputs)}"
        )
    return Snippet("cpp", needs, code if several and several.signature else code + _order(several, "//"))


def _several(ends: Ends | None) -> Ends | None:
    """Names that matter: those of several inputs or outputs."""
    return ends if ends and max(len(ends.inputs), len(ends.outputs)) > 1 else None


def _order(several: Ends | None, comment: str) -> str:
    """A line on which input and output is which, where code has no names for them."""
    if several is None:
        return ""
    return f"\n{comment} inputs, in this order: {', '.join(several.inputs)}; outputs: {', '.join(several.outputs)}"


def _on_integers(config: Config, types: InputTypes) -> str | None:
    """What there is to say of integer inputs, None where there are none."""
    if "," in types.given:  # of several inputs
        if config.recipe.io == "int8":
            return "int8 where a tensor has a scale: x / scale + zero_point; whole numbers as the data has them"
        floats = set(types.given.split(", ")) == {"float32"}
        return None if floats else "whole numbers in as the data has them, not scaled"
    if types.given != "float32":
        return f"{types.taken} in: numbers as the data has them, not scaled"
    taken = "int8" if config.recipe.io == "int8" else types.taken
    if taken.startswith("float"):
        return None
    return f"{taken} in and out: x / scale + zero_point, by the tensors' own quantization"


def _comments(integers: str | None, state: State, comment: str, reset: str = "") -> str:
    """Lines on what a file's name does not tell of: integer inputs, and state.

    Args:
        integers: what there is to say of integer inputs, if they are.
        state: what it keeps from one inference to the next.
        comment: how one begins.
        reset: the statement that resets variable tensors, "" where there is none.
    """
    lines = [] if integers is None else [f"{{comment}} {integers}"]
    if state == "variables" and reset:
        lines.append(f"{reset}  {{comment}} before each sample: it keeps state from one inference to the next")
    elif state:
        lines.append("{comment} it keeps state from one inference to the next: open it anew before each sample")
    return "".join(f"\n{line.format(comment=comment)}" for line in lines)
