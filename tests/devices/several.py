"""Files with two inputs and two outputs, and in two parts."""

from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

from tests.compress import tables


def several(folder: Path) -> Path:
    """Absolute values of (1, 2) and of (1, 4), each to an output; its signature names them the other way round."""
    model = tables.empty()
    ins = [tables.tensor(model, [1, size]) for size in (2, 4)]
    outs = [tables.tensor(model, [1, size]) for size in (2, 4)]
    for entry, result in zip(ins, outs, strict=True):
        tables.operator(model, tables.OPERATOR.ABS, [entry], [result])
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = ins, outs
    named = [
        [schema.TensorMapT(name=name, tensorIndex=index) for name, index in zip("ba", tensors, strict=True)]
        for tensors in (ins, outs)
    ]
    model.signatureDefs = [schema.SignatureDefT(*named, signatureKey="serve", subgraphIndex=0)]
    path = folder / "several.tflite"
    path.write_bytes(tables.packed(model))
    return path


def parted(folder: Path) -> Path:
    """Absolute values of (1, 4), rounded up, once more: CEIL is what OpenVINO has not, so it takes two parts."""
    model = tables.empty()
    tensors = [tables.tensor(model, [1, 4]) for _ in range(4)]
    kinds = (tables.OPERATOR.ABS, tables.OPERATOR.CEIL, tables.OPERATOR.ABS)
    for kind, entry, result in zip(kinds, tensors, tensors[1:], strict=False):
        tables.operator(model, kind, [entry], [result])
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = tensors[:1], tensors[-1:]
    path = folder / "parted.tflite"
    path.write_bytes(tables.packed(model))
    return path
