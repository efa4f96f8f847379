"""Reads a .tflite file: its weights, layer by layer, as they are shipped."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
}
_WEIGHTED = {
    schema.BuiltinOperator.CONV_2D: 0,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    schema.BuiltinOperator.FULLY_CONNECTED: 0,
    schema.BuiltinOperator.TRANSPOSE_CONV: 0,
}
"""Operators with a weight tensor (their second input), and its axis of output channels."""


def read_weights(file: bytes) -> list[dict[str, Any]]:
    """The weight tensors of a file.

    Returns:
        For each, in the order of the operators: name, operator, shape, dtype, weights (their
        number), sparsity (share of exact zeros, 0 to 1), and distinct (the largest number of
        distinct values in one output channel: per-channel scales, and batch normalisation folded into
        the kernel, multiply a layer's shared values channel by channel).
    """
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    rows: list[dict[str, Any]] = []
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    for graph in model.subgraphs:
        producers = {output: operator for operator in graph.operators for output in operator.outputs}
        for operator in graph.operators:
            code = _code(model, operator)
            if code not in _WEIGHTED:
                continue
            index = operator.inputs[1]
            if index in producers:  # float16 weights pass through a DEQUANTIZE
                index = producers[index].inputs[0]
            tensor = graph.tensors[index]
            buffer = model.buffers[tensor.buffer].data
            if buffer is None or tensor.type not in _DTYPES:
                continue
            values = np.frombuffer(bytes(buffer), _DTYPES[tensor.type]).reshape(tensor.shape)
            channels = np.moveaxis(values, _WEIGHTED[code], 0).reshape(values.shape[_WEIGHTED[code]], -1)
            rows.append(
                {
                    "name": tensor.name.decode(),
                    "operator": names[code],
                    "shape": list(values.shape),
                    "dtype": values.dtype.name,
                    "weights": int(values.size),
                    "sparsity": float(np.mean(values == 0)),
                    "distinct": max(len(np.unique(channel)) for channel in channels),
                }
            )
    return rows


def _code(model: Any, operator: Any) -> int:
    entry = model.operatorCodes[operator.opcodeIndex]
    return int(max(entry.builtinCode, entry.deprecatedBuiltinCode))
