"""Multiply-accumulates of a model by the widths of its groups of channels."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import TypedDict

from autotune.compress.channels.graph import Call
from autotune.compress.channels.groups import Groups, Labels
from autotune.compress.channels.kinds import AXES, DEPTHWISE, WIDTHS

FIXED = ""
"""In a term's factors, in place of a group's name: channels that can't be cut."""


class Term(TypedDict):
    """Multiply-accumulates of a layer: a product.

    Attributes:
        layer: its name.
        macs: in one inference, of one channel that it takes for one that it gives.
        factors: for what it takes, and for what it gives, by a group's name how many channels there are for one of
            the group (more than 1 where they are flattened); and the number of those that can't be cut, by FIXED.
    """

    layer: str
    macs: int
    factors: list[dict[str, float]]


def terms(groups: Groups) -> list[Term]:
    """The products whose sum is a model's multiply-accumulates, as tflite.operators has them.

    What has weights of two axes or more, and is no convolution or dense layer, such as a recurrent one, is taken to
    multiply by each of them at each position of what it takes.
    """
    return [term for call in groups.calls for term in _terms(groups, call)]


def in_all(groups: Groups) -> int:
    """Multiply-accumulates of a model."""
    return round(total(terms(groups), {group.name: group.width for group in groups.groups}))


def _terms(groups: Groups, call: Call) -> Iterator[Term]:
    name = call.layer.name

    def term(macs: int, *channels: Labels) -> Term:
        return {"layer": name, "macs": macs, "factors": [_factor(groups, labels) for labels in channels]}

    if call.kind not in AXES:
        matrices = sum(prod(weight.shape) for weight in call.layer.weights if len(weight.shape) > 1)
        if matrices and call.kind != "Embedding":
            yield {"layer": name, "macs": matrices * prod(call.shapes[0][:-1]), "factors": []}
        return
    taken, made = groups.taken(call), groups.made(call)
    positions = prod(call.output_shape[:-1])
    if call.kind == "Dense":
        yield term(positions, taken, made)
    elif call.kind in DEPTHWISE:
        yield term(positions * prod(call.layer.kernel_size), made)
    elif call.kind.startswith("Separable"):
        kernel = prod(call.layer.kernel_size) * call.layer.depth_multiplier
        yield term(positions * kernel, taken)
        yield term(positions * call.layer.depth_multiplier, taken, made)
    elif call.kind in WIDTHS:
        if call.kind.endswith("Transpose"):
            positions = prod(call.shapes[0][:-1])
        yield term(positions * prod(call.layer.kernel_size), taken[: len(taken) // call.layer.groups], made)


def _factor(groups: Groups, labels: Labels) -> dict[str, float]:
    fixed, counts = 0, Counter[str]()
    widths = {}
    for label in labels.tolist():
        group = groups.of_label.get(label)
        if group is None:
            fixed += 1
        else:
            counts[group.name] += 1
            widths[group.name] = group.width
    factor = {name: count / widths[name] for name, count in counts.items()}
    return ({FIXED: float(fixed)} if fixed else {}) | factor


def total(parts: Iterable[Term], widths: Mapping[str, int]) -> float:
    """Multiply-accumulates of some terms.

    Args:
        parts: of a model.
        widths: of each of its groups.
    """

    def channels(factor: Mapping[str, float]) -> float:
        return sum(count * (widths[name] if name else 1) for name, count in factor.items())

    return sum(term["macs"] * prod(map(channels, term["factors"])) for term in parts)
