"""Inputs that are indices: those that go straight into an embedding, and how many rows that has."""

import io
import json
import zipfile
from collections.abc import Iterator
from itertools import pairwise

from autotune.model.artifact import is_tflite
from autotune.model.keras_types import KerasConfig
from autotune.tflite.ends import ends_of
from autotune.tflite.flatbuffer import constant, kind, opened


def rows(base: bytes) -> dict[str, int]:
    """How many rows a model has for the indices that it takes.

    Args:
        base: as load.import_model() gives it.

    Returns:
        By the input's name, of each input that goes into an embedding as it is; of several embeddings the fewest rows.
    """
    fewest = dict[str, int]()
    for name, count in _in_file(base) if is_tflite(base) else _in_config(base):
        fewest[name] = min(count, fewest.get(name, count))
    return fewest


def _in_config(base: bytes) -> Iterator[tuple[str, int]]:
    """Inputs of a tf_keras model, each with the rows of an embedding that it goes into."""
    with zipfile.ZipFile(io.BytesIO(base)) as archive:
        model: KerasConfig = json.loads(archive.read("config.json"))
    layers = model.get("config", {}).get("layers", [])
    inputs = {layer["config"]["name"] for layer in layers if layer["class_name"] == "InputLayer"}
    for before, layer in pairwise(layers):
        if layer["class_name"] == "Embedding":
            calls = layer.get("inbound_nodes")  # None in a Sequential model
            sources = [before["config"]["name"]] if calls is None else [call[0][0] for call in calls]
            yield from ((name, layer["config"]["input_dim"]) for name in inputs.intersection(sources))


def _in_file(file: bytes) -> Iterator[tuple[str, int]]:
    """Inputs of a .tflite file, each with the rows of a constant table that it goes into."""
    model = opened(file)
    graph = model.subgraphs[0]
    inputs = dict(zip(map(int, graph.inputs), ends_of(model).inputs, strict=True))
    for operator in graph.operators:
        name = kind(model, operator)
        if name == "CAST" and operator.inputs[0] in inputs:
            inputs[int(operator.outputs[0])] = inputs[operator.inputs[0]]
        elif name == "GATHER" and operator.inputs[1] in inputs:
            table = graph.tensors[operator.inputs[0]]
            if constant(file, model, table) is not None:
                yield inputs[operator.inputs[1]], int(table.shape[operator.builtinOptions.axis])
