"""What labels are, and which loss and metric go with them: the user's word, the data's, the model file's."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from autotune import target, userfile
from autotune.data import Array, Data, one_hot, whole
from autotune.errors import UserError
from autotune.loss import CROSSENTROPIES, ERRORS, SHORT, known
from autotune.target import Metric

Kind = Literal["classes", "multilabel", "quantities"]
"""Class numbers, several yes-or-no answers a sample, or what the model is to give."""

FITTING = {"classes": ("accuracy", "topK", "auc", "f1"), "multilabel": ("f1", "auc"), "quantities": ERRORS}
"""The metrics that go with each kind of labels."""

USUAL = {"classes": "accuracy", "multilabel": "f1", "quantities": "mae"}
"""The metric where nobody names one."""


@dataclass(frozen=True)
class Settled:
    """What labels, loss and metric are.

    Attributes:
        kind: of the labels.
        loss: "NAME", "NAME:logits" or "FILE.py:FUNCTION", in the form that the labels need.
        quality: the metric.
        scorer: "FILE.py:FUNCTION" where the metric is the user's own, else None.
    """

    kind: Kind
    loss: str
    quality: Metric
    scorer: str | None

    @property
    def keeps(self) -> bool:
        """Whether labels stay as the data has them, since a function of the user's will see them."""
        return self.scorer is not None or userfile.is_function(self.loss)

    @property
    def checks(self) -> bool:
        """Whether anything but functions of the user's will see them."""
        return self.scorer is None or not userfile.is_function(self.loss)


def settle(data: Data, facts: dict[str, Any], loss: str | None, metric: str | None) -> Settled:
    """Settles kind, loss and metric by the train labels.

    Args:
        data: the splits.
        facts: of the model.
        loss: the user's word, which goes before the data's and the model file's.
        metric: likewise.

    Raises:
        UserError: a name is unknown, or output, labels, loss and metric don't go together.
    """
    y, output = data.train.y, tuple(facts["output_shape"])
    named = _named_loss(loss, data, facts, output)
    scorer = data.metric if metric is None and userfile.is_function(data.metric) else None
    asked, where = (metric, "--metric") if metric is not None else (data.metric, f"data {data.source}: metric")
    name = _named_metric(asked, where) if asked is not None and scorer is None else None
    kind = _kind(named, name, y, facts, output)
    kept = scorer is not None and y.shape[1:] == output
    settled = _loss(named, kind, facts, output, kept=kept)
    if scorer is not None:
        return Settled(kind, settled, target.quality(scorer.rpartition(":")[2], data.better), scorer)
    return Settled(kind, settled, _quality(name, where, kind, facts, output), None)


def fitted(y: Array, name: str, output: tuple[int, ...], source: str, kind: Kind) -> Array:
    """A split's labels in the form for their kind: class numbers as int64, else the output's shape.

    Raises:
        UserError: they don't fit the output.
    """
    if kind != "classes":
        y = y.astype(np.int64 if kind == "multilabel" else np.float32, copy=False)
        y = y[..., np.newaxis] if (*y.shape[1:], 1) == output else y
        if y.shape[1:] != output:
            raise UserError(f"data {source}: {name} labels have shape {y.shape[1:]}, the model gives {output}")
        if kind == "multilabel" and not _zeros_and_ones(y):
            raise UserError(f"data {source}: {name} labels are not all 0 or 1")
        return y
    if y.shape[1:] == output and one_hot(y):
        y = y.argmax(axis=1)
    if not _numbers_of_classes(y, output):
        raise UserError(f"data {source}: {name} labels are neither class numbers nor one-hot rows of {output[-1]}")
    count = max(output[-1], 2)
    if y.min() < 0 or y.max() >= count:
        span = f"{name} labels go from {y.min():g} to {y.max():g}"
        raise UserError(f"data {source}: {span}, the model has outputs for 0 to {count - 1}")
    return y.astype(np.int64)


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
    name = known(wanted)
    if name is None:
        names = ", ".join(CROSSENTROPIES + ERRORS)
        raise UserError(f"{where} {wanted!r} is unknown; known are {names}, and crossentropies with :logits behind")
    if not _fits(name, y, output):
        raise UserError(f"{where} {wanted!r} does not fit the model's output of shape {output}")
    return name


def _bare(loss: str) -> str:
    return loss.partition(":")[0]


def _elementwise(loss: str, output: tuple[int, ...]) -> bool:
    """Whether it is a binary crossentropy of each of several outputs."""
    return _bare(loss) == "binary_crossentropy" and output != (1,)


def _fits(loss: str, y: Array, output: tuple[int, ...]) -> bool:
    """Whether a loss can be taken of an output of this shape."""
    if _elementwise(loss, output):
        return y.shape[1:] == output or (*y.shape[1:], 1) == output
    return _bare(loss) in (*ERRORS, "binary_crossentropy") or output != (1,)


def _named_metric(name: str, where: str) -> str:
    """A metric's short name.

    Raises:
        UserError: it is unknown.
    """
    short = SHORT.get(name, name)
    if not target.is_quality(short):
        raise UserError(f"{where} {name!r} is unknown; known are {', '.join(target.QUALITIES)}")
    return short


def _kind(loss: str | None, metric: str | None, y: Array, facts: dict[str, Any], output: tuple[int, ...]) -> Kind:
    """What the labels are: as the loss says, else the metric, else labels and output.

    Raises:
        UserError: they can't be what loss or metric say.
    """
    could_be = _numbers_of_classes(y, output) or (len(output) == 1 and one_hot(y))
    answers = len(output) == 1 and y.shape[1:] == output and _zeros_and_ones(y)
    if userfile.is_function(loss):
        loss = None
    if loss is None and metric is None:
        if output == (1,) and facts["activation"] != "sigmoid":
            return "classes" if could_be and _zeros_and_ones(y) else "quantities"
        if could_be:
            return "classes"
        return "multilabel" if answers and facts["activation"] == "sigmoid" else "quantities"
    if loss and _elementwise(loss, output):
        if y.min() < 0 or y.max() > 1:
            raise UserError(f"loss {_bare(loss)!r} needs labels from 0 to 1, not {y.min():g} to {y.max():g}")
        return "multilabel" if answers else "quantities"
    says, option = (f"loss {_bare(loss)!r}", "--loss") if loss else (f"metric {metric!r}", "--metric")
    classes = _bare(loss) in CROSSENTROPIES if loss else metric not in ERRORS
    if classes and not could_be:
        if metric in FITTING["multilabel"] and not loss and answers:
            return "multilabel"
        raise UserError(f"{says} does not fit the labels, which are quantities; give another {option}")
    if not classes and could_be and y.shape[1:] != output and output != (1,):
        raise UserError(f"{says} does not fit the labels, which are class numbers; give another {option}")
    return "classes" if classes else "quantities"


def _numbers_of_classes(y: Array, output: tuple[int, ...]) -> bool:
    """Whether labels are class numbers: one a sample, or where the model gives several, one for each."""
    if len(output) == 1:
        return whole(y)
    return output[-1] > 1 and y.shape[1:] == output[:-1] and bool((y == np.round(y)).all())


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
    if output == (1,) or kind == "multilabel":
        return f"binary_crossentropy{logits}"
    return f"{'categorical' if kept else 'sparse_categorical'}_crossentropy{logits}"


def _quality(asked: str | None, where: str, kind: Kind, facts: dict[str, Any], output: tuple[int, ...]) -> Metric:
    """The metric: the named one, else the model file's first that fits, else the usual one.

    Raises:
        UserError: the named one does not fit.
    """
    names = [SHORT.get(name, name) for name in facts["compiled_metrics"]]
    name = asked or next((name for name in names if name in FITTING[kind]), USUAL[kind])
    metric = target.quality(name, "higher")
    top = metric.name.startswith("top")
    if ("topK" if top else metric.name) not in FITTING[kind]:
        raise UserError(f"{where} {name!r} does not fit the loss and the labels; {' or '.join(FITTING[kind])} does")
    if top and int(metric.name.removeprefix("top")) >= output[-1]:
        raise UserError(f"{where} {name!r} is always 100% of a model with {output[-1]} outputs; choose a smaller K")
    return metric
