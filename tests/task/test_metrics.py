"""Metrics of decisions, on arrays alone."""

import math

import numpy as np

from autotune.task.metrics import auc, class_overlaps, f1, miou, overlaps, top_hits


def test_equal_outputs_do_not_all_count() -> None:
    """A model that always says the same is right for k labels, as argmax is for one."""
    same = np.zeros((4, 4), np.float32)
    for k in (1, 2, 3):
        assert top_hits(same, np.arange(4), k).tolist() == [label < k for label in range(4)]


def test_auc_of_classes_that_are_missing() -> None:
    """Is of the others; of one class alone there is none."""
    truth = np.array([[1, 0, 0], [0, 1, 0]])
    assert auc(truth, np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])) == 1.0
    assert math.isnan(auc(np.ones((3, 1)), np.zeros((3, 1))))
    assert math.isnan(f1(np.zeros((3, 1)), np.zeros((3, 1))))
    assert math.isnan(miou(np.zeros((3, 1)), np.zeros((3, 1))))


def test_overlaps_of_classes_are_those_of_one_hot_rows() -> None:
    """Sample by sample, of any shape."""
    random = np.random.default_rng(0)
    labels, decided = random.integers(0, 3, (2, 7, 4, 5))
    rows = overlaps(np.eye(3)[labels], np.eye(3)[decided])
    numbers = class_overlaps(labels, decided, 3)
    for one, other in zip(rows, numbers, strict=True):
        assert one.shape == (7, 3)
        assert (one == other).all()


def test_intersection_over_union() -> None:
    """By hand: of class 0 one pixel of three, of class 1 two of four; a class that is nowhere does not count."""
    both, either = class_overlaps(np.array([[0, 0, 1, 1, 1]]), np.array([[0, 1, 1, 1, 0]]), 3)
    assert miou(both, either) == (1 / 3 + 2 / 4) / 2
