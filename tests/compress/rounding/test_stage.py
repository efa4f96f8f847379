"""The stage as recipes take it: rounded files quantized, their integers and scales, and what is refused."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from autotune.compress import post_training
from autotune.compress.calibration import outputs_of
from autotune.compress.cluster import ClusterOnce
from autotune.compress.prune import PruneOnce
from autotune.compress.quantize import Quantize
from autotune.compress.rounding.file import detached
from autotune.compress.rounding.layers import along, loaded, weighted
from autotune.compress.rounding.stage import ALONE, Round
from autotune.compress.stage import TrainingData
from autotune.config import SCHEMES, Recipe
from autotune.errors import Infeasible, UserError
from autotune.model.artifact import Artifact
from autotune.testing import StageContract
from autotune.tflite.flatbuffer import describe, read_layers, read_weights
from autotune.tflite.structure import structure
from tests.compress.rounding.models import branches, dense, inputs, recurrent, tokens
from tests.tflite import stateful

ROUNDED = [scheme for scheme in SCHEMES if scheme not in ("none", "float16", "qat")]


@pytest.fixture(scope="module")
def data() -> TrainingData:
    x = inputs()
    return TrainingData(x, np.zeros(len(x), int), x[:20], "sparse_categorical_crossentropy", 0)


def build(recipe: Recipe, data: TrainingData, file: bytes | None = None) -> tuple[Artifact, Artifact]:
    """What the rounding gives of a file, and what becomes of that."""
    file = branches() if file is None else file
    parameters, last = Round().parameters(recipe), Quantize().parameters(recipe)
    assert parameters is not None
    assert last is not None
    rounded = Round().build(file, file, parameters, data)
    return rounded, Quantize().build(file, rounded.data, last, data)


def gptq(**values: Any) -> Recipe:
    return Recipe(rounding="gptq", fine_tune="none", **values)


class TestRound(StageContract):
    """What every stage keeps."""

    stage = Round()
    recipe = gptq(quantize="int4")

    def inputs(self) -> tuple[bytes, TrainingData]:
        x = inputs(4)
        return branches(), TrainingData(x, np.zeros(4, int), x, "sparse_categorical_crossentropy", 0)


@pytest.mark.parametrize("scheme", ROUNDED)
def test_what_stands_in_the_file_is_what_was_rounded(scheme: str, data: TrainingData) -> None:
    """Integers times scales are the rounded weights, to the bit; types and structure are those of the scheme."""
    rounded, artifact = build(gptq(quantize=scheme), data)
    floats, rounding = detached(rounded.data)
    layers = read_layers(artifact.data)
    assert len(rounding.scales) == len({layer.name for layer in layers})
    for layer, before in zip(layers, read_layers(floats), strict=True):
        assert layer.dtype == post_training.weights(scheme, layer.operator)
        scales = along(rounding.scales[before.name], layer.axis, layer.values.ndim)
        np.testing.assert_array_equal(layer.values.astype(np.float32) * scales, before.values)
    plain = post_training.quantize(branches(), scheme, data.calibration)
    assert structure(artifact.data) == structure(plain)
    assert b"autotune" not in artifact.data


@pytest.mark.parametrize("scheme", ROUNDED)
def test_every_kernel_runs_the_file(scheme: str, data: TrainingData) -> None:
    """XNNPACK and LiteRT's own, near the float file on average, and nearer to it than its outputs are to each other."""
    file = build(gptq(quantize=scheme), data)[1].data
    wanted = outputs_of(branches(), data.x)
    for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        interpreter = Interpreter(model_content=file, experimental_op_resolver_type=resolver)
        interpreter.allocate_tensors()
        entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        outputs = []
        for sample in data.x:
            interpreter.set_tensor(entry["index"], sample[np.newaxis])
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(exit_["index"])[0])
        assert np.abs(outputs - wanted).mean() < 0.15 * np.abs(wanted - wanted.mean(axis=0)).mean()


@pytest.mark.parametrize("scheme", ["int4", "w4a8"])
def test_four_bits_are_nearer_to_the_float_file_than_with_each_weight_alone(scheme: str) -> None:
    """By half, of other inputs than those that it was rounded for."""
    file, x = dense()
    data = TrainingData(x[:128], np.zeros(128, int), x, "mse", 0)
    wanted = outputs_of(file, x[128:])
    together = outputs_of(build(gptq(quantize=scheme), data, file)[1].data, x[128:])
    alone = outputs_of(post_training.quantize(file, scheme, data.calibration), x[128:])
    assert np.square(together - wanted).mean() < 0.5 * np.square(alone - wanted).mean()


def test_schemes_of_as_many_bits_share_a_rounding() -> None:
    """The parameters are the same, mixed or not."""
    stage = Round()
    eight = [stage.parameters(gptq(quantize=scheme)) for scheme in ("dynamic", "weight_int8", "int8", "int16x8")]
    assert all(parameters == eight[0] for parameters in eight)
    for mixed, io in itertools.product((0.0, 0.5), ("float32", "int8")):
        dynamic = stage.parameters(gptq(quantize="int4", mixed=mixed, levels=11))
        assert stage.parameters(gptq(quantize="w4a8", mixed=mixed, levels=11, io=io)) == dynamic
    assert stage.parameters(Recipe(quantize="int4")) is None
    assert stage.parameters(Recipe(quantize="none", rounding="gptq")) is None
    assert stage.parameters(Recipe(quantize="qat", rounding="gptq")) is None


def test_zeros_and_clusters_are_then_no_stage_of_their_own() -> None:
    """They are chosen in the same pass; those of a training stay."""
    once = gptq(prune=0.3, cluster=8)
    assert PruneOnce().parameters(once) is None
    assert ClusterOnce().parameters(once) is None
    parameters = Round().parameters(once)
    assert parameters is not None
    assert (parameters["bits"], parameters["sparsity"], parameters["clusters"]) == (None, 0.3, 8)
    trained = Round().parameters(Recipe(prune=0.3, cluster=8, quantize="int8", rounding="gptq"))
    assert trained is not None
    assert (trained["sparsity"], trained["clusters"], trained["trained_clusters"]) == (0.0, 0, 8)


@pytest.mark.parametrize("scheme", ["none", "float16", "dynamic", "int4"])
@pytest.mark.parametrize(("prune", "cluster"), [(0.4, 0), (0, 6), (0.4, 6)])
def test_zeros_and_clusters_are_in_the_file(prune: float, cluster: int, scheme: str, data: TrainingData) -> None:
    """As many as asked in each layer but depthwise ones, Quantize would refuse the file else; and outputs are near."""
    artifact = build(gptq(quantize=scheme, prune=prune, cluster=cluster), data)[1]
    rows = [row for row in artifact.facts["layers"] if row["operator"] != "DEPTHWISE_CONV_2D"]
    assert all(row["sparsity"] >= prune for row in rows)
    if cluster:
        assert all(row["distinct"] <= cluster for row in rows)
    wanted = outputs_of(branches(), data.x)
    gap = np.abs(outputs_of(artifact.data, data.x) - wanted)
    assert gap.mean() < 0.5 * np.abs(wanted - wanted.mean(axis=0)).mean()


@pytest.mark.parametrize("levels", [15, 11, 9, 7])
def test_levels_are_as_many_as_asked(levels: int, data: TrainingData) -> None:
    """No weight is beyond them; some are at the last."""
    layers = read_layers(build(gptq(quantize="int4", levels=levels), data)[1].data)
    tops = [np.abs(layer.values).max() for layer in layers if layer.dtype == "int4"]
    assert max(tops) == levels // 2


def test_layers_that_bear_it_have_fewer_levels(data: TrainingData) -> None:
    """And others more; the facts say which."""
    artifact = build(gptq(quantize="int4", levels=9, levels_scope="layer"), data)[1]
    by_layer = artifact.facts["levels"]
    assert len(set(by_layer.values())) > 1
    for layer in read_layers(artifact.data):
        if layer.dtype == "int4":
            assert np.abs(layer.values).max() <= by_layer[layer.name] // 2


@pytest.mark.parametrize(("scheme", "precise"), [("int4", "int8"), ("w4a8", "int8"), ("dynamic", "float32")])
def test_mixed_precision_spares_layers_that_bear_it_least(scheme: str, precise: str, data: TrainingData) -> None:
    """A step more precise; the facts name them and what was measured."""
    facts = build(gptq(quantize=scheme, mixed=0.3), data)[1].facts
    errors, spared = facts["sensitivity"], facts["spared"]
    assert spared == sorted(errors, key=errors.__getitem__, reverse=True)[: len(spared)]
    assert {row["name"] for row in facts["layers"] if row["dtype"] == precise} >= set(spared)


def test_excluded_layers_are_left_alone(data: TrainingData) -> None:
    """They stay float, weight by weight."""
    sparing = dataclasses.replace(data, excluded=("strided", "last"))
    layers = read_layers(build(gptq(quantize="int4", prune=0.3), sparing)[1].data)
    before = {layer.name: layer for layer in read_layers(branches())}
    names = [layer.name for layer in layers if "strided" in layer.name or "last" in layer.name]
    assert len(names) == 2
    for layer in layers:
        assert (layer.dtype == "float32") == (layer.name in names)
        if layer.name in names:
            np.testing.assert_array_equal(layer.values, before[layer.name].values)


def test_dead_channels_and_zeros_of_a_training_stay(data: TrainingData) -> None:
    """A channel without weights is no trouble, and no zero is lost; one of noise does not make its bias overflow."""
    file = bytearray(branches())
    for layer in read_layers(file):
        channels = np.moveaxis(layer.values, layer.axis, 0)
        channels[0] = 0
        channels[1] *= np.float32(1e-7)
        channels[2].reshape(-1)[::2] = 0
    wanted = outputs_of(bytes(file), data.x)
    for scheme in ("int4", "w4a8", "int8", "int16x8"):
        recipe = Recipe(prune=0.1, quantize=scheme, rounding="gptq")
        artifact = build(recipe, data, bytes(file))[1]
        for layer, before in zip(read_layers(artifact.data), read_layers(file), strict=True):
            assert not layer.values[before.values == 0].any()
        gap = np.abs(outputs_of(artifact.data, data.x) - wanted)
        assert gap.mean() < 0.3 * np.abs(wanted - wanted.mean(axis=0)).mean()
        if scheme == "int16x8":
            rounded = build(recipe, data, bytes(file))[0]
            np.testing.assert_allclose(biases(artifact.data), biases(detached(rounded.data)[0]), rtol=0, atol=1e-5)


def biases(file: bytes) -> np.ndarray:
    """Of all layers, as they stand for real numbers."""
    model = loaded(file)
    tensors = [model.subgraphs[0].tensors[place.bias] for place in weighted(model) if place.bias is not None]
    values = []
    for tensor in tensors:
        data = bytes(model.buffers[tensor.buffer].data)
        if tensor.type == schema.TensorType.INT64:
            values.append(np.frombuffer(data, np.int64) * tensor.quantization.scale)
        else:
            values.append(np.frombuffer(data, np.float32))
    return np.concatenate(values)


def test_clusters_of_a_training_stay(data: TrainingData) -> None:
    """No channel has more distinct weights than it had."""
    file = bytearray(branches())
    for layer in read_layers(file):
        layer.values[...] = np.round(np.asarray(layer.values, np.float32) * 8) / 8
    before = max(row["distinct"] for row in read_weights(bytes(file)))
    artifact = build(Recipe(cluster=before, quantize="int8", rounding="gptq"), data, bytes(file))[1]
    for row, source in zip(artifact.facts["layers"], read_weights(bytes(file)), strict=True):
        assert row["distinct"] <= source["distinct"]


def test_what_can_not_be_rounded_together_is_rounded_alone(data: TrainingData) -> None:
    """As with the nearest rounding: state that is out of reach, all that recurrent layers have."""
    file = stateful.resources()
    shape = describe(file)["inputs"][0]["shape"]
    ones = dataclasses.replace(data, x=np.ones((5, *shape[1:]), np.float32))
    artifact = build(gptq(quantize="dynamic"), ones, file)[1]
    assert artifact.facts["rounding"] == ALONE
    alone = post_training.quantize(file, "dynamic", ones.calibration)
    assert structure(artifact.data) == structure(alone)
    for layer, other in zip(read_layers(artifact.data), read_layers(alone), strict=True):
        np.testing.assert_array_equal(layer.values, other.values)


def test_loops_are_walked_through_but_not_rounded() -> None:
    """Of a recurrent layer, whose weights are in a loop's body; zeros are there all the same."""
    file, x = recurrent()
    data = TrainingData(x, np.zeros(len(x), int), x[:20], "mse", 0)
    rounded, artifact = build(gptq(quantize="dynamic", prune=0.3), data, file)
    assert describe(file)["operators"]["WHILE"] == 1
    assert len(detached(rounded.data)[1].scales) == 1
    assert all(row["sparsity"] >= 0.3 for row in artifact.facts["layers"])
    wanted = outputs_of(file, x)
    assert np.abs(outputs_of(artifact.data, x) - wanted).mean() < 0.5 * wanted.std()


def test_integer_inputs_are_taken_as_they_are() -> None:
    """As those of a model of texts: what is behind its embedding is rounded."""
    file, x = tokens()
    data = TrainingData(x, np.zeros(len(x), int), x[:20], "mse", 0)
    rounded, artifact = build(gptq(quantize="int4"), data, file)
    assert len(detached(rounded.data)[1].scales) == 1
    wanted = outputs_of(file, x)
    assert np.abs(outputs_of(artifact.data, x) - wanted).mean() < 0.15 * wanted.std()


@pytest.mark.parametrize("factor", [1e25, np.inf, np.nan])
def test_inputs_without_finite_moments_are_refused(factor: float) -> None:
    """In one line: those whose squares overflow, too."""
    file, x = dense()
    x = x * np.where(np.arange(len(x)) == 3, np.float32(factor), np.float32(1))[:, np.newaxis]
    with pytest.raises(Infeasible, match="no finite moments"):
        build(gptq(quantize="dynamic"), TrainingData(x, np.zeros(len(x), int), x, "mse", 0), file)


def test_what_can_not_be_rounded_says_so(data: TrainingData) -> None:
    """A file that is quantized already, a file that is none."""
    recipe = gptq(quantize="int8")
    with pytest.raises(Infeasible, match="quantized already"):
        build(recipe, data, build(recipe, data)[1].data)
    with pytest.raises(UserError, match="not a whole"):
        build(recipe, data, b"no model")
