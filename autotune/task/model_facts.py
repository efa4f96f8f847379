"""What there is to know of a model, as far as tasks and searches are made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from autotune.json_object import JsonObject, as_json
from autotune.tflite.activation import Activation


@dataclass(frozen=True)
class ModelFacts:
    """What there is to know of a model. Shapes are without the batch.

    Attributes:
        input_shape: of a sample.
        output_shape: likewise, of its output.
        activation: what the outputs are.
        layers: names of those with weights.
        parameters: their number.
        largest_layer: the number of weights in it.
        format: "keras" for a tf_keras .keras file, "tflite" for a .tflite one.
        untrainable: None, or in one line why it can't be trained.
        input_dtype: by NumPy's name.
        output_dtype: likewise.
        input_quantization: scale and zero point, where the input is quantized, else None.
        quantized: whether it came quantized.
        state: what it keeps from one inference to the next, as tflite.state.state().
        left_float: what no scheme quantizes, as tflite.recurrent.left_float(); "" for nothing.
        compiled_loss: that it was trained with, as compile_config.compiled_loss(), None where its file has none.
        compiled_metrics: likewise; may be empty.
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    activation: Activation
    layers: tuple[str, ...]
    parameters: int
    largest_layer: int
    format: Literal["keras", "tflite"] = "keras"
    untrainable: str | None = None
    input_dtype: str = "float32"
    output_dtype: str = "float32"
    input_quantization: tuple[float, int] | None = None
    quantized: bool = False
    state: str = ""
    left_float: str = ""
    compiled_loss: str | None = None
    compiled_metrics: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:  # Any: as JsonObject
        """From what to_json() gives; other names don't count."""
        names = [each.name for each in fields(cls) if each.name in values]
        arguments: JsonObject = {name: tuple(v) if isinstance(v := values[name], list) else v for name in names}
        return cls(**arguments)

    def to_json(self) -> JsonObject:
        """By the fields' names, input_quantization where the input is quantized. Keys of files depend on it."""
        values: JsonObject = {each.name: as_json(getattr(self, each.name)) for each in fields(self)}
        if self.input_quantization is None:
            del values["input_quantization"]
        return values
