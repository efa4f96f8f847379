"""Weight clustering: few distinct weights in each layer (Han et al., arXiv:1510.00149)."""

from typing import SupportsInt

import numpy as np

from autotune.compress import oneshot
from autotune.compress.flat import learned_activation
from autotune.compress.stage import TrainingData, so_far
from autotune.compress.statistics import see
from autotune.compress.training import compressible, fine_tune, kernel, settings, wrap_layers
from autotune.config import Recipe
from autotune.errors import Infeasible
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact, pack
from autotune.model.keras_types import KerasLayer, KerasObject, KerasTensor
from autotune.model.load import open_base
from autotune.task.data import Array

CENTROIDS = {
    "kmeans++": "KMEANS_PLUS_PLUS",
    "linear": "LINEAR",
    "density": "DENSITY_BASED",
    "random": "RANDOM",
}
"""TFMOT's names of the ways to begin."""

KEPT = "kept"
"""Another way, for a training that continues one: with the centroids that are there."""


class Cluster:
    """Shares centroids among a layer's weights; keeps the zeros of a pruning before it."""

    name = "cluster"
    version = 3
    trains = True
    continues = True

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        if not recipe.cluster or recipe.fine_tune == "none":
            return None
        return {
            "clusters": recipe.cluster,
            "init": recipe.cluster_init,
            "scope": recipe.cluster_scope,
            "preserve_sparsity": recipe.prune > 0,
            **settings(recipe),
        }

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        import tensorflow_model_optimization as tfmot
        from tensorflow_model_optimization.python.core.clustering.keras.cluster_wrapper import ClusterWeights
        from tensorflow_model_optimization.python.core.clustering.keras.clustering_centroids import (
            CentroidsInitializerFactory,
        )

        if parameters["preserve_sparsity"] and parameters["clusters"] < 3:
            raise Infeasible("2 clusters can't keep a pruning's zeros: with them it takes 3 or more")
        model = open_base(base, parent)
        see(model, data.calibration)
        layers = compressible(model, data.excluded)
        large = {layer.name for layer in layers if kernel(layer).size > parameters["clusters"]}
        if not large:
            raise Infeasible(f"the model has no layer of more than {parameters['clusters']} weights to cluster")
        if lost := next((layer.name for layer in layers if learned_activation(layer)), None):
            raise Infeasible(f"TFMOT's clustering loses the weights that the activation of layer {lost!r} has")
        names = {layer.name for layer in layers} if parameters["preserve_sparsity"] else large
        way = KEPT if "continues" in parameters else parameters["init"]
        # As TFMOT says to add one.
        CentroidsInitializerFactory._initialisers[way] = _Kept if way == KEPT else _beginning(way)

        def clustered(layer: KerasLayer) -> KerasLayer:
            return ClusterWeights(  # cluster_weights() skips a convolution that has no bias, or small channels
                layer,
                number_of_clusters=parameters["clusters"],
                cluster_centroids_init=way,
                preserve_sparsity=parameters["preserve_sparsity"],
                cluster_per_channel=parameters["scope"] == "channel" and type(layer).__name__ == "Conv2D",
            )

        model = wrap_layers(model, lambda layer: layer.name in names, clustered)
        facts = fine_tune(model, base, parameters, data, [])
        model = tfmot.clustering.keras.strip_clustering(model)
        distinct = {layer.name: len(np.unique(kernel(layer))) for layer in compressible(model, data.excluded)}
        return Artifact(pack(model.get_weights()), facts | {"distinct": distinct})


class _Kept:
    """Begins with the distinct weights of a layer, the last one repeated where they are fewer than asked.

    TFMOT's own ways would choose anew among them, and merge some: they share centroids out between
    negative and positive weights by the numbers of the weights.
    """

    def __init__(self, weights: KerasTensor, clusters: int, per_channel: bool, *_: object) -> None:
        """
        Args:
            weights: of the layer, a variable; output channels last.
            clusters: asked for.
            per_channel: whether each output channel has its own.
        """
        self._weights = weights.numpy()
        self._clusters = clusters
        self._per_channel = per_channel

    def get_cluster_centroids(self) -> KerasTensor:
        """Centroids of shape (clusters,), or (channels, clusters)."""
        import tensorflow as tf

        channels = np.moveaxis(self._weights, -1, 0)
        distinct = list(map(self._distinct, channels)) if self._per_channel else self._distinct(self._weights)
        centroids: KerasTensor = tf.constant(distinct)
        return centroids

    def _distinct(self, weights: Array) -> Array:
        return _padded(np.unique(weights), self._clusters)


def _beginning(way: str) -> type:
    """TFMOT's class for a way to begin; but where distinct weights are no more than centroids, each is one.

    TFMOT fails there, or puts centroids between the weights. Pruning leaves few weights to some channels.
    """
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.clustering.keras.clustering_centroids import (
        CentroidsInitializerFactory,
    )

    name = getattr(tfmot.clustering.keras.CentroidInitialization, CENTROIDS[way])
    theirs: KerasObject = CentroidsInitializerFactory.get_centroid_initializer(name)

    class Beginning(theirs):  # type: ignore[misc]  # TFMOT has no types
        def _calculate_centroids_for_interval(self, weights: KerasTensor, clusters: SupportsInt) -> KerasTensor:
            values = np.unique(weights.numpy())
            centroids: KerasTensor
            if len(values) > int(clusters):
                centroids = super()._calculate_centroids_for_interval(weights, clusters)
            else:
                centroids = tf.constant(_padded(values, int(clusters)))
            return centroids

        def _zero_centroid_initialization(self, weights: KerasTensor | None = None) -> KerasTensor:
            centroids = super()._zero_centroid_initialization(weights)
            # One alone where all are zero.
            padded: KerasTensor = tf.constant(_padded(centroids.numpy(), self.number_of_clusters))
            return padded

    return Beginning


def _padded(values: Array, length: int) -> Array:
    """Values (n,), the last one repeated up to the length."""
    return values[np.minimum(np.arange(length), len(values) - 1)]


class ClusterOnce:
    """Gives the finished float file few distinct weights a layer, without training."""

    name = "cluster_once"
    version = 2
    trains = False

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        once = recipe.cluster and recipe.fine_tune == "none" and not recipe.rounds
        return {"clusters": recipe.cluster} if once else None

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        file = so_far(base, parent)
        return Artifact(oneshot.cluster(file, parameters["clusters"], data.excluded, data.seed))
