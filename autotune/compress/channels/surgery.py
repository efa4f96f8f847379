"""A model without some of its channels."""

from collections.abc import Iterator, Mapping

import numpy as np

from autotune.compress.channels.graph import Call
from autotune.compress.channels.groups import Groups, Labels
from autotune.compress.channels.kinds import AXES, IN, MIDDLE, OUT, WIDTHS
from autotune.model.keras_types import KerasConfig, KerasModel
from autotune.task.data import Array


def without(groups: Groups, removed: Labels, biases: Mapping[str, Array]) -> KerasModel:
    """The model without the channels of these labels: layers of the same names, with what stays of their weights.

    Args:
        groups: of the model, which is left as it is.
        removed: labels of the channels that go.
        biases: by a layer's name what is added to its bias (channels,), all of its channels as they were; a layer
            that has none gets one.
    """
    import tf_keras

    first = {call.layer.name: call for call in reversed(groups.calls)}
    configs = {name: _config(call, np.isin(groups.made(call), removed, invert=True)) for name, call in first.items()}
    for name in biases:
        configs[name]["use_bias"] = True
    copy = tf_keras.models.clone_model(
        groups.model, clone_function=lambda layer: type(layer).from_config(configs[layer.name])
    )
    for name, call in first.items():
        layer = copy.get_layer(name)
        if call.kind in AXES:
            for attribute, weight in _weights(call, groups, removed, biases.get(name)):
                getattr(layer, attribute).assign(weight)
        else:
            layer.set_weights(call.layer.get_weights())
            if hasattr(layer, "finalize_state"):  # as translate.py
                layer.finalize_state()
    return copy


def _config(call: Call, stays: Array) -> KerasConfig:
    """A layer's config with as many channels as stay."""
    config: KerasConfig = call.layer.get_config()
    if call.kind in AXES:  # an initializer may hold as many values as there were; weights are set all the same
        config |= {key: "zeros" for key in config if key.endswith("_initializer")}
    width = int(stays.sum())
    if width == len(stays):
        return config
    if call.kind == "Reshape":
        shape = tuple(config["target_shape"])
        return config if shape[-1] == -1 else {**config, "target_shape": (*shape[:-1], width)}
    return config | ({WIDTHS[call.kind]: width} if call.kind in WIDTHS else {})


def _weights(call: Call, groups: Groups, removed: Labels, bias: Array | None) -> Iterator[tuple[str, Array]]:
    """By their names what stays of a layer's weights."""
    layer = call.layer
    stays = {
        IN: np.isin(groups.taken(call), removed, invert=True),
        OUT: np.isin(groups.made(call), removed, invert=True),
    }
    for name, axes in AXES[call.kind].items():
        variable = getattr(layer, name, None)
        weight = None if variable is None else variable.numpy()
        if name == "bias" and bias is not None:
            weight = bias if weight is None else weight + bias
        if weight is None:
            continue
        for axis, role in enumerate(axes, weight.ndim - len(axes)):
            chosen = np.repeat(stays[IN], layer.depth_multiplier) if role == MIDDLE else stays.get(role or "")
            if chosen is not None and len(chosen) == weight.shape[axis]:  # a PReLU may have one value for all
                weight = np.compress(chosen, weight, axis)
        yield name, weight
