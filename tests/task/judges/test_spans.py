"""Answer spans: which is the best, and how far it is the label's."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.errors import UserError
from autotune.results.significance import compare
from autotune.task.data import Array
from autotune.task.data.fields import joined
from autotune.task.judges import parse
from autotune.task.judges.spans import best_spans


def plain_best(starts: list[int], ends: list[int], longest: int) -> tuple[int, int]:
    """By trying all."""
    spans = [(a, b) for a in range(len(starts)) for b in range(a, len(starts)) if b - a < longest]
    return max(spans, key=lambda span: (starts[span[0]] + ends[span[1]], -span[0], -span[1]))


ROW = st.lists(st.integers(-5, 5), min_size=9, max_size=9)


@given(rows=st.lists(st.tuples(ROW, ROW), min_size=1, max_size=4), longest=st.integers(1, 12))
def test_the_best_span(rows: list[tuple[list[int], list[int]]], longest: int) -> None:
    """Is what trying all gives; of equal ones the first start, then the first end."""
    starts, ends = np.array([row for row, _ in rows]), np.array([row for _, row in rows])
    assert best_spans(starts, ends, longest).tolist() == [list(plain_best(*row, longest)) for row in rows]


def test_no_number_is_never_best() -> None:
    """As a broken file gives it."""
    starts, ends = np.array([[np.nan, 1, 0]]), np.array([[9, np.nan, np.inf]])
    assert best_spans(starts, ends, 30).tolist() == [[1, 2]]
    nothing = np.full((1, 3), np.nan)
    assert best_spans(nothing, nothing, 30).tolist() == [[0, 0]]


def pointed(spans: list[tuple[int, int]], length: int = 40) -> Array:
    """Outputs whose best spans are these."""
    scores = np.zeros((len(spans), length, 2), np.float32)
    for row, span in zip(scores, spans, strict=True):
        row[span, (0, 1)] = 5
    return scores


SPAN = st.tuples(st.integers(0, 39), st.integers(0, 29)).map(lambda pair: (pair[0], min(39, sum(pair))))


@given(pairs=st.lists(st.tuples(SPAN, SPAN), min_size=2, max_size=6))
def test_both_are_those_of_bags_of_tokens(pairs: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """As SQuAD's own script counts words that two answers share."""
    outputs, labels = pointed([one for one, _ in pairs]), np.array([other for _, other in pairs])
    each = []
    for one, other in pairs:
        bags = [Counter(range(first, last + 1)) for first, last in (one, other)]
        same = (bags[0] & bags[1]).total()
        precision, recall = (same / bag.total() for bag in bags)
        each.append(2 * precision * recall / (precision + recall) if same else 0.0)
    score = parse("span_f1").score(outputs, labels)
    assert score.value == pytest.approx(np.mean(each))
    assert score.each == pytest.approx(np.array(each), abs=1e-6)
    assert parse("exact_match").score(outputs, labels).each.tolist() == [one == other for one, other in pairs]


def test_a_longer_span_is_no_answer() -> None:
    """Unless that is said."""
    outputs, labels = pointed([(0, 35), (3, 4)]), np.array([(0, 35), (3, 4)])
    assert parse("exact_match").score(outputs, labels).value == 0.5
    assert parse("exact_match:longest=36").score(outputs, labels).value == 1
    assert parse("span_f1:longest=1").score(outputs, labels).value < 0.5


def test_fields() -> None:
    """By their names, in any order, or by those that are said."""
    spans = [(1, 4), (2, 2), (0, 3)]
    scores, labels = pointed(spans), np.array([(1, 4), (2, 3), (0, 3)])
    expected = parse("exact_match").score(scores, labels)
    assert expected.value == pytest.approx(2 / 3)
    outputs = joined({"end_logits": scores[..., 1], "start_logits": scores[..., 0]})
    positions = joined({"end": labels[:, 1:], "start": labels[:, :1]})
    assert parse("exact_match").score(outputs, positions) == expected
    assert parse("exact_match").score(outputs, labels) == expected
    plain = joined({"a": scores[..., 1], "b": scores[..., 0]})
    assert parse("exact_match:start=b:end=a").score(plain, labels) == expected
    named = joined({"y1": labels[:, 0], "y2": labels[:, 1]})
    assert parse("exact_match:label_start=y1:label_end=y2").score(scores, named) == expected
    with pytest.raises(
        UserError, match=re.escape("the outputs are a (40,), b (40,); say which is which, as in exact_")
    ):
        parse("exact_match").score(plain, labels)
    with pytest.raises(
        UserError, match=re.escape("the labels are y1 (), y2 (); say which is which, as in span_f1:label_s")
    ):
        parse("span_f1").score(scores, named)


@pytest.mark.parametrize(
    ("outputs", "labels", "says"),
    [
        (np.zeros((2, 40)), [(0, 1), (1, 2)], "the outputs are (40,), not (length, 2), or (length,) for start and end"),
        (np.zeros((2, 40, 3)), [(0, 1), (1, 2)], "the outputs are (40, 3), not (length, 2)"),
        (pointed([(0, 1)] * 2), [(0, 1, 1), (1, 2, 2)], "the labels are (3,), not (2,), or a number for start and end"),
        (pointed([(0, 1)] * 2), [(0, 1), (3, 2)], "label 1 is no span of 40 tokens: it starts at 3, ends at 2"),
        (pointed([(0, 1)] * 2), [(0, 40), (3, 2)], "label 0 is no span of 40 tokens: it starts at 0, ends at 40"),
        (pointed([(0, 1)] * 2), [(-1, -1), (3, 2)], "label 0 is no span of 40 tokens"),
    ],
)
def test_what_is_wrong_is_said(outputs: Array, labels: list[tuple[int, ...]], says: str) -> None:
    """In one line."""
    with pytest.raises(UserError, match=re.escape(says)):
        parse("span_f1").score(outputs, np.array(labels))


def test_files_are_compared() -> None:
    """By each sample's score, or by each group's part."""
    spans = [(at, at + 3) for at in range(30)]
    near = [(first, last + (first % 2)) for first, last in spans]
    for name in ("exact_match", "span_f1"):
        first, second = (parse(name).score(pointed(each), np.array(spans)) for each in (spans, near))
        assert first.each.shape == second.each.shape == (30,)
        assert first.value == 1
        assert compare(first.each, second.each, resampled=False) < 0.01
        grouped = parse(name).score(pointed(near), np.array(spans), np.repeat(np.arange(6), 5))
        assert grouped.value == pytest.approx(second.value)
        assert grouped.each.shape == (6,)
        assert second.low < second.value < second.high < 1
