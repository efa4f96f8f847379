"""A .tflite file whose shapes are fixed, and that has one signature of several, as the user says."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.tools import flatbuffer_utils

from autotune.errors import UserError, one_line
from autotune.model.opening import Opening, chosen
from autotune.model.signature import Shape
from autotune.task.data import Array
from autotune.tflite.ends import ends_of
from autotune.tflite.flatbuffer import opened as tables_of
from autotune.tflite.flatbuffer import reading, tensor_facts

_BODIES = ("bodySubgraphIndex", "condSubgraphIndex", "decompositionSubgraphIndex", "elseSubgraphIndex")
_GRAPHS = (*_BODIES, "initSubgraphIndex", "subgraph", "thenSubgraphIndex")
"""Options of operators that name another graph of the file."""


def _random(shape: Sequence[int]) -> Array:
    """Values from 0 to 1."""
    return np.random.default_rng(0).random(shape)


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


def settled(file: bytes) -> bytes:
    """The file with fixed shapes of outputs, where it leaves them open and they follow from those of its inputs: a
    reshape to (-1, 4) leaves them open where batches may be of any size.

    Args:
        file: a .tflite file. One that is for batches of a fixed size, or can't be run, comes back as it is.

    Raises:
        UserError: it is no whole .tflite file, or gives several rows for one sample.
    """
    with reading():
        tables_of(file)
        model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
        graph = model.subgraphs[0]
        exits = [(int(index), tensor_facts(graph.tensors[index])["shape_signature"]) for index in graph.outputs]
        names = ends_of(model).outputs
        inputs = list(_input_shapes(model).values())
    samples = [[size for size in shape[1:] if size] for shape in inputs if shape]
    if inputs != [[None, *shape] for shape in samples]:
        return file
    try:
        single = _sizes(file, [[1, *shape] for shape in samples], np.zeros)
        pair = _sizes(file, [[2, *shape] for shape in samples])  # of other values: no shape may hang on them
    except (RuntimeError, ValueError):
        return file
    for name, (index, signature) in zip(names, exits, strict=True):
        if signature[:1] == [-1] and single[index][:1] != [1]:
            shape = ", ".join(map(str, single[index]))
            raise UserError(f"output {name!r} is ({shape}) for one sample; rebuild it as (-1, {shape})")
    loose = [index for index, signature in exits if -1 in signature[1:]]
    if not loose or any(pair[index] != [2, *single[index][1:]] for index in loose):
        return file
    _fix(model, single, free=True)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def with_outputs_called(file: bytes, names: Sequence[str]) -> bytes:
    """A file whose signature only numbers its outputs, as Keras exports a list of them, with their names there.

    Args:
        file: a whole .tflite file. One that doesn't number so many outputs comes back as it is.
        names: in the order of the numbers.
    """
    numbered = {f"output_{number}": name for number, name in enumerate(names)}
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    outputs = [each for signature in model.signatureDefs or () for each in signature.outputs]
    if sorted(numbered) != sorted(each.name.decode() for each in outputs) or len(set(names)) < len(names):
        return file
    for each in outputs:
        each.name = numbered[each.name.decode()].encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _close(model: schema.ModelT, opening: Opening) -> None:
    """Gives inputs their shapes, and all other tensors those that follow; the batch stays as it was.

    Raises:
        UserError: there is no such input, or the file can't be run with such a shape.
    """
    shapes = list(opening.closed(_input_shapes(model)).values())
    file = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    try:
        sizes = _sizes(file, [[size or 1 for size in shape or []] for shape in shapes])
    except (RuntimeError, ValueError) as error:
        raise UserError(f"can't be run with --shape as it is: {one_line(error)}") from error
    _fix(model, sizes, free=_any_batch(shapes))


def _input_shapes(model: schema.ModelT) -> dict[str, Shape | None]:
    """By name, with the batch."""
    graph = model.subgraphs[0]
    return {
        name: [None if size < 0 else size for size in tensor_facts(graph.tensors[index])["shape_signature"]]
        for name, index in zip(ends_of(model).inputs, graph.inputs, strict=True)
    }


def _any_batch(inputs: Sequence[Shape | None]) -> bool:
    """Whether batches may be of any size."""
    return all(shape is not None and shape[:1] == [None] for shape in inputs)


def _sizes(
    file: bytes, inputs: Sequence[Sequence[int]], values: Callable[[Sequence[int]], Array] = _random
) -> dict[int, list[int]]:
    """The shape of each of the main graph's tensors, by number, as LiteRT has it once the file was run: when memory is
    allocated, what a reshape computes from other shapes is not known yet.

    Args:
        file: a .tflite file.
        inputs: shapes of its inputs.
        values: of an input, by its shape; integers are cut off.

    Raises:
        RuntimeError, ValueError: LiteRT refuses the file or the shapes.
    """
    interpreter = Interpreter(
        model_content=file, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    entries = interpreter.get_input_details()
    for entry, shape in zip(entries, inputs, strict=True):
        interpreter.resize_tensor_input(entry["index"], shape)
    interpreter.allocate_tensors()
    for entry, shape in zip(entries, inputs, strict=True):
        interpreter.set_tensor(entry["index"], values(shape).astype(entry["dtype"]))
    interpreter.invoke()
    return {row["index"]: row["shape"].tolist() for row in interpreter.get_tensor_details()}


def _fix(model: schema.ModelT, sizes: Mapping[int, list[int]], *, free: bool) -> None:
    """Gives tensors of the main graph whose shapes are open these; free: the batch of those that have one stays so."""
    for index, tensor in enumerate(model.subgraphs[0].tensors):
        before = tensor_facts(tensor)["shape_signature"]
        if -1 in before:
            tensor.shape = sizes[index]
            tensor.shapeSignature = [-1, *sizes[index][1:]] if free and before[0] == -1 else None
