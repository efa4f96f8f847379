"""The task: a model, data that fits it, a loss and a metric."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autotune.config import fingerprint
from autotune.data import Array, Data, Split, stratified_order
from autotune.errors import UserError
from autotune.target import ACCURACY, METRICS, QUALITIES, Metric

CALIBRATION = 100
"""Samples from which integer schemes learn the ranges of activations."""


@dataclass(frozen=True)
class Task:
    """All that trials have in common.

    Attributes:
        model: the model file's name.
        facts: of the model, as compress.load.import_model gives them.
        data: the splits.
        loss: as TrainingData.loss.
        quality: the metric that the search keeps high (accuracy) or low (mae, mse).
        seed: of every shuffle.
        fingerprint: of all that a built file depends on, save its recipe.
    """

    model: str
    facts: dict[str, Any]
    data: Data
    loss: str
    quality: Metric
    seed: int
    fingerprint: str

    def calibration(self) -> Array:
        """CALIBRATION inputs drawn from train, stratified."""
        train = self.data.train
        order = stratified_order(train.y, np.random.default_rng(self.seed))
        return np.asarray(train.x[np.sort(order[:CALIBRATION])])

    def score(self, outputs: Array, labels: Array) -> tuple[float, float]:
        """The quality of a model's outputs.

        Args:
            outputs: (n, *output shape), float32.
            labels: (n,) or (n, *output shape), as Split.y.

        Returns:
            Its value, and its standard error over the samples. For accuracy that is the one of
            a proportion, sqrt(p (1 - p) / n).

        Raises:
            ValueError: outputs and labels differ in number.
        """
        if len(outputs) != len(labels):
            raise ValueError(f"{len(outputs)} outputs for {len(labels)} labels")
        if self.quality is ACCURACY:
            each = (self._decide(outputs) == labels).astype(float)
        else:
            gap = np.abs(outputs.astype(float) - labels).reshape(len(labels), -1)
            each = (gap if self.quality.key == "mae" else gap**2).mean(axis=1)
        return float(each.mean()), float(each.std() / np.sqrt(len(each)))

    def _decide(self, outputs: Array) -> Array:
        """The class of each output: the largest, or of a single one whether it is the likelier."""
        if outputs.shape[1:] == (1,):
            return np.asarray(outputs[:, 0] > (0.0 if self.loss.endswith(":logits") else 0.5)).astype(np.int64)
        return np.asarray(outputs.argmax(axis=-1))


def read_model(path: Path) -> bytes:
    """A model file's bytes, once it looks like one.

    Raises:
        UserError: it is missing, or no .keras or .h5 file.
    """
    if not path.exists():
        raise UserError(f"model {path}: no such file")
    if path.suffix not in (".keras", ".h5"):
        raise UserError(f"model {path}: not a .keras or .h5 file; save the model in one of these formats")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"model {path}: can't be read: {error.strerror}") from error
    if path.suffix == ".h5" and not data.startswith(b"\x89HDF\r\n\x1a\n"):
        raise UserError(f"model {path}: not an HDF5 file, in spite of its name")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise UserError(f"model {path}: not a whole .keras file (a .keras file is a zip archive); save the model again")
    return data


def make_task(
    model: Path, model_bytes: bytes, facts: dict[str, Any], data: Data, loss: str | None, metric: str | None, seed: int
) -> Task:
    """Holds model and data against each other, and settles loss and metric.

    Args:
        model: path of the model file.
        model_bytes: its content.
        facts: as compress.load.import_model gives them.
        data: the splits.
        loss: the user's word, else the model file's, else what output and labels suggest.
        metric: likewise.
        seed: of every shuffle.

    Raises:
        UserError: shapes or labels don't fit the model, or the loss does not fit the labels.
    """
    shape, output = tuple(facts["input_shape"]), tuple(facts["output_shape"])
    train, validation, test = (
        _fitted(split, name, shape, output, data.source)
        for name, split in (("train", data.train), ("validation", data.validation), ("test", data.test))
    )
    data = Data(train, validation, test, data.source)
    classes = data.train.y.ndim == 1 and data.train.y.dtype.kind == "i"
    loss = _loss(loss, facts, classes, output)
    quality = _quality(metric, facts, classes)
    identity = fingerprint(
        hashlib.sha256(model_bytes).hexdigest(), facts, data.train.fingerprint(), loss, seed, CALIBRATION
    )
    return Task(model.name, facts, data, loss, quality, seed, identity)


def _fitted(split: Split, name: str, shape: tuple[int, ...], output: tuple[int, ...], source: str) -> Split:
    """The split in the model's shapes: a channel axis of 1 added, one-hot labels as classes.

    Raises:
        UserError: it does not fit.
    """
    x, y = split.x, split.y
    if x.shape[1:] != shape and (*x.shape[1:], 1) == shape:
        x = x[..., np.newaxis]
    if x.shape[1:] != shape:
        raise UserError(f"data {source}: {name} samples have shape {x.shape[1:]}, the model takes {shape}")
    if y.ndim == 2 and y.shape[1:] == output and output[0] > 1 and _one_hot(y):
        y = y.argmax(axis=1)
    if y.ndim == 1 and y.dtype.kind == "i" and len(output) == 1:
        classes = max(output[0], 2)
        if y.min() < 0 or y.max() >= classes:
            raise UserError(
                f"data {source}: {name} labels go from {y.min()} to {y.max()}, "
                f"the model has outputs for 0 to {classes - 1}"
            )
    elif y.ndim == 1 and output == (1,):
        y = y[:, np.newaxis].astype(np.float32)
    elif y.shape[1:] != output:
        raise UserError(f"data {source}: {name} labels have shape {y.shape[1:]}, the model gives {output}")
    return Split(x, y)


def _one_hot(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def _loss(asked: str | None, facts: dict[str, Any], classes: bool, output: tuple[int, ...]) -> str:
    """The loss, in the form that the labels need: sparse for class numbers."""
    known = ("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy", *_ERRORS)
    if asked is not None and asked.partition(":")[0] not in known:
        raise UserError(
            f"--loss {asked!r} is unknown; known are {', '.join(known)} (with :logits where it takes logits)"
        )
    name = asked or facts["compiled_loss"]
    logits = "" if facts["activation"] in ("softmax", "sigmoid") else ":logits"
    if name is not None:
        name, _, suffix = name.partition(":")
        name = {"mean_squared_error": "mse", "mean_absolute_error": "mae"}.get(name, name)
        if name in known:
            if classes and name == "categorical_crossentropy":
                name = "sparse_categorical_crossentropy"
            if classes == (name in _ERRORS):
                kind = "class numbers" if classes else "quantities"
                raise UserError(f"loss {name!r} does not fit the labels, which are {kind}; give --loss")
            return f"{name}:{suffix}" if suffix else name
    if not classes:
        return "mse"
    return ("binary_crossentropy" if output[0] == 1 else "sparse_categorical_crossentropy") + logits


_ERRORS = ("mse", "mae")


def _quality(asked: str | None, facts: dict[str, Any], classes: bool) -> Metric:
    fitting = ("accuracy",) if classes else _ERRORS
    if asked is not None and asked not in QUALITIES:
        raise UserError(f"--metric {asked!r} is unknown; known are {', '.join(QUALITIES)}")
    if asked is not None and asked not in fitting:
        raise UserError(f"--metric {asked!r} does not fit the labels; {' or '.join(fitting)} does")
    named = [{"mean_squared_error": "mse", "mean_absolute_error": "mae"}.get(m, m) for m in facts["compiled_metrics"]]
    return METRICS[asked or next((name for name in named if name in fitting), fitting[-1])]
