"""Magnitude pruning, fine-tuned while the sparsity rises (Zhu & Gupta, arXiv:1710.01878)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from autotune.compress.load import open_base
from autotune.compress.stage import Artifact, TrainingData, pack
from autotune.compress.training import compressible, fine_tune, kernels, settings, steps_of, wrap_layers
from autotune.config import Recipe
from autotune.errors import Infeasible

RAMP = 0.5
"""Share of the training during which sparsity rises; the rest recovers at the final masks."""

UPDATES = 50
"""Mask updates on the ramp. TFMOT's default of one in 100 steps never gets there in a short training."""


class Prune:
    """Sets the smallest weights of each layer to zero."""

    name = "prune"
    version = 1
    trains = True

    def parameters(self, recipe: Recipe) -> dict[str, Any] | None:
        return {"sparsity": recipe.prune, **settings(recipe)} if recipe.prune else None

    def build(self, base: bytes, parent: bytes | None, parameters: Mapping[str, Any], data: TrainingData) -> Artifact:
        import tensorflow_model_optimization as tfmot

        ramp = max(1, int(steps_of(parameters, data) * RAMP))
        schedule = tfmot.sparsity.keras.PolynomialDecay(
            initial_sparsity=0.0,
            final_sparsity=parameters["sparsity"],
            begin_step=0,
            end_step=ramp,
            frequency=max(1, ramp // UPDATES),
        )
        model = wrap_layers(
            open_base(base, parent),
            compressible,
            lambda layer: tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule),
        )
        facts = fine_tune(model, parameters, data, [tfmot.sparsity.keras.UpdatePruningStep()])
        model = tfmot.sparsity.keras.strip_pruning(model)
        achieved = {name: float(np.mean(kernel == 0)) for name, kernel in kernels(model).items()}
        if not achieved:
            raise Infeasible("the model has no layer that can be pruned")
        return Artifact(pack(model.get_weights()), facts | {"sparsity": achieved})
