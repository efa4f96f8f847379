"""Quantization-aware training (Jacob et al., arXiv:1712.05877), keeping zeros and clusters.

After pruning or clustering the collaborative forms are used (PQAT, CQAT, PCQAT): plain QAT
silently undoes both.

What training gives are the weights that it began with, which say where zeros and clusters are, behind them
all variables of the quantization-aware model, and whether preprocessing stayed float: whoever opens them gets
that model as it was.
"""

import numpy as np

from autotune.compress.fake_quantization import begin_ranges, quantization_aware
from autotune.compress.flat import flattened
from autotune.compress.keras_preprocessing import stays_float
from autotune.compress.stage import TrainingData, so_far
from autotune.compress.statistics import see
from autotune.compress.training import fine_tune, settings
from autotune.config import Recipe
from autotune.errors import Infeasible
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact, Weights, pack, unpack
from autotune.model.keras_facts import layers_of
from autotune.model.keras_types import KerasModel
from autotune.model.load import open_base
from autotune.tflite.flatbuffer import named


class QuantizationAware:
    """Trains with int8 arithmetic simulated in the forward pass."""

    name = "qat"
    version = 9
    trains = True
    continues = True

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        if recipe.quantize != "qat":
            return None
        return {"pruned": recipe.prune > 0, "clustered": recipe.cluster > 0, **settings(recipe)}

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        if "continues" in parameters:
            shorter = so_far(base, parent)
            initial, model = reopened(base, shorter, parameters)
            apart = bool(unpack(shorter)[-1])
        else:
            model = flattened(open_base(base, parent), functions=True)
            see(model, data.calibration)
            if any(layer.weights and named(layer.name, data.excluded) for layer in layers_of(model)):
                raise Infeasible("layers that are excluded would be quantized all the same, by LiteRT's converter")
            initial = model.get_weights()
            apart = stays_float(model, data.calibration)
            model = _quantization_aware(model, parameters, apart=apart)
            begin_ranges(model, data.calibration)
        facts = fine_tune(model, base, parameters, data, [])
        return Artifact(pack([*initial, *model.get_weights(), np.array(apart)]), facts)


def reopened(base: bytes, trained: bytes, parameters: JsonObject) -> tuple[Weights, KerasModel]:
    """What quantization-aware training gave.

    Args:
        base: the original model.
        trained: the training's artifact.
        parameters: whether weights were pruned and clustered before.

    Returns:
        The weights that it began with, and the quantization-aware model.
    """
    model = flattened(open_base(base), functions=True)
    *weights, apart = unpack(trained)
    initial = weights[: len(model.weights)]
    model.set_weights(initial)
    model = _quantization_aware(model, parameters, apart=bool(apart))
    model.set_weights(weights[len(initial) :])
    return initial, model


def _quantization_aware(model: KerasModel, parameters: JsonObject, *, apart: bool) -> KerasModel:
    return quantization_aware(model, pruned=parameters["pruned"], clustered=parameters["clustered"], apart=apart)
