"""A task made of a model and data that fit each other, with the loss and metric that go with them."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from autotune.config import fingerprint
from autotune.errors import UserError
from autotune.targets.metric import is_quality
from autotune.targets.metric import quality as quality_named
from autotune.task import user_code
from autotune.task.data import Array, Data, Split
from autotune.task.data.fields import joined
from autotune.task.data.model_input import ModelInput, fitted_inputs, matched
from autotune.task.inference import NAMES, infer_supervision
from autotune.task.labels import class_numbers
from autotune.task.losses import OutputLoss
from autotune.task.losses import joined as losses_joined
from autotune.task.model_facts import ModelFacts
from autotune.task.supervision import Supervision, fitted
from autotune.task.task import CALIBRATION, Task
from autotune.task.views import views


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
    data = _with_inputs(data, facts)
    if len(facts.outputs) == 1:
        data = _with_single_labels(data, facts)
        supervision = infer_supervision(data, facts, gives[0], loss, metric)
        _check_classes(data, supervision, gives[0])
        data = _with_labels(data, gives[0], supervision)
        judged: str | None = ""
    else:
        judged, supervision, data = _of_outputs(facts, data, loss, metric)
    identity = fingerprint(
        hashlib.sha256(model_bytes).hexdigest(),
        facts.to_json(),
        data.train.fingerprint(),
        user_code.fingerprint(supervision.loss),
        seed,
        CALIBRATION if data.calibration is None else hashlib.sha256(data.calibration.tobytes()).hexdigest(),
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
    )


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))


def _with_inputs(data: Data, facts: ModelFacts) -> Data:
    """The data with inputs in the model's order, shapes and types.

    Raises:
        UserError: they don't fit.
    """

    def taken(x: Array, name: str) -> Array:
        return fitted_inputs(facts.inputs, x, name, data.source, pixels=data.pixels)

    def split(each: Split, name: str) -> Split:
        x = taken(each.x, name)
        return replace(each, x=x, y=ModelInput.of(facts.inputs[0]).real(x) if each.unlabelled else each.y)

    return replace(
        data,
        train=split(data.train, "train"),
        validation=split(data.validation, "validation"),
        test=split(data.test, "test"),
        calibration=None if data.calibration is None else taken(data.calibration, "calibration"),
    )


def _with_single_labels(data: Data, facts: ModelFacts) -> Data:
    """The data with the labels of the only output, whatever they call it.

    Raises:
        UserError: there are labels of several.
    """

    def split(each: Split, name: str) -> Split:
        return replace(each, y=matched(facts.outputs, each.y, f"y_{name}", data.source)[""])

    return replace(
        data,
        train=split(data.train, "train"),
        validation=split(data.validation, "validation"),
        test=split(data.test, "test"),
    )


def _of_outputs(
    facts: ModelFacts, data: Data, loss: str | None, metric: str | None
) -> tuple[str | None, Supervision, Data]:
    """What several outputs are judged by and learn from.

    Returns:
        As Task.judged; what all outputs together are; the data with labels in the outputs' order.

    Raises:
        UserError: labels are of some outputs alone or don't fit, or nothing says which output is judged.
    """
    own = data.metric if metric is None and user_code.is_function(data.metric) else None

    def split(each: Split, name: str) -> Split:
        return replace(each, y=joined(matched(facts.outputs, each.y, f"y_{name}", data.source)))

    data = replace(
        data,
        train=split(data.train, "train"),
        validation=split(data.validation, "validation"),
        test=split(data.test, "test"),
    )
    wanted, judged = (None, None) if own else _judged(facts, data, metric)
    alone = views(facts, data, loss)
    each = {
        name: infer_supervision(
            view.data, view.facts, view.facts.outputs[0].shape or (1,), view.loss, wanted if name == judged else None
        )
        for name, view in alone.items()
    }
    for name, view in alone.items():
        _check_classes(view.data, each[name], view.facts.outputs[0].shape or (1,))
    if any(supervision.ignored is not None for supervision in each.values()):
        raise UserError(f"data {data.source}: labels of several outputs can't be ignored; leave out ignore_class")
    fitting = {
        name: _with_labels(view.data, view.facts.outputs[0].shape or (1,), each[name]) for name, view in alone.items()
    }

    def together(part: str) -> Split:
        splits = {name: getattr(each, part) for name, each in fitting.items()}
        whole: Split = getattr(data, part)
        return replace(whole, y=joined({name: each.y for name, each in splits.items()}))

    data = replace(data, train=together("train"), validation=together("validation"), test=together("test"))
    losses = {name: OutputLoss(each[name].loss, view.weight) for name, view in alone.items()}
    if own is not None:
        quality = quality_named(own.rpartition(":")[2], data.better)
        return None, Supervision("quantities", losses_joined(losses), quality, own, soft=False), data
    return judged, replace(each[judged or ""], loss=losses_joined(losses)), data


def _judged(facts: ModelFacts, data: Data, metric: str | None) -> tuple[str | None, str]:
    """The metric, None for the usual one, and the output that it is of.

    Raises:
        UserError: nothing says which.
    """
    names = [spec.name for spec in facts.outputs]
    for text, where in ((metric, "--metric"), (data.metric, f"data {data.source}: metric")):
        if text is not None:
            output, equals, name = text.rpartition("=")
            if not equals:
                raise UserError(f"{where} {text!r}: of which output? {' or '.join(f'{each}={text}' for each in names)}")
            if output not in names:
                raise UserError(f"{where}: no output is called {output!r}; the model gives {', '.join(names)}")
            return name, output
    for compiled in facts.compiled_metrics:
        output, _, name = compiled.partition(":")
        if output in names and is_quality(NAMES.get(name, name)):
            return NAMES.get(name, name), output
    raise UserError(
        f"the model gives {', '.join(names)}: say which output is judged, and how: --metric {names[0]}=METRIC, "
        f"or return a metric of all from FILE.py:FUNCTION"
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

    return replace(
        data,
        train=split(data.train, "train"),
        validation=split(data.validation, "validation"),
        test=split(data.test, "test"),
    )


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
