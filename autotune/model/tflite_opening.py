"""A .tflite file whose shapes are fixed, and that has one signature of several, as the user says."""

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.tools import flatbuffer_utils

from autotune.errors import UserError, one_line
from autotune.model.opening import Opening, chosen
from autotune.model.signature import Shape
from autotune.tflite.ends import ends_of
from autotune.tflite.flatbuffer import opened as tables_of
from autotune.tflite.flatbuffer import reading, tensor_facts

_BODIES = ("bodySubgraphIndex", "condSubgraphIndex", "decompositionSubgraphIndex", "elseSubgraphIndex")
_GRAPHS = (*_BODIES, "initSubgraphIndex", "subgraph", "thenSubgraphIndex")
"""Options of operators that name another graph of the file."""


def opened(file: bytes, opening: Opening) -> bytes:
    """The file as it is meant.

    Raises:
        UserError: it is no whole .tflite file, has no such signature or input, or can't have such a shape.
    """
    with reading():
        tables_of(file)
        model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    signatures = {each.signatureKey.decode(): each for each in model.signatureDefs or ()}
    if opening.signature is not None or len(signatures) > 1:
        if not signatures:
            raise UserError(f"has no signatures, so none that is called {opening.signature!r}; leave out --signature")
        signature = signatures[chosen(sorted(signatures), opening)]
        _make_main(model, signature.subgraphIndex)
        signature.subgraphIndex = 0
        model.signatureDefs = [signature]
    if opening.shapes:
        _close(model, opening)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _make_main(model: schema.ModelT, number: int) -> None:
    """Gives a graph the first place, which is the one that is run, and the first graph that one's."""
    places = {0: number, number: 0}
    for graph in model.subgraphs:
        for operator in graph.operators:
            for options in (operator.builtinOptions, operator.builtinOptions2):
                for name in _GRAPHS:
                    if options is not None and hasattr(options, name):
                        setattr(options, name, places.get(getattr(options, name), getattr(options, name)))
    graphs = model.subgraphs
    graphs[0], graphs[number] = graphs[number], graphs[0]


def _close(model: schema.ModelT, opening: Opening) -> None:
    """Gives inputs their shapes, and all other tensors those that follow; the batch stays as it was.

    Raises:
        UserError: there is no such input, or the file can't be run with such a shape.
    """
    graph = model.subgraphs[0]
    names = ends_of(model).inputs
    inputs: dict[str, Shape | None] = {
        name: [None if size < 0 else size for size in tensor_facts(graph.tensors[index])["shape_signature"]]
        for name, index in zip(names, graph.inputs, strict=True)
    }
    shapes = opening.closed(inputs)
    open_batches = all(shape is not None and shape[:1] == [None] for shape in shapes.values())
    try:
        interpreter = Interpreter(
            model_content=bytes(flatbuffer_utils.convert_object_to_bytearray(model)),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        for entry, shape in zip(interpreter.get_input_details(), shapes.values(), strict=True):
            interpreter.resize_tensor_input(entry["index"], [size or 1 for size in shape or []])
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise UserError(f"can't be run with --shape as it is: {one_line(error)}") from error
    found = {row["index"]: row["shape"].tolist() for row in interpreter.get_tensor_details()}
    for index, tensor in enumerate(graph.tensors):
        before = tensor_facts(tensor)["shape_signature"]
        if -1 not in before:
            continue
        tensor.shape = found[index]
        free = open_batches and before[0] == -1
        tensor.shapeSignature = [-1, *found[index][1:]] if free else None
