"""What labels, loss and metric are, and labels in the form for it."""

from dataclasses import dataclass

import numpy as np

from autotune.errors import UserError
from autotune.targets.metric import Metric
from autotune.task import user_code
from autotune.task.data import Array, one_hot
from autotune.task.labels import UNCOUNTED, Kind, class_numbers, classes, distributions, two_sided, zeros_and_ones
from autotune.task.losses import SIGNS, Loss


@dataclass(frozen=True)
class Supervision:
    """What a model learns from and is judged by: what labels, loss and metric are.

    Attributes:
        kind: of the labels.
        loss: as losses.Loss.parse() takes it, in the form that the labels need, or "FILE.py:FUNCTION".
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
    def own_loss(self) -> bool:
        """Whether the loss is a function of the user's."""
        return user_code.is_function(self.loss)

    @property
    def checks(self) -> bool:
        """Whether anything but functions of the user's will see the labels."""
        return self.scorer is None or not self.own_loss

    @property
    def ignored(self) -> int | None:
        """The label whose positions count nowhere."""
        loss = Loss.parse(self.loss)
        return None if loss is None else loss.ignored

    @property
    def signs(self) -> bool:
        """Whether labels may be -1 and 1."""
        loss = Loss.parse(self.loss)
        return loss is not None and loss.name in SIGNS


def fitted(y: Array, name: str, output: tuple[int, ...], source: str, supervision: Supervision) -> Array:
    """A split's labels in the form for their kind: class numbers as int64, else the output's shape.

    Args:
        y: as the data has them: class numbers for each position of the output, with or without an axis of 1 behind;
            or in the output's shape, from which an axis of 1 may be missing.
        name: of the split.
        output: the model's output's shape.
        source: of the data.
        supervision: of the task.

    Returns:
        Class numbers (n, *output[:-1]), UNCOUNTED where they are ignored; or distributions over classes, answers or
        quantities (n, *output).

    Raises:
        UserError: they don't fit the output.
    """
    if supervision.signs:
        if not two_sided(y):
            raise UserError(f"data {source}: {name} labels are neither -1 and 1 nor 0 and 1")
        y = y > 0
    if supervision.kind != "classes":
        return _in_outputs_shape(y, name, output, source, supervision.kind)
    if supervision.soft and distributions(y, output) and not one_hot(y):
        return y.astype(np.float32)
    if not classes(y, output):
        raise UserError(f"data {source}: {name} labels are neither class numbers nor one-hot rows of {output[-1]}")
    numbers = class_numbers(y, output)
    count = max(output[-1], 2)
    counted = numbers != supervision.ignored
    if not counted.any():
        raise UserError(f"data {source}: all {name} labels are {supervision.ignored}, which is ignored")
    wrong = np.unique(numbers[counted & ((numbers < 0) | (numbers >= count))])
    if wrong.size:
        span = f"{name} labels go from {numbers[counted].min()} to {numbers[counted].max()}"
        hint = ""
        namable = supervision.loss.startswith("sparse_") and supervision.ignored is None
        if len(output) > 1 and wrong.size == 1 and namable:
            hint = f"; where {wrong[0]} stands for no class: --loss {supervision.loss}:ignore_class={wrong[0]}"
        raise UserError(f"data {source}: {span}, the model has outputs for 0 to {count - 1}{hint}")
    return np.where(counted, numbers, UNCOUNTED)


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
    if kind == "multilabel" and not zeros_and_ones(y):
        raise UserError(f"data {source}: {name} labels are not all 0 or 1")
    return y
