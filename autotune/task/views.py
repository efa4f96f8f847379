"""A model of several outputs as models of one output each, so that all that is known of one loss and one kind of
labels holds for them, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from autotune.errors import UserError
from autotune.task.data import Array, Data, Split
from autotune.task.data.fields import names
from autotune.task.losses import OutputLoss, of_outputs
from autotune.task.model_facts import ModelFacts, TensorSpec


@dataclass(frozen=True)
class View:
    """One output, alone.

    Attributes:
        facts: of the model, as if it gave nothing else.
        data: likewise, whose labels are of this output.
        weight: by which its loss counts in the sum of all.
        loss: the user's word for it, None where there is none.
    """

    facts: ModelFacts
    data: Data
    weight: float
    loss: str | None


def views(facts: ModelFacts, data: Data, loss: str | None) -> dict[str, View]:
    """Each output alone, by its name.

    Args:
        facts: of the model.
        data: whose labels have a field for each output; else they stay as they are.
        loss: the user's word, of several as losses.of_outputs() takes it; None for none.

    Raises:
        UserError: a loss is of no output, or of all outputs at once.
    """
    if len(facts.outputs) == 1:
        return {"": View(facts, data, 1.0, loss)}
    called = [spec.name for spec in facts.outputs]
    asked_for = _losses(loss, called, "--loss")
    stated = _losses(data.loss, called, f"data {data.source}: loss")
    compiled = _compiled(facts.compiled_loss, called)
    return {
        spec.name: View(
            _facts(facts, spec, compiled.get(spec.name)),
            _data(data, spec.name, stated.get(spec.name)),
            next((each[spec.name].weight for each in (asked_for, stated, compiled) if spec.name in each), 1.0),
            asked_for[spec.name].loss if spec.name in asked_for else None,
        )
        for spec in facts.outputs
    }


def _losses(text: str | None, outputs: list[str], where: str) -> Mapping[str, OutputLoss]:
    """What is said of each output's loss.

    Raises:
        UserError: as views().
    """
    if text is None:
        return {}
    example = ",".join(f"{name}=mse" for name in outputs)
    try:
        losses = of_outputs(text)
    except ValueError as error:
        raise UserError(f"{where} {text!r}: {error}") from error
    if losses is None:
        raise UserError(f"{where} {text!r}: the model has several outputs; name them: {example}")
    if unknown := [name for name in losses if name not in outputs]:
        raise UserError(f"{where}: no output is called {unknown[0]!r}; the model gives {', '.join(outputs)}")
    return losses


def _compiled(text: str | None, outputs: list[str]) -> Mapping[str, OutputLoss]:
    """The losses of the model's file; one alone is that of all outputs."""
    losses = None if text is None else of_outputs(text)
    if losses is None:
        return {} if text is None else {name: OutputLoss(text) for name in outputs}
    return losses


def _facts(facts: ModelFacts, spec: TensorSpec, loss: OutputLoss | None) -> ModelFacts:
    prefix = f"{spec.name}:"
    metrics = [name.removeprefix(prefix) for name in facts.compiled_metrics if name.startswith(prefix)]
    return replace(
        facts,
        outputs=(replace(spec, name=""),),
        compiled_loss=None if loss is None else loss.loss,
        compiled_metrics=tuple(metrics),
    )


def _data(data: Data, name: str, loss: OutputLoss | None) -> Data:
    def of_output(split: Split) -> Split:
        return replace(split, y=_label(split.y, name))

    return replace(
        data,
        train=of_output(data.train),
        validation=of_output(data.validation),
        test=of_output(data.test),
        loss=None if loss is None else loss.loss,
        metric=None,
        source=f"{data.source}: output {name!r}",
    )


def _label(y: Array, name: str) -> Array:
    """An output's labels, without an axis of 1 behind each number."""
    if name not in names(y):
        return y
    values = np.asarray(y[name])
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
