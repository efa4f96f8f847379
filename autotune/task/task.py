"""The task: a model, data that fits it, a loss and a metric."""

from dataclasses import dataclass, replace

import numpy as np

from autotune.targets.metric import Metric
from autotune.task import score
from autotune.task.data import Array, Data, stratified_order
from autotune.task.data.fields import cast
from autotune.task.data.model_input import ModelInput, stand_for
from autotune.task.judges.judge import Judge
from autotune.task.labels import Kind
from autotune.task.losses import MARGINS, Loss, of_outputs
from autotune.task.model_facts import ModelFacts, TensorSpec

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
        judged: the output that the quality is of; "" for the only one, None for all together.
        judge: the metric of all with its settings, None where it is another.
        teaches: whether labels say what each output is to be.
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
    judged: str | None = ""
    judge: Judge | None = None
    teaches: bool = True

    def calibration(self) -> Array:
        """The data's own calibration inputs, else CALIBRATION drawn from train, stratified; of the model's types."""
        if self.data.calibration is not None:
            return self.real(self.data.calibration)
        train = self.data.train
        order = stratified_order(train.y, np.random.default_rng(self.seed))
        return self.real(train.x[np.sort(order[:CALIBRATION])])

    def real(self, x: Array) -> Array:
        """Samples of the model's own types, where they are kept in fewer bits."""
        return cast(x, self.stand_for)

    @property
    def stand_for(self) -> dict[str, str]:
        """The types that inputs are to become where they are used, of those that are kept in fewer bits, by name."""
        return stand_for(self.facts.inputs)

    def score(self, outputs: Array, labels: Array, groups: Array | None = None) -> score.Score:
        """The quality of a model's outputs, where it is not scored in a worker.

        Args:
            outputs: (n, *output shape), float32; of several a field for each.
            labels: as Split.y.
            groups: as Split.groups.

        Raises:
            ValueError: outputs and labels differ in number, or the metric is the user's own.
        """
        if self.scorer is not None:
            raise ValueError(f"{self.scorer} scores in a worker")
        if len(outputs) != len(labels):
            raise ValueError(f"{len(outputs)} outputs for {len(labels)} labels")
        if self.judge is not None:
            return self.judge.score(outputs, labels, groups)
        if self.judged:
            outputs, labels = outputs[self.judged], labels[self.judged]
        outputs = outputs.reshape(len(outputs), *self.output)
        return score.of_labels(self.labels, self.quality, outputs, labels, logits=self._logits, groups=groups)

    @property
    def inputs(self) -> dict[str, ModelInput]:
        """What the model takes, by name; "" is that of the only one."""
        return {spec.name: ModelInput.of(spec) for spec in self.facts.inputs}

    @property
    def metric(self) -> str:
        """The metric as users say it: of one of several outputs OUTPUT=METRIC, of some with settings."""
        if self.judge is not None:
            return str(self.judge)
        return f"{self.judged}={self.quality.name}" if self.judged else self.quality.name

    @property
    def output(self) -> tuple[int, ...]:
        """The shape of the judged output for a sample, (1,) where that is a single number."""
        return self._spec.shape or (1,)

    @property
    def answers(self) -> Array:
        """Labels (n, …) of the validation samples, of the judged output."""
        y = self.data.validation.y
        return np.asarray(y[self.judged]) if self.judged else y

    def misread(self, outputs: Array) -> str | None:
        """Why the model's outputs can't be what they are taken for, None where they can or where that was stated.

        Args:
            outputs: (n, *output shape), float32, of the model as it is; of several a field for each.
        """
        loss = self._parsed_loss
        if self.judged:
            outputs = outputs[self.judged]
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
        said = f"{self.judged}={{}}" if self.judged else "{}"
        return (
            f"its outputs are taken for {'logits' if self._logits else 'probabilities'}, but go from {low:.3g} to "
            f"{high:.3g}{' and sum to one' if summing else ''}; say what they are: --loss "
            f"{said.format(replace(loss, logits=False))} for probabilities, "
            f"--loss {said.format(replace(loss, logits=True))} for logits"
        )

    @property
    def half(self) -> float | None:
        """The output above which a question is answered with yes; None where the largest output
        decides, NaN where the model decides nothing, or has several outputs.
        """
        if len(self.facts.outputs) > 1:
            return float("nan")
        return score.threshold(self.labels, self.output, logits=self._logits)

    @property
    def _logits(self) -> bool:
        """Whether outputs are logits, or scores whose sign decides, not probabilities."""
        loss = self._parsed_loss
        if loss is None:
            return self._spec.activation not in ("softmax", "sigmoid")
        return loss.logits or loss.name in MARGINS

    @property
    def _spec(self) -> TensorSpec:
        """Of the judged output, of the first where all are."""
        return next((spec for spec in self.facts.outputs if spec.name == self.judged), self.facts.outputs[0])

    @property
    def _parsed_loss(self) -> Loss | None:
        """That of the judged output."""
        losses = of_outputs(self.loss) if self.judged else None
        return Loss.parse(losses[self.judged].loss if losses and self.judged else self.loss)
