"""The plug-ins that docs/plugins.md shows: they are the files, install, keep the contracts, and runs use them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune import plugins
from autotune.cli import command as cli
from autotune.compress import pipeline
from autotune.compress.convert import converted
from autotune.compress.stage import Stage, TrainingData
from autotune.compress.worker import start
from autotune.config import Recipe
from autotune.errors import Infeasible
from autotune.search.search import Sampler
from autotune.testing import SamplerContract, StageContract, ToySearch
from autotune.tflite.flatbuffer import read_layers

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
SHOWN = [
    "rounding/rounding.py",
    "rounding/pyproject.toml",
    "samplers/samplers.py",
    "samplers/pyproject.toml",
]
BITS = (0, 8, 4)
SPACE = f"quantize: none\nmantissa: {list(BITS)}\ndelegate: xnnpack\nthreads: 1\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the examples were installed into, by pip, from copies."""
    folder = tmp_path_factory.mktemp("plugin")
    sources = [folder / name for name in ("rounding", "samplers")]
    for source in sources:
        shutil.copytree(EXAMPLES / source.name, source)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder / "site")]
    subprocess.run([*command, *map(str, sources)], check=True, capture_output=True)
    return folder / "site"


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plug-ins as autotune finds them, in this process too."""
    monkeypatch.syspath_prepend(site)
    pipeline.stages.cache_clear()
    yield
    for name in ("rounding", "samplers"):
        sys.modules.pop(name, None)
    pipeline.stages.cache_clear()


@pytest.fixture
def stage(installed: None) -> Stage:
    """The stage, as autotune finds it."""
    [kind] = plugins.load_all("stages")
    stage: Stage = kind()
    return stage


def network() -> bytes:
    """A float .tflite file with two layers."""
    start(2)
    import tf_keras

    layers = tf_keras.layers
    return converted(tf_keras.Sequential([layers.InputLayer((4,)), layers.Dense(8), layers.Dense(3, name="head")]))


def data(*excluded: str) -> TrainingData:
    x = np.ones((2, 4), np.float32)
    return TrainingData(x, np.array([0, 1]), x, "sparse_categorical_crossentropy", 0, excluded)


def stored(weights: np.ndarray[Any, np.dtype[np.float32]]) -> int:
    """How many bits of the mantissa are in use: 23 less the zeros at the end that all weights share."""
    used = int(np.bitwise_or.reduce(weights.reshape(-1).view(np.uint32) & 0x7FFFFF))
    return 23 if used & 1 else 23 - (used & -used).bit_length() + 1 if used else 0


def is_rounded(weights: Any, original: Any, bits: int) -> bool:
    """Whether weights have no more bits of mantissa, and are those closest to the original ones."""
    return stored(weights) <= bits and bool((np.abs(weights - original) <= np.abs(original) * 2.0 ** -(bits + 1)).all())


@pytest.mark.parametrize("name", SHOWN)
def test_the_page_shows_the_file(name: str) -> None:
    """Word for word, and each is short."""
    page, content = (ROOT / "docs" / "plugins.md").read_text(), (EXAMPLES / name).read_text()
    assert f"```{'python' if name.endswith('.py') else 'toml'}\n{content}```\n" in page
    assert len(content.splitlines()) < 36


class TestRounding(StageContract):
    """The contract that autotune ships, and what the stage promises beyond it."""

    recipe = Recipe(extra=(("mantissa", 5),))

    @pytest.fixture(autouse=True)
    def _installed(self, stage: Stage) -> None:
        self.stage = stage

    def inputs(self) -> tuple[bytes, TrainingData]:
        return network(), data()

    def parent(self) -> bytes:
        return network()

    def test_takes_its_place(self) -> None:
        """Behind all that changes weights, before the file is quantized and checked."""
        steps = pipeline.steps(self.recipe, "task")
        assert [step.stage for step in steps] == ["convert", "rounding", "quantize"]
        assert pipeline.dimensions() == {"mantissa": int}

    def test_leaves_excluded_layers_alone(self) -> None:
        """By the name that the user gives."""
        file = network()
        rounded = self.stage.build(file, file, {"bits": 5}, data("head"))
        (first, last), (first_before, last_before) = read_layers(rounded.data), read_layers(file)
        assert is_rounded(first.values, first_before.values, 5)
        assert not np.array_equal(first.values, first_before.values)
        np.testing.assert_array_equal(last.values, last_before.values)

    @pytest.mark.parametrize("bits", [-1, 23, 99])
    def test_refuses_what_can_not_be(self, bits: int) -> None:
        """A space may say any number."""
        with pytest.raises(Infeasible, match=f"to {bits} bits"):
            self.stage.build(network(), network(), {"bits": bits}, data())


@pytest.mark.usefixtures("installed")
class Shown(SamplerContract):
    """The contract, for a sampler of the page as autotune finds it."""

    name: str

    def sampler(self) -> Sampler:
        sampler: Sampler = plugins.load("samplers", self.name)
        return sampler


@pytest.mark.filterwarnings("ignore:NSGAIIISampler is experimental")
class TestNsga3(Shown):
    name = "nsga3"


class TestNeighbours(Shown):
    name = "neighbours"

    def test_looks_next_to_what_is_best(self, tmp_path: Path) -> None:
        """What comes after a front is known differs from one of its points in one value, while there are such."""
        search = ToySearch(tmp_path, self.sampler())
        for _ in range(3):
            search.measure(search.proposed())
        front = search.ledger.begun().front()
        best = [point.outcome.config.recipe for point in front.points]
        search.proposed()
        assert min(_differences(search.tried[-1], recipe) for recipe in best) == 1


def _differences(one: Recipe, other: Recipe) -> int:
    return sum(getattr(one, name) != getattr(other, name) for name in ("prune", "cluster", "quantize"))


@pytest.fixture(scope="module")
def front(site: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The points of a real run over the example's dimension."""
    folder, digits = tmp_path_factory.mktemp("run"), ROOT / "experiments" / "digits"
    (folder / "space.yaml").write_text(SPACE)
    files = ["--model", str(digits / "digits.keras"), "--data", str(digits / "digits.npz"), "--space", "space.yaml"]
    limits = ["--trials", str(len(BITS)), "--jobs", "1", "--name", "rounded", "--tracking-uri", "none"]
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}

    def autotune(*arguments: str) -> str:
        command = [sys.executable, "-m", "autotune", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    autotune("run", *files, *limits)
    found: list[dict[str, Any]] = json.loads(autotune("front", "rounded", "--json"))
    return [point | {"file": (folder / point["model"]).read_bytes()} for point in found]


def test_a_run_uses_it(front: list[dict[str, Any]], digits: Path) -> None:
    """The front's configurations name the dimension; their files are rounded so, and download smaller for it."""
    from autotune.model.load import import_model, open_base

    start(2)
    model = digits / "digits.keras"
    original = read_layers(converted(open_base(import_model(model.read_bytes(), model.name).data)))
    points = {point["config"].get("mantissa", 0): point for point in front}
    assert max(points) > 0
    for bits, point in points.items():
        for layer, before in zip(read_layers(point["file"]), original, strict=True):
            assert layer.dtype == "float32"
            assert is_rounded(layer.values, before.values, bits or 23)
    downloads = [points[bits]["metrics"]["download_bytes"] for bits in sorted(points) if bits]
    assert downloads == sorted(downloads)


def test_without_it_the_dimension_is_unknown(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names file, line and key."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE)
    files = ["--model", str(digits / "digits.keras"), "--data", str(digits / "digits.npz"), "--space", "space.yaml"]
    assert cli.main(["run", *files]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("autotune: space space.yaml, line 2: unknown dimension 'mantissa'; known are ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["space.yaml"]
