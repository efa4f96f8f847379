"""Models as bytes: those of a file, and packed weights; with what there is to know about them."""

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autotune.json_object import JsonObject
from autotune.task.data import Array

Weights = list[Array]
"""A model's weights, as Keras orders them: arrays of any shapes and types."""


@dataclass(frozen=True)
class Artifact:
    """What a stage made.

    Attributes:
        data: packed weights, see pack(), or a .tflite file.
        facts: what there is to know about it (JSON), kept with every outcome of the file.
    """

    data: bytes
    facts: JsonObject = field(default_factory=dict)


def is_tflite(data: bytes) -> bool:
    """Whether these bytes are a .tflite file, by its identifier."""
    return data[4:8] == b"TFL3"


def pack(weights: Weights) -> bytes:
    """A list of arrays as the bytes of an uncompressed .npz (no pickle)."""
    stream = io.BytesIO()
    named: dict[str, Any] = {f"{index:04}": array for index, array in enumerate(weights)}  # Any: savez has options, too
    np.savez(stream, **named)
    return stream.getvalue()


def unpack(data: bytes) -> Weights:
    """The reverse of pack()."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return [arrays[name] for name in sorted(arrays.files)]
