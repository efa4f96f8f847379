"""Keras 3 models as tf_keras (Keras 2) ones, which is what TFMOT works on.

The config is rewritten, the weights are copied layer by layer, and the outcome is
held against the original on random inputs before anything is done with it.
"""

from typing import Any

import numpy as np

from autotune.errors import UserError

TOLERANCE = 1e-4
"""Largest difference of outputs, relative to their largest magnitude: float32 rounding."""

_DROPPED = frozenset({"optional", "quantization_config", "synchronized_", "input_axes", "output_axes"})
"""Config keys of Keras 3 that Keras 2 does not know and that do not change what is computed."""


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
    config = _rewrite(model.get_config())
    try:
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
    if "inbound_nodes" in node:
        return _layer(node)
    if "class_name" in node and "config" in node:
        return {"class_name": node["class_name"], "config": _rewrite(node["config"])}
    return {
        ("batch_input_shape" if key == "batch_shape" else key): _rewrite(value)
        for key, value in node.items()
        if key not in _DROPPED
    }


def _layer(node: dict[str, Any]) -> dict[str, Any]:
    """A layer of a Functional model with its calls."""
    return {
        "class_name": node["class_name"],
        "config": _rewrite(node["config"]),
        "name": node["name"],
        "inbound_nodes": [_call(call) for call in node["inbound_nodes"]],
    }


def _call(call: dict[str, Any]) -> list[Any]:
    """One call of a layer: [[layer, node, tensor, keyword arguments], …] as Keras 2 has it."""
    keywords = {key: value for key, value in call["kwargs"].items() if value is not None}
    keywords.pop("training", None) if keywords.get("training") is None else None
    histories: list[Any] = []
    _collect(call["args"], histories)
    if not histories:
        _collect(keywords, histories)
        keywords = {}
    return [[*history, keywords] for history in histories]


def _collect(node: Any, into: list[Any]) -> None:
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            into.append(list(node["config"]["keras_history"]))
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
