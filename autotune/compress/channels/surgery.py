"""A model without some of its channels."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from autotune.compress.channels.graph import Call
from autotune.compress.channels.groups import Groups, Labels, groups_of
from autotune.compress.channels.kinds import AXES, IN, MIDDLE, OUT, WIDTHS
from autotune.model.keras_types import KerasConfig, KerasLayer, KerasModel
from autotune.task.data import Array


def cut(model: KerasModel, keep: Mapping[str, Sequence[int]], excluded: Iterable[str] = ()) -> KerasModel:
    """The model with these channels of its groups, and all of the others.

    Args:
        model: a tf_keras model without nested ones, see flat.flattened(); it is left as it is.
        keep: by a group's name the numbers of its channels that stay.
        excluded: as groups_of() takes it.

    Raises:
        Infeasible: there is no such group or channel, or none would stay.
    """
    groups = groups_of(model, excluded)
    return without(model, groups, groups.removed(keep))


def without(
    model: KerasModel,
    groups: Groups,
    removed: Labels,
    biases: Mapping[str, Array] | None = None,
) -> KerasModel:
    """The model without the channels of these labels: layers of the same names, with what stays of their weights.

    Args:
        model: a tf_keras model.
        groups: of it.
        removed: labels of the channels that go.
        biases: by a layer's name what is added to its bias (channels,), all of its channels as they were; a layer
            that has none gets one.
    """
    import tf_keras

    first = {id(call.layer): call for call in reversed(groups.calls)}

    def smaller(layer: KerasLayer) -> KerasLayer:
        config = layer.get_config()
        if id(layer) in first:
            config |= _changes(first[id(layer)], config, np.isin(groups.made(first[id(layer)]), removed, invert=True))
        if biases and layer.name in biases:
            config["use_bias"] = True
        return type(layer).from_config(config)

    copy = tf_keras.models.clone_model(model, clone_function=smaller)
    for call in first.values():
        target = copy.get_layer(call.layer.name)
        if call.kind in AXES:
            _set_weights(target, call, groups, removed, (biases or {}).get(call.layer.name))
        else:
            target.set_weights(call.layer.get_weights())
            if hasattr(target, "finalize_state"):  # as translate.py
                target.finalize_state()
    return copy


def _changes(call: Call, config: KerasConfig, stays: Array) -> KerasConfig:
    """What of a layer's config says how many channels it has."""
    width = int(stays.sum())
    if width == len(stays):
        return {}
    if call.kind == "Reshape":
        shape = tuple(config["target_shape"])
        return {} if shape[-1] == -1 else {"target_shape": (*shape[:-1], width)}
    # An initializer may hold as many values as there were channels; weights are set all the same.
    zeros = {key: "zeros" for key in config if key.endswith("_initializer")}
    return zeros | ({WIDTHS[call.kind]: width} if call.kind in WIDTHS else {})


def _set_weights(target: KerasLayer, call: Call, groups: Groups, removed: Labels, bias: Array | None) -> None:
    """Gives a layer what stays of the weights of the one that it is a copy of."""
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
        getattr(target, name).assign(weight)
