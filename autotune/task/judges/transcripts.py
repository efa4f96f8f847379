"""Transcripts, as of speech or of handwriting: what a model reads, and how far that is from what was said."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import ClassVar

import numpy as np

from autotune.errors import UserError
from autotune.targets.metric import METRICS, Metric
from autotune.task.data.fields import Array
from autotune.task.judges.judge import NAME, Judge, missing, ratio, single, takes, whole
from autotune.task.score import Score

Tokens = list[int]


@dataclass(frozen=True, kw_only=True)
class Errors(Judge):
    """The edits (one more, one less, another one) that make a transcript of what was read, for each that it has.

    Attributes:
        blank: the token that stands for nothing, None for the last one.
        output, label: names of the output and label, where there are several.
    """

    blank: int | None = field(default=None, metadata=takes(whole(0)))
    output: str | None = field(default=None, metadata=takes(NAME))
    label: str | None = field(default=None, metadata=takes(NAME))

    def score(self, outputs: Array, labels: Array, groups: Array | None = None) -> Score:
        """The edits of all samples together, for each unit that all transcripts together have.

        Args:
            outputs: (n, time, tokens), scores that are highest for the likeliest token.
            labels: (n, length) tokens; those below 0, and the blank, are padding.
            groups: as Judge.score().

        Raises:
            UserError: as Judge.score(), or the transcripts are empty.
        """
        scores = single(outputs, self.output, "outputs", "output", self)
        if scores.ndim != 3:
            raise UserError(f"{self}: the output of a sample is {scores.shape[1:]}, not (time, tokens)")
        tokens = scores.shape[2]
        blank = tokens - 1 if self.blank is None else self.blank
        true = single(labels, self.label, "labels", "label", self).reshape(len(scores), -1)
        self._check(tokens, blank, int(true.max(initial=-1)))
        transcripts = [[token for token in row if token >= 0 and token != blank] for row in true.astype(int).tolist()]
        read = [self._units(each) for each in decoded(scores, blank)]
        said = [self._units(each) for each in transcripts]
        lengths = np.array([len(each) for each in said])
        if not lengths.any():
            raise UserError(f"{self}: the labels have nothing in them but padding")
        edits = np.array([self._distance(*pair) for pair in zip(read, said, strict=True)])
        return ratio(edits, lengths, groups, self.metric.highest)

    def _check(self, tokens: int, blank: int, highest: int) -> None:
        """Holds what was said of tokens against how many there are.

        Raises:
            UserError: there are fewer.
        """
        for what, token in (("blank", blank), ("the labels' highest token", highest)):
            if token >= tokens:
                raise UserError(f"{self}: {what} is {token}, the output's tokens are 0 to {tokens - 1}")

    @abstractmethod
    def _units(self, tokens: Tokens) -> "Sequence[int] | Sequence[tuple[int, ...]]":
        """What is counted."""

    def _distance(self, read: "Sequence[object]", said: "Sequence[object]") -> int:
        """By V. I. Levenshtein, Binary Codes Capable of Correcting Deletions, Insertions and Reversals, 1966.

        Raises:
            UserError: rapidfuzz is missing.
        """
        try:
            from rapidfuzz.distance import Levenshtein
        except ImportError as error:
            raise missing("rapidfuzz", self) from error
        numbers = {unit: number for number, unit in enumerate(dict.fromkeys([*read, *said]))}
        return Levenshtein.distance([numbers[unit] for unit in read], [numbers[unit] for unit in said])


class CharacterErrors(Errors):
    """For each token."""

    metric: ClassVar[Metric] = METRICS["cer"]

    def _units(self, tokens: Tokens) -> Sequence[int]:
        return tokens


@dataclass(frozen=True, kw_only=True)
class WordErrors(Errors):
    """For each word.

    Attributes:
        space: the token that parts words.
    """

    metric: ClassVar[Metric] = METRICS["wer"]
    space: int = field(metadata=takes(whole(0), "the token that parts words, as in wer:space=26"))

    def _check(self, tokens: int, blank: int, highest: int) -> None:
        super()._check(tokens, blank, highest)
        if self.space >= tokens:
            raise UserError(f"{self}: space is {self.space}, the output's tokens are 0 to {tokens - 1}")
        if self.space == blank:
            raise UserError(f"{self}: token {blank} can't be both the space and the blank")

    def _units(self, tokens: Tokens) -> Sequence[tuple[int, ...]]:
        return words(tokens, self.space)


def decoded(scores: Array, blank: int) -> list[Tokens]:
    """What is read where each step's likeliest token is taken: repeats are one, and blanks are nothing.

    A. Graves et al., Connectionist Temporal Classification, ICML 2006, section 3.2, best path decoding.

    Args:
        scores: (n, time, tokens).
        blank: the token that stands for nothing.
    """
    best = scores.argmax(axis=2)
    new = np.ones(best.shape, bool)
    new[:, 1:] = best[:, 1:] != best[:, :-1]
    return [row[taken].tolist() for row, taken in zip(best, new & (best != blank), strict=True)]


def words(tokens: Tokens, space: int) -> list[tuple[int, ...]]:
    """The tokens between spaces; several spaces are one."""
    return [tuple(part) for parting, part in groupby(tokens, lambda token: token == space) if not parting]
