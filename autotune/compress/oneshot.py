"""Pruning and clustering without training, on the weights of a float .tflite file."""

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from autotune.errors import Infeasible
from autotune.tflite.flatbuffer import Layer, named, read_layers
from autotune.tflite.recurrent import RECURRENT

OPERATORS = ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", *RECURRENT)
"""Kinds of operators that are treated; depthwise ones hold few weights, and each of them matters."""

Importance = NDArray[np.float64]

ITERATIONS = 300
"""Of Lloyd's algorithm, at most."""


def prune(file: bytes, sparsity: float, excluded: Collection[str] = ()) -> bytes:
    """Sets the smallest weights of each layer to zero (Han et al., arXiv:1506.02626, without the retraining).

    Args:
        file: a float .tflite file.
        sparsity: share of zeros that each layer gets at least, 0 to 1.
        excluded: names of Keras layers (or patterns, as conv*), or of weight tensors, that stay as they are.

    Returns:
        The file with other weights and nothing else changed.

    Raises:
        Infeasible: there is no layer to prune.
        UserError: it is no whole .tflite file.
    """
    copy = bytearray(file)
    layers = _layers(copy, excluded)
    if not layers:
        raise Infeasible("no layer to prune: none has float weights and is not excluded")
    for layer in layers:
        zeros = math.ceil(sparsity * layer.values.size - 1e-9)
        smallest = np.argsort(np.abs(layer.values), axis=None, kind="stable")[:zeros]
        layer.values.reshape(-1)[smallest] = 0
    return bytes(copy)


def cluster(file: bytes, clusters: int, excluded: Collection[str] = (), seed: int = 0) -> bytes:
    """Lets each layer's weights share few values (k-means, as Han et al., arXiv:1510.00149, without retraining).

    Zeros of an earlier pruning stay zeros, and are one of the clusters.

    Args:
        file: a float .tflite file.
        clusters: distinct values that each layer keeps at most, 2 or more.
        excluded: names of Keras layers (or patterns, as conv*), or of weight tensors, that stay as they are.
        seed: of the centroids' start.

    Returns:
        The file with other weights and nothing else changed. Layers with no more distinct weights
        than clusters stay as they are.

    Raises:
        Infeasible: no layer has more weights than clusters.
        UserError: it is no whole .tflite file.
    """
    copy = bytearray(file)
    layers = [layer for layer in _layers(copy, excluded) if layer.values.size > clusters]
    if not layers:
        raise Infeasible(f"no layer to cluster: none has more than {clusters} float weights and is not excluded")
    for layer in layers:
        weights = layer.values[layer.values != 0]
        free = clusters - (weights.size < layer.values.size)
        if len(np.unique(weights)) > free:
            shared = centroids(weights, free, np.random.default_rng(seed))
            layer.values[layer.values != 0] = shared[np.searchsorted(_borders(shared), weights)].astype(np.float32)
    return bytes(copy)


def treats(file: bytes, excluded: Collection[str] = (), weights: int = 0) -> bool:
    """Whether there is a layer to prune, or to cluster to so many weights.

    Raises:
        UserError: it is no whole .tflite file.
    """
    return any(layer.values.size > weights for layer in _layers(file, excluded))


def _layers(file: bytes | bytearray, excluded: Collection[str]) -> list[Layer]:
    return [
        layer
        for layer in read_layers(file)
        if layer.operator in OPERATORS
        and layer.dtype == "float32"
        and not layer.sparse
        and not named(layer.name, excluded)
    ]


def centroids(
    weights: NDArray[np.floating], clusters: int, random: np.random.Generator, importance: Importance | None = None
) -> NDArray[np.float64]:
    """Sorted centroids of weights by k-means, which on a line needs but the borders between sorted weights.

    Args:
        weights: (n,), more than clusters of them distinct.
        clusters: centroids.
        random: their start.
        importance: of each weight, above zero; None where all are alike.
    """
    order = np.argsort(weights)
    ordered = weights[order].astype(np.float64)
    shares = np.ones(len(ordered)) if importance is None else importance[order]
    masses, sums = (np.concatenate([[0.0], np.cumsum(each)]) for each in (shares, shares * ordered))
    means = _start(ordered, clusters, random)
    for _ in range(ITERATIONS):
        edges = np.concatenate([[0], np.searchsorted(ordered, _borders(means)), [len(ordered)]])
        mass = np.diff(masses[edges])
        moved = np.where(mass > 0, np.diff(sums[edges]) / np.where(mass > 0, mass, 1), means)
        if np.allclose(moved, means, rtol=0, atol=1e-7):
            break
        means = moved
    return means


def _start(weights: NDArray[np.float64], clusters: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Sorted centroids by k-means++ (Arthur and Vassilvitskii, 2007): far from each other, but where weights are."""
    centroids = [random.choice(weights)]
    distances = (weights - centroids[0]) ** 2
    while len(centroids) < clusters:
        centroids.append(random.choice(weights, p=distances / distances.sum()))
        distances = np.minimum(distances, (weights - centroids[-1]) ** 2)
    return np.sort(centroids)


def _borders(centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    return (centroids[1:] + centroids[:-1]) / 2
