"""A layer's inputs as what its weights are multiplied by: a column for each weight of an output."""

from dataclasses import dataclass
from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from autotune.compress.rounding.layers import Place

Samples = NDArray[np.float32]
Taps = NDArray[np.intp]


@dataclass(frozen=True)
class Columns:
    """How inputs of an operator become columns.

    Attributes:
        groups: of the input's channels, that go to outputs of their own.
        size: columns of a group.
        down: as taps(), along the height; None for a fully connected layer.
        across: likewise, along the width.
    """

    groups: int
    size: int
    down: Taps | None = None
    across: Taps | None = None

    def of(self, x: Samples, most: int, seed: int) -> Samples:
        """The columns for some of the outputs of a sample.

        Args:
            x: the operator's input, (batch, height, width, channels); of a fully connected layer of any shape.
            most: outputs that are taken, at most.
            seed: of which.

        Returns:
            (outputs, groups, size).
        """
        if self.down is None or self.across is None:
            rows = x.reshape(-1, 1, self.size)
            return rows[_some(len(rows), most, seed)]
        shape = len(x), len(self.down), len(self.across)
        image, row, column = np.unravel_index(_some(prod(shape), most, seed), shape)
        padded = np.zeros((len(x), x.shape[1] + 1, x.shape[2] + 1, x.shape[3]), np.float32)
        padded[:, :-1, :-1] = x
        down, across = self.down[row][:, :, np.newaxis], self.across[column][:, np.newaxis, :]
        windows = padded[image[:, np.newaxis, np.newaxis], down, across]
        grouped = windows.reshape(len(row), -1, self.groups, x.shape[-1] // self.groups)
        return np.moveaxis(grouped, 2, 1).reshape(len(row), self.groups, self.size)


def columns(model: schema.ModelT, place: Place, x: tuple[int, ...]) -> Columns:
    """How inputs of a layer become columns.

    Args:
        model: that the layer is of.
        place: of the layer.
        x: the input's shape.
    """
    graph = model.subgraphs[0]
    operator = graph.operators[place.operator]
    options = operator.builtinOptions
    weights = [int(size) for size in graph.tensors[place.weights].shape]
    if place.kind == "FULLY_CONNECTED":
        return Columns(1, weights[-1])
    channels = 1 if place.kind == "DEPTHWISE_CONV_2D" else weights[-1]
    same = options.padding == schema.Padding.SAME
    kernels, strides = weights[1:3], (options.strideH, options.strideW)
    if place.kind == "TRANSPOSE_CONV":
        y = [int(size) for size in graph.tensors[operator.outputs[0]].shape]
        down, across = (transposed_taps(x[i], y[i], kernels[i - 1], strides[i - 1], same) for i in (1, 2))
    else:
        dilations = options.dilationHFactor, options.dilationWFactor
        down, across = (taps(x[i], kernels[i - 1], strides[i - 1], dilations[i - 1], same) for i in (1, 2))
    return Columns(x[-1] // channels, kernels[0] * kernels[1] * channels, down, across)


def taps(length: int, kernel: int, stride: int, dilation: int, same: bool) -> Taps:
    """The places in a convolution's input, along one axis, that each output takes.

    Args:
        length: of the input.
        kernel: its length.
        stride: between outputs.
        dilation: between the kernel's weights.
        same: whether the input is padded so that outputs are as many as strides fit in.

    Returns:
        (outputs, kernel); the length of the input where there is padding.
    """
    reach = (kernel - 1) * dilation + 1
    outputs = -(-(length if same else length - reach + 1) // stride)
    before = max(0, (outputs - 1) * stride + reach - length) // 2 if same else 0
    places = np.arange(outputs)[:, np.newaxis] * stride + np.arange(kernel) * dilation - before
    return np.where((places >= 0) & (places < length), places, length)


def transposed_taps(length: int, outputs: int, kernel: int, stride: int, same: bool) -> Taps:
    """Likewise of a transposed convolution; the length where a weight has no part in an output, too."""
    before = max(0, (length - 1) * stride + kernel - outputs) // 2 if same else 0
    places = np.arange(outputs)[:, np.newaxis] + before - np.arange(kernel)
    inside = (places >= 0) & (places % stride == 0) & (places < length * stride)
    return np.where(inside, places // stride, length)


def _some(count: int, most: int, seed: int) -> NDArray[np.intp]:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
