"""What labels are, and which loss and metric go with them: the user's word, the data's, the model file's."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from autotune import target, userfile
from autotune.data import Array, Data, one_hot
from autotune.errors import UserError
from autotune.loss import CROSSENTROPIES, ERRORS, GAPS, known
from autotune.target import Metric

Kind = Literal["classes", "multilabel", "quantities"]
"""Class numbers, several yes-or-no answers a sample, or what the model is to give."""

FITTING = {
    "classes": ("accuracy", "topK", "auc", "f1", "miou"),
    "multilabel": ("f1", "auc", "miou"),
    "quantities": ERRORS,
}
"""The metrics that go with each kind of labels."""

USUAL = {"classes": "accuracy", "multilabel": "f1", "quantities": "mae"}
"""The metric where nobody names one."""

NAMES = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    **dict.fromkeys(("mean_io_u", "one_hot_mean_io_u", "binary_io_u", "mean_iou"), "miou"),
}
"""Keras's names of metrics."""


@dataclass(frozen=True)
class Settled:
    """What labels, loss and metric are.

    Attributes:
        kind: of the labels.
        loss: "NAME", "NAME:logits" or "FILE.py:FUNCTION", in the form that the labels need.
        quality: the metric.
        scorer: "FILE.py:FUNCTION" where the metric is the user's own, else None.
        soft: whether labels of classes may be distributions over them.
    """

    kind: Kind
    loss: str
    quality: Metric
    scorer: str | None
    soft: bool

    @property
    def keeps(self) -> bool:
        """Whether labels stay as the data has them, since a function of the user's will see them."""
        return self.scorer is not None or userfile.is_function(self.loss)

    @property
    def checks(self) -> bool:
        """Whether anything but functions of the user's will see them."""
        return self.scorer is None or not userfile.is_function(self.loss)


def settle(data: Data, facts: dict[str, Any], output: tuple[int, ...], loss: str | None, metric: str | None) -> Settled:
    """Settles kind, loss and metric by the train labels.

    Args:
        data: the splits.
        facts: of the model.
        output: the shape of its output for a sample.
        loss: the user's word, which goes before the data's and the model file's.
        metric: likewise.

    Raises:
        UserError: a name is unknown, or output, labels, loss and metric don't go together.
    """
    y = data.train.y
    named = _named_loss(loss, data, facts, output)
    scorer = data.metric if metric is None and userfile.is_function(data.metric) else None
    asked, where = (metric, "--metric") if metric is not None else (data.metric, f"data {data.source}: metric")
    name = _named_metric(asked, where) if asked is not None and scorer is None else None
    kind = _kind(named, name, y, facts, output)
    soft = named is not None and _bare(named) == "categorical_crossentropy"
    kept = y.shape[1:] == output and (scorer is not None or (soft and not one_hot(y)))
    settled = _loss(named, kind, facts, output, kept=kept)
    if scorer is not None:
        return Settled(kind, settled, target.quality(scorer.rpartition(":")[2], data.better), scorer, soft)
    return Settled(kind, settled, _quality(name, where, kind, facts, output), None, soft)


def check_names(loss: str | None, metric: str | None) -> None:
    """What can be said of the user's word without labels.

    Raises:
        UserError: a name is unknown.
    """
    if loss is not None:
        _known_loss(loss, "--loss")
    if metric is not None:
        _named_metric(metric, "--metric")


def fitted(y: Array, name: str, output: tuple[int, ...], source: str, settled: Settled) -> Array:
    """A split's labels in the form for their kind: class numbers as int64, else the output's shape.

    Args:
        y: as the data has them: class numbers for each position of the output, with or without an axis of 1 behind;
            or in the output's shape, from which an axis of 1 may be missing.
        name: of the split.
        output: the model's output's shape.
        source: of the data.
        settled: of the task.

    Returns:
        Class numbers (n, *output[:-1]), or distributions over classes, answers or quantities (n, *output).

    Raises:
        UserError: they don't fit the output.
    """
    if settled.kind != "classes":
        return _in_outputs_shape(y, name, output, source, settled.kind)
    if settled.soft and _distributions(y, output) and not one_hot(y):
        return y.astype(np.float32)
    if not _classes(y, output):
        raise UserError(f"data {source}: {name} labels are neither class numbers nor one-hot rows of {output[-1]}")
    numbers, count = class_numbers(y, output), max(output[-1], 2)
    if numbers.min() < 0 or numbers.max() >= count:
        span = f"{name} labels go from {numbers.min():g} to {numbers.max():g}"
        raise UserError(f"data {source}: {span}, the model has outputs for 0 to {count - 1}")
    return numbers


def class_numbers(y: Array, output: tuple[int, ...]) -> Array:
    """Labels of classes as numbers, (n, *output[:-1]), int64; of a distribution it is the likeliest.

    Args:
        y: as fitted() takes them.
        output: the model's output's shape.
    """
    if y.shape[1:] == output and output[-1] > 1:
        y = y.argmax(axis=-1)
    elif y.shape[1:] == (*output[:-1], 1):
        y = y[..., 0]
    return y.astype(np.int64)


def _in_outputs_shape(y: Array, name: str, output: tuple[int, ...], source: str, kind: Kind) -> Array:
    """Answers or quantities; an axis of 1 at the end is there or not, as the output has it.

    Raises:
        UserError: they don't fit the output.
    """
    y = y.astype(np.int64 if kind == "multilabel" else np.float32, copy=False)
    if (*y.shape[1:], 1) == output:
        y = y[..., np.newaxis]
    elif y.shape[1:] == (*output, 1):
        y = y[..., 0]
    if y.shape[1:] != output:
        raise UserError(f"data {source}: {name} labels have shape {y.shape[1:]}, the model gives {output}")
    if kind == "multilabel" and not _zeros_and_ones(y):
        raise UserError(f"data {source}: {name} labels are not all 0 or 1")
    return y


def _named_loss(asked: str | None, data: Data, facts: dict[str, Any], output: tuple[int, ...]) -> str | None:
    """The loss that the user names, else the data, else the model file.

    None where none does, or the file's does not fit.

    Raises:
        UserError: the user's or the data's is unknown, or does not fit the output.
    """
    y = data.train.y
    if asked is None and data.loss is None:
        compiled = known(facts["compiled_loss"] or "")
        if compiled is None or not _fits(compiled, y, output) or (_elementwise(compiled, output) and one_hot(y)):
            return None
        return compiled
    if asked is None and userfile.is_function(data.loss):
        return data.loss
    wanted, where = (asked, "--loss") if asked is not None else (data.loss or "", f"data {data.source}: loss")
    name = _known_loss(wanted, where)
    if not _fits(name, y, output):
        raise UserError(f"{where} {wanted!r} does not fit the model's output of shape {output}")
    return name


def _known_loss(name: str, where: str) -> str:
    """A loss's short name.

    Raises:
        UserError: it is unknown.
    """
    short = known(name)
    if short is None:
        names = ", ".join(CROSSENTROPIES + GAPS)
        raise UserError(f"{where} {name!r} is unknown; known are {names}, and crossentropies with :logits behind")
    return short


def _bare(loss: str) -> str:
    return loss.partition(":")[0]


def _elementwise(loss: str, output: tuple[int, ...]) -> bool:
    """Whether it is a binary crossentropy of each of several outputs."""
    return _bare(loss) == "binary_crossentropy" and output[-1] > 1


def _fits(loss: str, y: Array, output: tuple[int, ...]) -> bool:
    """Whether a loss can be taken of an output of this shape."""
    if _elementwise(loss, output):
        return y.shape[1:] == output or (*y.shape[1:], 1) == output
    return _bare(loss) in (*GAPS, "binary_crossentropy") or output[-1] > 1


def _named_metric(name: str, where: str) -> str:
    """A metric's short name.

    Raises:
        UserError: it is unknown.
    """
    short = NAMES.get(name, name)
    if not target.is_quality(short):
        raise UserError(f"{where} {name!r} is unknown; known are {', '.join(target.QUALITIES)}")
    return short


def _kind(loss: str | None, metric: str | None, y: Array, facts: dict[str, Any], output: tuple[int, ...]) -> Kind:
    """What the labels are: as the loss says, else the metric, else labels and output.

    Raises:
        UserError: they can't be what loss or metric say.
    """
    if loss is not None and not userfile.is_function(loss):
        return _kind_by_loss(_bare(loss), y, output)
    if metric is not None:
        return _kind_by_metric(metric, y, output)
    if output[-1] == 1 and facts["activation"] != "sigmoid":
        return "classes" if _classes(y, output) and _zeros_and_ones(y) else "quantities"
    if _classes(y, output):
        return "classes"
    return "multilabel" if _answers(y, output) and facts["activation"] == "sigmoid" else "quantities"


def _kind_by_loss(loss: str, y: Array, output: tuple[int, ...]) -> Kind:
    classes = _classes(y, output)
    if loss == "binary_crossentropy":
        if classes and output[-1] == 1:
            return "classes"
        if y.min() < 0 or y.max() > 1:
            raise UserError(f"loss {loss!r} needs labels from 0 to 1, not {y.min():g} to {y.max():g}")
        return "multilabel" if _answers(y, output) else "quantities"
    if loss not in CROSSENTROPIES:
        return _quantities(f"loss {loss!r}", "--loss", y, output)
    if classes or (loss == "categorical_crossentropy" and _distributions(y, output)):
        return "classes"
    raise UserError(f"loss {loss!r} does not fit the labels, which are quantities; give another --loss")


def _kind_by_metric(metric: str, y: Array, output: tuple[int, ...]) -> Kind:
    if metric in ERRORS:
        return _quantities(f"metric {metric!r}", "--metric", y, output)
    if _classes(y, output):
        return "classes"
    if metric in FITTING["multilabel"] and _answers(y, output):
        return "multilabel"
    raise UserError(f"metric {metric!r} does not fit the labels, which are quantities; give another --metric")


def _quantities(says: str, option: str, y: Array, output: tuple[int, ...]) -> Kind:
    if _classes(y, output) and y.shape[1:] != output and output[-1] > 1:
        raise UserError(f"{says} does not fit the labels, which are class numbers; give another {option}")
    return "quantities"


def _answers(y: Array, output: tuple[int, ...]) -> bool:
    """Whether labels are a yes or no for each of several outputs."""
    return output[-1] > 1 and y.shape[1:] == output and _zeros_and_ones(y)


def _classes(y: Array, output: tuple[int, ...]) -> bool:
    """Whether labels are classes, by their shape and values: a number for each position of the output, or one-hot."""
    if y.shape[1:] == output and output[-1] > 1:
        return one_hot(y)
    return y.shape[1:] in (output[:-1], (*output[:-1], 1)) and bool((y == np.round(y)).all())


def _distributions(y: Array, output: tuple[int, ...]) -> bool:
    """Whether labels may be distributions over several classes, such as smoothed ones."""
    return y.shape[1:] == output and output[-1] > 1 and bool((y >= 0).all() and (y <= 1).all())


def _zeros_and_ones(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all())


def _loss(named: str | None, kind: Kind, facts: dict[str, Any], output: tuple[int, ...], *, kept: bool) -> str:
    """The loss in the form that the labels need: sparse, unless one-hot rows are kept."""
    if named is not None and (kind != "classes" or userfile.is_function(named)):
        return named
    if kind == "quantities":
        return ERRORS[0]
    if named is not None:
        logits = ":logits" if named.endswith(":logits") else ""
    else:
        logits = "" if facts["activation"] in ("softmax", "sigmoid") else ":logits"
    if output[-1] == 1 or kind == "multilabel":
        return f"binary_crossentropy{logits}"
    return f"{'categorical' if kept else 'sparse_categorical'}_crossentropy{logits}"


def _quality(asked: str | None, where: str, kind: Kind, facts: dict[str, Any], output: tuple[int, ...]) -> Metric:
    """The metric: the named one, else the model file's first that fits, else the usual one.

    Raises:
        UserError: the named one does not fit.
    """
    names = [NAMES.get(name, name) for name in facts["compiled_metrics"]]
    name = asked or next((name for name in names if name in FITTING[kind]), USUAL[kind])
    metric = target.quality(name, "higher")
    top = metric.name.startswith("top")
    if ("topK" if top else metric.name) not in FITTING[kind]:
        raise UserError(f"{where} {name!r} does not fit the loss and the labels; {' or '.join(FITTING[kind])} does")
    if top and int(metric.name.removeprefix("top")) >= output[-1]:
        raise UserError(f"{where} {name!r} is always 100% of a model with {output[-1]} outputs; choose a smaller K")
    return metric
