"""Weight clustering: few distinct weights in each layer (Han et al., arXiv:1510.00149)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from autotune.compress import oneshot
from autotune.compress.load import open_base
from autotune.compress.stage import Artifact, TrainingData, pack
from autotune.compress.training import compressible, fine_tune, kernel, settings, wrap_layers
from autotune.config import Recipe
from autotune.errors import Infeasible

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
    version = 2
    trains = True
    continues = True

    def parameters(self, recipe: Recipe) -> dict[str, Any] | None:
        if not recipe.cluster or recipe.fine_tune == "none":
            return None
        return {
            "clusters": recipe.cluster,
            "init": recipe.cluster_init,
            "scope": recipe.cluster_scope,
            "preserve_sparsity": recipe.prune > 0,
            **settings(recipe),
        }

    def build(self, base: bytes, parent: bytes | None, parameters: Mapping[str, Any], data: TrainingData) -> Artifact:
        import tensorflow_model_optimization as tfmot
        from tensorflow_model_optimization.python.core.clustering.keras import clustering_centroids
        from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

        model = open_base(base, parent)
        names = {
            layer.name for layer in compressible(model, data.excluded) if kernel(layer).size > parameters["clusters"]
        }
        if not names:
            raise Infeasible(f"the model has no layer of more than {parameters['clusters']} weights to cluster")
        if "continues" in parameters:
            init = KEPT
            clustering_centroids.CentroidsInitializerFactory._initialisers[KEPT] = _Kept  # as TFMOT says to add one
        else:
            init = getattr(tfmot.clustering.keras.CentroidInitialization, CENTROIDS[parameters["init"]])

        def clustered(layer: Any) -> Any:
            return cluster.cluster_weights(
                layer,
                number_of_clusters=parameters["clusters"],
                cluster_centroids_init=init,
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

    def __init__(self, weights: Any, clusters: int, per_channel: bool, *_: Any) -> None:
        """
        Args:
            weights: of the layer, a variable; output channels last.
            clusters: asked for.
            per_channel: whether each output channel has its own.
        """
        self._weights, self._clusters, self._per_channel = weights.numpy(), clusters, per_channel

    def get_cluster_centroids(self) -> Any:
        """Of shape (clusters,), or (channels, clusters)."""
        import tensorflow as tf

        if self._per_channel:
            return tf.constant([self._distinct(channel) for channel in np.moveaxis(self._weights, -1, 0)])
        return tf.constant(self._distinct(self._weights))

    def _distinct(self, weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        values = np.unique(weights)
        return values[np.minimum(np.arange(self._clusters), len(values) - 1)]


class ClusterOnce:
    """Gives the finished float file few distinct weights a layer, without training."""

    name = "cluster_once"
    version = 1
    trains = False

    def parameters(self, recipe: Recipe) -> dict[str, Any] | None:
        return {"clusters": recipe.cluster} if recipe.cluster and recipe.fine_tune == "none" else None

    def build(self, base: bytes, parent: bytes | None, parameters: Mapping[str, Any], data: TrainingData) -> Artifact:
        assert parent is not None  # Convert came before
        return Artifact(oneshot.cluster(parent, parameters["clusters"], data.excluded, data.seed))
