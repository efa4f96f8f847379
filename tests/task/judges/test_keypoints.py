"""The percentage of correct keypoints."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.errors import UserError
from autotune.results.significance import compare
from autotune.task.data import Array
from autotune.task.data.fields import joined
from autotune.task.judges import parse
from autotune.task.judges.keypoints import sizes

SQUARE = np.array([[0.0, 0], [10, 0], [0, 20], [10, 20]])
"""A sample of size 20."""


def moved(*steps: float) -> Array:
    """Two samples; the first one's keypoints are off by these."""
    return np.stack([SQUARE + np.array(steps)[:, np.newaxis] * (1, 0), SQUARE])


def test_how_far_is_near() -> None:
    """Up to a tenth of the larger side, the end included; or to what is said."""
    outputs, labels = moved(0, 1.9, 2, 2.1), np.stack([SQUARE] * 2)
    assert parse("pck").score(outputs, labels).value == 7 / 8
    assert parse("pck:within=0.05").score(outputs, labels).value == 5 / 8
    assert parse("pck:within=0.2").score(outputs, labels).value == 1


@pytest.mark.parametrize("unseen", [np.nan, -1])
def test_what_is_not_seen_does_not_count(unseen: float) -> None:
    """Neither as a keypoint nor for the size: of the others the larger side is 10."""
    labels = np.stack([SQUARE] * 2)
    labels[0, 2:] = unseen
    assert sizes(labels).tolist() == [10, 20]
    assert parse("pck").score(moved(0, 1.5, 9, 9), labels).value == 5 / 6
    labels[0, 1, 0] = unseen  # one coordinate is enough
    assert sizes(labels).tolist() == [0, 20]
    assert parse("pck").score(moved(9, 9, 9, 9), labels).value == 1


@given(
    labels=st.lists(st.lists(st.integers(-1, 9), min_size=8, max_size=8), min_size=2, max_size=6),
    data=st.data(),
    within=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_one_by_one(labels: list[list[int]], data: st.DataObject, within: float) -> None:
    """As counted by hand, whatever the order of coordinates, in either shape."""
    true = np.array(labels, float).reshape(-1, 4, 2)
    steps = data.draw(st.lists(st.integers(-3, 3), min_size=true.size, max_size=true.size))
    outputs = true + np.array(steps).reshape(true.shape)
    hits, counted = 0, 0
    for own, there in zip(outputs, true, strict=True):
        seen = [point for point in there if min(point) >= 0]
        size = max((max(side) - min(side) for side in zip(*seen, strict=True)), default=0)
        near = [sum((point - other) ** 2) <= (within * size) ** 2 for point, other in zip(own, there, strict=True)]
        if size > 0:
            counted += len(seen)
            hits += sum(each for each, point in zip(near, there, strict=True) if min(point) >= 0)
    judge = parse(f"pck:within={within}")
    if not counted:
        with pytest.raises(UserError, match="no sample of the labels has two keypoints"):
            judge.score(outputs, true)
        return
    score = judge.score(outputs, true)
    assert score.value == pytest.approx(hits / counted)
    assert judge.score(outputs[..., ::-1], true[..., ::-1]) == score
    assert judge.score(outputs.reshape(-1, 8), true.reshape(-1, 8)) == score


def test_no_number_is_not_near() -> None:
    """As a broken file gives it."""
    outputs, labels = moved(0, 0, 0, 0), np.stack([SQUARE] * 2)
    outputs[0, 0], outputs[0, 1] = np.nan, np.inf
    assert parse("pck:within=99").score(outputs, labels).value == 6 / 8


def test_files_are_compared() -> None:
    """By each sample's part, or by each group's."""
    random = np.random.default_rng(0)
    labels = np.tile(SQUARE, (40, 1, 1))
    labels[::3, 0] = np.nan
    near, far = (labels + random.normal(0, spread, labels.shape) for spread in (0.8, 1.5))
    near[::3, 0] = far[::3, 0] = 0
    first, second = (parse("pck").score(outputs, labels) for outputs in (near, far))
    assert first.each.shape == second.each.shape == (40,)
    assert compare(first.each, second.each, resampled=False) < 0.01
    grouped = parse("pck").score(far, labels, np.repeat(np.arange(8), 5))
    assert (grouped.value, grouped.each.shape) == (second.value, (8,))
    assert 0 < second.low < second.value < second.high < 1


def test_a_field_among_several() -> None:
    """Is named."""
    outputs, labels = moved(0, 1, 2, 3), np.stack([SQUARE] * 2)
    several = joined({"pose": outputs, "sure": np.ones((2, 1))})
    assert parse("pck:output=pose").score(several, labels) == parse("pck").score(outputs, labels)
    with pytest.raises(UserError, match=re.escape("the outputs are pose (4, 2), sure (1,); say which")):
        parse("pck").score(several, labels)


@pytest.mark.parametrize(
    ("outputs", "labels", "says"),
    [
        (np.zeros((2, 4, 3)), np.zeros((2, 4, 2)), "the outputs of a sample are (4, 3), not (keypoints, 2) or (2 *"),
        (np.zeros((2, 4, 2)), np.zeros((2, 7)), "the labels of a sample are (7,), not (keypoints, 2)"),
        (np.zeros((2, 4, 2)), np.zeros((2, 5, 2)), "the outputs have 4 keypoints, the labels 5"),
        (np.zeros((2, 4, 2)), np.zeros((2, 4, 2)), "no sample of the labels has two keypoints that are seen and apart"),
    ],
)
def test_what_is_wrong_is_said(outputs: Array, labels: Array, says: str) -> None:
    """In one line."""
    with pytest.raises(UserError, match=re.escape(says)):
        parse("pck").score(outputs, labels)
