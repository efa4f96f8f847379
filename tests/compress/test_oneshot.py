"""Pruning and clustering without training do what they say, and nothing else."""

import numpy as np
import pytest

from autotune.compress.oneshot import cluster, prune
from autotune.compress.worker import start
from autotune.errors import Infeasible, UserError
from autotune.tflite.flatbuffer import Layer, read_layers, read_weights


@pytest.fixture(scope="module")
def file() -> bytes:
    """A float file with a layer of each kind."""
    start(2)
    import tensorflow as tf
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(8, 3, name="first"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.Conv2DTranspose(6, 3, name="transposed"),
            layers.Flatten(),
            layers.Dense(1, name="small", kernel_initializer="random_normal"),
            layers.Dense(12, name="last"),
        ]
    )
    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def layer(file: bytes, name: str) -> Layer:
    return next(layer for layer in read_layers(file) if name in layer.name.split("/"))


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.77, 1.0])
def test_each_layer_gets_its_zeros(file: bytes, sparsity: float) -> None:
    """At least the share that was asked for, and no more than one weight over it; depthwise stays."""
    for row in read_weights(prune(file, sparsity)):
        if row["operator"] == "DEPTHWISE_CONV_2D":
            assert row["sparsity"] == 0
        else:
            assert sparsity <= row["sparsity"] < sparsity + 1 / row["weights"]


def test_the_smallest_weights_go(file: bytes) -> None:
    """What stays is what it was, and not smaller than what went."""
    before, after = layer(file, "transposed").values, layer(prune(file, 0.5), "transposed").values
    kept = after != 0
    assert np.array_equal(after[kept], before[kept])
    assert np.abs(before[~kept]).max() <= np.abs(before[kept]).min()


def test_excluded_layers_stay(file: bytes) -> None:
    """A layer named by its Keras name is neither pruned nor clustered."""
    for changed in (prune(file, 0.5, ["first"]), cluster(file, 4, ["first"])):
        assert np.array_equal(layer(changed, "first").values, layer(file, "first").values)
        assert not np.array_equal(layer(changed, "last").values, layer(file, "last").values)


def test_only_weights_change(file: bytes) -> None:
    """The file has the same tables: where weights are set back, it is the same file."""
    changed = bytearray(cluster(prune(file, 0.5), 4))
    for now, before in zip(read_layers(changed), read_layers(file), strict=True):
        now.values[...] = before.values
    assert changed == file


@pytest.mark.parametrize("clusters", [2, 8, 16])
def test_layers_share_few_values(file: bytes, clusters: int) -> None:
    """Over the whole layer, not only in a channel; those with few weights and depthwise ones stay."""
    changed = read_layers(cluster(file, clusters))
    assert [len(np.unique(one.values)) for one in changed if one.values.size > clusters] == [
        one.values.size if one.operator == "DEPTHWISE_CONV_2D" else clusters
        for one in changed
        if one.values.size > clusters
    ]


def test_centroids_are_near_the_weights(file: bytes) -> None:
    """No weight is nearer to another centroid, and each centroid is the mean of its weights."""
    before, after = layer(file, "last").values, layer(cluster(file, 4), "last").values
    centroids = np.unique(after)
    nearest = centroids[np.abs(before[..., np.newaxis] - centroids).argmin(axis=-1)]
    assert np.array_equal(nearest, after)
    assert np.allclose([before[after == centroid].mean() for centroid in centroids], centroids, atol=1e-5)


def test_zeros_of_pruning_are_one_of_the_clusters(file: bytes) -> None:
    """Clustering keeps exactly the zeros that were there."""
    pruned = prune(file, 0.5)
    both = cluster(pruned, 8)
    for one, other in zip(read_layers(pruned), read_layers(both), strict=True):
        assert np.array_equal(one.values == 0, other.values == 0)
    assert len(np.unique(layer(both, "transposed").values)) == 8


def test_the_seed_decides(file: bytes) -> None:
    """The same seed gives the same file."""
    assert cluster(file, 8, seed=1) == cluster(file, 8, seed=1)
    assert cluster(file, 8, seed=1) != cluster(file, 8, seed=2)


def test_nothing_to_do_is_infeasible(file: bytes) -> None:
    """More clusters than any layer has weights, or all layers excluded."""
    with pytest.raises(Infeasible, match="no layer to cluster: none has more than 100000"):
        cluster(file, 100_000)
    with pytest.raises(Infeasible, match="no layer to prune"):
        prune(file, 0.5, ["first", "transposed", "small", "last"])


def test_damaged_files_are_refused() -> None:
    """Wrong input is the user's to mend."""
    with pytest.raises(UserError, match="not a whole"):
        prune(b"no model", 0.5)
