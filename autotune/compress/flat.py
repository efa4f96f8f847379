"""A Keras model without nested models, and activations with weights, in its layers: all in a place of their own."""

from autotune.model.keras_facts import fresh_inputs
from autotune.model.keras_types import KerasLayer, KerasModel, KerasTensor

_Copies = dict[int, tuple[KerasLayer, KerasLayer]]
"""By a layer's id() the layer and its copy."""


def flattened(model: KerasModel, *, functions: bool = False) -> KerasModel:
    """The model with the layers of nested models in their place, each called as the nested model calls it; and what is
    the activation of a layer and has weights, as a PReLU, as a layer behind it.

    TFMOT quantizes the layers of a model itself alone, and leaves those of nested ones float.

    Args:
        model: a tf_keras model.
        functions: whether functions of TensorFlow that make other values become layers, too, see functions.py.

    Returns:
        The model itself where it has nothing of that; else one of copies of its layers, with the same weights. Where
        two layers have one name, the second gets a number.
    """
    import tf_keras

    from autotune.compress.functions import computes

    if not any(
        _is_nested(layer) or learned_activation(layer) or (functions and computes(layer)) for layer in model.layers
    ):
        return model
    entries = fresh_inputs(model)
    copies: _Copies = {}
    flat = tf_keras.Model(entries, _called(model, entries, copies, functions=functions), name=model.name)
    for layer, copy in copies.values():
        copy.set_weights(layer.get_weights()[: len(copy.weights)])  # those of its activation come last
        if hasattr(copy, "finalize_state"):  # as translate.py
            copy.finalize_state()
    return flat


def learned_activation(layer: KerasLayer) -> KerasLayer | None:
    """The activation of a layer, where that has weights."""
    activation = getattr(layer, "activation", None)
    return activation if getattr(activation, "weights", None) else None


def _is_nested(layer: KerasLayer) -> bool:
    """Whether this layer is a model of layers; subclassed ones can be called alone."""
    return bool(getattr(layer, "_is_graph_network", False))  # public in no form


def _called(model: KerasModel, inputs: list[KerasTensor], copies: _Copies, *, functions: bool) -> list[KerasTensor]:
    """What a model gives for these inputs, by copies of its layers; a layer that is called twice has one copy."""
    import tensorflow as tf

    from autotune.compress.functions import as_layer, computes, is_symbolic

    made = dict(zip(map(id, model.inputs), inputs, strict=True))

    def here(value: KerasTensor) -> KerasTensor:
        return made.get(id(value), value)

    for depth in sorted(model._nodes_by_depth, reverse=True):  # public in no form
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arguments, options = tf.nest.map_structure(here, (node.call_args, node.call_kwargs))
            if _is_nested(node.layer):
                outputs = _called(node.layer, tf.nest.flatten(arguments), copies, functions=functions)
            elif functions and computes(node.layer) and (layer := as_layer(node, _name(node.layer, copies))):
                copies[id(layer)] = (layer, layer)
                tensors = list(filter(is_symbolic, tf.nest.flatten((arguments, options))))
                outputs = layer(tensors if tensors[1:] else tensors[0])
            else:
                outputs = _copy(node.layer, copies)(*arguments, **options)
                if activation := learned_activation(node.layer):
                    outputs = _copy(activation, copies)(outputs)
            made |= zip(map(id, tf.nest.flatten(node.outputs)), tf.nest.flatten(outputs), strict=True)
    return [made[id(tensor)] for tensor in model.outputs]


def _copy(layer: KerasLayer, copies: _Copies) -> KerasLayer:
    if id(layer) not in copies:
        config = {**layer.get_config(), "name": _name(layer, copies)}
        if learned_activation(layer):
            config["activation"] = None
        copies[id(layer)] = (layer, type(layer).from_config(config))
    return copies[id(layer)][1]


def _name(layer: KerasLayer, copies: _Copies) -> str:
    """A layer's name, with a number where a copy has it."""
    taken = {copy.name for _, copy in copies.values()}
    numbered = (f"{layer.name}_{number}" for number in range(1, len(taken) + 1))
    return layer.name if layer.name not in taken else next(each for each in numbered if each not in taken)
