"""Keras 3 models as tf_keras (Keras 2) ones, which is what TFMOT works on.

The config is rewritten, the weights are copied layer by layer, and the outcome is
held against the original on random inputs before anything is done with it.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from autotune.errors import UserError

TOLERANCE = 1e-4
"""Largest difference of outputs, relative to their largest magnitude: float32 rounding."""

_DROPPED = frozenset({"quantization_config", "input_axes", "output_axes"})
"""What Keras 3 keeps of quantization, which is ours to do, and of initializers, which have done their work."""


def translate(model: Any) -> Any:
    """The same model in tf_keras, verified.

    Args:
        model: a Keras 3 Sequential or Functional model.

    Returns:
        A tf_keras model with equal weights.

    Raises:
        UserError: a layer has no counterpart, or outputs differ.
    """
    import tf_keras

    kind = type(model).__name__
    if kind not in ("Sequential", "Functional"):
        raise UserError(f"a {kind} model can't be translated to tf_keras: use Sequential or Functional")
    try:
        config = _rewrite(model.get_config())
        twin = getattr(tf_keras, "Sequential" if kind == "Sequential" else "Model").from_config(config)
        if not twin.built:
            twin.build(model.input_shape)
        _copy_weights(model, twin)
    except (ValueError, TypeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"the model can't be translated to tf_keras: {reason}") from error
    _verify(model, twin)
    return twin


def _rewrite(node: Any) -> Any:
    """Keras 3's form of configs in Keras 2's."""
    if isinstance(node, list | tuple):
        return [_rewrite(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("class_name") == "DTypePolicy":
        return node["config"]["name"]
    if "layers" in node and "output_layers" in node:
        return _functional(node)
    if "class_name" in node and "config" in node:
        config = _rewrite(node["config"])
        is_layer = node.get("module", "keras.layers") == "keras.layers" and "layers" not in config
        return {"class_name": node["class_name"], "config": _known(node["class_name"], config) if is_layer else config}
    return {
        ("batch_input_shape" if key == "batch_shape" else key): _rewrite(value)
        for key, value in node.items()
        if key not in _DROPPED
    }


def _functional(config: dict[str, Any]) -> dict[str, Any]:
    """A Functional model's config: its layers with their calls, its inputs and outputs."""
    kinds = {layer["name"]: layer["class_name"] for layer in config["layers"]}
    calls = {layer["name"]: len(layer["inbound_nodes"]) for layer in config["layers"]}

    # Keras 2 counts the call that made a nested model as its first. Keras 3 does so too, but
    # only of Functional ones, and only where it names the outputs.
    def inner(name: str, node: int, tensor: int) -> list[Any]:
        if node >= max(1, calls.get(name, 0)):  # Keras 2 would look for it without end
            raise ValueError(f"layer {name!r} is used in a way that can't be followed")
        return [name, node + (kinds[name] in ("Functional", "Sequential")), tensor]

    def outer(name: str, node: int, tensor: int) -> list[Any]:
        return inner(name, node - (kinds.get(name) == "Functional"), tensor)

    return {
        "name": config["name"],
        "layers": [
            _rewrite({key: layer.get(key) for key in ("module", "class_name", "config")})
            | {"name": layer["name"], "inbound_nodes": [_call(call, inner) for call in layer["inbound_nodes"]]}
            for layer in config["layers"]
        ],
        "input_layers": _ends(config["input_layers"], inner),
        "output_layers": _ends(config["output_layers"], outer),
    }


def _ends(node: Any, history: Callable[[str, int, int], list[Any]]) -> Any:
    """The inputs or outputs of a model: one [layer, node, tensor], or a list of them."""
    if node and isinstance(node[0], str):
        return history(*node)
    return [_ends(item, history) for item in node]


def _known(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """A layer's config without the options that Keras 2's layer has not; they must be off.

    Raises:
        ValueError: there is no such layer, or an option that it has not is on.
    """
    import tf_keras

    kind = getattr(tf_keras.layers, name, None)
    if kind is None:
        raise ValueError(f"layer {config.get('name')!r} ({name}) is not known there")
    taken = {"name", "trainable", "dtype", "batch_input_shape"}
    for ancestor in kind.__mro__:
        taken |= set(inspect.signature(ancestor.__init__).parameters)
    foreign = {key: value for key, value in config.items() if key not in taken}
    on = [key for key, value in foreign.items() if value]
    if on:
        raise ValueError(f"layer {config.get('name')!r} ({name}) has {', '.join(on)}, which is not known there")
    return {key: value for key, value in config.items() if key not in foreign}


def _call(call: dict[str, Any], history: Callable[[str, int, int], list[Any]]) -> list[Any]:
    """One call of a layer: [[layer, node, tensor, keyword arguments], …] as Keras 2 has it."""
    keywords = {key: value for key, value in call["kwargs"].items() if value is not None}
    found: list[Any] = []
    _collect(call["args"], found)
    if not found:
        _collect(keywords, found)
        keywords = {}
    return [[*history(*each), keywords] for each in found]


def _collect(node: Any, into: list[Any]) -> None:
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            into.append(node["config"]["keras_history"])
        else:
            for value in node.values():
                _collect(value, into)
    elif isinstance(node, list | tuple):
        for value in node:
            _collect(value, into)


def _copy_weights(source: Any, target: Any) -> None:
    twins = {layer.name: layer for layer in target.layers}
    for layer in source.layers:
        weights = layer.get_weights()
        if weights:
            twins[layer.name].set_weights(weights)


def _verify(source: Any, target: Any) -> None:
    """Both models' outputs agree on random inputs.

    Raises:
        UserError: they do not.
    """
    random = np.random.default_rng(0)
    inputs = [
        random.normal(size=(4, *[size or 1 for size in tensor.shape[1:]])).astype(np.float32)
        for tensor in source.inputs
    ]
    fed = inputs[0] if len(inputs) == 1 else inputs
    for ours, theirs in zip(_outputs(target, fed), _outputs(source, fed), strict=True):
        gap = float(np.max(np.abs(ours - theirs)))
        if not gap <= TOLERANCE * max(1.0, float(np.max(np.abs(theirs)))):
            raise UserError(f"the model translated to tf_keras computes something else (outputs differ by {gap:.2g})")


def _outputs(model: Any, fed: Any) -> list[Any]:
    outputs = model(fed, training=False)
    return [np.asarray(output) for output in (outputs if isinstance(outputs, list | tuple) else [outputs])]
