"""The profiler on the real LiteRT, each time in a process of its own, and what it makes of the events."""

import importlib
import json
import subprocess
import sys
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

profiler: Any = importlib.import_module("autotune.devices.runner.profiler")

LOAD = """
import json, sys
space = {"__name__": "profiler"}
with open(sys.argv[1]) as file:
    exec(compile(file.read(), "profiler.py", "exec"), space)
"""
"""As the runner does it; the process knows nothing of autotune."""

PROFILE = 'print(json.dumps(space["profile"](sys.argv[2], sys.argv[3], int(sys.argv[4]), 0.05)))'

WALLS = """
opened = space["Opened"](space["library"](), sys.argv[2], sys.argv[3], 1)
walls, times = space["repeated"](opened, 0.05)
print(json.dumps([walls.tolist(), times.sum(axis=1).tolist()]))
"""


def _run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", LOAD + code, profiler.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _answer(code: str, *arguments: object) -> Any:
    done = _run(code, *arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def _schema() -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def _model(file: Path) -> Any:
    schema = _schema()
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(file.read_bytes(), 0))


def _static(file: Path) -> list[tuple[str, str]]:
    """Kinds and first outputs of a file's operators, in order."""
    model, numbers = _model(file), vars(_schema().BuiltinOperator)
    kinds = {number: kind for kind, number in numbers.items()}
    graph = model.subgraphs[0]
    return [
        (kinds[model.operatorCodes[operator.opcodeIndex].builtinCode], graph.tensors[operator.outputs[0]].name.decode())
        for operator in graph.operators
    ]


@pytest.fixture(scope="module")
def tflite(resnet8: Path) -> Path:
    """ResNet8 in float."""
    return resnet8.with_name("resnet8_float.tflite")


@pytest.fixture(scope="module")
def open_batch(tflite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, its batch left open, as a converter writes it."""
    flatbuffers = pytest.importorskip("flatbuffers")
    model = _model(tflite)
    graph = model.subgraphs[0]
    for index in (*graph.inputs, *graph.outputs):
        graph.tensors[index].shapeSignature = [-1, *graph.tensors[index].shape[1:]]
        graph.tensors[index].hasRank = True  # or LiteRT doesn't look there
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path_factory.mktemp("files") / "open.tflite"
    path.write_bytes(builder.Output())
    return path


def test_built_in_kernels_are_the_files_operators(tflite: Path) -> None:
    """Each of them once, in the file's order, by its kind and its output's name."""
    found = _answer(PROFILE, tflite, "builtin", 1)
    assert [(operator["kind"], operator["name"]) for operator in found] == _static(tflite)
    assert {operator["delegate"] for operator in found} == {""}
    assert all(operator["time_us"] > 0 for operator in found if operator["kind"] == "CONV_2D")


def test_xnnpacks_own_operators(tflite: Path) -> None:
    """One convolution for each of the file's, and the softmax last."""
    found = _answer(PROFILE, tflite, "xnnpack", 1)
    kinds = [operator["kind"] for operator in found]
    assert sum("Convolution" in kind for kind in kinds) == [kind for kind, _ in _static(tflite)].count("CONV_2D")
    assert "Convolution" in kinds[0]
    assert "Softmax" in kinds[-1]
    assert {operator["delegate"] for operator in found} == {"xnnpack"}
    assert [operator["name"] for operator in found] == [f"#{at}" for at in range(len(found))]
    assert sum(operator["time_us"] for operator in found) > 0


def test_each_starts_where_the_one_before_ends(tflite: Path) -> None:
    """The first at zero."""
    found = _answer(PROFILE, tflite, "builtin", 1)
    ends = accumulate(operator["time_us"] for operator in found)
    assert [operator["start_us"] for operator in found] == [0.0, *ends][:-1]


@pytest.mark.parametrize("delegate", ["builtin", "xnnpack"])
def test_operators_take_no_longer_than_the_inference(tflite: Path, delegate: str) -> None:
    """In every single one, up to the microsecond that LiteRT's clock is cut to."""
    walls, sums = _answer(WALLS, tflite, delegate)
    assert len(walls) >= profiler.LEAST_RUNS
    assert all(0 < total <= wall + 1 for wall, total in zip(walls, sums, strict=True))


@pytest.mark.parametrize("delegate", ["builtin", "xnnpack"])
def test_a_batch_left_open_is_one(tflite: Path, open_batch: Path, delegate: str) -> None:
    """It has no size until it is compiled."""
    kinds = [[part["kind"] for part in _answer(PROFILE, file, delegate, 1)] for file in (tflite, open_batch)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize(
    ("delegate", "threads"), [("reference", 1), ("builtin", 2), ("gpu", 1), ("openvino", 1), ("coral", 1)]
)
def test_what_this_runtime_cannot_tell(delegate: str, threads: int) -> None:
    """Is None, and doesn't even open the file."""
    assert _answer(PROFILE, "missing.tflite", delegate, threads) is None


@pytest.mark.parametrize(
    "other",
    [
        'import ai_edge_litert; ai_edge_litert.__version__ = "2.4.0"',
        'sys.modules["ai_edge_litert"] = None',
        'space["FUNCTIONS"]["NoSuchFunction"] = ()',
    ],
    ids=["version not checked", "no ai_edge_litert", "function missing"],
)
def test_another_litert_is_left_alone(other: str) -> None:
    """Calls into a library whose structures may differ would end the process, or lie."""
    assert _answer(f"{other}\n{PROFILE}", "missing.tflite", "xnnpack", 1) is None


def test_a_file_that_litert_refuses(tmp_path: Path) -> None:
    """Is a RuntimeError, not a crash."""
    (tmp_path / "broken.tflite").write_bytes(b"TFL3" * 100)
    done = _run(PROFILE, tmp_path / "broken.tflite", "xnnpack", 1)
    assert done.returncode == 1
    assert "RuntimeError: LiteRtCreateModelFromFile failed with status" in done.stderr


def _event(type_: int, index: int, subgraph: int) -> Any:
    return profiler.Event(tag=b"ADD", type=type_, index=index, subgraph=subgraph)


def test_what_a_loop_calls_counts_once() -> None:
    """The loop's own time has it; other events, such as of memory, are no operators."""
    own = [_event(8, 0, 0), _event(2, 1, 0), _event(2, 2, 0)]
    body = [_event(2, 0, 1), _event(8, 0, 1), _event(2, 0, 1)]
    events = [_event(1, 0, 0), *own[:2], *body, own[2], _event(32, 0, 0)]
    assert profiler.operators(events) == own


def test_a_delegates_node_is_not_the_files() -> None:
    """Where a delegate tells nothing of its operators, its node comes after those of the file."""
    names = ["first", "second"]
    assert profiler.described(_event(2, 1, 0), names, "xnnpack") == {"name": "second", "kind": "ADD", "delegate": ""}
    node = {"name": "#2", "kind": "ADD", "delegate": "xnnpack"}
    assert profiler.described(_event(2, 2, 0), names, "xnnpack") == node


def test_an_interrupted_inference_does_not_count() -> None:
    """Nor does a lucky one: means are over the middle half."""
    walls = np.array([100.0, 9000.0, 98.0, 102.0])
    times = np.array([[10.0, 80.0], [10.0, 8900.0], [9.0, 70.0], [12.0, 84.0]])
    assert profiler.middle_mean(walls, times).tolist() == [11.0, 82.0]
