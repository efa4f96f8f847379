"""Keras 3's layers one by one: what tf_keras (Keras 2) has in their place."""

import inspect
from copy import deepcopy

from autotune.model.keras3_activations import NAMES
from autotune.model.keras_types import KerasConfig

MODELS = ("Sequential", "Functional")

_RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}
_ADDED = {"MultiHeadAttention": {"query_shape": None, "key_shape": None, "value_shape": None}}
"""Options that tf_keras wants and Keras 3 has not."""
_WITHOUT_EFFECT = frozenset({"seed", "value_range", "use_cudnn", "flash_attention"})
"""Options that change no output at inference, whatever they are."""
_IN_KEYWORDS = frozenset({"name", "trainable", "dtype", "batch_input_shape", "zero_output_for_mask"})
"""Options that tf_keras's layers take without listing them."""
_MERGES = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
"""keras.ops functions of two tensors that are layers too."""
_ACTIVATIONS = {"Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "Silu": "silu"}
"""keras.ops functions of one tensor that are activations too."""


def layer(kind: str, config: KerasConfig) -> KerasConfig:
    """One layer, held against tf_keras's constructor.

    Args:
        kind: its class, of keras.layers.
        config: with what is nested in it in tf_keras's form already.

    Raises:
        ValueError: there is no such layer, or it has an option that can't be kept.
    """
    import tf_keras

    label = f"layer {config.get('name')!r} ({kind})"
    if not hasattr(tf_keras.layers, kind) and _augments(kind):
        return {"class_name": "Activation", "config": {"name": config["name"], "activation": "linear"}}
    if not hasattr(tf_keras.layers, kind) or kind == "Lambda":
        raise ValueError(f"{label} is not known there")
    renamed = _RENAMED.get(kind, {})
    config = {renamed.get(key, key): value for key, value in config.items()}
    for key in ("activation", "recurrent_activation"):
        if isinstance(config.get(key), str):
            config[key] = NAMES.get(config[key], config[key])
    config = {**_ADDED.get(kind, {}), **_known(kind, config, label)}
    try:
        tf_keras.layers.deserialize({"class_name": kind, "config": deepcopy(config)}, use_legacy_format=True)
    except Exception as error:  # each layer has its own ways of refusing
        raise ValueError(f"{label}: {' '.join(str(error).split())[:150]}") from error
    return {"class_name": kind, "config": config}


def operation(node: KerasConfig) -> tuple[KerasConfig, bool]:
    """A call of keras.ops in a graph, as a layer.

    Returns:
        The layer, and whether it takes both arguments as one list.

    Raises:
        ValueError: no layer does the same.
    """
    kind, name = node["class_name"], node["name"]
    arguments = [*node["inbound_nodes"][0]["args"], *node["inbound_nodes"][0]["kwargs"].values()]
    number = arguments[1] if len(arguments) == 2 and isinstance(arguments[1], int | float) else None
    tensors = sum(isinstance(argument, dict) for argument in arguments)
    if kind in _MERGES and len(arguments) == tensors == 2:
        return {"class_name": kind, "config": {"name": name}}, True
    if kind in _ACTIVATIONS and len(arguments) == 1:
        return {"class_name": "Activation", "config": {"name": name, "activation": _ACTIVATIONS[kind]}}, False
    if number is not None and tensors == 1 and isinstance(arguments[0], dict):
        scaled = {
            "Multiply": (number, 0.0),
            "Divide": (1 / number if number else None, 0.0),
            "TrueDivide": (1 / number if number else None, 0.0),
            "Add": (1.0, number),
            "Subtract": (1.0, -number),
        }.get(kind)
        if scaled is not None and scaled[0] is not None:
            config = {"name": name, "scale": scaled[0], "offset": scaled[1]}
            return {"class_name": "Rescaling", "config": config}, False
    raise ValueError(f"operation {name!r} ({kind}) is not known there")


def parameters(node: KerasConfig) -> KerasConfig:
    """What the call of a layer takes, in order, with the defaults.

    Args:
        node: {"module", "class_name", …} as Keras 3 writes it.
    """
    import keras

    kind = keras.Model if node["class_name"] in MODELS else getattr(keras.layers, node["class_name"])
    if kind is keras.Model:
        return {"inputs": None, "training": None, "mask": None}
    taken = list(inspect.signature(kind.call).parameters.values())[1:]
    return {each.name: each.default for each in taken}


def _augments(kind: str) -> bool:
    """Whether a layer of Keras 3 changes images in training alone."""
    import keras

    exists = hasattr(keras.layers, kind)
    return exists and (kind.startswith("Random") or kind in ("AugMix", "CutMix", "MixUp", "RandAugment"))


def _known(kind: str, config: KerasConfig, label: str) -> KerasConfig:
    """A layer's config without the options that tf_keras's layer has not; they must be at their defaults.

    Raises:
        ValueError: one is not.
    """
    import keras
    import tf_keras

    taken = set(_IN_KEYWORDS)
    for ancestor in getattr(tf_keras.layers, kind).__mro__:
        taken |= set(inspect.signature(ancestor.__init__).parameters)
    defaults = inspect.signature(getattr(keras.layers, kind).__init__).parameters
    foreign = {key: value for key, value in config.items() if key not in taken}
    on = [
        key
        for key, value in foreign.items()
        if value
        and key not in _WITHOUT_EFFECT
        and (key, value) != ("data_format", "channels_last")
        and not (key in defaults and defaults[key].default == value)
    ]
    if on:
        raise ValueError(f"{label} has {', '.join(on)}, which is not known there")
    return {key: value for key, value in config.items() if key not in foreign}
