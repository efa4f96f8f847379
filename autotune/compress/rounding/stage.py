"""The stage that rounds a float file's weights together, before they are quantized."""

from collections.abc import Mapping
from dataclasses import replace

from autotune.compress import oneshot, post_training
from autotune.compress.rounding.file import Rounding, attached, drawn, round_file
from autotune.compress.rounding.layers import loaded, name, places
from autotune.compress.rounding.plan import share_out, trials
from autotune.compress.rounding.rounding import Way
from autotune.compress.stage import TrainingData, so_far
from autotune.config import FOUR_BITS, LEVELS, MIXABLE, ROUNDED, Recipe
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact
from autotune.task.data import Array
from autotune.tflite.state import state

ALONE = "each weight alone: no layer outside of loops and of state in resources is a convolution or fully connected"
"""What the facts of a file say whose weights can't be rounded together."""


class Round:
    """Gives a float file whose weights are multiples of scales, with these in it, for integers to hold them exactly.

    Zeros and clusters that no training makes are chosen in the same pass. The scheme does not matter beyond the
    number of bits, so schemes of as many share a rounding.
    """

    name = "round"
    version = 3
    trains = False

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        if not recipe.rounds:
            return None
        bits = None
        if recipe.quantize in ROUNDED:
            bits = 4 if recipe.quantize in FOUR_BITS else 8
        once = recipe.fine_tune == "none"
        return {
            "bits": bits,
            "levels": recipe.levels if recipe.matters("levels") else LEVELS[0],
            "levels_scope": recipe.levels_scope if recipe.matters("levels_scope") else "file",
            "mixed": recipe.mixed if recipe.quantize in MIXABLE else 0.0,
            "sparsity": recipe.prune if once else 0.0,
            "clusters": recipe.cluster if once else 0,
            "trained_clusters": 0 if once else recipe.cluster,
        }

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        file = so_far(base, parent)
        post_training.check_float(file)
        ways = _ways(file, parameters, data)
        file = _others(file, parameters, data, ways)
        if not ways:
            return Artifact(attached(file, Rounding({}, {"rounding": ALONE})))
        inputs = drawn(file, data.x, data.seed)
        ways, facts = _planned(file, inputs, ways, parameters, data.seed)
        file, rounding = round_file(file, inputs, ways, data.seed)
        return Artifact(attached(file, Rounding(rounding.scales, facts)))


def _ways(file: bytes, parameters: JsonObject, data: TrainingData) -> dict[str, Way]:
    """How each layer is rounded, where none is spared; of those that can be rounded together."""
    if state(file) == "resources":
        return {}
    model = loaded(file)
    plain = Way(parameters["bits"], parameters["levels"], trained=parameters["trained_clusters"])
    both = replace(plain, sparsity=parameters["sparsity"], clusters=parameters["clusters"])
    ways = {}
    for place in places(model, data.excluded):
        way = both if place.kind in oneshot.OPERATORS else plain
        if way.bits == 4 and place.kind not in post_training.FOUR_BITS:
            way = replace(way, bits=8)
        if way.changes:
            ways[name(model, place)] = way
    return ways


def _others(file: bytes, parameters: JsonObject, data: TrainingData, ways: Mapping[str, Way]) -> bytes:
    """The file with zeros and clusters in layers that can't be rounded so, as those of recurrent operators."""
    excluded = [*data.excluded, *ways]
    sparsity, clusters = parameters["sparsity"], parameters["clusters"]
    if sparsity and oneshot.treats(file, excluded):
        file = oneshot.prune(file, sparsity, excluded)
    if clusters and oneshot.treats(file, excluded, clusters):
        file = oneshot.cluster(file, clusters, excluded, data.seed)
    return file


def _planned(
    file: bytes, inputs: Array, ways: Mapping[str, Way], parameters: JsonObject, seed: int
) -> tuple[dict[str, Way], JsonObject]:
    """How each layer is rounded, those that bear it badly more precisely; and what was measured for it."""
    by_layer = parameters["levels_scope"] == "layer"
    if not (parameters["mixed"] or by_layer):
        return dict(ways), {}
    levels = LEVELS if by_layer else (parameters["levels"],)
    tried = {
        layer: [replace(way, levels=number) for number in levels]
        for layer, way in ways.items()
        if way.bits == parameters["bits"]
    }
    outcomes = trials(file, inputs, tried, seed)
    alike = levels.index(parameters["levels"])
    errors = {layer: outcome[alike].error for layer, outcome in outcomes.items()}
    spared = post_training.most_sensitive(errors, parameters["mixed"])
    chosen = share_out({layer: outcome for layer, outcome in outcomes.items() if layer not in spared}, alike)
    planned = dict(ways)
    planned |= {layer: tried[layer][number] for layer, number in chosen.items()}
    planned |= {layer: replace(ways[layer], bits=8 if ways[layer].bits == 4 else None) for layer in spared}
    facts: JsonObject = {"sensitivity": errors, "spared": spared} if spared else {}
    if by_layer:
        facts["levels"] = {layer: planned[layer].levels for layer in chosen}
    return {layer: way for layer, way in planned.items() if way.changes}, facts
