"""Which channels of a model hang together: cut in one layer, they must be cut in the others too.

Fang et al., DepGraph, arXiv:2301.12900, name the problem. Here each channel that a layer makes gets a label, which
goes with it through the model; where two channels meet in an addition, their labels become one. What a layer takes and
gives is then a list of labels, be it concatenated, flattened or repeated, and a cut leaves out some labels everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autotune.compress.channels.graph import Call, calls
from autotune.compress.channels.kinds import DEPTHWISE, MERGING, RESHAPING, WIDTHS, kind_of, mixes, obstacle
from autotune.errors import Infeasible
from autotune.model.keras_types import KerasModel
from autotune.tflite.flatbuffer import named

Labels = NDArray[np.int64]
"""Of a tensor's last axis (channels,): equal ones are cut together."""

LEAST_WIDTH = 2
"""Channels that a group has to have for some of them to be cut."""


@dataclass(frozen=True)
class Group:
    """Channels that are cut together, wherever they are.

    Attributes:
        name: of the first layer that makes them.
        layers: names of all layers that make them.
        labels: of the channels (width,), in the order of the first layer's.
    """

    name: str
    layers: tuple[str, ...]
    labels: Labels

    @property
    def width(self) -> int:
        """Number of its channels."""
        return len(self.labels)

    def numbers(self, labels: Labels) -> NDArray[np.int64]:
        """Which of its channels have these labels (channels,), -1 where none has."""
        order = {int(label): number for number, label in enumerate(self.labels)}
        return np.array([order.get(int(label), -1) for label in labels], np.int64)


@dataclass(frozen=True)
class Groups:
    """The channels of a model.

    Attributes:
        model: that they are of.
        exits: id() of each of its outputs.
        calls: of the model's layers, in order.
        labels: by a tensor's id() those of its channels.
        groups: that can be cut, in the order of the model.
        left: by the name of a layer whose channels can't be cut, why not.
    """

    model: KerasModel
    exits: tuple[int, ...]
    calls: list[Call]
    labels: Mapping[int, Labels]
    groups: tuple[Group, ...]
    left: Mapping[str, str]

    def taken(self, call: Call) -> Labels:
        """Labels of what a call takes first."""
        return self.labels[call.inputs[0]]

    def made(self, call: Call) -> Labels:
        """Labels of what a call gives."""
        return self.labels[call.outputs[0]]

    @cached_property
    def of_label(self) -> dict[int, Group]:
        """By a label the group that it is of; none where it can't be cut."""
        return {int(label): group for group in self.groups for label in group.labels}

    def removed(self, keep: Mapping[str, Sequence[int]]) -> Labels:
        """The labels of the channels that go.

        Args:
            keep: by a group's name the numbers of the channels that stay; of other groups all do.

        Raises:
            Infeasible: there is no such group, or no such channel, or none would stay.
        """
        by_name = {group.name: group for group in self.groups}
        labels = [np.empty(0, np.int64)]
        for name, stays in keep.items():
            if name not in by_name:
                reason = self.left.get(name, "there is no such layer, or it goes with one of another name")
                raise Infeasible(f"channels of layer {name!r} can't be cut: {reason}")
            if not stays or not set(stays) <= set(range(by_name[name].width)):
                raise Infeasible(f"layer {name!r} has {by_name[name].width} channels; {list(stays)} can't stay")
            labels.append(np.delete(by_name[name].labels, list(stays)))
        return np.concatenate(labels)


def groups_of(model: KerasModel, excluded: Iterable[str] = ()) -> Groups:
    """Finds the groups of a model.

    The model's inputs and outputs, and what is behind a layer through which channels can't be followed, are left.

    Args:
        model: a tf_keras model without nested ones, see flat.flattened().
        excluded: names of layers whose channels all stay, or patterns of them.
    """
    names = tuple(excluded)
    trace = _Trace()
    for tensor in model.inputs:
        trace.tensors[id(tensor)] = trace.blocked(tensor.shape[-1], "it is the model's input")
    order = calls(model)
    for call in order:
        trace.follow(call)
        if named(call.layer.name, names):
            trace.block([trace.tensors[each] for each in (*call.inputs, *call.outputs)], "it is excluded")
    trace.block([trace.tensors[id(tensor)] for tensor in model.outputs], "it is the model's output", first=True)
    groups, left = _grouped(order, trace)
    labels = {tensor: trace.roots(each) for tensor, each in trace.tensors.items()}
    return Groups(model, tuple(map(id, model.outputs)), order, labels, groups, left)


class _Trace:
    """Labels that become equal (a union-find forest), and why some must stay."""

    def __init__(self) -> None:
        self.tensors: dict[int, Labels] = {}
        self._parents: list[int] = []
        self._reasons: dict[int, str] = {}
        self._made: dict[int, list[Labels]] = {}  # by the id() of a layer those of which it holds the number

    def root(self, label: int) -> int:
        while self._parents[label] != label:
            self._parents[label] = label = self._parents[self._parents[label]]
        return label

    def roots(self, labels: Labels) -> Labels:
        return np.array([self.root(int(label)) for label in labels], np.int64)

    def reason(self, labels: Labels) -> str | None:
        """Why one of these must stay, None where all may go."""
        return next((self._reasons[root] for root in self.roots(labels).tolist() if root in self._reasons), None)

    def new(self, count: int) -> Labels:
        labels = np.arange(len(self._parents), len(self._parents) + count)
        self._parents += labels.tolist()
        return labels

    def blocked(self, count: int, reason: str) -> Labels:
        labels = self.new(count)
        self.block([labels], reason)
        return labels

    def block(self, tensors: Iterable[Labels], reason: str, *, first: bool = False) -> None:
        """Labels must stay; an earlier reason stands, unless this one comes first."""
        for labels in tensors:
            for root in self.roots(labels).tolist():
                self._reasons[root] = reason if first else self._reasons.get(root, reason)

    def join(self, some: Labels, others: Labels) -> None:
        for label, other in zip(some.tolist(), others.tolist(), strict=True):
            root, goes = self.root(label), self.root(other)
            if root != goes:
                self._parents[goes] = root
                if goes in self._reasons:
                    self._reasons.setdefault(root, self._reasons.pop(goes))

    def follow(self, call: Call) -> None:
        """Labels what a call gives; a layer that is called once more takes and gives what it did before."""
        inputs = [self.tensors[each] for each in call.inputs]
        reason = obstacle(call)
        labels = None if reason else self._passed(call, inputs)
        if labels is None:
            reason = reason or f"channels can't be followed through layer {call.layer.name!r} ({call.kind})"
            self.block(inputs, reason)
            for output, shape in zip(call.outputs, call.output_shapes, strict=True):
                self.tensors[output] = self.blocked(shape[-1] if shape else 1, reason)
            return
        widths = [*inputs, labels] if call.layer.weights else [labels] if _holds_width(call) else []
        for some, others in zip(self._made.setdefault(id(call.layer), widths), widths, strict=True):
            self.join(some, others)
        self.tensors[call.outputs[0]] = labels
        if mixing := mixes(call):
            self.block([labels], mixing)

    def _passed(self, call: Call, inputs: list[Labels]) -> Labels | None:
        """Labels of the output; None where they don't follow from those of the inputs."""
        kind = kind_of(call)
        width = call.output_shape[-1] if call.output_shape else 0
        if kind in WIDTHS:
            return self.new(width)
        if kind in DEPTHWISE:
            return np.repeat(inputs[0], width // len(inputs[0]))
        if kind in RESHAPING:
            return self._reshaped(inputs[0], width)
        if kind == "Concatenate":
            last = call.layer.axis in (-1, len(call.output_shape))
            return np.concatenate(inputs) if last else self._merged(inputs, width)
        if kind in MERGING:
            return self._merged(inputs, width)
        return inputs[0] if len(inputs[0]) == width else None

    def _merged(self, inputs: list[Labels], width: int) -> Labels | None:
        """What has one channel alone is the same for all of the others."""
        whole = [labels for labels in inputs if len(labels) == width]
        if any(len(labels) not in (1, width) for labels in inputs):
            return None
        for labels in whole[1:]:
            self.join(whole[0], labels)
        return whole[0]

    def _reshaped(self, labels: Labels, width: int) -> Labels | None:
        """Rows become longer, of several pixels each; or shorter, so that several channels are one."""
        if width % len(labels) == 0:
            return np.tile(labels, width // len(labels))
        if len(labels) % width:
            return None
        first, *rest = np.split(labels, len(labels) // width)
        for row in rest:
            self.join(first, row)
        return first


def _holds_width(call: Call) -> bool:
    """Whether a layer without weights says how many channels it gives."""
    return call.kind == "Reshape" and call.layer.target_shape[-1] != -1


def _grouped(order: list[Call], trace: _Trace) -> tuple[tuple[Group, ...], dict[str, str]]:
    """The layers that make channels, those in one group that share a label; and why others are left."""
    layers = {call.layer.name: trace.roots(trace.tensors[call.outputs[0]]) for call in order if kind_of(call) in WIDTHS}
    order_of = {name: number for number, name in enumerate(layers)}
    parts: list[list[str]] = []
    for name, labels in layers.items():
        near = [part for part in parts if any(np.isin(layers[other], labels).any() for other in part)]
        joined = sorted([name, *(other for part in near for other in part)], key=order_of.__getitem__)
        parts = [*(part for part in parts if part not in near), joined]
    groups = []
    left: dict[str, str] = {}
    for names in sorted(parts, key=lambda part: order_of[part[0]]):
        labels = np.array(list(dict.fromkeys(label for name in names for label in layers[name].tolist())), np.int64)
        reason = trace.reason(labels)
        if reason is None and len(labels) < LEAST_WIDTH:
            reason = "it has one channel alone"
        if reason is None:
            groups.append(Group(names[0], tuple(names), labels))
        else:
            left |= dict.fromkeys(names, reason)
    return tuple(groups), left
