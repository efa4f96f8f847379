"""Quantization-aware training of what TFMOT alone gets wrong: ranges of another scale, weights that stay float."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress import pipeline, quantize
from autotune.compress.fake_quantization import begin_ranges, quantization_aware
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import Recipe
from autotune.errors import Infeasible
from autotune.model import keras3_activations
from autotune.model.artifact import Artifact
from autotune.model.load import import_model
from autotune.task.data import fields
from autotune.tflite.facts import LayerFacts
from autotune.tflite.flatbuffer import describe
from tests.compress.running import run

Build = Callable[..., tuple[Artifact, Any]]
LABELS: dict[str, Any] = {"fine_tune": "labels", "epochs": 1, "batch_size": 50}


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Builds a recipe of a tf_keras model with these layers, which learns its own outputs; gives both."""
    start(2)
    import tf_keras

    tf_keras.utils.set_random_seed(0)

    def built(layers: list[Any], x: np.ndarray, learning_rate: float = 0.0, **recipe: Any) -> tuple[Artifact, Any]:
        chained = all(isinstance(layer, tf_keras.layers.Layer) for layer in layers[1:])
        model = tf_keras.Sequential(layers) if chained else tf_keras.Model(layers[0], layers[-1])
        model.save(tmp_path / "model.keras")
        base = import_model((tmp_path / "model.keras").read_bytes(), "model.keras").data
        data = TrainingData(x, model.predict(x, verbose=0), x, "mse", 0)
        parent = None
        for step in pipeline.steps(Recipe(**LABELS | {"learning_rate": learning_rate} | recipe), "task"):
            artifact = pipeline.build(step, base, parent, data)
            parent = artifact.data
        return artifact, model

    return built


@pytest.mark.parametrize("scale", [0.001, 1000.0])
def test_ranges_begin_with_the_float_model(scale: float, build: Build) -> None:
    """Outputs and activations far from -6 … 6 are there after a training of four steps."""
    from tf_keras import layers

    x = np.random.default_rng(0).random((200, 4)).astype(np.float32)
    wide = [layers.Input((4,)), layers.Rescaling(scale), layers.Dense(16, activation="relu"), layers.Dense(1)]
    artifact, model = build(wide, x, learning_rate=1e-9, quantize="qat")
    wanted = model.predict(x, verbose=0)
    assert np.abs(run(artifact.data, x) - wanted).max() < 0.05 * np.ptp(wanted)


def test_concatenated_branches_stay_in_their_order() -> None:
    """TFMOT takes those last that it has changed itself, as a convolution with its batch normalisation."""
    start(2)
    import tf_keras

    layers = tf_keras.layers
    entry = layers.Input((6, 6, 2))
    normalised = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(3, 1)(entry)))
    both = layers.Concatenate()([normalised, layers.AveragePooling2D(1)(entry), layers.Conv2D(3, 1)(entry)])
    model = tf_keras.Model(entry, layers.Dense(2)(layers.Flatten()(both)))
    x = np.random.default_rng(0).normal(size=(50, 6, 6, 2)).astype(np.float32)
    wanted = model.predict(x, verbose=0)
    made = quantization_aware(model, pruned=False, clustered=False, apart=False)
    begin_ranges(made, x)
    made(x, training=True)  # takes the ranges of weights and inputs
    assert np.abs(made.predict(x, verbose=0) - wanted).max() < 0.1 * np.ptp(wanted)


def test_branches_that_are_concatenated_keep_zeros_and_clusters(build: Build) -> None:
    """TFMOT quantizes a layer before a concatenation as any other; what was pruned would be refused."""
    from tf_keras import layers

    x = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    entry = layers.Input((8,))
    both = layers.Concatenate()([layers.Dense(12)(entry), layers.Dense(12)(entry)])
    artifact, _ = build(
        [entry, layers.Dense(2)(both)], x, learning_rate=0.01, quantize="qat", prune=0.5, cluster=8, epochs=4
    )
    assert all(layer["sparsity"] >= 0.5 and layer["distinct"] <= 8 for layer in artifact.facts["layers"])


def test_layers_of_nested_models_are_quantized(build: Build) -> None:
    """As a backbone's are, also behind preprocessing; TFMOT left them float, and the file was refused once trained."""
    from tf_keras import Sequential, layers

    x = np.random.default_rng(0).random((200, 4)).astype(np.float32)
    body = Sequential([layers.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(4)])
    artifact, model = build([layers.Input((4,)), layers.Rescaling(2.0), body, layers.Dense(1)], x, quantize="qat")
    assert [layer["dtype"] for layer in artifact.facts["layers"]] == ["int8"] * 3
    wanted = model.predict(x, verbose=0)
    assert np.abs(run(artifact.data, x) - wanted).max() < 0.05 * np.ptp(wanted)


def normalised(layers: Any) -> Any:
    """Batch normalisation that has seen data."""
    return layers.BatchNormalization(
        beta_initializer="random_normal", moving_mean_initializer="random_normal", gamma_initializer="random_uniform"
    )


def test_every_layer_is_int8(build: Build) -> None:
    """Dense layers before batch normalisation, before a ReLU of its own, with swish, and separable convolutions:
    the file is hardly larger than with quantization after training, and computes what the model does.
    """
    from tf_keras import layers

    kinds = [
        layers.Input((6, 6, 4)),
        layers.SeparableConv2D(8, 3, activation="relu"),
        layers.Conv2D(8, 3),
        layers.ReLU(6.0),
        layers.Flatten(),
        *(layers.Dense(16, use_bias=False), normalised(layers), layers.ReLU()),
        *(layers.Dense(16), normalised(layers), layers.Activation("relu")),
        *(layers.Dense(16), layers.ReLU(), layers.Dense(16, activation="swish"), layers.Dropout(0.1)),
        *(layers.Dense(16, activation="relu"), normalised(layers), layers.Dense(3)),
    ]
    x = np.random.default_rng(0).normal(size=(200, 6, 6, 4)).astype(np.float32)
    artifact, model = build(kinds, x, quantize="qat")
    assert [layer["dtype"] for layer in artifact.facts["layers"]] == ["int8"] * 9
    assert len(artifact.data) < 1.1 * len(build(kinds, x, quantize="int8")[0].data)
    wanted = model.predict(x, verbose=0)
    assert np.abs(run(artifact.data, x) - wanted).mean() < 0.05 * np.ptp(wanted)


def test_dense_layers_of_more_axes_are_int8(build: Build) -> None:
    """As those of encoders are; the shape of a batch is not found out as the file runs."""
    from tf_keras import layers

    kinds = [layers.Input((5, 6)), layers.Dense(8, activation="gelu"), layers.Dense(8), layers.Flatten()]
    x = np.random.default_rng(0).normal(size=(200, 5, 6)).astype(np.float32)
    artifact, model = build([*kinds, layers.Dense(3)], x, quantize="qat")
    assert [layer["dtype"] for layer in artifact.facts["layers"]] == ["int8"] * 3
    assert not describe(artifact.data)["operators"].keys() & {"GATHER", "REDUCE_PROD"}
    wanted = model.predict(x, verbose=0)
    assert np.abs(run(artifact.data, x) - wanted).mean() < 0.05 * np.ptp(wanted)


@pytest.mark.parametrize("activation", ["elu", "selu", "softplus", "mish", "hard_sigmoid", "autotune>hard_silu"])
def test_activations_that_tfmot_does_not_know(activation: str, build: Build) -> None:
    """Within a layer and as layers: what they give is quantized, and weights are int8."""
    from tf_keras import layers

    keras3_activations.register()
    kinds = [layers.Input((6, 6, 4)), layers.Conv2D(8, 3, activation=activation), layers.Activation(activation)]
    x = np.random.default_rng(0).normal(size=(200, 6, 6, 4)).astype(np.float32)
    artifact, model = build([*kinds, layers.Flatten(), layers.Dense(3)], x, quantize="qat")
    assert [layer["dtype"] for layer in artifact.facts["layers"]] == ["int8"] * 2
    wanted = model.predict(x, verbose=0)
    assert np.abs(run(artifact.data, x) - wanted).mean() < 0.05 * np.ptp(wanted)


def test_what_would_not_be_integer_throughout(build: Build) -> None:
    """Is refused with the kind of operator for which there is no integer one."""
    from tf_keras import layers

    x = np.random.default_rng(0).normal(size=(200, 6, 6, 4)).astype(np.float32)
    for kinds, wrong in (
        ([layers.Conv2D(8, 3), layers.GlobalMaxPooling2D()], "REDUCE_MAX"),
        ([layers.Conv2DTranspose(2, 2), layers.Flatten()], "SHAPE"),
    ):
        with pytest.raises(Infeasible, match=f"^not integer throughout; in float: {wrong}$"):
            build([layers.Input((6, 6, 4)), *kinds, layers.Dense(3)], x, quantize="int8", io="int8")


def test_functions_between_layers(tmp_path: Path) -> None:
    """Of TensorFlow: those that move values go through; of others that are no layers, since what they take besides
    tensors can't be kept, the model is refused before the training.
    """
    start(2)
    import tensorflow as tf
    from tf_keras import Model, layers

    def trained(function: Callable[[Any], Any]) -> Any:
        entry = layers.Input((6, 6, 4))
        joined = function(layers.Conv2D(4, 3, padding="same")(entry))
        return Model(entry, layers.Dense(3)(layers.Flatten()(joined)))

    moving = trained(lambda x: tf.transpose(tf.concat([x, x], -1), (0, 2, 1, 3))[:, :4])
    names = [weight.name for weight in quantization_aware(moving, pruned=False, clustered=False, apart=False).weights]
    assert sum("kernel_max" in name for name in names) == 2
    with pytest.raises(Infeasible, match=r"what 'tf\..*' \(TFOpLambda\) gives; use a layer in its place"):
        quantization_aware(trained(lambda x: tf.cast(x, tf.float32)), pruned=False, clustered=False, apart=False)


def test_functions_that_compute(build: Build) -> None:
    """They become layers, so that what they give is quantized: the file computes in integers what the model does."""
    from tf_keras import layers

    x = np.random.default_rng(0).normal(size=(200, 6, 6, 4)).astype(np.float32)
    functions = _computing()
    for function, operators in functions.values():
        entry = layers.Input((6, 6, 4))
        computed = function(layers.Conv2D(8, 3, padding="same")(entry))
        last = layers.Dense(3)(layers.Flatten()(computed))
        artifact, model = build([entry, last], x, quantize="qat")
        assert {layer["dtype"] for layer in artifact.facts["layers"]} == {"int8"}
        assert set(operators) <= set(describe(artifact.data)["operators"])
        expected = model.predict(x, verbose=0)
        assert np.abs(run(artifact.data, x) - expected).mean() < 0.03 * np.abs(expected).max()


def _computing() -> dict[str, tuple[Callable[[Any], Any], list[str]]]:
    """Functions of TensorFlow as models have them, with operators of their files."""
    import tensorflow as tf

    return {
        "sum": (lambda x: x + x, ["ADD"]),
        "hard swish": (lambda x: x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0), ["MUL"]),
        "gate": (lambda x: tf.sigmoid(x) * x, ["LOGISTIC", "MUL"]),
        "constant first": (lambda x: 1.0 - x, ["SUB"]),
        "mean": (lambda x: tf.reduce_mean(x, axis=1, keepdims=True), ["MEAN"]),
        "weighted": (lambda x: x * tf.constant(np.linspace(0.5, 2, 8, dtype=np.float32)), ["MUL"]),
    }


def test_several_inputs(tmp_path: Path) -> None:
    """Ranges begin with calibration samples of all of them."""
    start(2)
    import tf_keras

    left, right = tf_keras.Input((4,), name="left"), tf_keras.Input((6,), name="right")
    joined = tf_keras.layers.Concatenate()([tf_keras.layers.Dense(8)(left), tf_keras.layers.Dense(8)(right)])
    tf_keras.Model([left, right], tf_keras.layers.Dense(3)(joined)).save(tmp_path / "model.keras")
    base = import_model((tmp_path / "model.keras").read_bytes(), "model.keras").data
    random = np.random.default_rng(0)
    x = fields.joined({"left": random.normal(size=(64, 4)), "right": random.normal(size=(64, 6))})
    x = fields.each(x, lambda _, values: values.astype(np.float32))
    data = TrainingData(x, random.normal(size=(64, 3)).astype(np.float32), x, "mse", 0)
    parent = None
    for step in pipeline.steps(Recipe(quantize="qat", **LABELS), "task"):
        artifact = pipeline.build(step, base, parent, data)
        parent = artifact.data
    assert {layer["dtype"] for layer in artifact.facts["layers"]} == {"int8"}


def test_zeros_and_clusters_are_kept(build: Build) -> None:
    """Before a ReLU of its own, and before batch normalisation, which stays a layer of its own there: folded in, it
    would make other values of each output channel.
    """
    from tf_keras import layers

    kinds = [layers.Input((16,)), layers.Dense(32), normalised(layers), layers.ReLU(), layers.Dense(32), layers.ReLU()]
    x = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    found = build([*kinds, layers.Dense(4)], x, quantize="qat", cluster=4, prune=0.5)[0].facts["layers"]
    assert {layer["dtype"] for layer in found} == {"int8"}
    assert max(layer["distinct"] for layer in found) <= 4
    assert min(layer["sparsity"] for layer in found) >= 0.49


def test_what_a_recurrent_layer_gives_is_quantized() -> None:
    """Itself it stays float, but not the layer behind it."""
    start(2)
    from tf_keras import Sequential, backend, layers

    backend.clear_session()  # names are numbered anew
    model = Sequential([layers.Input((5, 3)), layers.GRU(8), layers.Dense(2)])
    names = [weight.name for weight in quantization_aware(model, pruned=False, clustered=False, apart=False).weights]
    assert "quant_gru/output_max:0" in names
    assert "quant_dense/kernel_max:0" in names


def test_integers_are_looked_up_as_they_are(build: Build) -> None:
    """What the table gives is quantized, and the layers behind it are int8."""
    from tf_keras import layers

    x = np.random.default_rng(0).integers(0, 50, (200, 8)).astype(np.int32)
    kinds = [layers.Input((8,), dtype="int32"), layers.Embedding(50, 8), layers.GlobalAveragePooling1D()]
    artifact, model = build([*kinds, layers.Dense(2)], x, quantize="qat")
    assert [end["dtype"] for end in describe(artifact.data)["inputs"]] == ["int32"]
    assert [layer["dtype"] for layer in artifact.facts["layers"]] == ["int8"]
    wanted = model.predict(x, verbose=0)
    assert np.abs(run(artifact.data, x) - wanted).max() < 0.05 * np.ptp(wanted)


def test_a_layer_that_would_stay_float_is_refused_before_training(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its training would be for nothing."""
    from tf_keras import layers

    monkeypatch.setattr("autotune.compress.qat.fine_tune", None)
    x = np.zeros((10, 8, 3), np.float32)
    with pytest.raises(Infeasible, match=r"TFMOT can't quantize layer 'signal' \(Conv1D\)"):
        build([layers.Input((8, 3)), layers.Conv1D(4, 3, name="signal"), layers.Dense(2)], x, quantize="qat")


def layer(name: str, dtype: str, operator: str = "CONV_2D") -> LayerFacts:
    return LayerFacts(name=name, dtype=dtype, operator=operator, shape=[4, 25], weights=100, sparsity=0.0, distinct=100)


@pytest.mark.parametrize(
    ("scheme", "layers", "left"),
    [
        ("qat", [layer("a", "float32"), layer("b", "int8")], "a in float32"),
        ("int8", [layer("a", "int8"), layer("b", "float32")], "b in float32"),
        ("int4", [layer("a", "int4"), layer("b", "int8")], "b in int8"),
        ("int4", [layer("a", "int4"), layer("b", "int8", "DEPTHWISE_CONV_2D")], None),
        ("int4", [layer("a", "int4"), layer("spared", "int8")], None),
        ("int8", [layer("a", "int8"), layer("x/excluded/y", "float32")], None),
        ("qat", [layer("a", "int8"), layer("gru/while/MatMul", "float32")], None),
        ("int8", [layer("a", "int8"), layer("lstm", "float32", "UNIDIRECTIONAL_SEQUENCE_LSTM")], None),
        ("none", [layer("a", "float32")], None),
    ],
)
def test_every_layer_is_held_against_the_scheme(scheme: str, layers: list[LayerFacts], left: str | None) -> None:
    """One that is not what was asked is enough to refuse a file, save for those that were to be left."""
    asked = {"scheme": scheme, "sparsity": 0.0, "clusters": 0, "pattern": "unstructured"}
    if left is None:
        quantize.check(layers, asked, ["excluded"], spared=["spared"])
    else:
        with pytest.raises(Infeasible, match=f"{scheme} quantization left {left}"):
            quantize.check(layers, asked, ["excluded"], spared=["spared"])
