"""What there is to know of a tf_keras model."""

import re
from collections.abc import Iterator, Mapping, Sequence

from autotune.model.keras_types import KerasLayer, KerasModel, KerasTensor
from autotune.task.model_facts import ModelFacts, TensorSpec
from autotune.tflite.activation import Activation, activation

_NAMABLE = re.compile("[A-Za-z0-9_]+")
"""Keys that layers may be called by, and names of tensors."""


def facts(model: KerasModel) -> ModelFacts:
    """What a tf_keras model tells by itself: all but what it was compiled with."""
    kernels = [weight for weight in model.weights if len(weight.shape) > 1]
    return ModelFacts(
        inputs=specs(model.inputs, model.input_names),
        outputs=specs(model.outputs, model.output_names, activations(model)),
        layers=tuple(layer.name for layer in layers_of(model) if layer.weights),
        parameters=int(model.count_params()),
        largest_layer=max((weight.shape.num_elements() for weight in kernels), default=0),
    )


def specs(
    tensors: Sequence[KerasTensor], names: Sequence[str], activations: Sequence[Activation] = ()
) -> tuple[TensorSpec, ...]:
    """What a model takes or gives, by its tensors and their names; of outputs with what their values are."""
    each: list[Activation | None] = [*activations] or [None] * len(tensors)
    return tuple(
        TensorSpec(tuple(tensor.shape[1:]), tensor.dtype.name, name if len(tensors) > 1 else "", activation=activation)
        for tensor, name, activation in zip(tensors, names, each, strict=True)
    )


def keys(model: KerasModel, twin: KerasModel) -> dict[str, str]:
    """The keys by which a model's inputs and outputs are known to those who call it, where it takes or gives
    dictionaries: by the names of the layers that have them. A key that is another layer's name is left out, and so is
    that of a layer with several outputs.

    Args:
        model: of Keras 3 or tf_keras.
        twin: the same in tf_keras, with layers of the same names.
    """
    if not twin._is_graph_network:  # public in no form
        return {}
    config = model.get_config()
    called = dict[str, list[str]]()
    for ends, flat in (("input_layers", twin.input_names), ("output_layers", _makers(twin))):
        if isinstance(config.get(ends), dict) and len(config[ends]) == len(flat):
            for key, layer in zip(sorted(config[ends]), flat, strict=True):
                called.setdefault(layer, []).append(key)
    taken = {layer.name for layer in twin.layers}
    return {
        layer: each[0]
        for layer, each in called.items()
        if len(each) == 1 and _NAMABLE.fullmatch(each[0]) and (each[0] not in taken or each[0] == layer)
    }


def input_names(model: KerasModel) -> list[str]:
    """What those who call a model of Keras 3 or tf_keras know its inputs by, in its order: keys or names."""
    names = list(getattr(model, "input_names", None) or [tensor.name for tensor in model.inputs])
    ends = model.get_config().get("input_layers") if hasattr(model, "layers") else None
    return sorted(ends) if isinstance(ends, dict) and len(ends) == len(names) else names


def _makers(model: KerasModel) -> list[str]:
    """Names of the layers that make a tf_keras model's outputs."""
    return [tensor.node.layer.name for tensor in model.outputs]


def fresh_inputs(
    model: KerasModel, shapes: Sequence[tuple[int, ...]] | None = None, keys: Mapping[str, str] | None = None
) -> list[KerasTensor]:
    """New inputs for batches of any size, of the types that a tf_keras model has, and by default its shapes and names.

    Args:
        model: a tf_keras model.
        shapes: of a sample of each input.
        keys: names in place of the model's, as keys() gives them.
    """
    import tf_keras

    shapes = shapes or [tuple(entry.shape[1:]) for entry in model.inputs]
    return [
        tf_keras.Input(shape, dtype=entry.dtype, name=(keys or {}).get(name, name))
        for entry, name, shape in zip(model.inputs, model.input_names, shapes, strict=True)
    ]


def layers_of(model: KerasModel) -> Iterator[KerasLayer]:
    """Its layers, those of nested models in their place."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers_of(layer)
        else:
            yield layer


def activations(model: KerasModel) -> list[Activation]:
    """What the values of a tf_keras model's outputs are, by its graph: whichever layers, nested or not, made them."""
    import tensorflow as tf

    call = tf.function(lambda *x: model(x if len(x) > 1 else x[0], training=False))
    graph = call.get_concrete_function(*[tf.TensorSpec(entry.shape, entry.dtype) for entry in model.inputs])

    def made_by(name: str) -> tuple[str, list[str]]:
        operator = graph.graph.get_tensor_by_name(name).op
        inputs = [each.name for each in operator.inputs if each.op.type != "Const"]  # not shapes, axes, indices
        return operator.type, inputs

    return [activation(output.name, made_by) for output in graph.outputs]
