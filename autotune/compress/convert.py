"""From weights to a float .tflite, by LiteRT's converter; what follows works on the file alone."""

from collections.abc import Mapping
from typing import Any

from autotune.compress.load import open_base
from autotune.compress.stage import Artifact, TrainingData, is_tflite
from autotune.config import Recipe
from autotune.errors import Infeasible


class Convert:
    """Gives the float file. A model that came as a .tflite is one already."""

    name = "convert"
    version = 1
    trains = False

    def parameters(self, recipe: Recipe) -> dict[str, Any] | None:
        if recipe.quantize == "qat":
            return None
        return {"sparse": recipe.prune > 0 and recipe.prune_pattern == "xnnpack"}

    def build(self, base: bytes, parent: bytes | None, parameters: Mapping[str, Any], data: TrainingData) -> Artifact:
        if is_tflite(base):
            return Artifact(base)
        model = open_base(base, parent)
        if parameters["sparse"]:
            model = keeping_dimensions(model)
        return Artifact(converted(model, sparse=parameters["sparse"]))


def converted(model: Any, *, sparse: bool = False, quantized: bool = False, integer_io: bool = False) -> bytes:
    """A tf_keras model as a .tflite file.

    Args:
        model: to convert.
        sparse: whether its zeros are left out of the file, as XNNPACK's sparse kernels read it.
        quantized: whether it was trained with fake quantization, which becomes real.
        integer_io: whether input and output are int8 then, else float32.

    Raises:
        Infeasible: the converter refuses the model.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if sparse:
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if integer_io:
            converter.inference_input_type = converter.inference_output_type = tf.int8
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter's own kinds of error are many, and none is public
        reason = " ".join(str(error).split())[:300]
        raise Infeasible(f"LiteRT's converter refuses the model: {reason}") from error


def keeping_dimensions(model: Any) -> Any:
    """The model with GlobalAveragePooling2D as XNNPACK's sparse kernels want it: dimensions kept, and
    taken off behind it. Weights and outputs are unchanged.
    """
    import tf_keras

    def rebuilt(layer: Any) -> Any:
        if type(layer).__name__ != "GlobalAveragePooling2D" or layer.keepdims:
            return layer
        kept = tf_keras.layers.GlobalAveragePooling2D(data_format=layer.data_format, keepdims=True)
        return tf_keras.Sequential([kept, tf_keras.layers.Flatten()], name=layer.name)

    twin = tf_keras.models.clone_model(model, clone_function=rebuilt)
    twin.set_weights(model.get_weights())
    return twin
