"""Answers that are spans of a text: whether they are met, and how much of them."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from autotune.errors import UserError
from autotune.targets.metric import METRICS, Metric
from autotune.task.data.fields import Array, names
from autotune.task.judges.judge import NAME, Judge, called, listed, takes, whole
from autotune.task.score import Score, mean_of, shares, shares_interval


@dataclass(frozen=True, kw_only=True)
class Spans(Judge):
    """Of the best span of each sample (P. Rajpurkar et al., SQuAD: 100,000+ Questions for Machine Comprehension of
    Text, EMNLP 2016, section 6.1), here of tokens.

    Attributes:
        longest: span that is an answer, in tokens.
        start, end: names of the outputs with the scores of each position.
        label_start, label_end: names of the labels with the positions.
    """

    longest: int = field(default=30, metadata=takes(whole(1)))
    start: str | None = field(default=None, metadata=takes(NAME))
    end: str | None = field(default=None, metadata=takes(NAME))
    label_start: str | None = field(default=None, metadata=takes(NAME))
    label_end: str | None = field(default=None, metadata=takes(NAME))

    def score(self, outputs: Array, labels: Array, groups: Array | None = None) -> Score:
        """The mean over samples.

        Args:
            outputs: scores of the positions as start and end, two fields of (n, length) or (n, length, 2).
            labels: the positions, two fields of (n,) or (n, 2); the last token is within the span.
            groups: as Judge.score().

        Raises:
            UserError: as Judge.score(), or labels are no spans of the text.
        """
        scores = self._two(outputs, {"start": self.start, "end": self.end}, "outputs")
        if scores.ndim != 3 or scores.shape[2] != 2:
            raise UserError(f"{self}: {listed(outputs, 'outputs')}, not (length, 2), or (length,) for start and end")
        wanted = {"label_start": self.label_start, "label_end": self.label_end}
        true = self._two(labels, wanted, "labels")
        true = true.reshape(len(true), -1).astype(np.int64)
        if true.shape[1] != 2:
            raise UserError(f"{self}: {listed(labels, 'labels')}, not (2,), or a number for start and end")
        wrong = np.flatnonzero((true[:, 0] < 0) | (true[:, 1] < true[:, 0]) | (true[:, 1] >= scores.shape[1]))
        if len(wrong):
            start, end = true[wrong[0]]
            raise UserError(
                f"{self}: label {wrong[0]} is no span of {scores.shape[1]} tokens: it starts at {start}, ends at {end}"
            )
        return self._judged(best_spans(scores[..., 0], scores[..., 1], self.longest), true, groups)

    @abstractmethod
    def _judged(self, predicted: Array, true: Array, groups: Array | None) -> Score:
        """Of spans, (n, 2)."""

    def _two(self, values: Array, wanted: dict[str, str | None], what: str) -> Array:
        """Start and end side by side, in the last axis.

        Raises:
            UserError: which is which is not known, or their shapes differ.
        """
        if not names(values):
            return values
        two = list[Array]()
        for setting, name in wanted.items():
            fitting = [each for each in names(values) if setting.removeprefix("label_") in each.lower()]
            if name is None and len(fitting) != 1:
                raise UserError(
                    f"{self}: {listed(values, what)}; say which is which, as in {self.metric.name}:{setting}=NAME"
                )
            part = called(values, name or fitting[0], what, self)
            two.append(part[..., 0] if part.ndim > 1 and part.shape[-1] == 1 else part)
        if two[0].shape != two[1].shape:
            raise UserError(f"{self}: start and end differ in length; {listed(values, what)}")
        return np.stack(two, axis=-1)


class ExactMatch(Spans):
    """The share of samples whose span is the label's."""

    metric: ClassVar[Metric] = METRICS["exact_match"]

    def _judged(self, predicted: Array, true: Array, groups: Array | None) -> Score:
        return shares((predicted == true).all(axis=1), groups)


class SpanF1(Spans):
    """How far spans and labels overlap: the harmonic mean of the shares of either's tokens that are the other's."""

    metric: ClassVar[Metric] = METRICS["span_f1"]

    def _judged(self, predicted: Array, true: Array, groups: Array | None) -> Score:
        both = np.minimum(predicted[:, 1], true[:, 1]) - np.maximum(predicted[:, 0], true[:, 0]) + 1
        lengths = (predicted[:, 1] - predicted[:, 0] + 1) + (true[:, 1] - true[:, 0] + 1)
        return mean_of(2 * np.maximum(both, 0) / lengths, groups, shares_interval)


def best_spans(starts: Array, ends: Array, longest: int) -> Array:
    """The span of each sample whose start and end have the largest sum of scores, (n, 2) with the last token.

    Args:
        starts: (n, length), scores of each position as the first token.
        ends: likewise, as the last one.
        longest: span that may be, in tokens. Of equal ones it is the one that starts first, then the shortest.
    """
    most = 1e300  # beyond which sums are no numbers; nor is NaN
    starts, ends = (np.clip(np.nan_to_num(each.astype(float), nan=-most), -most, most) for each in (starts, ends))
    length = starts.shape[1]
    best, last = starts + ends, np.tile(np.arange(length), (len(starts), 1))
    for more in range(1, min(longest, length)):
        sums = starts[:, : length - more] + ends[:, more:]
        better = sums > best[:, : length - more]
        np.copyto(best[:, : length - more], sums, where=better)
        np.copyto(last[:, : length - more], np.arange(more, length), where=better)
    first = best.argmax(axis=1)
    return np.stack([first, last[np.arange(len(last)), first]], axis=1)
