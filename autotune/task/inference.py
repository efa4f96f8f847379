"""Which loss and metric go with the labels: the user's word, the data's, the model file's."""

from autotune.errors import UserError
from autotune.targets.metric import FITTING, JUDGED, QUALITIES, Metric, bare, is_quality, of_output, quality
from autotune.task import user_code
from autotune.task.data import Array, Data, one_hot
from autotune.task.judges.table import JUDGES, parse
from autotune.task.labels import Kind, answers, classes, distributions, two_sided, zeros_and_ones
from autotune.task.losses import BINARY, ERRORS, GAPS, OF_CLASSES, OF_DISTRIBUTIONS, SIGNS, Loss, each_of
from autotune.task.model_facts import ModelFacts
from autotune.task.supervision import Supervision

NAMES = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    **dict.fromkeys(("mean_io_u", "one_hot_mean_io_u", "binary_io_u", "mean_iou"), "miou"),
}
"""Keras's names of metrics."""


def infer_supervision(
    data: Data, facts: ModelFacts, output: tuple[int, ...], loss: str | None, metric: str | None
) -> Supervision:
    """Kind, loss and metric, as the user, the data or the model file name them, else by the train labels.

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
    scorer = data.metric if metric is None and user_code.is_function(data.metric) else None
    wanted, where = (metric, "--metric") if metric is not None else (data.metric, f"data {data.source}: metric")
    name = _named_metric(wanted, where) if wanted is not None and scorer is None else None
    kind = _kind(named, name, y, facts, output)
    soft = named is not None and _bare(named) in OF_DISTRIBUTIONS
    fitting = _loss(named, kind, facts, output, rows=soft and y.shape[1:] == output and not one_hot(y))
    if scorer is not None:
        return Supervision(kind, fitting, quality(scorer.rpartition(":")[2], data.better), scorer, soft)
    return Supervision(kind, fitting, _quality(name, where, kind, facts, output), None, soft)


def check_names(loss: str | None, metric: str | None) -> None:
    """What can be said of the user's word without labels.

    Raises:
        UserError: a name is unknown.
    """
    if loss is not None:
        try:
            losses = each_of(loss)
        except ValueError as error:
            raise UserError(f"--loss {loss!r}: {error}") from error
        for each in losses.values():
            _known_loss(each.loss, "--loss")
    if metric is not None:
        if bare(metric) in JUDGES:
            parse(metric, "--metric")
        else:
            _named_metric(of_output(metric)[1], "--metric")


def _named_loss(wanted: str | None, data: Data, facts: ModelFacts, output: tuple[int, ...]) -> str | None:
    """The loss that the user names, else the data, else the model file.

    None where none does, or the file's does not fit.

    Raises:
        UserError: the user's or the data's is unknown, or does not fit the output.
    """
    y = data.train.y
    if wanted is None and data.loss is None:
        loss = Loss.parse(facts.compiled_loss or "")
        compiled = str(loss)
        if loss is None or not _fits(compiled, y, output) or (_elementwise(compiled, output) and one_hot(y)):
            return None
        return compiled
    if wanted is None and user_code.is_function(data.loss):
        return data.loss
    wanted, where = (wanted, "--loss") if wanted is not None else (data.loss or "", f"data {data.source}: loss")
    name = _known_loss(wanted, where)
    if not _fits(name, y, output):
        raise UserError(f"{where} {wanted!r} does not fit the model's output of shape {output}")
    return name


def _known_loss(name: str, where: str) -> str:
    """A loss in its short form.

    Raises:
        UserError: it is unknown.
    """
    loss = Loss.parse(name)
    if loss is None:
        names = ", ".join(OF_CLASSES + BINARY + SIGNS + GAPS)
        raise UserError(
            f"{where} {name!r} is unknown; known are {names}, crossentropies with :logits behind, and Keras' settings, "
            "as in huber:delta=0.5"
        )
    return str(loss)


def _bare(loss: str) -> str:
    return loss.partition(":")[0]


def _elementwise(loss: str, output: tuple[int, ...]) -> bool:
    """Whether it is a binary crossentropy of each of several outputs."""
    return _bare(loss) in BINARY and output[-1] > 1


def _fits(loss: str, y: Array, output: tuple[int, ...]) -> bool:
    """Whether a loss can be taken of an output of this shape."""
    if _elementwise(loss, output):
        return y.shape[1:] == output or (*y.shape[1:], 1) == output
    return _bare(loss) in (*GAPS, *BINARY, *SIGNS) or output[-1] > 1


def _named_metric(name: str, where: str) -> str:
    """A metric's short name.

    Raises:
        UserError: it is unknown.
    """
    short = NAMES.get(name, name)
    if not is_quality(short):
        raise UserError(f"{where} {name!r} is unknown; known are {', '.join((*QUALITIES, *JUDGED))}")
    return short


def _kind(loss: str | None, metric: str | None, y: Array, facts: ModelFacts, output: tuple[int, ...]) -> Kind:
    """What the labels are: as the loss says, else the metric, else labels and output.

    Raises:
        UserError: they can't be what loss or metric say.
    """
    if loss is not None and not user_code.is_function(loss):
        return _kind_by_loss(_bare(loss), y, output)
    if metric is not None:
        return _kind_by_metric(metric, y, output)
    if output[-1] == 1 and facts.outputs[0].activation != "sigmoid":
        return "classes" if classes(y, output) and zeros_and_ones(y) else "quantities"
    if classes(y, output):
        return "classes"
    return "multilabel" if answers(y, output) and facts.outputs[0].activation == "sigmoid" else "quantities"


def _kind_by_loss(loss: str, y: Array, output: tuple[int, ...]) -> Kind:
    if loss in SIGNS:
        if not two_sided(y):
            raise UserError(f"loss {loss!r} needs labels of -1 and 1, or of 0 and 1; give another --loss")
        return "classes" if classes(y > 0, output) else "multilabel"
    if loss in BINARY:
        if output[-1] == 1 and classes(y, output):
            return "classes"
        if y.min() < 0 or y.max() > 1:
            raise UserError(f"loss {loss!r} needs labels from 0 to 1, not {y.min():g} to {y.max():g}")
        return "multilabel" if answers(y, output) else "quantities"
    if loss not in OF_CLASSES:
        return _quantities(f"loss {loss!r}", "--loss", y, output)
    if classes(y, output) or (loss in OF_DISTRIBUTIONS and distributions(y, output)):
        return "classes"
    raise UserError(f"loss {loss!r} does not fit the labels, which are quantities; give another --loss")


def _kind_by_metric(metric: str, y: Array, output: tuple[int, ...]) -> Kind:
    if metric in ERRORS:
        return _quantities(f"metric {metric!r}", "--metric", y, output)
    if classes(y, output):
        return "classes"
    if metric in FITTING["multilabel"] and answers(y, output):
        return "multilabel"
    raise UserError(f"metric {metric!r} does not fit the labels, which are quantities; give another --metric")


def _quantities(says: str, option: str, y: Array, output: tuple[int, ...]) -> Kind:
    if classes(y, output) and y.shape[1:] != output and output[-1] > 1:
        raise UserError(f"{says} does not fit the labels, which are class numbers; give another {option}")
    return "quantities"


def _loss(named: str | None, kind: Kind, facts: ModelFacts, output: tuple[int, ...], *, rows: bool) -> str:
    """The loss in the form that the labels need: a plain crossentropy of classes is sparse, unless labels stay rows."""
    if named is not None:
        plain = named in ("categorical_crossentropy", "categorical_crossentropy:logits")
        return f"sparse_{named}" if plain and kind == "classes" and not rows else named
    if kind == "quantities":
        return ERRORS[0]
    logits = "" if facts.outputs[0].activation in ("softmax", "sigmoid") else ":logits"
    if output[-1] == 1 or kind == "multilabel":
        return f"binary_crossentropy{logits}"
    return f"sparse_categorical_crossentropy{logits}"


def _quality(wanted: str | None, where: str, kind: Kind, facts: ModelFacts, output: tuple[int, ...]) -> Metric:
    """The metric: the named one, else the model file's first that fits, else the usual one.

    Raises:
        UserError: the named one does not fit.
    """
    names = [NAMES.get(name, name) for name in facts.compiled_metrics]
    name = wanted or next((name for name in names if name in FITTING[kind]), FITTING[kind][0])
    metric = quality(name, "higher")
    top = metric.name.startswith("top")
    if ("topK" if top else metric.name) not in FITTING[kind]:
        raise UserError(f"{where} {name!r} does not fit the loss and the labels; {' or '.join(FITTING[kind])} does")
    if top and int(metric.name.removeprefix("top")) >= output[-1]:
        raise UserError(f"{where} {name!r} is always 100% of a model with {output[-1]} outputs; choose a smaller K")
    return metric
