"""The task: a model, data that fits it, a loss and a metric."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autotune.config import fingerprint
from autotune.data import Array, Data, Split, one_hot, stratified_order, whole
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
    named = _named_loss(loss, facts, output)
    classes = _has_classes(named, metric, data.train.y, facts, output)
    train, validation, test = (
        _fitted(split, name, shape, output, data.source, classes=classes)
        for name, split in (("train", data.train), ("validation", data.validation), ("test", data.test))
    )
    data = Data(train, validation, test, data.source)
    loss = _loss(named, facts, output, classes=classes)
    quality = _quality(metric, facts, classes=classes)
    identity = fingerprint(
        hashlib.sha256(model_bytes).hexdigest(), facts, data.train.fingerprint(), loss, seed, CALIBRATION
    )
    return Task(model.name, facts, data, loss, quality, seed, identity)


CROSSENTROPIES = ("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy")
ERRORS = ("mse", "mae")
_SHORT = {"mean_squared_error": "mse", "mean_absolute_error": "mae"}


def _named_loss(asked: str | None, facts: dict[str, Any], output: tuple[int, ...]) -> str | None:
    """The loss that the user names, else the model file; None where neither does, or the file's does not fit.

    Raises:
        UserError: the user's is unknown, or does not fit the output.
    """
    if asked is None:
        name, _, suffix = (facts["compiled_loss"] or "").partition(":")
        name = _SHORT.get(name, name)
        if name not in CROSSENTROPIES + ERRORS or not _fits(name, output):
            return None
        return f"{name}:{suffix}" if suffix else name
    name, _, suffix = asked.partition(":")
    name = _SHORT.get(name, name)
    if name not in CROSSENTROPIES + ERRORS or suffix not in ("", "logits") or (suffix and name in ERRORS):
        known = ", ".join(CROSSENTROPIES + ERRORS)
        raise UserError(f"--loss {asked!r} is unknown; known are {known}, and crossentropies with :logits behind")
    if not _fits(name, output):
        raise UserError(f"--loss {asked!r} does not fit the model's output of shape {output}")
    return f"{name}:{suffix}" if suffix else name


def _fits(loss: str, output: tuple[int, ...]) -> bool:
    """Whether a loss can be taken of an output of this shape, with class labels."""
    return loss in ERRORS or (loss == "binary_crossentropy") == (output == (1,))


def _has_classes(
    loss: str | None, metric: str | None, y: Array, facts: dict[str, Any], output: tuple[int, ...]
) -> bool:
    """Whether labels are classes, not quantities: as the loss says, else the metric, else labels and output.

    Raises:
        UserError: the metric is unknown, or the labels can't be what loss or metric say.
    """
    if metric is not None and metric not in QUALITIES:
        raise UserError(f"--metric {metric!r} is unknown; known are {', '.join(QUALITIES)}")
    could_be = len(output) == 1 and (whole(y) or one_hot(y))
    if loss is None and metric is None:
        if output == (1,) and facts["activation"] != "sigmoid":
            return could_be and set(np.unique(y)) <= {0, 1}
        return could_be
    says = f"loss {loss.partition(':')[0]!r}" if loss else f"metric {metric!r}"
    classes = loss.partition(":")[0] in CROSSENTROPIES if loss else metric == ACCURACY.name
    if classes and not could_be:
        raise UserError(f"{says} does not fit the labels, which are quantities; give another --loss")
    if not classes and could_be and y.shape[1:] != output and output != (1,):
        raise UserError(f"{says} does not fit the labels, which are class numbers; give another --loss")
    return classes


def _fitted(
    split: Split, name: str, shape: tuple[int, ...], output: tuple[int, ...], source: str, *, classes: bool
) -> Split:
    """The split in the model's shapes: a channel axis of 1 added, one-hot labels as class numbers.

    Raises:
        UserError: it does not fit.
    """
    x, y = split.x, split.y
    if x.shape[1:] != shape and (*x.shape[1:], 1) == shape:
        x = x[..., np.newaxis]
    if x.shape[1:] != shape:
        raise UserError(f"data {source}: {name} samples have shape {x.shape[1:]}, the model takes {shape}")
    if not classes:
        y = y.astype(np.float32)
        y = y[:, np.newaxis] if y.ndim == 1 and output == (1,) else y
        if y.shape[1:] != output:
            raise UserError(f"data {source}: {name} labels have shape {y.shape[1:]}, the model gives {output}")
        return Split(x, y)
    if y.shape[1:] == output and one_hot(y):
        y = y.argmax(axis=1)
    if not whole(y):
        raise UserError(f"data {source}: {name} labels are neither class numbers nor one-hot rows of {output[0]}")
    count = max(output[-1], 2)
    if y.min() < 0 or y.max() >= count:
        span = f"{name} labels go from {y.min():g} to {y.max():g}"
        raise UserError(f"data {source}: {span}, the model has outputs for 0 to {count - 1}")
    return Split(x, y.astype(np.int64))


def _loss(named: str | None, facts: dict[str, Any], output: tuple[int, ...], *, classes: bool) -> str:
    """The loss in the form that the labels need, which is sparse for class numbers."""
    if named is not None:
        return named.replace("categorical", "sparse_categorical") if named.startswith("categorical") else named
    if not classes:
        return ERRORS[0]
    logits = "" if facts["activation"] in ("softmax", "sigmoid") else ":logits"
    return ("binary_crossentropy" if output == (1,) else "sparse_categorical_crossentropy") + logits


def _quality(asked: str | None, facts: dict[str, Any], *, classes: bool) -> Metric:
    """The metric: the user's, else the model file's first that fits, else the usual one.

    Raises:
        UserError: the user's does not fit.
    """
    fitting = (ACCURACY.name,) if classes else ERRORS
    if asked is not None and asked not in fitting:
        raise UserError(f"--metric {asked!r} does not fit the loss and the labels; {' or '.join(fitting)} does")
    compiled = [_SHORT.get(name, name) for name in facts["compiled_metrics"]]
    return METRICS[asked or next((name for name in compiled if name in fitting), fitting[-1])]
