"""A float .tflite file's graph as a tf_keras model."""

import re
import warnings
from collections.abc import Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from autotune.errors import UserError, one_line
from autotune.model import keras3_activations
from autotune.model.keras_types import KerasModel, KerasObject, KerasTensor
from autotune.model.tflite_call import Call, Layer
from autotune.model.tflite_layers import LAYERS
from autotune.model.tflite_weights import WEIGHTED
from autotune.task.data import Array
from autotune.tflite.flatbuffer import constant, kind, opened, tensor_facts

_CONSTANTS = ("float32", "int32", "int64")
"""Types of constants that layers are made of."""

_UNNAMABLE = re.compile("[^A-Za-z0-9_./-]")
"""What no name of a Keras layer may have."""

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")

_BLOCKS = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
"""What the converter has around a convolution that is dilated."""

_DILATED = (_BLOCKS[0], True, _BLOCKS[1])


class Operator(NamedTuple):
    """What is made of one, and of what: numbers of tensors, -1 for an input that is left out."""

    kind: str
    options: Any  # one of the schema's many tables
    inputs: list[int]
    outputs: list[int]


def as_keras(file: bytes) -> KerasModel:
    """The model, for batches of any size; not verified.

    Weights have the names of the file's tensors, so that exclusions find them.

    Args:
        file: a float .tflite file.

    Raises:
        UserError: an operator has no counterpart; one line that names it and follows "it can't be trained: ".
        Exception: the file is damaged; whatever reading it stumbles over.
    """
    keras3_activations.register()
    return _Graph(file).model()


def interpreter(file: bytes, *, keep_all: bool = False) -> Interpreter:
    """LiteRT's own kernels for the file, ready to be invoked.

    Raises:
        UserError: it refuses the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that keeping all tensors takes memory: that of one sample
            runtime = Interpreter(
                model_content=file,
                num_threads=1,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=keep_all,
            )
        runtime.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise UserError(f"LiteRT refuses the file: {one_line(error)}") from error
    return runtime


class _Graph:
    """The file's main graph on its way to a model."""

    def __init__(self, file: bytes) -> None:
        self._file = file
        self._model = opened(file)
        self._graph = self._model.subgraphs[0]
        self._operators = [self._operator(each) for each in self._graph.operators]
        self._tensors: dict[int, KerasTensor] = {}
        self._shared: dict[str, Layer] = {}
        self._names = set[str]()

    def model(self) -> KerasModel:
        import tf_keras

        of_shapes = self._of_shapes()
        pending = [each for each in self._operators if not of_shapes.issuperset(each.outputs)]
        unknown = [each.kind for each in pending if each.kind not in (*LAYERS, *_BLOCKS)]
        if unknown:
            raise UserError(f"its operator {unknown[0]} has no Keras layer here")
        shapes = self._shapes()
        pending = self._dilated(pending, shapes)
        entries, exits = (list(map(int, each)) for each in (self._graph.inputs, self._graph.outputs))
        for entry in entries:
            facts = tensor_facts(self._graph.tensors[entry])
            name = self._name(facts["name"])
            self._tensors[entry] = tf_keras.Input(shapes[entry][1:], dtype=facts["dtype"], name=name)
        last = max((place for place, each in enumerate(pending) if each.kind in WEIGHTED), default=0)
        for place, operator in enumerate(pending):
            self._tensors[operator.outputs[0]] = self._made(operator, shapes[operator.outputs[0]], inner=place < last)
        return tf_keras.Model([self._tensors[each] for each in entries], [self._tensors[each] for each in exits])

    def _operator(self, operator: schema.OperatorT) -> Operator:
        inputs, outputs = (
            [] if ends is None else [int(end) for end in ends] for ends in (operator.inputs, operator.outputs)
        )
        return Operator(kind(self._model, operator), operator.builtinOptions, inputs, outputs)

    def _of_shapes(self) -> set[int]:
        """Tensors that follow from the shapes of others: of those Keras takes care itself."""
        made = set[int]()
        for operator in self._operators:
            taken = [index for index in operator.inputs if index >= 0 and self._constant(index) is None]
            if operator.kind == "SHAPE" or (taken and made.issuperset(taken)):
                made.update(operator.outputs)
        return made

    def _shapes(self) -> dict[int, tuple[int, ...]]:
        """Of all tensors for a batch of 1, as they come out when the file is run: not all are in it."""
        runtime = interpreter(self._file, keep_all=True)
        entry = runtime.get_input_details()[0]
        runtime.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
        runtime.invoke()
        return {row["index"]: tuple(int(size) for size in row["shape"]) for row in runtime.get_tensor_details()}

    def _dilated(self, operators: list[Operator], shapes: dict[int, tuple[int, ...]]) -> list[Operator]:
        """The operators, each convolution that lies between _BLOCKS as the dilated one that the three of them are.

        Raises:
            UserError: there is something else between them.
        """
        makers = {each.outputs[0]: each for each in operators}
        takers = {each.inputs[0]: each for each in operators}
        merged = []
        between = 0
        for operator in operators:
            before, behind = makers.get(operator.inputs[0]), takers.get(operator.outputs[0])
            if before and behind and (before.kind, operator.kind in _CONVOLUTIONS, behind.kind) == _DILATED:
                same = shapes[before.inputs[0]][1:3] == shapes[behind.outputs[0]][1:3]
                options = copy(operator.options)
                options.padding = schema.Padding.SAME if same else schema.Padding.VALID
                blocks = self._constant(before.inputs[1])
                options.dilationHFactor, options.dilationWFactor = [] if blocks is None else blocks.tolist()
                inputs = [before.inputs[0], *operator.inputs[1:]]
                merged.append(Operator(operator.kind, options, inputs, behind.outputs))
                between += 1
            elif operator.kind not in _BLOCKS:
                merged.append(operator)
        if len(operators) - len(merged) != 2 * between:
            raise UserError(f"its operator {_BLOCKS[0]} has no Keras layer here (other than around a convolution)")
        return merged

    def _made(self, operator: Operator, shape: tuple[int, ...], *, inner: bool) -> KerasTensor:
        """What an operator gives, by the layer that is made of it."""
        facts = tensor_facts(self._graph.tensors[operator.outputs[0]])
        call = Call(
            operator.kind,
            operator.options,
            tuple(self._input(index) for index in operator.inputs),
            shape,
            facts["dtype"],
            inner,
            lambda *arguments, **config: self._layer(operator, *arguments, **config),
        )
        try:
            made = LAYERS[operator.kind](call)
        except UserError:
            raise
        except Exception as error:  # Keras has no end of errors for what it does not like
            raise call.refused(one_line(error, 100)) from error
        if tuple(made.shape[1:]) not in (shape[1:], shape):  # the latter where samples and positions are one axis
            raise call.refused(f"of shape {shape}")
        return made

    def _input(self, index: int) -> KerasTensor | Array | None:
        if index < 0:
            return None
        values = self._constant(index)
        return self._tensors.get(index) if values is None else values

    def _constant(self, index: int) -> Array | None:
        tensor = self._graph.tensors[index]
        data = constant(self._file, self._model, tensor)
        facts = tensor_facts(tensor)
        if data is None or facts["dtype"] not in _CONSTANTS or tensor.sparsity is not None:
            return None
        return data.view(facts["dtype"]).reshape(facts["shape"])

    def _layer(self, operator: Operator, kind: str, weights: Sequence[Array] = (), /, **config: object) -> Layer:
        """Makes a layer; where another operator has the same weights and settings, it is that one's."""
        constants = [index for index in operator.inputs if index >= 0 and self._constant(index) is not None]
        sharing = f"{kind} {config} {constants}"
        if weights and sharing in self._shared:
            return self._shared[sharing]
        tensor = next(filter(self._is_weight, operator.inputs)) if weights else operator.outputs[0]
        name = tensor_facts(self._graph.tensors[tensor])["name"]
        name = self._name(f"{name}/normalization" if kind == "BatchNormalization" else name)
        layer = _class(kind)(name=name, **config)

        def call(inputs: KerasTensor | Sequence[KerasTensor]) -> KerasTensor:
            made: KerasTensor = layer(inputs)
            if weights:
                layer.set_weights(weights)
            return made

        if weights:
            self._shared[sharing] = call
        return call

    def _is_weight(self, index: int) -> bool:
        return index >= 0 and (values := self._constant(index)) is not None and values.dtype == np.float32

    def _name(self, tensor: str) -> str:
        """A layer's name from a tensor's, of the same components, that no other has."""
        name = _UNNAMABLE.sub("_", tensor.replace(";", "/")).strip("/_-") or "layer"
        numbered = (f"{name}_{number}" for number in range(1, len(self._names) + 1))
        unique = next(each for each in (name, *numbered) if each not in self._names)
        self._names.add(unique)
        return unique


def _class(kind: str) -> KerasObject:
    import tf_keras

    from autotune.model.tflite_operation import Operation

    return Operation if kind == "Operation" else getattr(tf_keras.layers, kind)
