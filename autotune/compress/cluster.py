"""Weight clustering: few distinct weights in each layer (Han et al., arXiv:1510.00149)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from autotune.compress.load import open_base
from autotune.compress.stage import Artifact, TrainingData, pack
from autotune.compress.training import compressible, fine_tune, kernels, settings, wrap_layers
from autotune.config import Recipe
from autotune.errors import Infeasible


class Cluster:
    """Shares centroids among a layer's weights; keeps the zeros of a pruning before it."""

    name = "cluster"
    version = 1
    trains = True

    def parameters(self, recipe: Recipe) -> dict[str, Any] | None:
        if not recipe.cluster:
            return None
        return {"clusters": recipe.cluster, "preserve_sparsity": recipe.prune > 0, **settings(recipe)}

    def build(self, base: bytes, parent: bytes | None, parameters: Mapping[str, Any], data: TrainingData) -> Artifact:
        import tensorflow_model_optimization as tfmot
        from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

        options = {
            "number_of_clusters": parameters["clusters"],
            "cluster_centroids_init": tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
            "preserve_sparsity": parameters["preserve_sparsity"],
        }
        model = open_base(base, parent)
        sizes = {name: kernel.size for name, kernel in kernels(model).items()}

        def wanted(layer: Any) -> bool:
            return compressible(layer) and sizes[layer.name] > parameters["clusters"]

        if not any(wanted(layer) for layer in model.layers):
            raise Infeasible(f"the model has no layer of more than {parameters['clusters']} weights to cluster")
        model = wrap_layers(model, wanted, lambda layer: cluster.cluster_weights(layer, **options))
        facts = fine_tune(model, parameters, data, [])
        model = tfmot.clustering.keras.strip_clustering(model)
        distinct = {name: len(np.unique(kernel)) for name, kernel in kernels(model).items()}
        return Artifact(pack(model.get_weights()), facts | {"distinct": distinct})
