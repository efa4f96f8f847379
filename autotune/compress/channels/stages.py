"""The stages that cut channels: those that do nothing, those that matter least, and the training behind."""

import numpy as np

from autotune.compress.channels.dead import without_dead
from autotune.compress.channels.examine import unlabelled
from autotune.compress.channels.groups import groups_of
from autotune.compress.channels.kinds import WIDTHS
from autotune.compress.channels.macs import of_model
from autotune.compress.channels.refit import FITTED, refit
from autotune.compress.channels.surgery import without
from autotune.compress.flat import flattened
from autotune.compress.stage import TrainingData
from autotune.compress.statistics import see
from autotune.compress.training import fine_tune, settings
from autotune.config import Recipe
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact, pack
from autotune.model.keras_types import KerasModel
from autotune.model.load import open_base, saved
from autotune.task.data import Array

TOLERATED = 1e-4
"""Of the outputs' scale: by which those of a model without its dead channels may differ, on any sample."""

BATCH = 100
"""Samples that are run at once."""


class Trim:
    """Leaves out channels that change nothing beyond float rounding.

    Facts have in "dead" by the name of a layer how many "channels" it had and has, and the model's "macs" and
    "parameters" before and after; where outputs were not the same, the "reason" why nothing was left out.
    """

    name = "trim"
    version = 1
    trains = False
    gives_model = True

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        return {} if recipe.dead_channels == "removed" else None

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        model = flattened(open_base(base, parent))
        trimmed = without_dead(model, data.excluded)
        if trimmed is not model and _difference(model, trimmed, data.calibration) > TOLERATED:
            reason = "without the channels that seemed to change nothing, the model gives other outputs"
            return Artifact(base, {"dead": {"channels": {}, "reason": reason}})
        before, after = widths(model), widths(trimmed)
        facts = {
            "channels": {name: [width, after[name]] for name, width in before.items() if after[name] < width},
            "macs": [of_model(model), of_model(trimmed)],
            "parameters": [int(each.count_params()) for each in (model, trimmed)],
        }
        return Artifact(base if trimmed is model else saved(trimmed), {"dead": facts})


class Cut:
    """Leaves out channels, and fits the weights behind them so that outputs stay; trains nothing.

    Its parameters have in "keep", by a group's name, the numbers of the channels that stay.
    """

    name = "cut"
    version = 1
    trains = False
    gives_model = True

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        return {"share": recipe.channels} if recipe.channels < 1 else None

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        model = flattened(open_base(base, parent))
        groups = groups_of(model, data.excluded)
        removed = groups.removed(parameters["keep"])
        fitted = [call for call in groups.calls if call.kind in FITTED]
        smaller = without(model, groups, removed, {each.layer.name: np.zeros(each.output_shape[-1]) for each in fitted})
        refit(smaller, groups, removed, unlabelled(data))
        before, after = widths(model), widths(smaller)
        cut = {name: [width, after[name]] for name, width in before.items() if after[name] < width}
        return Artifact(saved(smaller), {"cut": cut, "macs": [of_model(model), of_model(smaller)]})


class Recover:
    """Trains the model that was cut, to give what the original one does."""

    name = "recover"
    version = 1
    trains = True
    continues = True

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        return settings(recipe) if recipe.channels < 1 and recipe.fine_tune != "none" else None

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        model = open_base(base, parent)
        see(model, data.calibration)
        facts = fine_tune(model, base, parameters, data, [])
        return Artifact(pack(model.get_weights()), facts)


def widths(model: KerasModel) -> dict[str, int]:
    """By a layer's name how many channels it makes, where it makes any of its own."""
    return {layer.name: layer.output_shape[-1] for layer in model.layers if type(layer).__name__ in WIDTHS}


def _difference(model: KerasModel, other: KerasModel, x: Array) -> float:
    """Between the outputs of two models, at most, as a share of the largest output."""
    outputs, others = (each.predict(x, batch_size=BATCH, verbose=0) for each in (model, other))
    return float(np.abs(outputs - others).max() / max(np.abs(outputs).max(), np.finfo(np.float32).tiny))
