"""What there is to know of a model, as far as tasks and searches are made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from autotune.json_object import JsonObject, as_json
from autotune.task.shape import Shape
from autotune.tflite.activation import Activation


@dataclass(frozen=True)
class TensorSpec:
    """An input or an output of a model.

    Attributes:
        shape: of a sample, without the batch.
        dtype: by NumPy's name.
        name: "" where a model has no other input, or no other output.
        quantization: scale and zero point, where an input is quantized, else None.
        activation: what an output's values are; of inputs None.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    name: str = ""
    quantization: tuple[float, int] | None = None
    activation: Activation | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:  # Any: as JsonObject
        """From what as_json() gives."""
        pair = values["quantization"]
        return cls(**{**values, "shape": tuple(values["shape"]), "quantization": pair and tuple(pair)})


@dataclass(frozen=True)
class ModelFacts:
    """What there is to know of a model.

    Attributes:
        inputs: what it takes.
        outputs: what it gives.
        layers: names of those with weights.
        parameters: their number.
        largest_layer: the number of weights in it.
        format: "keras" for a tf_keras .keras file, "tflite" for a .tflite one.
        untrainable: None, or in one line why it can't be trained.
        quantized: whether it came quantized.
        state: what it keeps from one inference to the next, as tflite.state.state().
        left_float: what no scheme quantizes, as tflite.recurrent.left_float(); "" for nothing.
        compiled_loss: that it was trained with, as compile_config.compiled_loss(), None where its file has none.
        compiled_metrics: likewise; may be empty.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: tuple[str, ...]
    parameters: int
    largest_layer: int
    format: Literal["keras", "tflite"] = "keras"
    untrainable: str | None = None
    quantized: bool = False
    state: str = ""
    left_float: str = ""
    compiled_loss: str | None = None
    compiled_metrics: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:  # Any: as JsonObject
        """From what to_json() gives; other names don't count."""
        names = [each.name for each in fields(cls) if each.name in values and each.name not in ("inputs", "outputs")]
        arguments: JsonObject = {name: tuple(v) if isinstance(v := values[name], list) else v for name in names}
        return cls(_inputs(values), _outputs(values), **arguments)

    @property
    def input_shape(self) -> Shape:
        """Of a sample; of several inputs by name."""
        if len(self.inputs) == 1:
            return self.inputs[0].shape
        return {spec.name: spec.shape for spec in self.inputs}

    def to_json(self) -> JsonObject:
        """By the fields' names; of a single input or output what is known of it stands beside them. Keys of files
        depend on it.
        """
        values: JsonObject = {}
        if len(self.inputs) == 1:
            [entry] = self.inputs
            values |= {"input_shape": list(entry.shape), "input_dtype": entry.dtype}
            if entry.quantization is not None:
                values["input_quantization"] = list(entry.quantization)
        if len(self.outputs) == 1:
            [end] = self.outputs
            values |= {"output_shape": list(end.shape), "output_dtype": end.dtype, "activation": end.activation}
        for each in fields(self):
            if each.name not in ("inputs", "outputs") or len(getattr(self, each.name)) > 1:
                values[each.name] = as_json(getattr(self, each.name))
        return values


def _inputs(values: Mapping[str, Any]) -> tuple[TensorSpec, ...]:  # Any: as JsonObject
    if "inputs" in values:
        return tuple(map(TensorSpec.from_json, values["inputs"]))
    pair = values.get("input_quantization")
    return (TensorSpec(tuple(values["input_shape"]), values["input_dtype"], quantization=pair and tuple(pair)),)


def _outputs(values: Mapping[str, Any]) -> tuple[TensorSpec, ...]:  # Any: as JsonObject
    if "outputs" in values:
        return tuple(map(TensorSpec.from_json, values["outputs"]))
    shape, dtype, activation = (values[name] for name in ("output_shape", "output_dtype", "activation"))
    return (TensorSpec(tuple(shape), dtype, activation=activation),)
