"""The task: a model, data that fits it, a loss and a metric."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from autotune.config import fingerprint
from autotune.errors import UserError
from autotune.targets.metric import Metric
from autotune.task import score, user_code
from autotune.task.data import Array, Data, Split, stratified_order
from autotune.task.data.model_input import ModelInput
from autotune.task.inference import infer_supervision
from autotune.task.labels import Kind, class_numbers
from autotune.task.losses import MARGINS, Loss
from autotune.task.model_facts import ModelFacts
from autotune.task.supervision import Supervision, fitted

CALIBRATION = 100
"""Samples from which integer schemes learn the ranges of activations, where the data names none."""

ROUNDING = 0.01
"""By which outputs, and the sums of their rows, may be beyond what they stand for: those of 8 bits and of GPUs are."""


@dataclass(frozen=True)
class Task:
    """All that trials have in common.

    Attributes:
        model: the model file's name.
        facts: of the model.
        data: the splits.
        loss: as TrainingData.loss.
        quality: the metric that the search keeps high or low, as it is better.
        seed: of every shuffle.
        fingerprint: of all that a built file depends on, save its recipe.
        labels: what they are.
        scorer: the metric as FILE.py:FUNCTION where it is the user's own, else None.
        stated: whether the user or the data names the loss, and so what outputs are.
    """

    model: str
    facts: ModelFacts
    data: Data
    loss: str
    quality: Metric
    seed: int
    fingerprint: str
    labels: Kind
    scorer: str | None = None
    stated: bool = False

    def calibration(self) -> Array:
        """The data's own calibration inputs, else CALIBRATION drawn from train, stratified."""
        if self.data.calibration is not None:
            return self.data.calibration
        train = self.data.train
        order = stratified_order(train.y, np.random.default_rng(self.seed))
        return np.asarray(train.x[np.sort(order[:CALIBRATION])])

    def score(self, outputs: Array, labels: Array, groups: Array | None = None) -> score.Score:
        """The quality of a model's outputs, where it is not scored in a worker.

        Args:
            outputs: (n, *output shape), float32.
            labels: as Split.y.
            groups: as Split.groups.

        Raises:
            ValueError: outputs and labels differ in number, or the metric is the user's own.
        """
        if self.scorer is not None:
            raise ValueError(f"{self.scorer} scores in a worker")
        if len(outputs) != len(labels):
            raise ValueError(f"{len(outputs)} outputs for {len(labels)} labels")
        outputs = outputs.reshape(len(outputs), *self.output)
        return score.of_labels(self.labels, self.quality, outputs, labels, logits=self._logits, groups=groups)

    @property
    def input(self) -> ModelInput:
        """What the model takes."""
        return ModelInput.of(self.facts)

    @property
    def output(self) -> tuple[int, ...]:
        """The shape of the model's output for a sample, (1,) where that is a single number."""
        return self.facts.output_shape or (1,)

    def misread(self, outputs: Array) -> str | None:
        """Why the model's outputs can't be what they are taken for, None where they can or where that was stated.

        Args:
            outputs: (n, *output shape), float32, of the model as it is.
        """
        loss = Loss.parse(self.loss)
        if self.labels == "quantities" or self.stated or (loss is not None and loss.name in MARGINS):
            return None
        low, high = float(outputs.min()), float(outputs.max())
        probable = low >= -ROUNDING and high <= 1 + ROUNDING
        rows = self.labels == "classes" and self.output[-1] > 1
        summing = rows and bool((np.abs(outputs.sum(axis=-1) - 1) <= ROUNDING).all())
        if not (probable and (summing or not rows) if self._logits else not probable):
            return None
        if loss is None:
            loss = Loss("sparse_categorical_crossentropy" if rows else "binary_crossentropy", False, {})
        return (
            f"its outputs are taken for {'logits' if self._logits else 'probabilities'}, but go from {low:.3g} to "
            f"{high:.3g}{' and sum to one' if summing else ''}; say what they are: --loss "
            f"{replace(loss, logits=False)} for probabilities, --loss {replace(loss, logits=True)} for logits"
        )

    @property
    def half(self) -> float | None:
        """The output above which a question is answered with yes; None where the largest output
        decides, NaN where the model decides nothing.
        """
        return score.threshold(self.labels, self.output, logits=self._logits)

    @property
    def _logits(self) -> bool:
        """Whether outputs are logits, or scores whose sign decides, not probabilities."""
        loss = Loss.parse(self.loss)
        if loss is None:
            return self.facts.activation not in ("softmax", "sigmoid")
        return loss.logits or loss.name in MARGINS


def make_task(
    model: str, model_bytes: bytes, facts: ModelFacts, data: Data, loss: str | None, metric: str | None, seed: int
) -> Task:
    """The task of a model and data that fit each other, with the loss and metric that go with them.

    Args:
        model: the model file's name.
        model_bytes: its content.
        facts: of it.
        data: the splits.
        loss: the user's word, else the data's, else the model file's, else what output and labels suggest.
        metric: likewise.
        seed: of every shuffle.

    Raises:
        UserError: shapes or labels don't fit the model, loss and metric don't fit the labels, or
            labels are all of one class.
    """
    shape, output = facts.input_shape, facts.output_shape or (1,)
    if data.train.unlabelled and shape != output:
        raise UserError(
            f"data {data.source}: no y_train and y_test, and the model does not give back its inputs: "
            f"it takes {shape} and gives {output}"
        )
    supervision = infer_supervision(data, facts, output, loss, metric)
    _check_classes(data, supervision, output)
    calibration = data.calibration
    model_input = ModelInput.of(facts)
    if calibration is not None:
        calibration = model_input.converted(calibration, "calibration", data.source, pixels=data.pixels)
    data = replace(
        data,
        train=_fitted(data.train, "train", model_input, output, data, supervision),
        validation=_fitted(data.validation, "validation", model_input, output, data, supervision),
        test=_fitted(data.test, "test", model_input, output, data, supervision),
        calibration=calibration,
    )
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


def _fitted(
    split: Split, name: str, model_input: ModelInput, output: tuple[int, ...], data: Data, supervision: Supervision
) -> Split:
    """The split in the model's shapes and types.

    Raises:
        UserError: it does not fit.
    """
    x = model_input.converted(split.x, name, data.source, pixels=data.pixels)
    y = model_input.real(x) if split.unlabelled else split.y
    checked = fitted(y, name, output, data.source, supervision) if supervision.checks else y
    seen_by_user = supervision.own_loss or (supervision.scorer is not None and name != "train")
    return replace(split, x=x, y=y if seen_by_user else checked)
