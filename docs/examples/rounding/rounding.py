"""A stage that rounds float weights, so that the file compresses better and still runs everywhere as float."""

import numpy as np

from autotune.extend import Artifact, Infeasible, JsonObject, Recipe, TrainingData, named, read_layers

STORED = 23  # bits of a float32's mantissa that are in the file


class Rounding:
    name, version, trains = "rounding", 1, False
    after, dimensions = "cluster_once", {"mantissa": int}

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        bits = dict(recipe.extra).get("mantissa")
        return {"bits": bits} if bits else None

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        file, bits = bytearray(parent or b""), parameters["bits"]
        layers = [layer for layer in read_layers(file) if layer.dtype == "float32" and not layer.sparse]
        if not layers or not 0 < bits < STORED:
            raise Infeasible(f"no float weights that can be rounded to {bits} bits")
        half = 1 << (STORED - bits - 1)
        for layer in layers:
            if not named(layer.name, data.excluded):
                weights = layer.values.view(np.uint32)
                weights[...] = (weights + half) & ~np.uint32(2 * half - 1)
        return Artifact(bytes(file))
