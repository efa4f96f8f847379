"""Keras 3 models as tf_keras (Keras 2) ones, which is what TFMOT works on.

The config is rewritten, the weights are copied layer by layer, and the outcome is
held against the original on random inputs before anything is done with it.
"""

from collections.abc import Iterator

import numpy as np

from autotune.errors import UserError, one_line
from autotune.model import keras3_activations
from autotune.model.keras3_graph import leaves, rewrite_model
from autotune.model.keras3_layers import MODELS
from autotune.model.keras_types import KerasLayer, KerasModel, KerasObject
from autotune.task.data import Array

TOLERANCE = 1e-4
"""Largest difference of outputs, relative to their largest magnitude: float32 rounding."""
ROUGH = 2e-2
"""The same for a model that computes in 16 bits, which tf_keras then does in 32."""

_INSIDE = ("layer", "forward_layer", "backward_layer", "cell")
"""Where a wrapper keeps what it wraps."""


def translate(model: KerasModel) -> KerasModel:
    """The same model in tf_keras, verified.

    Args:
        model: a Keras 3 Sequential or Functional model, of any number of inputs and outputs.

    Returns:
        A tf_keras model with equal weights; several inputs or outputs are a list, in the order of
        the model's `inputs` and `outputs`.

    Raises:
        UserError: a layer has no counterpart, or outputs differ; the message names the layer.
    """
    import tf_keras

    keras3_activations.register()
    kind = type(model).__name__
    if kind not in MODELS:
        raise UserError(f"a {kind} model can't be translated to tf_keras: use Sequential or Functional")
    try:
        config = rewrite_model(kind, model.get_config())
        twin = getattr(tf_keras, "Sequential" if kind == "Sequential" else "Model").from_config(config)
        if not twin.built:
            twin.build((None, *model.input_shape[1:]))
        _copy_weights(model, twin)
    except Exception as error:  # tf_keras has no end of errors for a config that it does not like
        reason = one_line(error)
        raise UserError(f"the model can't be translated to tf_keras: {reason}") from error
    _verify(model, twin)
    return twin


def _copy_weights(source: KerasModel, target: KerasModel) -> None:
    """Copies the weights of a layer or model, and of all that it is made of."""
    if isinstance(getattr(source, "layers", None), list):
        twins = {layer.name: layer for layer in target.layers}
        for layer in source.layers:
            if layer.weights:
                _copy_weights(layer, twins[layer.name])
        return
    parts = [name for name in _INSIDE if getattr(getattr(source, name, None), "get_weights", None)]
    for name in parts:
        _copy_weights(getattr(source, name), getattr(target, name))
    if not parts:
        try:
            target.set_weights(source.get_weights())
        except ValueError as error:
            raise ValueError(f"layer {source.name!r} ({type(source).__name__}) has other weights there") from error
        if hasattr(target, "finalize_state"):  # of preprocessing layers, which keep constants made of their weights
            target.finalize_state()


def _verify(source: KerasModel, target: KerasModel) -> None:
    """Both models' outputs agree on random inputs.

    Raises:
        UserError: they do not.
    """
    inputs = random_inputs(source)
    tolerance = TOLERANCE if all(_exact(layer) for layer in _flat(source)) else ROUGH
    gap = _gap(source, target, inputs)
    if not gap <= tolerance:
        where = _first_difference(source, target, inputs, tolerance)
        place = f", first after {where}" if where else ""
        raise UserError(
            f"the model translated to tf_keras computes something else (outputs differ by {gap:.2g}{place})"
        )


def random_inputs(model: KerasModel) -> list[Array]:
    """Four samples for each of the inputs of a model of Keras 3 or tf_keras.

    They are drawn from a normal distribution; where what comes of an input is taken as indices, from the
    valid ones. The end of the last sample is zero, which is what masks look for.
    """
    random = np.random.default_rng(0)
    limits = _limits(model)
    drawn = []
    for tensor in model.inputs:
        shape = (4, *[size or 1 for size in tensor.shape[1:]])
        dtype = getattr(tensor.dtype, "name", tensor.dtype)  # of tf_keras
        limit = limits.get(id(tensor), 256)
        whole = id(tensor) in limits or "int" in dtype
        values = random.integers(0, limit, shape) if whole else random.normal(size=shape)
        if len(shape) > 1:
            values[-1, (shape[1] + 1) // 2 :] = 0
        drawn.append(values.astype(dtype))
    return drawn


def _limits(model: KerasModel) -> dict[int, int]:
    """By the identities of a model's inputs the number of indices that all layers behind one have rows for, of those
    inputs alone that lead to a layer which takes indices.
    """
    limits = dict[int, int]()
    for layer in model.layers:
        limit = min((each for part in _flat(layer) if (each := _indices(part))), default=None)
        if limit is not None:
            pending: list[KerasObject] = [tensor for node in layer._inbound_nodes for tensor in _taken(node)]
            seen = set[int]()
            while pending:
                tensor = pending.pop()
                if id(tensor) not in seen:
                    seen.add(id(tensor))
                    maker, place = tensor._keras_history[:2]
                    pending += _taken(maker._inbound_nodes[place])
            limits |= {each: min(limit, limits.get(each, limit)) for each in seen}
    return limits


def _taken(node: KerasObject) -> list[KerasObject]:
    """The tensors that a call of a layer takes; of an input none."""
    return list(node.keras_inputs if hasattr(node, "keras_inputs") else node.input_tensors)  # tf_keras, Keras 3


def _indices(layer: KerasLayer) -> int | None:
    """How many indices a layer has a row for, None where it takes no indices."""
    name = {"Embedding": "input_dim", "CategoryEncoding": "num_tokens"}.get(type(layer).__name__)
    return getattr(layer, name) if name else None


def _flat(layer: KerasLayer) -> Iterator[KerasLayer]:
    """A model's layers, those of nested models and wrappers too."""
    yield layer
    inside = getattr(layer, "layers", None)
    for part in inside if isinstance(inside, list) else [getattr(layer, name, None) for name in _INSIDE]:
        if part is not None:
            yield from _flat(part)


def _exact(layer: KerasLayer) -> bool:
    return getattr(layer, "compute_dtype", "float32") in ("float32", "float64")


def _gap(source: KerasModel, target: KerasModel, inputs: list[Array]) -> float:
    """The largest difference of outputs, relative to their largest magnitude where that is above 1."""
    import keras

    theirs = keras.tree.flatten(source(structured(source, inputs), training=False))
    ours = target(inputs if len(inputs) > 1 else inputs[0], training=False)
    ours = ours if isinstance(ours, list | tuple) else [ours]
    gaps = []
    for left, right in zip(map(np.asarray, ours), map(np.asarray, theirs), strict=True):
        left, right = left.astype(np.float64), right.astype(np.float64)
        gaps.append(float(np.max(np.abs(left - right)) / max(1.0, float(np.max(np.abs(right))))))
    return float(np.max(gaps))  # max() would pass over NaN


def structured(model: KerasModel, inputs: list[Array]) -> Array | list[Array] | dict[str, Array]:
    """The inputs as this model takes them: a single one, a list, or a dictionary."""
    ends = model.get_config().get("input_layers")
    if isinstance(ends, dict):
        names = {history[0]: each for history, each in zip(leaves(ends), inputs, strict=True)}
        return {key: names[history[0]] for key, history in ends.items()}
    return inputs[0] if ends is None or isinstance(ends[0], str) else inputs


def _first_difference(source: KerasModel, target: KerasModel, inputs: list[Array], tolerance: float) -> str | None:
    """The layer at which the models part, None where it can't be told."""
    import keras
    import tf_keras

    twins = {layer.name: layer for layer in target.layers}
    for layer in source.layers:
        try:
            left = keras.Model(source.inputs, layer.output)
            right = tf_keras.Model(target.inputs, twins[layer.name].output)
            if not _gap(left, right, inputs) <= tolerance:
                return f"layer {layer.name!r} ({type(layer).__name__})"
        except (AttributeError, KeyError, ValueError):  # called more than once, or not there by that name
            continue
    return None
