"""A float file rounded layer by layer, and the same with the scales of its weights in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from autotune.compress.rounding.layers import loaded, name, packed, places
from autotune.compress.rounding.rounding import Way, rounded
from autotune.compress.rounding.walk import Walk, largest
from autotune.json_object import JsonObject
from autotune.task.data import Array

SAMPLES = 512
"""Inputs that moments are of, at most; docs/decisions/031 has what fewer cost."""

MEMORY = 512 << 20
"""Bytes that two walks hold, at most: with large activations they have fewer samples."""

_NAME = b"autotune.rounding"
"""Of the metadata."""


@dataclass(frozen=True)
class Rounding:
    """What there is to know of a rounded file.

    Attributes:
        scales: of the output channels of each layer whose weights are their multiples, by the weight tensor's name.
        facts: of how it was rounded (JSON).
    """

    scales: Mapping[str, NDArray[np.float32]]
    facts: JsonObject = field(default_factory=dict)


def round_file(file: bytes, inputs: Array, ways: Mapping[str, Way], seed: int = 0) -> tuple[bytes, Rounding]:
    """Rounds the layers of a float file, one after the other.

    Args:
        file: with one input.
        inputs: (n, *input shape), unlabelled, as the file takes them.
        ways: of the layers that are rounded, by names of weight tensors.
        seed: of which outputs moments are of, and of code books.

    Returns:
        The file with other weights and biases and nothing else changed, and the scales.

    Raises:
        Infeasible: LiteRT can't run the file.
        UserError: it is no whole .tflite file.
    """
    model, original = loaded(file), loaded(file)
    walk, exact = Walk(model, inputs), Walk(original, inputs)
    scales = {}
    for place in places(model):
        weights = name(model, place)
        if weights in ways:
            walk.to(place.operator)
            exact.to(place.operator)
            (layer,) = rounded(model, place, exact, walk, [ways[weights]], seed)
            layer.put(model, place)
            if layer.scales is not None:
                scales[weights] = layer.scales
    return packed(model), Rounding(scales)


def drawn(file: bytes, inputs: Array, seed: int) -> Array:
    """As many of these inputs as memory suffices for, SAMPLES at most, in no order: they may be sorted by class."""
    most = min(SAMPLES, max(1, MEMORY // (2 * largest(loaded(file)))))
    return inputs[np.random.default_rng(seed).permutation(len(inputs))[:most]]


def attached(file: bytes, rounding: Rounding) -> bytes:
    """The file with the rounding in its metadata."""
    model = loaded(file)
    scales = {layer: values.tolist() for layer, values in rounding.scales.items()}
    content = json.dumps({"scales": scales, "facts": rounding.facts}).encode()
    model.metadata = [*(model.metadata or ()), schema.MetadataT(name=_NAME, buffer=len(model.buffers))]
    model.buffers.append(schema.BufferT(data=np.frombuffer(content, np.uint8)))
    return packed(model)


def detached(file: bytes) -> tuple[bytes, Rounding]:
    """The reverse of attached().

    Raises:
        ValueError: there is no rounding in it.
        UserError: it is no whole .tflite file.
    """
    model = loaded(file)
    entries = {entry.name: entry for entry in model.metadata or ()}
    if _NAME not in entries:
        raise ValueError("the file has no rounding in its metadata")
    buffer = model.buffers[entries.pop(_NAME).buffer]
    content = json.loads(bytes(buffer.data))
    buffer.data = None
    model.metadata = list(entries.values())
    scales = {layer: np.array(values, np.float32) for layer, values in content["scales"].items()}
    return packed(model), Rounding(scales, content["facts"])
