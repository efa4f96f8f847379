"""Keras 3's models as configs that tf_keras (Keras 2) opens: which layer is called on what."""

import re
from collections.abc import Iterator
from typing import Any

from autotune.model.keras3_layers import MODELS, layer, operation, parameters
from autotune.model.keras_types import ConfigNode, KerasConfig

History = list[Any]
"""[layer, node, tensor]: which output of which call of which layer."""


_RENAMED = {"batch_shape": "batch_input_shape"}
_DROPPED = frozenset({"quantization_config", "input_axes", "output_axes"})
"""What Keras 3 keeps of quantization, which is ours to do, and of initializers, which have done their work."""


def rewrite(node: ConfigNode) -> ConfigNode:
    """Any part of a config: a model, a layer, or what their options hold.

    Raises:
        ValueError: it has something that tf_keras has not; the message names the layer.
    """
    if isinstance(node, list | tuple):
        return [rewrite(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("class_name") == "DTypePolicy":  # training in 16 bits keeps its weights in 32
        return re.sub("(mixed_)?b?float16", "float32", node["config"]["name"])
    if "class_name" in node and "config" in node:
        return _rewrite_object(node)
    return {_RENAMED.get(key, key): rewrite(value) for key, value in node.items() if key not in _DROPPED}


def rewrite_model(kind: str, config: KerasConfig) -> KerasConfig:
    """The config of a Sequential or Functional model.

    Raises:
        ValueError: as rewrite().
    """
    if kind == "Functional":
        return _Graph(config).rewritten()
    return {"name": config["name"], "layers": rewrite(config["layers"])}


def leaves(ends: ConfigNode) -> Iterator[History]:
    """The inputs or outputs of a model, in the order of its `inputs` and `outputs`.

    Args:
        ends: one [layer, node, tensor], or a list or dictionary of them.
    """
    if isinstance(ends, dict):
        for key in sorted(ends):
            yield from leaves(ends[key])
    elif ends and isinstance(ends[0], str):
        yield list(ends)
    else:
        for each in ends:
            yield from leaves(each)


def _rewrite_object(node: KerasConfig) -> KerasConfig:
    kind = node["class_name"]
    config = node["config"]
    module = str(node.get("module"))
    if kind in MODELS and module.startswith("keras"):
        return {"class_name": kind, "config": rewrite_model(kind, config)}
    if module == "keras.layers":
        return layer(kind, rewrite(config))
    if "build_config" in node or (isinstance(config, dict) and "dtype" in config):
        raise ValueError(f"layer {config.get('name')!r} ({kind}) is not known there")
    return {"class_name": kind, "config": rewrite(config)}


class _Graph:
    """A Functional model's config under way to tf_keras's form."""

    def __init__(self, config: KerasConfig) -> None:
        self._config = config
        self._members = {member["name"]: member for member in config["layers"]}

    def rewritten(self) -> KerasConfig:
        needed = self._needed()
        inputs = [self._inner(history) for history in leaves(self._config["input_layers"])]
        outputs = [self._outer(history) for history in leaves(self._config["output_layers"])]
        return {
            "name": self._config["name"],
            "layers": [self._layer(member) for name, member in self._members.items() if name in needed],
            "input_layers": inputs if len(inputs) > 1 else inputs[0],
            "output_layers": outputs if len(outputs) > 1 else outputs[0],
        }

    def _needed(self) -> set[str]:
        """The layers that outputs depend on; Keras 3 also lists the operations that make masks."""
        needed = {history[0] for history in leaves(self._config["input_layers"])}
        pending = [history[0] for history in leaves(self._config["output_layers"])]
        while pending:
            name = pending.pop()
            if name not in needed:
                needed.add(name)
                for call in self._members[name]["inbound_nodes"]:
                    values = [call["args"], {key: value for key, value in call["kwargs"].items() if not _masks(key)}]
                    pending += [history[0] for history in _tensors(values)]
        return needed

    def _layer(self, member: KerasConfig) -> KerasConfig:
        if str(member.get("module")).startswith("keras.src.ops"):
            rewritten, merges = operation(member)
            nodes = [self._operate(call, merges=merges) for call in member["inbound_nodes"]]
        else:
            rewritten = _rewrite_object(member)
            nodes = [self._call(member, call) for call in member["inbound_nodes"]]
        return rewritten | {"name": member["name"], "inbound_nodes": nodes}

    def _operate(self, call: KerasConfig, *, merges: bool) -> list[ConfigNode]:
        histories = list(_tensors([call["args"], call["kwargs"]]))
        return [[*self._inner(history), {}] for history in (histories if merges else histories[:1])]

    def _call(self, member: KerasConfig, call: KerasConfig) -> list[ConfigNode]:
        """One call of a layer: [[layer, node, tensor, keyword arguments], …] as tf_keras has it."""
        defaults = parameters(member)
        arguments = dict(zip(defaults, call["args"], strict=False)) | call["kwargs"]
        first = arguments.pop(next(iter(defaults)))
        keywords = {
            key: self._argument(value)
            for key, value in arguments.items()
            if value is not None and value != defaults.get(key) and not _masks(key)
        }
        return [[*self._inner(history), keywords] for history in _tensors(first)]

    def _argument(self, node: ConfigNode) -> ConfigNode:
        """A keyword argument, tensors in it as [layer, node, tensor]."""
        if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
            return self._inner(node["config"]["keras_history"])
        if isinstance(node, list | tuple):
            return [self._argument(item) for item in node]
        return node

    # tf_keras counts the call that made a nested model as its first. Keras 3 does so too, but
    # only of Functional ones, and only where it names the outputs.
    def _inner(self, history: History) -> History:
        name, node, tensor = history
        if node >= max(1, len(self._members[name]["inbound_nodes"])):  # tf_keras would look for it without end
            raise ValueError(f"layer {name!r} is used in a way that can't be followed")
        return [name, node + (self._members[name]["class_name"] in MODELS), tensor]

    def _outer(self, history: History) -> History:
        name, node, tensor = history
        return self._inner([name, node - (self._members[name]["class_name"] == "Functional"), tensor])


def _masks(key: str) -> bool:
    """Whether an argument is a mask that tf_keras hands on by itself."""
    return key == "mask" or (key.endswith("_mask") and key not in ("attention_mask", "use_causal_mask"))


def _tensors(node: ConfigNode) -> Iterator[History]:
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            yield node["config"]["keras_history"]
        else:
            for key in sorted(node):
                yield from _tensors(node[key])
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _tensors(item)
