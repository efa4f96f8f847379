"""Code that runs a picked file as it was measured."""

import subprocess
import sys
from pathlib import Path

import pytest

from autotune.config import Config
from autotune.devices.client.device import PROBE
from autotune.devices.client.local import LocalDevice
from autotune.devices.snippets import python, snippets
from autotune.results.meta import InputTypes
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
