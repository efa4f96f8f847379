"""YAML files of any content, and of any shape: spaces, experiments, device files."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autotune import experiment
from autotune.devices.device_file import find_device
from autotune.space import file as space_file
from autotune.yaml_file import read_yaml
from tests.conftest import ROOT
from tests.readers.contract import read_or_refused
from tests.readers.mutations import VALUES, damaged, reshaped

SPACE = ROOT / "search_spaces" / "full.yaml"
EXPERIMENT = """model: [model.keras, other.tflite]
data: data.npz
space:
  prune: {low: 0, high: 0.9, step: 0.1}
  learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
  quantize: [none, int8]
  threads: auto
device: [local, 'ssh:pi@board']
targets: ['latency<50ms', 'accuracy>=baseline-1%']
trials: 20
seed: 3
validation_share: 0.5
exclude: ['conv*']
"""
DEVICES = {
    "local": "transport: local\ncpus: [0, 1]\nthreads: [1, 2]\ncooling: {below: 60, at_most: 5m}\n",
    "board": "transport: ssh\nhost: pi@board\nport: 2222\nssh: [ssh, -F, boards.conf]\nlimit: 60\n",
    "phone": "transport: adb\nserial: EXAMPLE0001\nflags: {gpu: [--gpu_precision_loss_allowed=false]}\n",
    "own": "transport: command\ncommand: [docker, exec, -i, it, python3]\ndelegates: [xnnpack]\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.yaml"
    path.write_bytes(content)
    return path


def dumped(tree: Any) -> bytes:
    return yaml.dump(tree).encode("utf-8", "surrogatepass")


@given(content=damaged(EXPERIMENT.encode()) | damaged(SPACE.read_bytes()) | st.binary(max_size=64))
def test_damaged_text(folder: Path, content: bytes) -> None:
    """Bytes that were YAML are still, or are refused."""
    read_or_refused(lambda: read_yaml(written(folder, content), "space"))


@given(content=damaged(SPACE.read_bytes()) | reshaped(yaml.safe_load(SPACE.read_text())).map(dumped))
def test_spaces(folder: Path, content: bytes) -> None:
    """What comes through can be drawn from: its grids are lists that memory holds."""
    space = read_or_refused(lambda: space_file.read(str(written(folder, content)), [1, 2]))
    if space is not None:
        assert space.values(space.config(space.first())) is not None


@given(content=damaged(EXPERIMENT.encode()) | reshaped(yaml.safe_load(EXPERIMENT)).map(dumped))
def test_experiments(folder: Path, content: bytes) -> None:
    """With all that is settled before a device is asked: targets, names, paths, the space."""
    path = written(folder, content)
    settings = read_or_refused(lambda: experiment.settings_of({"experiment": str(path)}))
    if settings is not None:
        assert settings.values.device
        space = settings.values.space
        if isinstance(space, dict):
            read_or_refused(lambda: space_file.parse(space, "here", [1]))


@pytest.mark.parametrize("name", DEVICES)
@given(draw=st.data())
def test_devices(folder: Path, name: str, draw: st.DataObject) -> None:
    """Of every transport: what comes through is a device, to which nothing was connected yet."""
    text = DEVICES[name]
    content = draw.draw(damaged(text.encode()) | reshaped(yaml.safe_load(text), VALUES).map(dumped))
    device = read_or_refused(lambda: find_device(str(written(folder, content))))
    if device is not None:
        assert isinstance(device.name, str)


SEEDS = [
    b"trials: !!int ''",
    b"trials: !!bool maybe",
    b"trials: !!timestamp never",
    b"trials: 2001-99-99",
    b"trials: 0x" + b"f" * 3000,
    b"trials: 1:" + b"59:" * 500 + b"1",
    b"data: '\xed\xa0\x80'",
    b'data: "\\ud800"',
    b'data: "a\\0b"',
    b"\xff\xfea",
    b"? [a, [b]]\n: 1",
    b"? {a: 1}\n: 1",
    b"<<: [1]",
    b"- &a [*a]",
    b"name: " + b"a" * 300,
    b"model: " + b"m" * 3000 + b"\ndata: d",
    b"prune: {low: 0, high: 0.9, step: 1.0e-300}",
    b"epochs: {low: 1, high: 10000000000000000000000}",
    b"prune: " + b"9" * 400,
    b"learning_rate: {low: 1.0e-4, high: 1" + b"0" * 400 + b"}",
    b"transport: adb\nserial: " + b"9" * 3000,
    b"transport: command\ncommand: []\nport: 1" + b"0" * 400,
    b"cooling: {below: 60, at_most: 1" + b"0" * 400 + b"}",
]


@pytest.mark.parametrize("content", SEEDS)
def test_kept_seeds(folder: Path, content: bytes) -> None:
    """What once ended in a traceback, or a line longer than a screen."""
    path = str(written(folder, content))
    read_or_refused(lambda: experiment.settings_of({"experiment": path}))
    read_or_refused(lambda: space_file.read(path, [1]))
    read_or_refused(lambda: find_device(path))
