"""The real stages, on a small convolutional model: what was asked is what is in the file."""

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress import pipeline, quantize
from autotune.compress.cluster import Cluster
from autotune.compress.load import import_model, open_base
from autotune.compress.prune import Prune
from autotune.compress.qat import QuantizationAware
from autotune.compress.quantize import Quantize
from autotune.compress.stage import Artifact, TrainingData, unpack
from autotune.compress.worker import start
from autotune.config import SCHEMES, Recipe
from autotune.errors import Infeasible
from autotune.testing import StageContract

Build = Callable[[Recipe], Artifact]
TRAINING: dict[str, Any] = {"epochs": 2, "learning_rate": 1e-3, "batch_size": 32}


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Images whose class is the quadrant that is lit."""
    start(2)
    random = np.random.default_rng(0)
    y = np.arange(256) % 4
    x = random.normal(size=(256, 8, 8, 1)).astype(np.float32)
    for index, label in enumerate(y):
        x[index, 4 * (label // 2) : 4 * (label // 2) + 4, 4 * (label % 2) : 4 * (label % 2) + 4] += 2
    return TrainingData(x, y, x[:20], "sparse_categorical_crossentropy", 0)


@pytest.fixture(scope="module")
def base(data: TrainingData) -> bytes:
    """A trained model with what makes trouble: Rescaling, batch normalisation, a depthwise layer, L2, a residual."""
    import keras

    keras.utils.set_random_seed(0)
    entry = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(0.5)(entry)
    x = keras.layers.Conv2D(16, 3, padding="same", kernel_regularizer="l2")(x)
    x = keras.layers.BatchNormalization()(x)
    x = skip = keras.layers.ReLU()(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.Conv2D(16, 1, kernel_regularizer="l2")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("relu")(keras.layers.Add()([x, skip]))
    x = keras.layers.Conv2D(12, 3, strides=2)(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(entry, keras.layers.Dense(4, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(data.x, data.y, epochs=3, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "toy.keras"
        model.save(path)
        return import_model(path.read_bytes(), path.name).data


@pytest.fixture(scope="module")
def build(base: bytes, data: TrainingData) -> Build:
    """Builds a recipe, sharing prefixes as a study does."""
    built: dict[str, Artifact] = {}

    def build_recipe(recipe: Recipe) -> Artifact:
        parent: bytes | None = None
        for step in pipeline.steps(recipe, "task"):
            if step.key not in built:
                built[step.key] = pipeline.build(step, base, parent, data)
            parent = built[step.key].data
        return built[step.key]

    return build_recipe


def run(file: bytes, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The file's outputs, sample by sample."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file)
    interpreter.allocate_tensors()
    outputs = []
    for sample in x:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(outputs)


COMBINATIONS = list(itertools.product((0.0, 0.6), (0, 8), SCHEMES))


@pytest.mark.parametrize(("prune", "cluster", "scheme"), COMBINATIONS)
def test_what_was_asked_is_in_the_file(
    prune: float, cluster: int, scheme: str, build: Build, data: TrainingData
) -> None:
    """Zeros, distinct weights and types of each layer, read back from the .tflite; and it still works."""
    artifact = build(Recipe(prune, cluster, scheme, **TRAINING))
    layers = artifact.facts["layers"]
    assert len(layers) == 5
    weight_type = {"none": "float32", "float16": "float16"}.get(scheme, "int8")
    for layer in layers:
        small = scheme == "dynamic" and layer["weights"] < 1024  # the converter leaves these alone
        assert layer["dtype"] == ("float32" if small else weight_type)
        if layer["operator"] == "DEPTHWISE_CONV_2D":
            continue
        if prune:
            assert layer["sparsity"] >= prune - 1 / layer["weights"]
        if cluster:
            assert layer["distinct"] <= cluster
    if not prune and scheme in ("none", "float16"):
        assert max(layer["sparsity"] for layer in layers) < 0.05
    accuracy = float(np.mean(run(artifact.data, data.x[:64]).argmax(axis=1) == data.y[:64]))
    assert accuracy > 0.5  # a guess gets a quarter right


def test_plain_conversion_computes_what_keras_does(build: Build, base: bytes, data: TrainingData) -> None:
    """The float file's outputs are those of the model that was imported."""
    expected = np.asarray(open_base(base)(data.x[:16], training=False))
    np.testing.assert_allclose(run(build(Recipe()).data, data.x[:16]), expected, atol=1e-5)


def test_building_twice_gives_the_same(base: bytes, data: TrainingData) -> None:
    """A stage is a function of its inputs: the cache may stand in for it."""
    step = pipeline.steps(Recipe(prune=0.6, **TRAINING), "task")[0]
    first, second = (unpack(pipeline.build(step, base, None, data).data) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_compression_shows_in_the_download(build: Build) -> None:
    """Pruning and clustering leave the raw size alone and cut the compressed one."""
    plain, pruned = build(Recipe(quantize="int8")), build(Recipe(0.6, 8, "int8", **TRAINING))
    assert abs(len(plain.data) - len(pruned.data)) < 0.05 * len(plain.data)
    assert pruned.facts["download_bytes"] < plain.facts["download_bytes"]


@pytest.mark.parametrize(
    ("scheme", "sparsity", "clusters", "wrong"),
    [
        ("int8", 0.7, 0, "asked for 70% zeros, conv has 60.0%"),
        ("int8", 0.0, 4, "asked for 4 distinct weights, conv has 5"),
        ("float16", 0.0, 0, "float16 quantization left every layer as it was"),
    ],
)
def test_a_file_that_missed_its_recipe_is_refused(scheme: str, sparsity: float, clusters: int, wrong: str) -> None:
    """Such a file never reaches the front, whatever made it."""
    layer = {"name": "conv", "operator": "CONV_2D", "weights": 100, "sparsity": 0.6, "distinct": 5, "dtype": "int8"}
    with pytest.raises(Infeasible, match=wrong):
        quantize.check([layer], scheme, sparsity, clusters)
    quantize.check([layer], "int8", 0.6, 5)


def test_clusters_need_a_layer_with_more_weights(base: bytes, data: TrainingData) -> None:
    """A model with nothing to cluster says so."""
    step = pipeline.steps(Recipe(cluster=5000, **TRAINING), "task")[0]
    with pytest.raises(Infeasible, match="no layer of more than 5000 weights"):
        pipeline.build(step, base, None, data)


class _Real(StageContract):
    @pytest.fixture(autouse=True)
    def _inputs(self, base: bytes, data: TrainingData) -> None:
        self._given = base, data

    def inputs(self) -> tuple[bytes, TrainingData]:
        return self._given


class TestPrune(_Real):
    """Pruning keeps the contract."""

    stage, recipe = Prune(), Recipe(prune=0.5, **TRAINING)


class TestCluster(_Real):
    """Clustering keeps the contract."""

    stage, recipe = Cluster(), Recipe(cluster=8, **TRAINING)


class TestQuantizationAware(_Real):
    """QAT keeps the contract."""

    stage, recipe = QuantizationAware(), Recipe(quantize="qat", **TRAINING)


class TestQuantize(_Real):
    """Quantization after training keeps the contract."""

    stage, recipe = Quantize(), Recipe(quantize="int8")
