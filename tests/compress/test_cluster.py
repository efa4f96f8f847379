"""Clustering of few weights: what a pruning, or a small channel, leaves to each centroid."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.cluster import Cluster
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import NAMES, Recipe
from autotune.errors import Infeasible
from autotune.model.artifact import pack
from autotune.model.load import import_model, open_base

Array = np.ndarray[Any, Any]
CLUSTERS = 6


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Noise: nothing is to be learnt."""
    start(2)
    x = np.random.default_rng(0).normal(size=(32, 6, 6, 1)).astype(np.float32)
    return TrainingData(x, np.arange(32) % 4, x[:4], "sparse_categorical_crossentropy", 0)


@pytest.fixture(scope="module")
def base(data: TrainingData) -> bytes:
    """A convolution of four channels with nine weights each, and a dense layer."""
    import keras

    entry = keras.Input((6, 6, 1))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=3, use_bias=False)(entry))
    model = keras.Model(entry, keras.layers.Dense(4, use_bias=False, activation="softmax")(x))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.keras"
        model.save(path)
        return import_model(path.read_bytes(), path.name).data


def pruned() -> list[Array]:
    """Weights with channels of nothing, of one, of negatives alone, and of a few both ways; a dense layer of five."""
    conv, dense = np.zeros((9, 4), np.float32), np.zeros(64, np.float32)
    conv[4, 1] = 0.7
    conv[:3, 2] = -0.1, -0.5, -0.4
    conv[2:7, 3] = 0.3, -0.2, 0.25, 0.9, -0.6
    dense[7:12] = 0.3, -0.2, 0.25, 0.9, -0.6
    return [conv.reshape(3, 3, 1, 4), dense.reshape(16, 4)]


def clustered(recipe: Recipe, weights: list[Array], base: bytes, data: TrainingData) -> list[Array]:
    """Kernels of what the stage makes of the weights."""
    parameters = Cluster().parameters(recipe)
    assert parameters is not None
    built = Cluster().build(base, pack(weights), parameters, data)
    found: list[Array] = open_base(base, built.data).get_weights()
    return found


def asked(learning_rate: float, **values: Any) -> Recipe:
    training: dict[str, Any] = {"epochs": 1, "batch_size": 16, "fine_tune": "labels", "learning_rate": learning_rate}
    return Recipe(cluster=CLUSTERS, **training, **values)


@pytest.mark.parametrize("scope", NAMES["cluster_scope"])
@pytest.mark.parametrize("init", NAMES["cluster_init"])
def test_fewer_weights_than_centroids_are_a_centroid_each(
    init: str, scope: str, base: bytes, data: TrainingData
) -> None:
    """Where nothing is learnt they come back as they are; so does a channel of zeros."""
    weights = pruned()
    if scope == "layer":  # all of the layer's weights share the centroids
        weights[0][..., 2] = 0.7
        weights[0][..., 3] = 0
    recipe = asked(0.0, prune=0.8, cluster_init=init, cluster_scope=scope)
    for before, after in zip(weights, clustered(recipe, weights, base, data), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("init", NAMES["cluster_init"])
def test_a_training_keeps_few_weights_few(init: str, base: bytes, data: TrainingData) -> None:
    """It moves them; zeros stay zeros, and a channel has no more distinct weights than were asked for."""
    weights = pruned()
    found = clustered(asked(0.01, prune=0.8, cluster_init=init, cluster_scope="channel"), weights, base, data)
    for before, after in zip(weights, found, strict=True):
        np.testing.assert_array_equal(after[before == 0], 0)
        assert np.abs(after - before).max() > 1e-3
    assert max(len(np.unique(channel)) for channel in np.moveaxis(found[0], -1, 0)) <= CLUSTERS


def test_a_channel_may_be_smaller_than_the_clusters(base: bytes, data: TrainingData) -> None:
    """Without zeros, too: nine weights and sixteen clusters."""
    weights = open_base(base).get_weights()
    recipe = Recipe(cluster=16, cluster_scope="channel", epochs=1, fine_tune="labels", learning_rate=0.0)
    np.testing.assert_array_equal(clustered(recipe, weights, base, data)[0], weights[0])


def test_an_activation_with_weights_is_refused(data: TrainingData) -> None:
    """TFMOT would lose them; it is said where."""
    import tf_keras

    layers = tf_keras.layers
    entry = layers.Input((6, 6, 1))
    x = layers.Flatten()(layers.Conv2D(4, 3, activation=layers.PReLU(), name="bent")(entry))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.keras"
        tf_keras.Model(entry, layers.Dense(4, activation="softmax")(x)).save(path)
        base = import_model(path.read_bytes(), path.name).data
    recipe = asked(1e-3)
    with pytest.raises(Infeasible, match="loses the weights that the activation of layer 'bent' has"):
        Cluster().build(base, None, Cluster().parameters(recipe) or {}, data)


def test_zeros_need_a_centroid_beside_two(base: bytes, data: TrainingData) -> None:
    """TFMOT has no two clusters that keep zeros; it is said so."""
    recipe = Recipe(prune=0.5, cluster=2, epochs=1, fine_tune="labels")
    with pytest.raises(Infeasible, match="3 or more"):
        clustered(recipe, pruned(), base, data)
