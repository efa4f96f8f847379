"""What there is to know of a tf_keras model."""

from collections.abc import Iterator

from autotune.model.keras_types import KerasLayer, KerasModel
from autotune.task.model_facts import ModelFacts
from autotune.tflite.activation import Activation, activation


def facts(model: KerasModel) -> ModelFacts:
    """What a tf_keras model tells by itself: all but what it was compiled with."""
    kernels = [weight for weight in model.weights if len(weight.shape) > 1]
    return ModelFacts(
        input_shape=tuple(model.inputs[0].shape[1:]),
        output_shape=tuple(model.outputs[0].shape[1:]),
        input_dtype=model.inputs[0].dtype.name,
        output_dtype=model.outputs[0].dtype.name,
        layers=tuple(layer.name for layer in layers_of(model) if layer.weights),
        parameters=int(model.count_params()),
        largest_layer=max((weight.shape.num_elements() for weight in kernels), default=0),
        activation=last_activation(model),
    )


def layers_of(model: KerasModel) -> Iterator[KerasLayer]:
    """Its layers, those of nested models in their place."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers_of(layer)
        else:
            yield layer


def last_activation(model: KerasModel) -> Activation:
    """What the values of a tf_keras model's output are, by its graph: whichever layers, nested or not, made it."""
    import tensorflow as tf

    entry = model.inputs[0]
    call = tf.function(lambda x: model(x, training=False))
    graph = call.get_concrete_function(tf.TensorSpec(entry.shape, entry.dtype))

    def made_by(name: str) -> tuple[str, list[str]]:
        operator = graph.graph.get_tensor_by_name(name).op
        inputs = [each.name for each in operator.inputs if each.op.type != "Const"]  # not shapes, axes, indices
        return operator.type, inputs

    return activation(graph.outputs[0].name, made_by)
