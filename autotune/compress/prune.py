"""Magnitude pruning, fine-tuned while the sparsity rises (Zhu & Gupta, arXiv:1710.01878)."""

import numpy as np

from autotune.compress import oneshot
from autotune.compress.stage import TrainingData, so_far
from autotune.compress.statistics import see
from autotune.compress.training import RAMP, compressible, fine_tune, kernel, settings, steps_of, wrap_layers
from autotune.config import Recipe
from autotune.errors import Infeasible
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact, pack
from autotune.model.keras_types import KerasLayer, KerasModel, KerasObject
from autotune.model.load import open_base

UPDATES = 50
"""Mask updates on the ramp. TFMOT's default of one in 100 steps never gets there in a short training."""


class Prune:
    """Sets the smallest weights of each layer to zero."""

    name = "prune"
    version = 2
    trains = True
    continues = True

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        if not recipe.prune or recipe.fine_tune == "none":
            return None
        return {
            "sparsity": recipe.prune,
            "pattern": recipe.prune_pattern,
            "schedule": recipe.prune_schedule if recipe.matters("prune_schedule") else "constant",
            **settings(recipe),
        }

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        import tensorflow_model_optimization as tfmot

        model = open_base(base, parent)
        see(model, data.calibration)
        pattern = parameters["pattern"]
        wanted = _prunable(model, pattern, data)
        options = {"pruning_schedule": _schedule(parameters, data)}
        if pattern == "2by4":
            options["sparsity_m_by_n"] = (2, 4)
        names = {layer.name for layer in wanted}
        model = wrap_layers(
            model,
            lambda layer: layer.name in names,
            lambda layer: tfmot.sparsity.keras.prune_low_magnitude(layer, **options),
        )
        facts = fine_tune(model, base, parameters, data, [tfmot.sparsity.keras.UpdatePruningStep()])
        model = tfmot.sparsity.keras.strip_pruning(model)
        achieved = {layer.name: float(np.mean(kernel(layer) == 0)) for layer in compressible(model, data.excluded)}
        return Artifact(pack(model.get_weights()), facts | {"sparsity": achieved})


class PruneOnce:
    """Sets the smallest weights of the finished float file to zero, without training."""

    name = "prune_once"
    version = 2
    trains = False

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        once = recipe.prune and recipe.fine_tune == "none" and not recipe.rounds
        return {"sparsity": recipe.prune} if once else None

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        return Artifact(oneshot.prune(so_far(base, parent), parameters["sparsity"], data.excluded))


def _prunable(model: KerasModel, pattern: str, data: TrainingData) -> list[KerasLayer]:
    """The layers to be pruned.

    Raises:
        Infeasible: there is none, or the policy for XNNPACK refuses the model.
    """
    import tensorflow_model_optimization as tfmot

    layers = compressible(model, data.excluded)
    if pattern == "2by4":
        layers = [layer for layer in layers if kernel(layer).shape[-2] % 4 == 0]
    if pattern == "xnnpack":
        policy = tfmot.sparsity.keras.PruneForLatencyOnXNNPack()
        try:
            policy.ensure_model_supports_pruning(model)
        except ValueError as error:
            raise Infeasible(f"XNNPACK's sparse kernels don't fit the model: {' '.join(str(error).split())}") from error
        layers = [layer for layer in layers if policy.allow_pruning(layer)]
    if not layers:
        raise Infeasible("the model has no layer that can be pruned so")
    return layers


def _schedule(parameters: JsonObject, data: TrainingData) -> KerasObject:
    import tensorflow_model_optimization as tfmot

    ramp = max(1, int(steps_of(parameters, data) * RAMP))
    frequency = max(1, ramp // UPDATES)
    if parameters["schedule"] == "constant" or "continues" in parameters:
        return tfmot.sparsity.keras.ConstantSparsity(parameters["sparsity"], 0, ramp, frequency)
    return tfmot.sparsity.keras.PolynomialDecay(0.0, parameters["sparsity"], 0, ramp, frequency=frequency)
