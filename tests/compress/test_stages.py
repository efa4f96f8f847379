"""The real stages, on a small convolutional model: what was asked is what is in the file."""

import dataclasses
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from autotune.compress import pipeline, quantize
from autotune.compress.cluster import Cluster, ClusterOnce
from autotune.compress.convert import Convert, converted, keeping_dimensions
from autotune.compress.prune import Prune, PruneOnce
from autotune.compress.qat import QuantizationAware, reopened
from autotune.compress.quantize import Quantize
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import FOUR_BITS, NAMES, SCHEMES, Recipe
from autotune.errors import Infeasible
from autotune.model.artifact import Artifact, unpack
from autotune.model.keras_facts import layers_of
from autotune.model.load import import_model, open_base
from autotune.targets.metric import CODECS
from autotune.testing import StageContract
from autotune.tflite.facts import LayerFacts
from autotune.tflite.flatbuffer import describe, read_layers
from tests.compress.running import run

Build = Callable[[Recipe], Artifact]
TRAINING: dict[str, Any] = {"epochs": 2, "learning_rate": 1e-3, "batch_size": 32, "fine_tune": "labels"}


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
    x = keras.layers.Conv2D(12, 3, strides=2, name="last_conv")(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(entry, keras.layers.Dense(4, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    model.fit(data.x, data.y, epochs=30, verbose=0)
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


COMBINATIONS = [
    each
    for each in itertools.product((0.0, 0.6), (0, 8), SCHEMES, ("labels", "none"))
    if each[2:] != ("qat", "none")  # makes no sense, and is never sampled
]


@pytest.mark.parametrize(("prune", "cluster", "scheme", "fine_tune"), COMBINATIONS)
def test_what_was_asked_is_in_the_file(
    prune: float, cluster: int, scheme: str, fine_tune: str, build: Build, data: TrainingData
) -> None:
    """Zeros, distinct weights and types of each layer, read back from the .tflite; and it still works."""
    recipe = Recipe(prune=prune, cluster=cluster, quantize=scheme, **(TRAINING | {"fine_tune": fine_tune}))
    artifact = build(recipe)
    layers = artifact.facts["layers"]
    assert len(layers) == 5
    weight_type = {"none": "float32", "float16": "float16"}.get(scheme, "int8")
    for layer in layers:
        depthwise = layer["operator"] == "DEPTHWISE_CONV_2D"
        assert layer["dtype"] == ("int4" if scheme in FOUR_BITS and not depthwise else weight_type)
        if depthwise:
            continue
        if prune:
            assert layer["sparsity"] >= prune - 1 / layer["weights"]
        if cluster:
            assert layer["distinct"] <= cluster
    if not prune and scheme in ("none", "float16"):
        assert max(layer["sparsity"] for layer in layers) < 0.05
    accuracy = float(np.mean(run(artifact.data, data.x[:64]).argmax(axis=1) == data.y[:64]))
    assert accuracy > (0.4 if fine_tune == "none" and (prune or cluster) else 0.5)  # a guess gets a quarter right


@pytest.mark.parametrize("scheme", ["int8", "qat"])
def test_integer_inputs_and_outputs(scheme: str, build: Build, data: TrainingData) -> None:
    """As accelerators demand; through the runner it is as good as with float ones."""
    artifact = build(Recipe(quantize=scheme, io="int8", **TRAINING))
    described = describe(artifact.data)
    assert [end["dtype"] for end in (*described["inputs"], *described["outputs"])] == ["int8", "int8"]
    assert float(np.mean(run(artifact.data, data.x[:64]).argmax(axis=1) == data.y[:64])) > 0.5


def test_batch_normalisation_is_folded_in_qat(build: Build) -> None:
    """Behind a convolution it leaves no operator and no float arithmetic in the file."""
    operators = describe(build(Recipe(quantize="qat", **TRAINING)).data)["operators"]
    assert operators["DEQUANTIZE"] == operators["QUANTIZE"] == 1  # the file's own input and output
    assert operators["MUL"] == 1  # Rescaling
    assert operators["ADD"] == 1  # the residual


def test_other_batch_normalisation_is_quantized_at_its_output(data: TrainingData) -> None:
    """Where it stands first, TFMOT can't fold it into anything."""
    import tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [layers.Input((8, 8, 1)), layers.BatchNormalization(), layers.Flatten(), layers.Dense(4, "softmax")]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "first.keras"
        model.save(path)
        plain = import_model(path.read_bytes(), path.name).data
    parent: bytes | None = None
    for step in pipeline.steps(Recipe(quantize="qat", **TRAINING), "first"):
        parent = pipeline.build(step, plain, parent, data).data
    assert parent is not None
    assert "int8" in {layer.dtype for layer in read_layers(parent)}


@pytest.mark.parametrize("scheme", ["int4", "w4a8", "dynamic"])
def test_mixed_precision_spares_the_most_sensitive_layers(scheme: str, build: Build) -> None:
    """Those whose quantization alone disturbs the outputs most, a step more precise; the facts name them."""
    facts = build(Recipe(quantize=scheme, mixed=0.4)).facts
    errors = facts["sensitivity"]
    assert facts["spared"] == sorted(errors, key=errors.__getitem__, reverse=True)[: len(facts["spared"])]
    precise = "int8" if scheme in FOUR_BITS else "float32"
    assert {layer["name"] for layer in facts["layers"] if layer["dtype"] == precise} >= set(facts["spared"])
    assert {layer["dtype"] for layer in facts["layers"]} == {precise, "int4" if scheme in FOUR_BITS else "int8"}


def test_two_zeros_in_each_four(build: Build) -> None:
    """Along the input channels, in each layer whose channels come in fours."""
    artifact = build(Recipe(prune=0.5, prune_pattern="2by4", **TRAINING))
    checked = 0
    for layer in read_layers(artifact.data):
        if layer.operator != "DEPTHWISE_CONV_2D" and layer.values.shape[-1] % 4 == 0:
            groups = layer.values.reshape(-1, 4)
            assert ((groups == 0).sum(axis=1) >= 2).all()
            checked += 1
    assert checked == 3


@pytest.fixture(scope="module")
def policy_base(data: TrainingData) -> bytes:
    """A model of the shape that XNNPACK's sparse kernels want, save for its pooling."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.ZeroPadding2D(1),
            keras.layers.Conv2D(8, 3, strides=2),
            keras.layers.ReLU(),
            keras.layers.Conv2D(32, 1, name="wide"),
            keras.layers.ReLU(),
            keras.layers.DepthwiseConv2D(3, padding="same"),
            keras.layers.Conv2D(32, 1, name="mixing"),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.keras"
        model.save(path)
        return import_model(path.read_bytes(), path.name).data


def test_sparse_kernels_get_what_they_read(policy_base: bytes) -> None:
    """1x1 convolutions pruned and encoded as sparse, pooling rebuilt; the outputs are those of the weights."""
    x = np.random.default_rng(0).normal(size=(64, 16, 16, 3)).astype(np.float32)
    data = TrainingData(x, np.arange(64) % 4, x[:8], "sparse_categorical_crossentropy", 0)
    parent: bytes | None = None
    made = []
    for step in pipeline.steps(Recipe(prune=0.8, prune_pattern="xnnpack", **TRAINING), "policy"):
        made.append(pipeline.build(step, policy_base, parent, data))
        parent = made[-1].data
    sparsity = {layer["name"]: layer["sparsity"] for layer in made[-1].facts["layers"]}
    pruned = {name: share for name, share in sparsity.items() if "wide" in name or "mixing" in name}
    assert len(pruned) == 2
    assert min(pruned.values()) >= 0.79
    assert max(share for name, share in sparsity.items() if name not in pruned) < 0.05
    model = schema.ModelT.InitFromPackedBuf(made[-1].data, 0)
    encoded = [tensor.name.decode() for tensor in model.subgraphs[0].tensors if tensor.sparsity is not None]
    assert set(pruned) <= set(encoded)
    expected = np.asarray(open_base(policy_base, made[0].data)(x, training=False))
    np.testing.assert_allclose(run(made[-1].data, x), expected, atol=1e-5)


def test_pooling_is_rebuilt_with_weights_and_outputs_unchanged(policy_base: bytes) -> None:
    """With its dimensions kept, as XNNPACK's sparse kernels want it."""
    x = np.random.default_rng(0).normal(size=(8, 16, 16, 3)).astype(np.float32)
    model = open_base(policy_base)
    twin = keeping_dimensions(model)
    kept = [layer.keepdims for layer in layers_of(twin) if type(layer).__name__ == "GlobalAveragePooling2D"]
    assert kept == [True]
    np.testing.assert_array_equal(np.asarray(twin(x)), np.asarray(model(x)))
    for ours, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_model_that_sparse_kernels_do_not_fit_is_refused(base: bytes, data: TrainingData) -> None:
    """With the policy's own reason."""
    step = pipeline.steps(Recipe(prune=0.8, prune_pattern="xnnpack", **TRAINING), "task")[0]
    with pytest.raises(Infeasible, match="XNNPACK's sparse kernels don't fit the model"):
        pipeline.build(step, base, None, data)


@pytest.mark.parametrize("schedule", ["constant", "polynomial"])
def test_both_schedules_get_there(schedule: str, build: Build) -> None:
    """Sparsity that rises and sparsity at once."""
    layers = build(Recipe(prune=0.7, prune_schedule=schedule, **TRAINING)).facts["layers"]
    dense = [layer for layer in layers if layer["operator"] != "DEPTHWISE_CONV_2D"]
    assert min(layer["sparsity"] for layer in dense) >= 0.69


@pytest.mark.parametrize("init", NAMES["cluster_init"])
def test_every_start_of_the_centroids(init: str, build: Build) -> None:
    """Few distinct weights whichever it is."""
    layers = build(Recipe(cluster=6, cluster_init=init, **TRAINING)).facts["layers"]
    assert max(layer["distinct"] for layer in layers if layer["operator"] != "DEPTHWISE_CONV_2D") <= 6


def test_clusters_of_each_channel(build: Build) -> None:
    """More distinct weights in a layer, as few as asked in each output channel."""
    artifact = build(Recipe(cluster=4, cluster_scope="channel", **TRAINING))
    convolutions = [layer for layer in read_layers(artifact.data) if layer.operator == "CONV_2D"]
    assert all(len(np.unique(channel)) <= 4 for layer in convolutions for channel in layer.values)
    assert max(len(np.unique(layer.values)) for layer in convolutions) > 4


def test_excluded_layers_are_left_alone(base: bytes, data: TrainingData) -> None:
    """Neither pruned nor quantized, by name or pattern, with and without training."""
    sparing = dataclasses.replace(data, excluded=("last_*",))
    for recipe in (
        Recipe(prune=0.6, quantize="int8", **TRAINING),
        Recipe(prune=0.6, quantize="int8", fine_tune="none"),
        Recipe(quantize="int4"),
    ):
        parent: bytes | None = None
        for step in pipeline.steps(recipe, "sparing"):
            artifact = pipeline.build(step, base, parent, sparing)
            parent = artifact.data
        types = {"last_conv" in layer["name"]: layer["dtype"] for layer in artifact.facts["layers"]}
        assert types[True] == "float32"
        assert types[False] != "float32"
        sparsity = {"last_conv" in layer["name"]: layer["sparsity"] for layer in artifact.facts["layers"]}
        assert sparsity[True] < 0.05
    step = pipeline.steps(Recipe(quantize="qat", **TRAINING), "sparing")[0]
    with pytest.raises(Infeasible, match="would be quantized all the same"):
        pipeline.build(step, base, None, sparing)


LONGER: list[dict[str, Any]] = [
    {"prune": 0.6},
    {"cluster": 4, "cluster_scope": "channel"},
    {"prune": 0.6, "cluster": 8, "quantize": "qat"},
]


def kernels(step: pipeline.Step, base: bytes, trained: bytes) -> list[np.ndarray[Any, Any]]:
    """Those that a training gave."""
    model = reopened(base, trained, step.parameters)[1] if step.stage == "qat" else open_base(base, trained)
    return [weights.numpy() for weights in model.weights if weights.name.endswith("kernel:0")]


@pytest.mark.parametrize("values", LONGER)
def test_a_longer_training_continues_the_shorter_one(
    values: dict[str, Any], base: bytes, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it learns nothing it gives back what it began with, zeros and centroids too; where it learns, it
    moves them, and the file is what was asked."""
    monkeypatch.setattr("autotune.compress.training.SHORTEST", 2)  # else both would have to be longer
    recipe = Recipe(**values, **(TRAINING | {"epochs": 8}))
    steps = pipeline.steps(recipe, "task")
    made: list[Artifact] = []
    for step in steps:  # the last one refuses a file that misses its recipe
        made.append(pipeline.build(step, base, made[-1].data if made else None, data))
    [longer] = [place for place, step in enumerate(steps) if "continues" in step.parameters]
    idle = dataclasses.replace(steps[longer], parameters=steps[longer].parameters | {"learning_rate": 0.0})
    kept = pipeline.build(idle, base, made[longer - 1].data, data)
    begun, moved = made[longer - 1 : longer + 1]
    before, same, after = (kernels(steps[longer], base, each.data) for each in (begun, kept, moved))
    for one, other in zip(before, same, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
        np.testing.assert_array_equal(one == 0, other == 0)
        assert len(np.unique(one)) == len(np.unique(other))
    assert max(np.abs(one - other).max() for one, other in zip(before, after, strict=True)) > 1e-3
    assert float(np.mean(run(made[-1].data, data.x[:64]).argmax(axis=1) == data.y[:64])) > 0.5


@pytest.mark.parametrize("augment", NAMES["augment"])
def test_distillation_needs_no_labels(augment: str, build: Build, base: bytes, data: TrainingData) -> None:
    """With labels that are all wrong the model stays good: it learns from the original one."""
    misled = dataclasses.replace(data, y=np.zeros_like(data.y))
    settings = TRAINING | {"fine_tune": "distill", "augment": augment, "epochs": 10}
    step = pipeline.steps(Recipe(prune=0.6, **settings), "misled")[0]
    model = open_base(base, pipeline.build(step, base, None, misled).data)
    accuracy = float(np.mean(model.predict(data.x, verbose=0).argmax(axis=1) == data.y))
    assert accuracy > 0.7  # with those labels it would be a quarter


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
    """Pruning and clustering leave the raw size alone and cut the compressed ones, brotli's further than gzip's."""
    plain, pruned = build(Recipe(quantize="int8")), build(Recipe(prune=0.6, cluster=8, quantize="int8", **TRAINING))
    assert abs(len(plain.data) - len(pruned.data)) < 0.05 * len(plain.data)
    before, after = plain.facts["downloads"], pruned.facts["downloads"]
    assert tuple(after) == CODECS
    assert all(after[codec] < before[codec] for codec in CODECS)
    assert after["brotli"] / after["gzip"] < min(1.0, before["brotli"] / before["gzip"])


@pytest.mark.parametrize(
    ("scheme", "sparsity", "clusters", "wrong"),
    [
        ("int8", 0.7, 0, "asked for 70% zeros, conv has 60.0%"),
        ("int8", 0.0, 4, "asked for 4 distinct weights, conv has 5"),
        ("float16", 0.0, 0, "float16 quantization left conv in int8"),
    ],
)
def test_a_file_that_missed_its_recipe_is_refused(scheme: str, sparsity: float, clusters: int, wrong: str) -> None:
    """Such a file never reaches the front, whatever made it."""
    layer = LayerFacts(
        name="conv", operator="CONV_2D", shape=[100], weights=100, sparsity=0.6, distinct=5, dtype="int8"
    )
    asked = {"scheme": scheme, "sparsity": sparsity, "clusters": clusters, "pattern": "unstructured"}
    with pytest.raises(Infeasible, match=wrong):
        quantize.check([layer], asked)
    quantize.check([layer], asked | {"scheme": "int8", "sparsity": 0.6, "clusters": 5})
    quantize.check([layer], asked | {"scheme": "int8"}, ["conv"])


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


class TestConvert(_Real):
    """Conversion keeps the contract."""

    stage, recipe = Convert(), Recipe()


class _OnFiles(_Real):
    @pytest.fixture(autouse=True)
    def _file(self, base: bytes) -> None:
        self._converted = converted(open_base(base))

    def parent(self) -> bytes:
        return self._converted


class TestPruneOnce(_OnFiles):
    """Pruning without training keeps the contract."""

    stage, recipe = PruneOnce(), Recipe(prune=0.5, fine_tune="none")


class TestClusterOnce(_OnFiles):
    """Clustering without training keeps the contract."""

    stage, recipe = ClusterOnce(), Recipe(cluster=8, fine_tune="none")


class TestQuantize(_OnFiles):
    """Quantization after training keeps the contract."""

    stage, recipe = Quantize(), Recipe(quantize="int8")
