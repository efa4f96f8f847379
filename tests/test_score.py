"""Scores, against scikit-learn's, and how sure they are."""

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score, top_k_accuracy_score

from autotune.data import Array
from autotune.errors import UserError
from autotune.score import RESAMPLES, auc, classification, f1, multilabel, score_with, top_hits
from autotune.target import Metric, quality

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 5, 200)
RAW = RANDOM.normal(size=(200, 5)) + 1.5 * np.eye(5)[LABELS]
PROBABILITIES = np.exp(RAW) / np.exp(RAW).sum(axis=1, keepdims=True)


def metric(name: str) -> Metric:
    return quality(name, "higher")


@pytest.mark.parametrize("k", [2, 3, 4])
def test_top_k(k: int) -> None:
    """The share of samples whose label is among the k largest outputs, with the error of a proportion."""
    value, error = classification(metric(f"top{k}"), RAW, LABELS, logits=True)
    assert value == pytest.approx(top_k_accuracy_score(LABELS, RAW, k=k))
    assert error == pytest.approx(math.sqrt(value * (1 - value) / 200))


def test_equal_outputs_do_not_all_count() -> None:
    """A model that always says the same is right for k labels, as argmax is for one."""
    same = np.zeros((4, 4), np.float32)
    for k in (1, 2, 3):
        assert top_hits(same, np.arange(4), k).tolist() == [label < k for label in range(4)]


@pytest.mark.parametrize("logits", [False, True])
def test_auc_of_several_classes(logits: bool) -> None:
    """Macro one-versus-rest, of the probabilities."""
    value, error = classification(metric("auc"), RAW if logits else PROBABILITIES, LABELS, logits=logits)
    assert value == pytest.approx(roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr"))
    assert 0.005 < error < 0.05


@pytest.mark.parametrize("single", [False, True])
def test_auc_of_two_classes(single: bool) -> None:
    """Of the scores; ties, which quantized models have many of, count as one half."""
    labels = LABELS % 2
    scores = (RANDOM.normal(size=200) + labels).round(1)
    outputs = scores[:, np.newaxis] if single else np.stack([1 - scores, scores], axis=1)
    value, _ = classification(metric("auc"), outputs, labels, logits=False)
    assert value == pytest.approx(roc_auc_score(labels, scores))


def test_auc_of_classes_that_are_missing() -> None:
    """Is of the others; of one class alone there is none."""
    truth = np.array([[1, 0, 0], [0, 1, 0]])
    assert auc(truth, np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])) == 1.0
    assert math.isnan(auc(np.ones((3, 1)), np.zeros((3, 1))))
    assert math.isnan(f1(np.zeros((3, 1)), np.zeros((3, 1))))


def test_f1_of_several_classes() -> None:
    """Macro."""
    value, error = classification(metric("f1"), RAW, LABELS, logits=True)
    assert value == pytest.approx(f1_score(LABELS, RAW.argmax(axis=1), average="macro"))
    assert 0.01 < error < 0.1


@pytest.mark.parametrize(("logits", "outputs"), [(False, [0.2, 0.6, 0.9, 0.4]), (True, [-3.0, 0.2, 5.0, -0.1])])
def test_f1_of_two_classes(logits: bool, outputs: list[float]) -> None:
    """Is of class 1: here two are found of three, and nothing else."""
    column = np.array(outputs)[:, np.newaxis]
    for form in (column, np.concatenate([(0 if logits else 1) - column, column], axis=1)):
        assert classification(metric("f1"), form, np.array([0, 1, 1, 1]), logits=logits)[0] == pytest.approx(0.8)


@pytest.mark.parametrize("name", ["auc", "f1"])
@pytest.mark.parametrize("logits", [False, True])
def test_several_answers_a_sample(name: str, logits: bool) -> None:
    """The mean over questions."""
    truth = RANDOM.integers(0, 2, (200, 3))
    raw = RANDOM.normal(size=(200, 3)) + truth - 0.5
    outputs = raw if logits else 1 / (1 + np.exp(-raw))
    value, error = multilabel(metric(name), outputs, truth, logits=logits)
    expected = roc_auc_score(truth, raw) if name == "auc" else f1_score(truth, raw > 0, average="macro")
    assert value == pytest.approx(expected)
    assert 0.005 < error < 0.1


def test_labels_of_each_step() -> None:
    """Of a sequence: accuracy and topK of each sample's share, auc and f1 of all labels together."""
    outputs, labels = RAW.reshape(50, 4, 5), LABELS.reshape(50, 4)
    for name in ("accuracy", "top2", "auc", "f1"):
        value, error = classification(metric(name), outputs, labels, logits=True)
        assert value == pytest.approx(classification(metric(name), RAW, LABELS, logits=True)[0])
        assert error > 0


def test_bootstrap_agrees_with_theory() -> None:
    """On what has a formula: the AUC's standard error of Hanley & McNeil, Radiology 143, 1982."""
    labels = np.repeat([0, 1], 200)
    scores = RANDOM.normal(size=400) + labels
    value, error = classification(metric("auc"), scores[:, np.newaxis], labels, logits=False)
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = (value * (1 - value) + 199 * (q1 - value**2) + 199 * (q2 - value**2)) / 200**2
    assert error == pytest.approx(math.sqrt(variance), rel=0.2)


def test_scores_are_always_the_same() -> None:
    """The resamples are seeded."""
    first, again = (classification(metric("auc"), RAW, LABELS, logits=True) for _ in range(2))
    assert first == again


def test_too_few_samples() -> None:
    """No resample of one has two classes."""
    with pytest.raises(UserError, match="can't be taken of 1 samples drawn anew"):
        multilabel(metric("auc"), np.zeros((1, 2)), np.array([[0, 1]]), logits=False)


MINE = """
import numpy as np

calls = []

def each(labels, outputs):
    return [len(calls), 1, 0, 1][:len(labels)]

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
    assert score_with(mine + "each", *ANY) == (0.5, 0.25)


def test_a_metric_of_all_samples(mine: str) -> None:
    """Its value on all of them, with the bootstrap's standard error."""
    value, error = score_with(mine + "whole", *ANY)
    assert value == 3.0
    assert 0.3 < error < 1.0
    assert score_with(mine + "counted", *ANY)[0] == RESAMPLES + 2


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
