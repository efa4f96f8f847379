"""A task made of a model and data that fit each other, with the loss and metric that go with them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from autotune.config import fingerprint
from autotune.errors import UserError
from autotune.targets.metric import Metric, bare, is_quality, of_output
from autotune.targets.metric import quality as quality_named
from autotune.task import user_code
from autotune.task.data import Array, Data, Split
from autotune.task.data.fields import cast, joined, names
from autotune.task.data.gathered import changed
from autotune.task.data.model_input import ModelInput, fitted_inputs, matched, stand_for
from autotune.task.inference import NAMES, infer_supervision
from autotune.task.judges import table as judges
from autotune.task.judges.judge import Judge
from autotune.task.labels import class_numbers
from autotune.task.losses import Loss, OutputLoss
from autotune.task.losses import joined as losses_joined
from autotune.task.model_facts import ModelFacts
from autotune.task.supervision import Supervision, fitted
from autotune.task.task import CALIBRATION, Task
from autotune.task.views import views

CHECKED = 500
"""Labels of a split that a metric of all outputs is tried on, at most."""


def make_task(
    model: str, model_bytes: bytes, facts: ModelFacts, data: Data, loss: str | None, metric: str | None, seed: int
) -> Task:
    """The task of a model and data that fit each other, with the loss and metric that go with them.

    Args:
        model: the model file's name.
        model_bytes: its content.
        facts: of it.
        data: the splits.
        loss: the user's word, else the data's, else the model file's, else what output and labels suggest. Of several
            outputs as losses.of_outputs() takes it.
        metric: likewise. Of several outputs OUTPUT=METRIC, or the metric alone where it fits one of them only.
        seed: of every shuffle.

    Raises:
        UserError: shapes or labels don't fit the model, loss and metric don't fit the labels, or
            labels are all of one class.
    """
    takes = [spec.shape for spec in facts.inputs]
    gives = [spec.shape or (1,) for spec in facts.outputs]
    if data.train.unlabelled and (len(takes) > 1 or takes != gives):
        raise UserError(
            f"data {data.source}: no y_train and y_test, and the model does not give back its inputs: "
            f"it takes {_listed(takes)} and gives {_listed(gives)}"
        )
    _check_order(data, facts)
    data = _with_inputs(data, facts)
    judge = _judge(data, metric)
    own = data.metric if metric is None and user_code.is_function(data.metric) else None
    judged: str | None = ""
    teaches = True
    if judge is not None:
        judged = None
        supervision, data, teaches = _as_a_whole(facts, data, loss, judge.metric)
        _check_judge(judge, facts, data)
    elif own is not None and len(facts.outputs) > 1:
        judged = None
        supervision, data, teaches = _as_a_whole(facts, data, loss, quality_named(_function(own), data.better), own)
    elif len(facts.outputs) > 1:
        judged, supervision, data = _of_one_output(facts, data, loss, metric)
    else:
        data = _with_single_labels(data, facts)
        supervision = infer_supervision(data, facts, gives[0], loss, metric)
        _check_classes(data, supervision, gives[0])
        data = _with_labels(data, gives[0], supervision)
    types = stand_for(facts.inputs)
    calibration = None if data.calibration is None else cast(data.calibration, types)
    identity = fingerprint(
        hashlib.sha256(model_bytes).hexdigest(),
        facts.to_json(),
        data.train.fingerprint(types),
        user_code.fingerprint(supervision.loss),
        seed,
        CALIBRATION if calibration is None else hashlib.sha256(calibration.tobytes()).hexdigest(),
    )
    stated = loss is not None or (data.loss is not None and not user_code.is_function(data.loss))
    return Task(
        model,
        facts,
        data,
        supervision.loss,
        supervision.quality,
        seed,
        identity,
        supervision.kind,
        supervision.scorer,
        stated,
        judged,
        judge,
        teaches,
    )


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))


def _check_order(data: Data, facts: ModelFacts) -> None:
    """Refuses tuples for a file whose inputs and outputs a converter has sorted: the user can't know how.

    Raises:
        UserError: there are some.
    """
    for kind, specs in (("x", facts.inputs), ("y", facts.outputs)):
        values: Array = getattr(data.train, kind)
        if facts.format == "tflite" and len(specs) > 1 and "0" in names(values):
            raise UserError(
                f"data {data.source}: {kind} is a tuple, and this model is a graph, which has no order; "
                f"give a dictionary with {', '.join(spec.name for spec in specs)}"
            )


def _with_inputs(data: Data, facts: ModelFacts) -> Data:
    """The data with inputs in the model's order, shapes and types.

    Raises:
        UserError: they don't fit.
    """

    def taken(x: Array, name: str) -> Array:
        return fitted_inputs(facts.inputs, x, name, data.source, pixels=data.pixels, cache=data.cache)

    def split(each: Split, name: str) -> Split:
        x = taken(each.x, name)
        y = changed(x, ModelInput.of(facts.inputs[0]).real, data.cache) if each.unlabelled else each.y
        return replace(each, x=x, y=y)

    calibration = None if data.calibration is None else taken(data.calibration, "calibration")
    return replace(_each_split(data, split), calibration=calibration)


def _each_split(data: Data, change: Callable[[Split, str], Split]) -> Data:
    """The data with each split changed, which is told by its name."""
    return replace(
        data,
        train=change(data.train, "train"),
        test=change(data.test, "test"),  # before those that may be cut from it, which users don't call validation
        validation=change(data.validation, "validation"),
    )


def _with_single_labels(data: Data, facts: ModelFacts) -> Data:
    """The data with the labels of the only output, whatever they call it.

    Raises:
        UserError: there are labels of several.
    """

    def split(each: Split, name: str) -> Split:
        return replace(each, y=matched(facts.outputs, each.y, f"y_{name}", data.source)[""])

    return _each_split(data, split)


def _judge(data: Data, metric: str | None) -> Judge | None:
    """The metric of all outputs with its settings, where it is one of judges.table; the user's word, else the data's.

    Raises:
        UserError: a setting is unknown, missing or wrong.
    """
    for text, where in ((metric, "--metric"), (data.metric, f"data {data.source}: metric")):
        if text is not None:
            return judges.parse(text, where) if bare(text) in judges.JUDGES else None
    return None


def _check_judge(judge: Judge, facts: ModelFacts, data: Data) -> None:
    """Has the labels judged, with outputs of nothing: before anything is built it is seen whether it can be.

    Raises:
        UserError: outputs or labels are not as the metric takes them, or a setting names none of them.
    """
    for split in (data.validation, data.test):
        some = split.some(np.arange(min(len(split), CHECKED)))
        nothing = joined({spec.name: np.zeros((len(some), *spec.shape), np.float32) for spec in facts.outputs})
        judge.score(nothing, some.y, some.groups)


def _function(own: str) -> str:
    """The name of a function that is said as FILE.py:FUNCTION."""
    return own.rpartition(":")[2]


def _as_a_whole(
    facts: ModelFacts, data: Data, loss: str | None, quality: Metric, scorer: str | None = None
) -> tuple[Supervision, Data, bool]:
    """What a model is judged by whose outputs are judged together, by labels of any form.

    Returns:
        What it learns from and is judged by; the data, with labels in the outputs' order where they are of them;
        whether they are, so that they say what each output is to be.
    """
    stated = replace(data, metric=None)
    try:
        each, labelled = _supervisions(facts, stated, loss, {})
        losses, teaches = {name: supervision.loss for name, supervision in each.items()}, True
    except UserError:  # such as boxes of objects, where outputs are of anchors
        alone = views(facts, stated, loss)
        losses, teaches = {name: view.loss or _loss_of_values(view.facts) for name, view in alone.items()}, False
        labelled = data
    weights = {name: view.weight for name, view in views(facts, stated, loss).items()}
    return Supervision("quantities", _joined(losses, weights), quality, scorer, soft=False), labelled, teaches


def _loss_of_values(facts: ModelFacts) -> str:
    """The loss of an output without labels: that of the model's file, else by what its values are."""
    loss = Loss.parse(facts.compiled_loss or "")
    if loss is not None:
        return str(loss)
    by_values = {"softmax": "sparse_categorical_crossentropy", "sigmoid": "binary_crossentropy"}
    return by_values.get(facts.outputs[0].activation or "", "mse")


def _of_one_output(
    facts: ModelFacts, data: Data, loss: str | None, metric: str | None
) -> tuple[str, Supervision, Data]:
    """What a model of several outputs learns from and is judged by, where one of them is judged.

    Returns:
        As Task.judged; what all outputs together are; the data with labels in the outputs' order.

    Raises:
        UserError: labels are of some outputs alone or don't fit, or nothing says which output is judged.
    """
    wanted, judged = _judged(facts, data, metric)
    each, data = _supervisions(facts, data, loss, {judged: wanted})
    losses = {name: supervision.loss for name, supervision in each.items()}
    weights = {name: view.weight for name, view in views(facts, data, loss).items()}
    return judged, replace(each[judged], loss=_joined(losses, weights)), data


def _joined(losses: Mapping[str, str], weights: Mapping[str, float]) -> str:
    """The losses of all outputs as one text."""
    if list(losses) == [""]:
        return losses[""]
    return losses_joined({name: OutputLoss(loss, weights[name]) for name, loss in losses.items()})


def _supervisions(
    facts: ModelFacts, data: Data, loss: str | None, metrics: Mapping[str, str | None]
) -> tuple[dict[str, Supervision], Data]:
    """What each output learns from and is judged by, and the data with labels in the outputs' order and form.

    Args:
        facts: of the model.
        data: with its inputs in the model's form.
        loss: as make_task().
        metrics: of the outputs that are judged.

    Raises:
        UserError: labels are of some outputs alone, or don't fit.
    """

    def split(each: Split, name: str) -> Split:
        return replace(each, y=joined(matched(facts.outputs, each.y, f"y_{name}", data.source)))

    data = _each_split(data, split)
    supervisions = dict[str, Supervision]()
    fitting = dict[str, Data]()
    for name, view in views(facts, data, loss).items():
        output = view.facts.outputs[0].shape or (1,)
        supervision = infer_supervision(view.data, view.facts, output, view.loss, metrics.get(name))
        _check_classes(view.data, supervision, output)
        if supervision.ignored is not None:
            raise UserError(f"data {data.source}: labels of several outputs can't be ignored; leave out ignore_class")
        supervisions[name], fitting[name] = supervision, _with_labels(view.data, output, supervision)

    def together(each: Split, name: str) -> Split:
        splits: dict[str, Split] = {output: getattr(fitted_data, name) for output, fitted_data in fitting.items()}
        return replace(each, y=joined({output: one.y for output, one in splits.items()}))

    return supervisions, _each_split(data, together)


def _judged(facts: ModelFacts, data: Data, metric: str | None) -> tuple[str | None, str]:
    """The metric, None for the usual one, and the output that it is of.

    Raises:
        UserError: nothing says which.
    """
    outputs = [spec.name for spec in facts.outputs]
    for text, where in ((metric, "--metric"), (data.metric, f"data {data.source}: metric")):
        if text is not None:
            output, name = of_output(text)
            if not output:
                raise UserError(
                    f"{where} {text!r}: of which output? {' or '.join(f'{each}={text}' for each in outputs)}"
                )
            if output not in outputs:
                raise UserError(f"{where}: no output is called {output!r}; the model gives {', '.join(outputs)}")
            return name, output
    for compiled in facts.compiled_metrics:
        output, _, name = compiled.partition(":")
        if output in outputs and is_quality(NAMES.get(name, name)):
            return NAMES.get(name, name), output
    raise UserError(
        f"the model gives {', '.join(outputs)}: say which output is judged, and how, as in --metric {outputs[0]}=mae, "
        "or name a metric of all"
    )


def _with_labels(data: Data, output: tuple[int, ...], supervision: Supervision) -> Data:
    """The data with labels in the form for an output.

    Raises:
        UserError: they don't fit.
    """

    def split(each: Split, name: str) -> Split:
        y = fitted(each.y, name, output, data.source, supervision) if supervision.checks else each.y
        seen_by_user = supervision.own_loss or (supervision.scorer is not None and name != "train")
        return replace(each, y=each.y if seen_by_user else y)

    return _each_split(data, split)


def _check_classes(data: Data, supervision: Supervision, output: tuple[int, ...]) -> None:
    """Holds the data's classes against the model's outputs.

    Raises:
        UserError: there are more or fewer classes than outputs, or only one where there must be two.
    """
    if supervision.kind == "quantities":
        return
    if data.classes and supervision.kind == "classes" and len(data.classes) != max(output[-1], 2):
        names = ", ".join(data.classes[:3]) + (", …" if len(data.classes) > 3 else "")
        raise UserError(
            f"data {data.source}: has {len(data.classes)} classes ({names}), the model tells {max(output[-1], 2)} apart"
        )
    ranked = supervision.quality.name in ("auc", "f1")
    for name, split in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        if not (ranked or name == "train"):
            continue
        y = class_numbers(split.y, output).reshape(-1) if supervision.kind == "classes" else split.y
        y = y if supervision.ignored is None else y[y != supervision.ignored]
        if len(y) and (y == y[0]).all():
            raise UserError(f"data {data.source}: all {name} labels are the same ({y[0]}); there must be two classes")
