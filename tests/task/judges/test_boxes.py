"""Boxes: layouts, overlaps, and which stay, against slow and plain versions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.task.data import Array
from autotune.task.judges import boxes as room
from autotune.task.judges.boxes import Layout, best_of_each, corners, overlaps

CORNER = st.integers(0, 12)


@st.composite
def some_boxes(draw: st.DrawFn, most: int = 12) -> Array:
    """By their corners, on a coarse grid: many overlap, some are empty."""
    drawn = draw(st.lists(st.tuples(CORNER, CORNER, st.integers(0, 5), st.integers(0, 5)), max_size=most))
    return np.array([(x, y, x + w, y + h) for x, y, w, h in drawn], float).reshape(-1, 4)


def plain_overlap(first: Array, second: Array) -> float:
    """Of two boxes, by the cells of the grid that they have."""
    cells = [
        {(x, y) for x in range(int(b[0]), int(b[2])) for y in range(int(b[1]), int(b[3]))} for b in (first, second)
    ]
    union = len(cells[0] | cells[1])
    return len(cells[0] & cells[1]) / union if union else 0.0


@pytest.mark.parametrize(
    ("layout", "written"),
    [("xyxy", (1, 2, 4, 6)), ("yxyx", (2, 1, 6, 4)), ("xywh", (1, 2, 3, 4)), ("cxcywh", (2.5, 4, 3, 4))],
)
def test_layouts(layout: Layout, written: tuple[float, ...]) -> None:
    """One box, in every way."""
    assert corners(np.array([[written]]), layout).tolist() == [[[1, 2, 4, 6]]]


@given(first=some_boxes(), second=some_boxes())
def test_overlaps(first: Array, second: Array) -> None:
    """Of each with each."""
    expected = [[plain_overlap(one, other) for other in second] for one in first]
    assert overlaps(first, second) == pytest.approx(np.array(expected).reshape(len(first), len(second)))


def plain_best(boxes: Array, scores: Array) -> list[tuple[int, int]]:
    """Index and class of those that stay."""
    stays = []
    for number in range(scores.shape[1]):
        left = [int(each) for each in np.argsort(-scores[:, number], kind="stable")]
        while left:
            first = left.pop(0)
            stays.append((first, number))
            left = [each for each in left if plain_overlap(boxes[first], boxes[each]) <= 0.5]
    return stays


@given(boxes=some_boxes(30), data=st.data())
def test_of_those_around_one_object_the_surest_stays(boxes: Array, data: st.DataObject) -> None:
    """Class by class; also where boxes are taken some at a time."""
    classes = data.draw(st.integers(1, 3))
    order = data.draw(st.permutations(range(len(boxes) * classes)))
    scores = np.array(order, float).reshape(-1, classes) / 100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "BLOCK", data.draw(st.sampled_from([1, 3, 64])))
        best = best_of_each(boxes, scores)
    expected = plain_best(boxes, scores)
    assert best.classes.tolist() == [number for _, number in expected]
    assert best.corners.tolist() == [boxes[index].tolist() for index, _ in expected]
    assert best.scores.tolist() == [scores[index, number] for index, number in expected]


def test_what_is_no_number_goes() -> None:
    """It is no candidate."""
    best = best_of_each(np.array([[0.0, 0, 1, 1], [2, 2, 3, 3]]), np.array([[np.nan, 0.5], [0.1, -np.inf]]))
    assert (best.classes.tolist(), best.scores.tolist()) == ([0, 1], [0.1, 0.5])


def test_only_so_many_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The surest ones of a class, of the surest candidates; of equal ones the first."""
    apart = np.arange(20.0)[:, np.newaxis] + np.array([0, 0, 0.5, 0.5])
    monkeypatch.setattr(room, "MOST", 3)
    assert best_of_each(apart, np.arange(20.0)[:, np.newaxis]).scores.tolist() == [19, 18, 17]
    monkeypatch.setattr(room, "CANDIDATES", 2)
    assert best_of_each(apart, np.ones((20, 1))).corners[:, 0].tolist() == [0, 1]
