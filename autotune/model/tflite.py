"""What there is to know of a model of which there is only a .tflite file."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from autotune.errors import UserError
from autotune.model.signature import Shape, check_signature
from autotune.task.model_facts import ModelFacts
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
        names = ", ".join(lacking)
        raise UserError(f"has operators that LiteRT has not ({names}); convert the model without them")
    if len(described["signatures"]) > 1:
        names = ", ".join(sorted(described["signatures"]))
        raise UserError(f"has several signatures ({names}); convert the model with one of them")
    check_signature([_shape(end) for end in described["inputs"]], [_shape(end) for end in described["outputs"]])
    (entry,), (end,) = described["inputs"], described["outputs"]
    layers = read_layers(file)
    return ModelFacts(
        format="tflite",
        input_shape=tuple(entry["shape"][1:]),
        output_shape=tuple(end["shape"][1:]),
        input_dtype=entry["dtype"],
        output_dtype=end["dtype"],
        input_quantization=_quantization(file),
        layers=tuple(layer.name for layer in layers),
        parameters=_parameters(file),
        largest_layer=max((layer.values.size for layer in layers), default=0),
        activation=described["activation"],
        quantized=described["quantized"],
        state=state(file),
        left_float=left_float(
            [{"operator": layer.operator, "dtype": layer.dtype, "weights": layer.values.size} for layer in layers]
        ),
    )


def _quantization(file: bytes) -> tuple[float, int] | None:
    """The fact input_quantization, scale and zero point, where the input is quantized."""
    with reading():
        graph = opened(file).subgraphs[0]
        entry = graph.tensors[graph.inputs[0]]
        if not is_quantized(entry) or entry.quantization.scale is None:
            return None
        return float(entry.quantization.scale[0]), int(entry.quantization.zeroPoint[0])


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
