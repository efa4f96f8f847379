"""Scores, against scikit-learn's, and how sure they are."""

import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score, top_k_accuracy_score

from autotune.data import Array
from autotune.errors import UserError
from autotune.score import RESAMPLES, auc, classification, errors, f1, multilabel, score_with, top_hits
from autotune.significance import LEVEL, compare, wilson
from autotune.target import METRICS, Metric, quality

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 5, 200)
RAW = RANDOM.normal(size=(200, 5)) + 1.5 * np.eye(5)[LABELS]
PROBABILITIES = np.exp(RAW) / np.exp(RAW).sum(axis=1, keepdims=True)


def metric(name: str) -> Metric:
    return quality(name, "higher")


@pytest.mark.parametrize("k", [2, 3, 4])
def test_top_k(k: int) -> None:
    """The share of samples whose label is among the k largest outputs, with the error of a proportion."""
    score = classification(metric(f"top{k}"), RAW, LABELS, logits=True)
    assert score.value == pytest.approx(top_k_accuracy_score(LABELS, RAW, k=k))
    assert score.standard_error == pytest.approx(math.sqrt(score.value * (1 - score.value) / 200))


def test_equal_outputs_do_not_all_count() -> None:
    """A model that always says the same is right for k labels, as argmax is for one."""
    same = np.zeros((4, 4), np.float32)
    for k in (1, 2, 3):
        assert top_hits(same, np.arange(4), k).tolist() == [label < k for label in range(4)]


@pytest.mark.parametrize("logits", [False, True])
def test_auc_of_several_classes(logits: bool) -> None:
    """Macro one-versus-rest, of the probabilities."""
    score = classification(metric("auc"), RAW if logits else PROBABILITIES, LABELS, logits=logits)
    assert score.value == pytest.approx(roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr"))
    assert 0.005 < score.standard_error < 0.05


@pytest.mark.parametrize("single", [False, True])
def test_auc_of_two_classes(single: bool) -> None:
    """Of the scores; ties, which quantized models have many of, count as one half."""
    labels = LABELS % 2
    scores = (RANDOM.normal(size=200) + labels).round(1)
    outputs = scores[:, np.newaxis] if single else np.stack([1 - scores, scores], axis=1)
    score = classification(metric("auc"), outputs, labels, logits=False)
    assert score.value == pytest.approx(roc_auc_score(labels, scores))


def test_auc_of_classes_that_are_missing() -> None:
    """Is of the others; of one class alone there is none."""
    truth = np.array([[1, 0, 0], [0, 1, 0]])
    assert auc(truth, np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])) == 1.0
    assert math.isnan(auc(np.ones((3, 1)), np.zeros((3, 1))))
    assert math.isnan(f1(np.zeros((3, 1)), np.zeros((3, 1))))


def test_f1_of_several_classes() -> None:
    """Macro."""
    score = classification(metric("f1"), RAW, LABELS, logits=True)
    assert score.value == pytest.approx(f1_score(LABELS, RAW.argmax(axis=1), average="macro"))
    assert 0.01 < score.standard_error < 0.1


@pytest.mark.parametrize(("logits", "outputs"), [(False, [0.2, 0.6, 0.9, 0.4]), (True, [-3.0, 0.2, 5.0, -0.1])])
def test_f1_of_two_classes(logits: bool, outputs: list[float]) -> None:
    """Is of class 1: here two are found of three, and nothing else."""
    column = np.array(outputs)[:, np.newaxis]
    for form in (column, np.concatenate([(0 if logits else 1) - column, column], axis=1)):
        assert classification(metric("f1"), form, np.array([0, 1, 1, 1]), logits=logits).value == pytest.approx(0.8)


@pytest.mark.parametrize("name", ["auc", "f1"])
@pytest.mark.parametrize("logits", [False, True])
def test_several_answers_a_sample(name: str, logits: bool) -> None:
    """The mean over questions."""
    truth = RANDOM.integers(0, 2, (200, 3))
    raw = RANDOM.normal(size=(200, 3)) + truth - 0.5
    outputs = raw if logits else 1 / (1 + np.exp(-raw))
    score = multilabel(metric(name), outputs, truth, logits=logits)
    expected = roc_auc_score(truth, raw) if name == "auc" else f1_score(truth, raw > 0, average="macro")
    assert score.value == pytest.approx(expected)
    assert 0.005 < score.standard_error < 0.1


def test_labels_of_each_step() -> None:
    """Of a sequence: accuracy and topK of each sample's share, auc and f1 of all labels together."""
    outputs, labels = RAW.reshape(50, 4, 5), LABELS.reshape(50, 4)
    for name in ("accuracy", "top2", "auc", "f1"):
        score = classification(metric(name), outputs, labels, logits=True)
        assert score.value == pytest.approx(classification(metric(name), RAW, LABELS, logits=True).value)
        assert score.standard_error > 0


def test_bootstrap_agrees_with_theory() -> None:
    """On what has a formula: the AUC's standard error of Hanley & McNeil, Radiology 143, 1982."""
    labels = np.repeat([0, 1], 200)
    scores = RANDOM.normal(size=400) + labels
    score = classification(metric("auc"), scores[:, np.newaxis], labels, logits=False)
    value = score.value
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = (value * (1 - value) + 199 * (q1 - value**2) + 199 * (q2 - value**2)) / 200**2
    assert score.standard_error == pytest.approx(math.sqrt(variance), rel=0.2)


def test_intervals_of_ranks_hold_what_they_promise() -> None:
    """Of 80 samples whose true AUC is known, 0.92, about 95 % of the intervals hold it."""
    random, labels = np.random.default_rng(5), np.repeat([0, 1], 40)
    true, held = 0.92, 0
    shift = math.sqrt(2) * NormalDist().inv_cdf(true)
    for _ in range(100):
        scores = random.normal(size=80) + shift * labels
        score = classification(metric("auc"), scores[:, np.newaxis], labels, logits=False)
        held += score.low <= true <= score.high
    assert 89 <= held <= 99


def test_accuracy_is_of_right_and_wrong() -> None:
    """With the interval of so many yes-or-no samples, and each for the comparison with another file."""
    score = classification(metric("accuracy"), RAW, LABELS, logits=True)
    decided = RAW.argmax(axis=1) == LABELS
    assert score.each.dtype == bool
    assert (score.each == decided).all()
    assert (score.low, score.high) == pytest.approx(wilson(decided.mean(), 200))
    assert not score.resampled


@pytest.mark.parametrize("name", ["accuracy", "auc", "f1"])
def test_all_right_is_not_certain(name: str) -> None:
    """An interval below 1 for a model that errs in none of a few samples."""
    score = classification(metric(name), np.eye(5)[LABELS], LABELS, logits=False)
    assert (score.value, score.high) == (1.0, 1.0)
    assert 0.97 < score.low < 0.99


def test_steps_of_a_sequence_are_not_samples() -> None:
    """Where they go together, right or wrong, the interval is as wide as that of whole samples."""
    labels = np.repeat(LABELS[:, np.newaxis], 4, axis=1)
    whole = classification(metric("accuracy"), RAW, LABELS, logits=True)
    steps = classification(metric("accuracy"), np.repeat(RAW[:, np.newaxis], 4, axis=1), labels, logits=True)
    assert (steps.low, steps.high) == pytest.approx((whole.low, whole.high))
    assert steps.each.dtype == np.float32
    assert steps.each.shape == (200,)


def test_errors_have_no_less_than_none() -> None:
    """The normal interval ends at 0; each is a sample's own error."""
    outputs = np.array([[0.0], [0.0], [9.0]])
    score = errors(METRICS["mae"], outputs, np.zeros((3, 1)))
    assert score.low == 0.0
    assert score.high == pytest.approx(3 + 1.96 * score.standard_error, rel=1e-3)
    assert score.each.dtype == np.float32
    assert score.each.tolist() == [0.0, 0.0, 9.0]


def test_better_ranks_are_told_apart_by_the_same_resamples() -> None:
    """Of two files' areas, whose own intervals overlap."""
    random, labels = np.random.default_rng(2), np.repeat([0, 1], 150)
    scores = random.normal(size=300) + labels
    worse = scores + random.normal(size=300) * 0.9
    one, other = (classification(metric("auc"), s[:, np.newaxis], labels, logits=False) for s in (scores, worse))
    assert one.resampled
    assert one.each.shape == (RESAMPLES,)
    assert one.low < other.high
    assert compare(one.each, other.each, resampled=True) <= LEVEL
    assert compare(one.each, one.each, resampled=True) == 1.0


def test_facts_of_a_score() -> None:
    """As they stand in an outcome: plain values that JSON has."""
    score = classification(metric("f1"), RAW, LABELS, logits=True)
    facts = json.loads(json.dumps(score.facts()))
    assert facts == {"standard_error": score.standard_error, "interval": [score.low, score.high], "resampled": True}


def test_scores_are_always_the_same() -> None:
    """The resamples are seeded."""
    first, again = (classification(metric("auc"), RAW, LABELS, logits=True) for _ in range(2))
    assert first == again
    assert (first.each == again.each).all()


def test_too_few_samples() -> None:
    """No resample of one has two classes."""
    with pytest.raises(UserError, match="can't be taken of 1 samples drawn anew"):
        multilabel(metric("auc"), np.zeros((1, 2)), np.array([[0, 1]]), logits=False)


MINE = """
import numpy as np

calls = []

def each(labels, outputs):
    return [len(calls), 1, 0, 1][:len(labels)]

def graded(labels, outputs):
    return 10 * outputs[:, 0]

def whole(labels, outputs):
    calls.append(len(labels))
    return np.abs(labels - outputs[:, 0]).max()

def counted(labels, outputs):
    return len(calls)

def column(labels, outputs):
    return np.zeros((len(labels), 1))

def text(labels, outputs):
    return "good"

def none(labels, outputs):
    return float("nan")

def failing(labels, outputs):
    raise KeyError("token 7")
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A file of metrics."""
    (tmp_path / "mine.py").write_text(MINE)
    return f"{tmp_path / 'mine.py'}:"


ANY: tuple[Array, Array] = np.arange(4.0)[:, np.newaxis], np.zeros(4)


def test_a_metric_of_each_sample(mine: str) -> None:
    """Its mean, with the standard error of a mean."""
    score = score_with(mine + "each", *ANY)
    assert (score.value, score.standard_error) == (0.5, 0.25)
    assert (score.low, score.high) == pytest.approx(wilson(0.5, 4))
    assert score.each.tolist() == [False, True, False, True]
    graded = score_with(mine + "graded", *ANY)
    assert (graded.low, graded.high) == pytest.approx(
        (15 - 1.96 * math.sqrt(125 / 4), 15 + 1.96 * math.sqrt(125 / 4)), rel=1e-3
    )
    assert graded.each.tolist() == [0, 10, 20, 30]


def test_a_metric_of_all_samples(mine: str) -> None:
    """Its value on all of them, with the bootstrap's standard error."""
    score = score_with(mine + "whole", *ANY)
    assert score.value == 3.0
    assert 0.3 < score.standard_error < 1.0
    assert 0 <= score.low < score.high == 3.0
    assert score_with(mine + "counted", *ANY).value == RESAMPLES + 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("column", r"returned an array of shape \(4, 1\), not a number or one for each sample"),
        ("text", "ValueError: could not convert string to float: 'good'"),
        ("none", "returned NaN or infinity"),
        ("failing", r"KeyError: 'token 7' \(mine.py:"),
        ("missing", "has no function 'missing'"),
    ],
)
def test_metrics_that_fail(mine: str, name: str, reason: str) -> None:
    """One line with file and function."""
    with pytest.raises(UserError, match=reason) as caught:
        score_with(mine + name, *ANY)
    assert str(caught.value).startswith(mine.rstrip(":"))
    assert "\n" not in str(caught.value)
