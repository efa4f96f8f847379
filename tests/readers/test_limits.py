"""What would take all the memory there is, is refused within 200 MB."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SAYS = {
    "cpus": "65535 is the last CPU that there may be",
    "threads": "1024 is the most",
    "trials": "1000000 is the most",
    "timeout": "longer than ten years",
    "target": "is longer than 200 characters",
    "aliases": "nested too deeply, or has more than 10000 values",
    "alias_of_itself": "nested too deeply",
    "merged": "nested too deeply",
    "nested": "nested too deeply",
    "long": "has more than 64 KiB",
    "number": "a value has 10000 characters",
    "digits": "a value has 10002 characters",
    "range": "is outside 1 to 100000",
    "grid": "a step of 1e-300 gives one value, or more than 10000",
    "steps": "a step of 1 gives one value, or more than 10000",
    "jobs": "jobs can't be 1000000000000",
    "seed": "seed can't be 1000000000000000000000",
    "npz": "would unpack to 211 MB, more than 100 times its size",
    "npy": "declares other contents than it has",
    "tables": "not a whole .tflite file",
    "names": "not a whole .tflite file",
    "sparse": "not a whole .tflite file",
    "levels": "not a whole .tflite file",
    "segments": "not a whole .tflite file",
    "keras": "would unpack to 211 MB, more than 100 times its size",
    "dataset": "would unpack to 4,398,047 MB",
    "dataset_in_keras": "would unpack to 4,398,047 MB",
    "elsewhere": "its /weights is in another file",
    "line": "no line ends within",
    "bytes": "too many bytes after it",
    "image": "12000 x 12000 pixels are too many",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By bomb."""
    folder = str(tmp_path_factory.mktemp("bombs"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.readers.bombs", folder], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", SAYS)
def test_bombs(said: dict[str, str], name: str) -> None:
    """Each by its own reader, and for its own reason."""
    assert said[name].startswith("refused: "), said[name]
    assert SAYS[name] in said[name]
