"""Code that runs a picked file as it was measured."""

import subprocess
import sys
from pathlib import Path

import pytest

from autotune.compress.convert import converted
from autotune.compress.worker import start
from autotune.config import Config
from autotune.devices.client.device import PROBE
from autotune.devices.client.local import LocalDevice
from autotune.devices.snippets import python, snippets
from autotune.results.meta import InputTypes
from autotune.tflite.ends import Ends
from autotune.tflite.flatbuffer import ends
from autotune.tflite.state import State
from tests.devices import gpu
from tests.tflite import stateful


def config(delegate: str, threads: int = 4, io: str = "float32") -> Config:
    return Config.of({"delegate": delegate, "threads": threads, "quantize": "int8", "io": io})


@pytest.mark.parametrize(
    ("delegate", "resolver"),
    [
        ("xnnpack", "AUTO"),
        ("builtin", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"),
        ("reference", "BUILTIN_REF"),
    ],
)
def test_python_loads_the_file_as_measured(delegate: str, resolver: str) -> None:
    """Threads, kernels and a path, whatever is in it."""
    file = Path('it\'s a "folder"\\x') / "model.tflite"
    text = python(file, config(delegate), "")
    compile(text, "snippet", "exec")
    assert repr(str(file)) in text
    assert "num_threads=4," in text
    assert f"OpResolverType.{resolver}," in text


@pytest.mark.parametrize("delegate", ["xnnpack", "builtin", "reference", "gpu", "openvino_cpu"])
def test_python_runs(tmp_path: Path, delegate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, through the delegate; on a file whose name has all that a text may trip over."""
    if delegate == "gpu":
        gpu.found(monkeypatch)
    if delegate not in LocalDevice().delegates:
        pytest.skip(f"this machine runs nothing on {delegate}")
    file = tmp_path / 'it\'s a "model".tflite'
    file.write_bytes(PROBE.read_bytes())
    code = python(file, config(delegate, threads=1), "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("io", "told"), [("int8", True), ("float32", False)])
def test_integer_inputs_are_told_of(io: str, told: bool) -> None:
    """They are to be scaled, which is not seen from the file's name; in every language."""
    found = snippets(Path("model.tflite"), config("xnnpack", io=io), "")
    assert [snippet.language for snippet in found] == ["python", "kotlin", "cpp"]
    assert all(("x / scale + zero_point" in snippet.code) is told for snippet in found)
    compile(found[0].code, "snippet", "exec")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (InputTypes("uint8", "uint8"), "uint8 in: numbers as the data has them, not scaled"),
        (InputTypes("uint8", "float32"), "uint8 in and out: x / scale + zero_point"),
    ],
)
def test_integers_of_the_model_are_told_of(entry: InputTypes, told: str) -> None:
    """Where it takes them itself: as the data has them, or scaled where that has floats."""
    assert all(told in snippet.code for snippet in snippets(Path("model.tflite"), config("xnnpack"), "", entry))


@pytest.mark.parametrize(
    ("delegate", "languages", "told"),
    [
        ("xnnpack", ["python", "kotlin", "cpp"], ["AUTO", "setUseXNNPACK(true)", "BuiltinOpResolver resolver"]),
        ("builtin", ["python", "kotlin", "cpp"], ["WITHOUT", "setUseXNNPACK(false)", "DefaultDelegates resolver"]),
        ("reference", ["python", "cpp"], ["BUILTIN_REF", "BuiltinRefOpResolver resolver"]),
        ("gpu", ["python", "kotlin", "cpp"], ["HardwareAccelerator.GPU", "GpuDelegate()", "TfLiteGpuDelegateV2Create"]),
        ("nnapi", ["kotlin"], ["NnApiDelegate()"]),
        ("openvino_npu", ["python"], ["GRAPH_BACKEND['NPU']"]),
        ("hexagon", [], []),
    ],
)
def test_each_language_sets_the_delegate(delegate: str, languages: list[str], told: list[str]) -> None:
    """Where it has a way to; and the number of threads, where the delegate leaves the CPU anything."""
    found = snippets(Path("folder", "model.tflite"), config(delegate), "")
    assert [snippet.language for snippet in found] == languages
    for snippet, part in zip(found, told, strict=True):
        assert part in snippet.code
        assert "model.tflite" in snippet.code
        assert snippet.needs
        on_cpu = delegate in ("xnnpack", "builtin", "reference")
        assert "4" in snippet.code or not on_cpu


def test_python_for_the_delegate_of_a_plug_in() -> None:
    """How to load it is not known here: a comment that says through what, and Python all the same."""
    file = Path('it\'s a "folder"\\x') / "model.tflite"
    text = python(file, config("hexagon"), "")
    assert not compile(text, "snippet", "exec").co_names
    assert all(line.startswith("#") for line in text.splitlines())
    assert str(file) in text
    assert "hexagon" in text
    assert "4 threads" in text


RESETS = {
    "python": "interpreter.reset_all_variables()",
    "kotlin": "interpreter.resetVariableTensors()",
    "cpp": "interpreter->ResetVariableTensors();",
}


@pytest.mark.parametrize("kept", ["", "variables", "resources"])
def test_state_is_told_of(kept: State) -> None:
    """Variable tensors are reset before each sample, in every language; a file with more is opened anew."""
    for snippet in snippets(Path("model.tflite"), config("xnnpack"), kept):
        assert (RESETS[snippet.language] in snippet.code) is (kept == "variables")
        assert ("open it anew before each sample" in snippet.code) is (kept == "resources")


def test_an_accelerator_has_no_reset() -> None:
    """CompiledModel has none."""
    assert "open it anew before each sample" in python(Path("model.tflite"), config("gpu"), "resources")


def test_python_resets_state(tmp_path: Path) -> None:
    """The line that does it runs."""
    file = tmp_path / "model.tflite"
    file.write_bytes(stateful.variables())
    code = python(file, config("builtin", threads=1), "variables")
    subprocess.run([sys.executable, "-c", code], check=True)


NAMES = Ends(("words", "image"), ("kind", "price"), "serving_default")


def test_several_inputs_and_outputs_are_named() -> None:
    """By the file's signature in every language; whole numbers among them are told of."""
    found = snippets(Path("m.tflite"), config("xnnpack"), "", InputTypes("int32, float32", "int32, float32"), NAMES)
    code = {snippet.language: snippet.code for snippet in found}
    assert "run(words=…, image=…) gives a dictionary with kind, price" in code["python"]
    assert 'runSignature(mapOf("words" to words, "image" to image), mapOf("kind" to kind' in code["kotlin"]
    assert 'GetSignatureRunner("serving_default")' in code["cpp"]
    assert all("whole numbers in as the data has them" in text for text in code.values())
    assert all("interpreter.run(input" not in text for text in code.values())


def test_an_order_is_told_where_there_is_no_signature() -> None:
    """Of files that came without one, and of LiteRT's CompiledModel."""
    for delegate, names in (("xnnpack", Ends(NAMES.inputs, NAMES.outputs)), ("gpu", NAMES)):
        code = python(Path("m.tflite"), config(delegate), "", InputTypes(), names)
        assert "inputs, in this order: words, image; outputs: kind, price" in code


def test_python_runs_by_name(tmp_path: Path) -> None:
    """The code of a file with two inputs and two outputs, in a process of its own."""
    start(2)
    import tf_keras

    a, b = tf_keras.Input((4,), name="a"), tf_keras.Input((4,), name="b")
    outputs = [tf_keras.layers.Dense(2, name="z")(a), tf_keras.layers.Dense(3, name="y")(b)]
    file = tmp_path / "m.tflite"
    file.write_bytes(converted(tf_keras.Model([a, b], outputs)))
    code = python(
        file,
        config("xnnpack", threads=1),
        "",
        InputTypes("float32, float32", "float32, float32"),
        ends(file.read_bytes()),
    )
    code += "\nimport numpy as np\nx = np.ones((1, 4), np.float32)\nprint(sorted(run(a=x, b=x)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['y', 'z']", done.stderr
