"""The last stage: the file quantized after training as its recipe says, and what is really in it."""

from collections.abc import Sequence

from autotune.compress import post_training
from autotune.compress.codecs import sizes
from autotune.compress.rounding.file import Rounding, detached
from autotune.compress.rounding.write import written
from autotune.compress.stage import TrainingData, so_far
from autotune.compress.training import untreated
from autotune.config import INTEGER, MIXABLE, Recipe
from autotune.errors import Infeasible
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact
from autotune.tflite.facts import LayerFacts
from autotune.tflite.flatbuffer import activations, named, read_weights
from autotune.tflite.operators import in_float
from autotune.tflite.recurrent import RECURRENT


class Quantize:
    """Quantizes the float file; one that quantization-aware training gave is finished already."""

    name = "quantize"
    version = 9
    trains = False

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        parameters: JsonObject = {
            "scheme": recipe.quantize,
            "mixed": recipe.mixed if recipe.quantize in MIXABLE else 0.0,
            "io": recipe.io if recipe.quantize in INTEGER else "float32",
            "sparsity": recipe.prune,
            "pattern": recipe.prune_pattern if recipe.prune else "unstructured",
            "clusters": recipe.cluster,
            "trained": recipe.trains,
        }
        if recipe.rounds:
            return parameters | {"mixed": 0.0, "rounded": True}  # which are spared, the rounding has decided
        return parameters

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        scheme = parameters["scheme"]
        integer = parameters["io"] == "int8"
        spared: list[str] = []
        facts: JsonObject = {}
        rounding: Rounding | None = None
        file = so_far(base, parent)
        if "rounded" in parameters:
            file, rounding = detached(file)
            facts, spared = rounding.facts, rounding.facts.get("spared", [])
        if scheme not in ("none", "qat"):
            if parameters["mixed"]:
                errors = post_training.sensitivity(file, scheme, data.calibration)
                spared = post_training.most_sensitive(errors, parameters["mixed"])
                facts = {"sensitivity": errors, "spared": spared}
            full = f"{scheme}_io" if integer else scheme
            quantized = post_training.quantize(
                file, full, data.calibration, spared, data.excluded, clips=rounding is None or not rounding.scales
            )
            file = quantized if rounding is None else written(quantized, file, rounding)
        if integer and (left := activations(file)):
            raise Infeasible(f"not integer throughout; in float: {', '.join(in_float(file)) or min(left)}")
        layers = read_weights(file)
        check(layers, parameters, data.excluded, untreated(base) if parameters["trained"] else (), spared)
        return Artifact(file, {**facts, "layers": layers, "downloads": sizes(file)})


def check(
    layers: Sequence[LayerFacts],
    parameters: JsonObject,
    excluded: Sequence[str] = (),
    untreated: Sequence[str] = (),
    spared: Sequence[str] = (),
) -> None:
    """Holds the weights of a finished file against what its recipe asked for.

    Args:
        layers: as read_weights() gives them.
        parameters: scheme, sparsity (share of zeros asked of each layer), pattern, clusters
            (distinct weights asked of each layer, 0 for any number).
        excluded: names or patterns of layers that were left alone.
        untreated: names of layers that TFMOT can't prune, cluster or quantize.
        spared: names of layers that mixed precision left a step more precise.

    Raises:
        Infeasible: some layer missed it, by more than one weight, or was not quantized.
    """
    sparsity, clusters = parameters["sparsity"], parameters["clusters"]
    for layer in layers:
        if named(layer["name"], [*excluded, *untreated]):
            continue
        looped = named(layer["name"], _INNER)
        judged = not (looped or layer["operator"] in RECURRENT or named(layer["name"], spared))
        if judged and layer["dtype"] != _type(parameters["scheme"], layer):
            raise Infeasible(f"{parameters['scheme']} quantization left {layer['name']} in {layer['dtype']}")
        if layer["operator"] == "DEPTHWISE_CONV_2D" or (looped and untreated):  # neither pruned nor clustered
            continue
        if _pruned(layer, parameters["pattern"]) and layer["sparsity"] < sparsity - 1 / layer["weights"] - 1e-9:
            raise Infeasible(f"asked for {sparsity:.0%} zeros, {layer['name']} has {layer['sparsity']:.1%}")
        if clusters and layer["distinct"] > clusters:
            raise Infeasible(f"asked for {clusters} distinct weights, {layer['name']} has {layer['distinct']}")


_INNER = ("arith.constant*", "while*")
"""Names that the converter gives to weights inside of recurrent layers."""


def _type(scheme: str, layer: LayerFacts) -> str:
    """What a scheme makes of this layer's weights."""
    if scheme == "none":
        return str(layer["dtype"])
    return post_training.weights(scheme, layer["operator"])


def _pruned(layer: LayerFacts, pattern: str) -> bool:
    """Whether this pattern makes zeros in this layer."""
    if pattern == "2by4":
        return bool(layer["shape"][-1] % 4 == 0)
    if pattern == "xnnpack":
        return layer["operator"] == "CONV_2D" and list(layer["shape"][1:3]) == [1, 1]
    return True
