"""One layer rounded, for the inputs that the layers before it really give."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from autotune.compress.rounding import gptq, grid
from autotune.compress.rounding.columns import Columns, Samples, columns
from autotune.compress.rounding.layers import Place, along, assign, values
from autotune.compress.rounding.moments import First, first_moments, parts, second_moments
from autotune.compress.rounding.walk import Walk

OUTPUTS = 1 << 15
"""Outputs of a layer, over all samples, whose inputs its moments are of, at most."""

BIAS_BITS = 16
"""Significant bits of a float bias beside integer weights: half of its bytes deflate away."""


@dataclass(frozen=True)
class Way:
    """How a layer is rounded.

    Attributes:
        bits: of its weights, 8 or 4; None where they stay float.
        levels: how many of 4 bits' values they may have.
        sparsity: share of weights that become zero.
        clusters: distinct weights, at most; 0 for any number.
        trained: likewise in each channel, where a training has left as few.
    """

    bits: int | None
    levels: int
    sparsity: float = 0.0
    clusters: int = 0
    trained: int = 0

    @property
    def top(self) -> int:
        """The largest step of the grid."""
        return self.levels // 2 if self.bits == 4 else 127

    @property
    def changes(self) -> bool:
        """Whether weights are to be other than they are."""
        return self.bits is not None or bool(self.sparsity or self.clusters)


@dataclass(frozen=True)
class Rounded:
    """A layer's weights and bias.

    Attributes:
        weights: in the shape and order of the file.
        bias: likewise; None where the layer has none of its own.
        scales: of its output channels, whose multiples the weights are; None where they stay float.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    scales: NDArray[np.float32] | None = None

    @classmethod
    def now(cls, model: schema.ModelT, place: Place) -> "Rounded":
        """The layer as it is."""
        return cls(values(model, place.weights), None if place.bias is None else values(model, place.bias))

    def information(self, axis: int) -> float:
        """Bits that a coder needs for the weights, which are on a grid, each by itself: their entropy (Shannon, 1948).

        Args:
            axis: of the output channels in the weights.
        """
        if self.scales is None:
            return 32.0 * self.weights.size
        steps = np.rint(self.weights / along(self.scales, axis, self.weights.ndim))
        shares = np.unique(steps, return_counts=True)[1] / steps.size
        return float(-steps.size * (shares * np.log2(shares)).sum())

    def put(self, model: schema.ModelT, place: Place) -> None:
        """Writes the layer into a model."""
        assign(model, place.weights, self.weights)
        if place.bias is not None and self.bias is not None:
            assign(model, place.bias, self.bias)


def rounded(
    model: schema.ModelT, place: Place, exact: Walk, walk: Walk, ways: Sequence[Way], seed: int
) -> list[Rounded]:
    """A layer rounded in each of these ways.

    Args:
        model: that it is of.
        place: in that.
        exact: a walk through the float model, as far as this layer.
        walk: likewise, through the one that is rounded up to here; of as many samples.
        ways: how it is rounded.
        seed: of the outputs that moments are of, and of code books.
    """
    layer = Rounded.now(model, place)
    channels = np.moveaxis(layer.weights, place.axis, 0)
    layout = columns(model, place, next(walk.values(place.x)).shape)
    weights = channels.reshape(layout.groups, -1, layout.size).astype(float)
    pairs = _Pairs(place.x, exact, walk, layout, seed)
    first = first_moments(pairs, centred=layer.bias is not None)
    grids = [_grid(weights, layer.bias, first, way, seed) for way in ways]
    new = np.empty((len(ways), *weights.shape))
    for part in parts(layout.size):
        moments, cross = second_moments(pairs, first, part)
        target, zero = gptq.fitted(weights[:, :, part], moments, cross), weights[:, :, part] == 0
        for index, (way, allowed) in enumerate(zip(ways, grids, strict=True)):
            nearest = np.asarray if allowed is None else allowed.nearest
            new[index, :, :, part] = gptq.rounded(target, moments, nearest, way.sparsity, zero)

    def finished(values: gptq.Array, way: Way, allowed: grid.Grid | None) -> Rounded:
        moved = np.einsum("grc,gc->gr", weights, first.exact) - np.einsum("grc,gc->gr", values, first.mean)
        bias = None if layer.bias is None else layer.bias + moved.ravel()
        scales = None if allowed is None or way.bits is None else allowed.scales.ravel().astype(np.float32)
        if bias is not None and scales is not None:
            bias = grid.short(bias, BIAS_BITS)
        return Rounded(
            np.moveaxis(values.reshape(channels.shape), 0, place.axis).astype(np.float32),
            None if bias is None else bias.astype(np.float32),
            scales,
        )

    return [finished(*each) for each in zip(new, ways, grids, strict=True)]


@dataclass(frozen=True)
class _Pairs:
    """As moments.Pairs."""

    tensor: int
    exact: Walk
    walk: Walk
    layout: Columns
    seed: int

    def __call__(self) -> Iterator[tuple[Samples, Samples]]:
        most = max(1, OUTPUTS // len(self.walk))
        both = zip(self.exact.values(self.tensor), self.walk.values(self.tensor), strict=True)
        for index, (exact, x) in enumerate(both):
            yield self.layout.of(exact, most, self.seed + index), self.layout.of(x, most, self.seed + index)


def _grid(weights: gptq.Array, bias: NDArray[np.float32] | None, first: First, way: Way, seed: int) -> grid.Grid | None:
    """What the weights may be; None where any value will do."""
    own = grid.own_steps(weights, way.trained) if way.trained else None
    clusters = way.clusters if way.clusters < weights.size else 0
    scales = np.ones(weights.shape[:2])
    if way.bits is not None:
        least = (
            np.zeros(scales.shape)
            if bias is None
            else grid.least_scales(bias, first.greatest, way.bits).reshape(scales.shape)
        )
        scales = grid.scales(weights, first.power, way.top, least)
    if own is not None:
        steps = own / scales[..., np.newaxis]
    elif clusters:
        importance = first.power[:, np.newaxis] * np.square(scales)[..., np.newaxis]
        units = weights / scales[..., np.newaxis]
        steps = grid.code_book(units, np.broadcast_to(importance, units.shape), clusters, way.sparsity, seed)
    elif way.bits is None:
        return None
    else:
        steps = grid.uniform(way.top)
    return grid.Grid(scales, steps if way.bits is None else np.sort(np.clip(np.rint(steps), -way.top, way.top)))
