"""The emulated Arm board: what its Python says of itself, and what LiteRT does there."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.boards import arm, sparse

FACTS = """
import json, platform
from importlib.metadata import version
names = ("numpy", "tflite-runtime")
print(json.dumps({"machine": platform.machine(), "bits": platform.architecture()[0], **{n: version(n) for n in names}}))
"""

RUN = """
import io, json, sys
import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType
threads, kind, *paths = sys.argv[1:]
samples = np.load(io.BytesIO(sys.stdin.buffer.read()))
found = []
for path in paths:
    model = Interpreter(path, num_threads=int(threads), experimental_op_resolver_type=OpResolverType[kind])
    model.allocate_tensors()
    outputs = []
    for sample in samples:
        model.set_tensor(model.get_input_details()[0]["index"], sample[None])
        model.invoke()
        outputs.append(model.get_tensor(model.get_output_details()[0]["index"])[0].tolist())
    found.append({"outputs": outputs, "operators": [node["op_name"] for node in model._get_ops_details()]})
print(json.dumps(found))
"""


def ask(board: list[str], script: str, *arguments: str, given: bytes = b"") -> Any:
    """The JSON that a script prints on the board."""
    done = subprocess.run(
        [*board, "-c", script, *arguments], input=given, stdout=subprocess.PIPE, check=True, timeout=60
    )
    return json.loads(done.stdout)


def here(path: Path, samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The file's outputs on this machine."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(str(path))
    entry, exit_ = model.get_input_details()[0]["index"], model.get_output_details()[0]["index"]
    model.resize_tensor_input(entry, samples.shape)
    model.allocate_tensors()
    model.set_tensor(entry, samples)
    model.invoke()
    return np.asarray(model.get_tensor(exit_))


def test_the_board_is_an_arm_board(board: list[str]) -> None:
    """Its Python sees another machine than ours, and has packages of its own."""
    assert ask(board, FACTS) == {"machine": "aarch64", "bits": "64bit", "numpy": "1.26.4", "tflite-runtime": "2.14.0"}


@pytest.mark.parametrize(
    ("threads", "kind", "delegates"),
    [(1, "AUTO", 1), (2, "AUTO", 1), (1, "BUILTIN_WITHOUT_DEFAULT_DELEGATES", 0), (1, "BUILTIN_REF", 0)],
)
def test_files_give_there_what_they_give_here(
    threads: int, kind: str, delegates: int, board: list[str], pair: tuple[Path, Path]
) -> None:
    """Through XNNPACK and without, dense and sparse; the samples came through the standard input."""
    samples, stream = sparse.images(3), io.BytesIO()
    np.save(stream, samples)
    there = ask(board, RUN, str(threads), kind, *map(str, pair), given=stream.getvalue())
    for path, found in zip(pair, there, strict=True):
        expected = here(path, samples)
        assert np.ptp(expected) > 0.01  # or anything would agree
        np.testing.assert_allclose(found["outputs"], expected, atol=1e-5)
        assert found["operators"].count("DELEGATE") == delegates


def test_a_board_that_is_not_there_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do; one whose making was cut short is none."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "qemu-user-static" in (arm.missing(tmp_path) or "")
    monkeypatch.setattr("shutil.which", lambda name: name)
    (tmp_path / "root").mkdir()
    assert f"arm.sh {tmp_path}" in (arm.missing(tmp_path) or "")
    (tmp_path / "complete").touch()
    assert arm.missing(tmp_path) is None


def test_the_folder_is_the_users_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in the environment."""
    monkeypatch.setenv("AUTOTUNE_ARM_BOARD", str(tmp_path))
    assert arm.folder() == tmp_path
