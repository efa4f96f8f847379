"""The last stage: a .tflite file, by LiteRT's converter, and what is really in it."""

import gzip
from collections.abc import Iterator, Mapping
from typing import Any

from autotune.compress.flatbuffer import read_weights
from autotune.compress.load import open_base
from autotune.compress.stage import Artifact, TrainingData
from autotune.config import Recipe
from autotune.errors import Infeasible

DEFLATE = 9
"""The level of compression at which download sizes are given."""


class Quantize:
    """Converts, quantizing after training as the scheme says. Inputs and outputs stay float32."""

    name = "quantize"
    version = 1
    trains = False

    def parameters(self, recipe: Recipe) -> dict[str, Any] | None:
        if recipe.quantize == "qat":
            return None
        return {"scheme": recipe.quantize, "sparsity": recipe.prune, "clusters": recipe.cluster}

    def build(self, base: bytes, parent: bytes | None, parameters: Mapping[str, Any], data: TrainingData) -> Artifact:
        file = convert(open_base(base, parent), parameters["scheme"], data)
        return finished(file, parameters, {})


def convert(model: Any, scheme: str, data: TrainingData) -> bytes:
    """A tf_keras model as a .tflite file, by LiteRT's converter.

    Raises:
        Infeasible: the converter refuses the model under this scheme.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    _configure(converter, scheme, data)
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter's own kinds of error are many, and none is public
        reason = " ".join(str(error).split())[:300]
        raise Infeasible(f"LiteRT's converter refuses {scheme}: {reason}") from error


def finished(file: bytes, parameters: Mapping[str, Any], facts: Mapping[str, Any]) -> Artifact:
    """The file with what is really in it, and its size compressed by gzip, as downloads are.

    Raises:
        Infeasible: it does not hold the sparsity or the clusters that were asked for.
    """
    layers = read_weights(file)
    check(layers, parameters.get("scheme", "qat"), parameters["sparsity"], parameters["clusters"])
    return Artifact(file, {**facts, "layers": layers, "download_bytes": len(gzip.compress(file, DEFLATE, mtime=0))})


def check(layers: list[dict[str, Any]], scheme: str, sparsity: float, clusters: int) -> None:
    """Holds the weights of a finished file against what its recipe asked for.

    Args:
        layers: as read_weights() gives them; depthwise ones are neither pruned nor clustered.
        scheme: of quantization; some layer must have its type (the dynamic one leaves layers of
            under 1024 weights in float32).
        sparsity: share of zeros asked of each layer.
        clusters: distinct weights asked of each layer, 0 for any number.

    Raises:
        Infeasible: some layer missed it, by more than one weight, or no layer was quantized.
    """
    wanted = {"none": "float32", "float16": "float16"}.get(scheme, "int8")
    if layers and wanted not in {layer["dtype"] for layer in layers}:
        raise Infeasible(f"{scheme} quantization left every layer as it was")
    for layer in layers:
        if layer["operator"] == "DEPTHWISE_CONV_2D":
            continue
        if layer["sparsity"] < sparsity - 1 / layer["weights"] - 1e-9:
            raise Infeasible(f"asked for {sparsity:.0%} zeros, {layer['name']} has {layer['sparsity']:.1%}")
        if clusters and layer["distinct"] > clusters:
            raise Infeasible(f"asked for {clusters} distinct weights, {layer['name']} has {layer['distinct']}")


def _configure(converter: Any, scheme: str, data: TrainingData) -> None:
    import tensorflow as tf

    def samples() -> Iterator[list[Any]]:
        for index in range(len(data.calibration)):
            yield [data.calibration[index : index + 1]]

    if scheme != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme in ("int8", "int16x8"):
        converter.representative_dataset = samples
    if scheme == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if scheme == "int16x8":
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
