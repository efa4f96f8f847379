"""Whether a .tflite file's tables are as many as it has room for: offsets may lead all to the same few bytes."""

from collections.abc import Iterator

from ai_edge_litert import schema_py_generated as schema

MOST = 200_000
"""Tables that are read, each of which takes about a kilobyte then; the largest files known have a tenth."""

_LEAST = 8
"""Bytes that a table takes at least: where it is, and where its fields are."""


def check_tables(file: bytes | bytearray) -> None:
    """Counts what reading the file will make; as flatbuffers' own Verifier, which Python's version has not.

    Args:
        file: a .tflite file.

    Raises:
        ValueError: two of its tables or names must be in the same place, or there are too many.
        Exception: an offset leads nowhere; whatever Python's flatbuffers raises then.
    """
    left = min(MOST, len(file) // _LEAST)
    for count in _counts(schema.Model.GetRootAs(file, 0)):
        left -= count
        if left < 0:
            raise ValueError("its tables would take more room than it has")


def _counts(model: schema.Model) -> Iterator[int]:
    yield model.OperatorCodesLength() + model.BuffersLength() + model.MetadataLength() + model.SubgraphsLength()
    yield model.SignatureDefsLength()
    for index in range(model.SignatureDefsLength()):
        yield model.SignatureDefs(index).InputsLength() + model.SignatureDefs(index).OutputsLength()
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        yield graph.TensorsLength() + graph.OperatorsLength()
        for number in range(graph.TensorsLength()):
            yield from _of_tensor(graph.Tensors(number))


def _of_tensor(tensor: schema.Tensor) -> Iterator[int]:
    yield len(tensor.Name() or b"") // _LEAST
    yield tensor.VariantTensorsLength()
    sparsity = tensor.Sparsity()
    if sparsity is not None:
        yield sparsity.DimMetadataLength()
