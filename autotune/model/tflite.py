"""What there is to know of a model of which there is only a .tflite file."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from autotune.errors import UserError
from autotune.model.opening import Opening, chosen
from autotune.model.signature import Shape, check_signature
from autotune.task.model_facts import ModelFacts, TensorSpec
from autotune.tflite.custom import missing
from autotune.tflite.facts import TensorFacts
from autotune.tflite.flatbuffer import describe, is_quantized, opened, read_layers, reading
from autotune.tflite.recurrent import left_float
from autotune.tflite.state import state

_FLOATS = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16, schema.TensorType.BFLOAT16)


def facts(file: bytes) -> ModelFacts:
    """Facts of load.import_model() that a file tells by itself.

    Raises:
        UserError: it is damaged, or no model that can be tuned; one line without its name.
    """
    described = describe(file)
    if lacking := missing(file, described["custom_operators"]):
        raise UserError(f"has operators that LiteRT has not ({', '.join(lacking)}); convert the model without them")
    chosen(sorted(described["signatures"]) or [""], Opening())
    names = described["ends"]
    check_signature(
        dict(zip(names.inputs, map(_shape, described["inputs"]), strict=True)),
        dict(zip(names.outputs, map(_shape, described["outputs"]), strict=True)),
    )
    layers = read_layers(file)
    return ModelFacts(
        format="tflite",
        inputs=tuple(
            TensorSpec(tuple(entry["shape"][1:]), entry["dtype"], name, quantization)
            for entry, name, quantization in zip(
                described["inputs"], names.input_fields, _quantizations(file), strict=True
            )
        ),
        outputs=tuple(
            TensorSpec(tuple(end["shape"][1:]), end["dtype"], name, activation=activation)
            for end, name, activation in zip(
                described["outputs"], names.output_fields, described["activations"], strict=True
            )
        ),
        layers=tuple(layer.name for layer in layers),
        parameters=_parameters(file),
        largest_layer=max((layer.values.size for layer in layers), default=0),
        quantized=described["quantized"],
        state=state(file),
        left_float=left_float(
            [{"operator": layer.operator, "dtype": layer.dtype, "weights": layer.values.size} for layer in layers]
        ),
    )


def _quantizations(file: bytes) -> list[tuple[float, int] | None]:
    """Of each input scale and zero point, None where it is not quantized."""
    with reading():
        graph = opened(file).subgraphs[0]
        entries = [graph.tensors[index] for index in graph.inputs]
        return [
            (float(entry.quantization.scale[0]), int(entry.quantization.zeroPoint[0]))
            if is_quantized(entry) and entry.quantization.scale is not None
            else None
            for entry in entries
        ]


def _shape(end: TensorFacts) -> Shape:
    return [None if size < 0 else size for size in end["shape_signature"]]


def _parameters(file: bytes) -> int:
    """The number of constant weights: all constants but shapes, indices and the like."""
    with reading():
        model = opened(file)
        return sum(
            int(np.prod(tensor.shape if tensor.shape is not None else ()))
            for graph in model.subgraphs
            for tensor in graph.tensors
            if model.buffers[tensor.buffer].data is not None and (tensor.type in _FLOATS or _is_scaled(tensor))
        )


def _is_scaled(tensor: schema.TensorT) -> bool:
    return tensor.quantization is not None and tensor.quantization.scale is not None
