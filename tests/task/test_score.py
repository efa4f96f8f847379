"""Scores, against scikit-learn's, and how sure they are."""

import itertools
import json
import math
from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score, roc_auc_score, top_k_accuracy_score

from autotune.errors import UserError
from autotune.results.significance import LEVEL, compare, difference, normal, paired, wilson
from autotune.targets.metric import METRICS, Metric, quality
from autotune.task.data import Array
from autotune.task.score import (
    ENOUGH_S,
    LEAST,
    RESAMPLES,
    Score,
    classification,
    errors,
    mean_of,
    multilabel,
    resampled,
    shares,
)

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


@pytest.mark.parametrize("name", ["auc", "f1", "miou"])
@pytest.mark.parametrize("logits", [False, True])
def test_several_answers_a_sample(name: str, logits: bool) -> None:
    """The mean over questions."""
    truth = RANDOM.integers(0, 2, (200, 3))
    raw = RANDOM.normal(size=(200, 3)) + truth - 0.5
    outputs = raw if logits else 1 / (1 + np.exp(-raw))
    score = multilabel(metric(name), outputs, truth, logits=logits)
    reference = {"f1": f1_score, "miou": jaccard_score}
    expected = roc_auc_score(truth, raw) if name == "auc" else reference[name](truth, raw > 0, average="macro")
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


def test_certainty_of_a_score() -> None:
    """As it stands in an outcome's facts: plain values that JSON has."""
    score = classification(metric("f1"), RAW, LABELS, logits=True)
    facts = json.loads(json.dumps(score.certainty(8).to_json()))
    known = {"standard_error": score.standard_error, "interval": [score.low, score.high], "resampled": True}
    assert facts == known | {"samples": 8}
    assert score.certainty(8, 2).to_json() == known | {"samples": 8, "groups": 2}


def test_scores_are_always_the_same() -> None:
    """The resamples are seeded."""
    first, again = (classification(metric("auc"), RAW, LABELS, logits=True) for _ in range(2))
    assert first == again
    assert (first.each == again.each).all()


def test_too_few_samples() -> None:
    """No resample of one has two classes."""
    with pytest.raises(UserError, match="can't be taken of 1 samples drawn anew"):
        multilabel(metric("auc"), np.zeros((1, 2)), np.array([[0, 1]]), logits=False)


MASKS = RANDOM.integers(0, 3, (40, 6, 5))
"""Of 40 images."""

MASK_OUTPUTS = 2 * np.eye(3)[MASKS] + RANDOM.normal(size=(40, 6, 5, 3)) + RANDOM.normal(size=(40, 1, 1, 3))
"""Each image is easier or harder as a whole."""


@pytest.mark.parametrize("name", ["accuracy", "f1", "miou"])
def test_masks(name: str) -> None:
    """Of all pixels together; but an image is one sample, and the intervals are of so many."""
    score = classification(metric(name), MASK_OUTPUTS, MASKS, logits=True)
    truth, decided = MASKS.ravel(), MASK_OUTPUTS.argmax(axis=-1).ravel()
    expected = {
        "accuracy": (truth == decided).mean(),
        "f1": f1_score(truth, decided, average="macro"),
        "miou": jaccard_score(truth, decided, average="macro"),
    }
    assert score.value == pytest.approx(expected[name])
    pixels = classification(metric(name), MASK_OUTPUTS.reshape(-1, 3), truth, logits=True)
    assert score.value == pytest.approx(pixels.value)
    assert score.standard_error > 1.5 * pixels.standard_error
    assert len(score.each) == (40 if name == "accuracy" else RESAMPLES)


@pytest.mark.parametrize("logits", [False, True])
def test_masks_of_one_sigmoid(logits: bool) -> None:
    """Two classes; the intersection over union is the mean of both, as Keras' BinaryIoU has it."""
    labels = MASKS == 2
    raw = np.where(labels, 1.0, -1.0) + RANDOM.normal(size=labels.shape)
    outputs = (raw if logits else 1 / (1 + np.exp(-raw)))[..., np.newaxis]
    numbers, decided = labels.astype(int), raw.ravel() > 0
    scored = {
        name: classification(metric(name), outputs, numbers, logits=logits).value for name in ("accuracy", "miou")
    }
    assert scored["accuracy"] == pytest.approx((labels.ravel() == decided).mean())
    assert scored["miou"] == pytest.approx(jaccard_score(labels.ravel(), decided, average="macro"))


@pytest.mark.parametrize("name", ["accuracy", "top2", "f1", "miou", "auc"])
def test_labels_that_do_not_count(name: str) -> None:
    """Below 0: the score is that of the others, of all together as Keras has it; an image is still one sample."""
    random = np.random.default_rng(0)
    labels = np.where(random.random(MASKS.shape) < np.linspace(0, 0.9, len(MASKS))[:, None, None], -1, MASKS)
    score = classification(metric(name), MASK_OUTPUTS, labels, logits=True)
    counted = labels >= 0
    alone = classification(metric(name), MASK_OUTPUTS[counted], MASKS[counted], logits=True)
    assert score.value == pytest.approx(alone.value)
    assert score.standard_error > alone.standard_error
    assert len(score.each) == (40 if name in ("accuracy", "top2") else RESAMPLES)
    grouped = classification(metric(name), MASK_OUTPUTS, labels, logits=True, groups=np.arange(40) // 4)
    assert grouped.value == pytest.approx(score.value)
    assert len(grouped.each) == (10 if name in ("accuracy", "top2") else RESAMPLES)


def test_the_interval_of_shares_of_unequal_samples_holds_the_truth() -> None:
    """Of images with 5 to 100 pixels that count, which are hit more or less often, in about 95 % of the cases."""
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        chance, sizes = random.beta(8, 2, 60), random.integers(5, 101, 60)
        counted = np.arange(100) < sizes[:, np.newaxis]
        score = shares(random.random((60, 100)) < chance[:, np.newaxis], None, counted)
        inside += score.low <= 0.8 <= score.high
    assert 0.91 <= inside / 400 <= 0.98


GROUPS = np.repeat(np.arange(20), 10)
"""Of LABELS: twenty patients with ten samples each."""


@pytest.mark.parametrize("name", ["accuracy", "top2", "auc", "f1", "miou"])
def test_samples_of_a_group_go_together(name: str) -> None:
    """Where a patient's samples are all the same, ten of them say no more than one: of classes in any metric."""
    labels, outputs = np.repeat(LABELS[:20], 10), np.repeat(RAW[:20], 10, axis=0)
    one = classification(metric(name), RAW[:20], LABELS[:20], logits=True)
    ten = classification(metric(name), outputs, labels, logits=True, groups=GROUPS)
    alone = classification(metric(name), outputs, labels, logits=True)
    assert ten.value == pytest.approx(one.value) == alone.value
    assert ten.standard_error == pytest.approx(one.standard_error, rel=0.03)
    assert alone.standard_error < 0.5 * ten.standard_error
    assert ten.high - ten.low > 2 * (alone.high - alone.low)
    assert ten.low <= ten.value <= ten.high
    assert len(ten.each) == (RESAMPLES if ten.resampled else 20)


def mean(each: Array, groups: Array | None) -> Score:
    """Of any values, with a normal interval."""
    return mean_of(each, groups, lambda value, error, _: normal(value, error, None, None))


def test_groups_hold_what_they_promise() -> None:
    """Of patients with 1 to 30 samples, who differ: about 95 % of the intervals hold the truth. Without groups it would
    be far fewer. Paired, a file that is as good as another by far most often can't be told apart from it.
    """
    random, held, alone, apart = np.random.default_rng(3), 0, 0, 0
    for _ in range(200):
        groups = np.repeat(np.arange(25), random.integers(1, 31, 25))
        hard = random.normal(size=25)[groups]
        one, other = (hard + 0.5 * random.normal(size=25)[groups] + random.normal(size=len(hard)) for _ in range(2))
        scores = [mean(each, groups) for each in (one, other)]
        held += scores[0].low <= 0 <= scores[0].high
        plain = mean(one, None)
        alone += plain.low <= 0 <= plain.high
        assert scores[0].value == pytest.approx(one.mean())
        apart += compare(scores[0].each, scores[1].each, resampled=False) <= LEVEL
    assert 180 <= held <= 198
    assert alone < 120
    assert apart <= 22


def test_groups_of_equal_samples_are_as_samples() -> None:
    """Each on its own: the same value, and nearly the same error."""
    one = errors(METRICS["mae"], RAW, RAW + LABELS[:, np.newaxis])
    each = errors(METRICS["mae"], RAW, RAW + LABELS[:, np.newaxis], np.arange(200))
    assert each.value == pytest.approx(one.value)
    assert each.standard_error == pytest.approx(one.standard_error, rel=0.01)
    assert each.each == pytest.approx(one.each, abs=1e-5)


def test_one_group_tells_nothing() -> None:
    """Of others."""
    with pytest.raises(UserError, match="all samples are of one group: nothing can be said of others"):
        classification(metric("accuracy"), RAW, LABELS, logits=True, groups=np.zeros(200, int))


def test_resamples_are_counted_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a statistic that takes long there are few; those there are are the first ones, so that files stay paired."""
    values = np.random.default_rng(1).normal(size=300) + 5  # of its own: it holds whatever other tests have drawn

    def drawn(seconds: float) -> Score:
        clock = itertools.count(0.0, seconds)
        monkeypatch.setattr("autotune.task.score.time.monotonic", lambda: next(clock))
        return resampled(lambda some: float(np.median(values[some])), float(np.median(values)), 300, None, None)

    fast, slow = drawn(0.0), drawn(2 * ENOUGH_S)
    assert (len(fast.each), len(slow.each)) == (RESAMPLES, LEAST)
    assert (fast.each[:LEAST] == slow.each).all()
    assert slow.value == fast.value
    assert slow.low < slow.value < slow.high
    assert slow.high - slow.low > fast.high - fast.low
    pair = paired(fast.each, slow.each, resampled=True)
    assert pair is not None
    assert compare(*pair, resampled=True) == 1.0
    worse = paired(fast.each, slow.each - 1, resampled=True)
    assert worse is not None
    assert compare(*worse, resampled=True) <= LEVEL
    assert difference(*worse, 1.0, resampled=True) == pytest.approx((1.0, 1.0))
