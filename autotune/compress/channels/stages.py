"""The stages that cut channels: those that do nothing, those that matter least, and the training behind."""

import numpy as np

from autotune.compress.channels.dead import without_dead
from autotune.compress.channels.examine import unlabelled
from autotune.compress.channels.groups import Groups, groups_of
from autotune.compress.channels.kinds import WIDTHS
from autotune.compress.channels.macs import in_all
from autotune.compress.channels.moments import biases_behind
from autotune.compress.channels.refit import refit
from autotune.compress.channels.surgery import without
from autotune.compress.flat import flattened
from autotune.compress.stage import TrainingData
from autotune.compress.statistics import see
from autotune.compress.training import fine_tune, settings
from autotune.config import Recipe
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact, pack
from autotune.model.load import open_base, saved
from autotune.task.data import Array
from autotune.task.data.fields import nested

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
    version = 2
    trains = False
    gives_model = True

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        return {} if recipe.dead_channels == "removed" else None

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        groups = groups_of(flattened(open_base(base, parent)), data.excluded)
        trimmed = without_dead(groups, data.excluded)
        if not _difference(groups, trimmed, data.calibration) <= TOLERATED:  # NaN neither
            reason = "without the channels that seemed to change nothing, the model gives other outputs"
            return Artifact(base, {"dead": {"channels": {}, "reason": reason}})
        facts = {
            "channels": _narrower(groups, trimmed),
            "macs": [in_all(groups), in_all(trimmed)],
            "parameters": [int(each.model.count_params()) for each in (groups, trimmed)],
        }
        return Artifact(base if trimmed is groups else saved(trimmed.model), {"dead": facts})


class Cut:
    """Leaves out channels, and fits the weights behind them so that outputs stay; trains nothing.

    Its parameters have in "keep", by a group's name, the numbers of the channels that stay.
    """

    name = "cut"
    version = 2
    trains = False
    gives_model = True

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        return {"share": recipe.channels} if recipe.channels < 1 else None

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        groups = groups_of(flattened(open_base(base, parent)), data.excluded)
        removed = groups.removed(parameters["keep"])
        model = without(groups, removed, biases_behind(groups, removed, 0.0))
        refit(model, groups, removed, unlabelled(data))
        smaller = groups_of(model)
        facts = {"cut": _narrower(groups, smaller), "macs": [in_all(groups), in_all(smaller)]}
        return Artifact(saved(model), facts)


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


def _narrower(before: Groups, after: Groups) -> dict[str, list[int]]:
    """By the name of a layer that makes fewer channels than before: how many it made, and makes."""
    widths = [
        {call.layer.name: call.output_shape[-1] for call in each.calls if call.kind in WIDTHS}
        for each in (before, after)
    ]
    return {name: [width, widths[1][name]] for name, width in widths[0].items() if widths[1][name] < width}


def _difference(before: Groups, after: Groups, x: Array) -> float:
    """Between the outputs of two models, at most, as a share of the largest value of the output."""
    runs = [each.model.predict(nested(x), batch_size=BATCH, verbose=0) for each in (before, after)]
    outputs, others = (run if isinstance(run, list) else [run] for run in runs)
    tiny = np.finfo(np.float32).tiny
    gaps = [
        np.abs(own - other).max() / max(np.abs(own).max(), tiny) for own, other in zip(outputs, others, strict=True)
    ]
    return float(max(gaps))
