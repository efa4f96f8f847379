"""A flat Keras model as the calls of its layers, which can be run one by one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from autotune.model.keras_types import KerasLayer, KerasModel, KerasObject, KerasTensor
from autotune.task.data import Array
from autotune.task.data.fields import parts

Values = dict[int, KerasTensor]
"""What tensors of a model hold, by the symbolic tensor's id()."""


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        layer: that is called.
        inputs: id() of the symbolic tensors that it takes.
        outputs: likewise, that it gives.
        shapes: of the inputs, without the batch.
        output_shapes: likewise, of its outputs.
        constants: arguments that are no tensors of the model.
    """

    layer: KerasLayer
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    constants: tuple[object, ...]
    _node: KerasObject

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of its first output, without the batch."""
        return self.output_shapes[0]

    @property
    def kind(self) -> str:
        """The class of its layer."""
        return type(self.layer).__name__

    def of(self, model: KerasModel) -> "Call":
        """The call of the layer of the same name in another model, in this one's place."""
        return replace(self, layer=model.get_layer(self.layer.name))

    def run(self, values: Values, between: Callable[[KerasTensor], KerasTensor] | None = None) -> None:
        """Adds what the call gives, as in inference, to the values of its inputs.

        Args:
            values: of its inputs, by their id().
            between: what is done with what a layer gives before its activation.
        """
        import tensorflow as tf

        if between is not None:
            activation = self.layer.activation
            self.layer.activation = lambda sums: activation(between(sums))
            try:
                self.run(values)
            finally:
                self.layer.activation = activation
            return

        arguments, options = tf.nest.map_structure(
            lambda part: values.get(id(part), part), (self._node.call_args, self._node.call_kwargs)
        )
        outputs = self.layer(*arguments, **options)
        values.update(zip(self.outputs, tf.nest.flatten(outputs), strict=True))

    def sums(self, values: Values) -> KerasTensor:
        """What its layer gives before the activation; what it gives behind is added to the values of its inputs."""
        seen: Values = {}
        self.run(values, lambda sums: seen.setdefault(0, sums))
        return seen[0]


def calls(model: KerasModel) -> list[Call]:
    """The calls of a model's layers, each behind those whose outputs it takes.

    Args:
        model: a tf_keras model without nested ones, see flat.flattened().
    """
    depths = sorted(model._nodes_by_depth, reverse=True)  # public in no form
    nodes = [node for depth in depths for node in model._nodes_by_depth[depth] if not node.is_input]
    return [_call(node) for node in nodes]


def _call(node: KerasObject) -> Call:
    import tensorflow as tf

    inputs, outputs = tf.nest.flatten(node.keras_inputs), tf.nest.flatten(node.outputs)
    taken = {id(tensor) for tensor in inputs}
    arguments = tf.nest.flatten((node.call_args, node.call_kwargs))
    return Call(
        node.layer,
        tuple(map(id, inputs)),
        tuple(map(id, outputs)),
        tuple(tuple(tensor.shape[1:]) for tensor in inputs),
        tuple(tuple(tensor.shape[1:]) for tensor in outputs),
        tuple(each for each in arguments if each is not None and id(each) not in taken),
        node,
    )


def entered(entries: Sequence[KerasTensor], x: Array) -> Values:
    """The values of a model's inputs, of their types, by their id()s.

    Args:
        entries: the inputs, in the model's order.
        x: samples (n, *input shape), of several inputs a field for each in that order.
    """
    import tensorflow as tf

    values = parts(x).values()
    return {id(entry): tf.cast(tf.constant(each), entry.dtype) for entry, each in zip(entries, values, strict=True)}


def last_uses(order: Iterable[Call]) -> Mapping[int, int]:
    """By each tensor's id() the number of the last call that takes it: behind it, its values may go."""
    return {tensor: number for number, call in enumerate(order) for tensor in call.inputs}
