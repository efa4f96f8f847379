"""The mean average precision, against pycocotools' own evaluation from end to end."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from autotune.task.data import Array
from autotune.task.judges.boxes import Boxes
from autotune.task.judges.coco import mean_precision, rankings

OVERLAPS = np.linspace(0.5, 0.95, 10)


def by_pycocotools(boxes: Sequence[Boxes], true: Sequence[Boxes]) -> tuple[float, float]:
    """The first two numbers that its summary has: at all overlaps, and at 0.50."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        both = []
        for images in (true, boxes):
            data = COCO()
            every = [
                (image, corner, number, score)
                for image, some in enumerate(images)
                for corner, number, score in zip(some.corners, some.classes, some.scores, strict=True)
            ]
            annotations: list[dict[str, Any]] = [
                {
                    "id": at,
                    "image_id": image,
                    "category_id": int(number),
                    "bbox": [*corner[:2], *(corner[2:] - corner[:2])],
                    "area": float(np.prod(corner[2:] - corner[:2])),
                    "iscrowd": 0,
                    "score": float(score),
                }
                for at, (image, corner, number, score) in enumerate(every, 1)
            ]
            data.dataset = {
                "images": [{"id": image} for image in range(len(images))],
                "categories": [{"id": number} for number in range(10)],
                "annotations": annotations,
            }
            data.createIndex()
            both.append(data)
        evaluation = COCOeval(*both, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def scene(seed: int, images: int = 12, ties: bool = False) -> tuple[list[Boxes], list[Boxes]]:
    """A model's boxes and the true ones: near, doubled, of the wrong class, out of the air; images without any."""
    random = np.random.default_rng(seed)
    own, true = [], []
    for _ in range(images):
        count = int(random.integers(0, 6))
        least = random.uniform(0, 100, (count, 2))
        there = np.concatenate([least, least + random.uniform(25, 60, (count, 2))], axis=1)
        classes = random.integers(0, 4, count)
        true.append(Boxes(there, classes, np.ones(count)))
        again = random.integers(0, max(count, 1), int(random.integers(0, 8)) if count else 0)
        stray = random.uniform(0, 100, (int(random.integers(0, 3)), 2))
        near = there[again] + random.uniform(-8, 8, (len(again), 4)) * random.integers(0, 2, (len(again), 1))
        boxes = np.concatenate([near, np.concatenate([stray, stray + 30], axis=1)])
        numbers = np.concatenate([classes[again], random.integers(0, 5, len(stray))])
        scores = random.integers(0, 4, len(boxes)) / 4 if ties else random.random(len(boxes))
        own.append(Boxes(boxes, np.where(random.random(len(boxes)) < 0.1, 4, numbers), scores))
    return own, true


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_it_is_what_pycocotools_says(seed: int, ties: bool) -> None:
    """At all overlaps and at 0.50, also where boxes are equally sure."""
    own, true = scene(seed, ties=ties)
    ones = np.ones(len(true), int)
    at_all, at_half = by_pycocotools(own, true)
    assert 0 < at_all < at_half < 1
    assert mean_precision(rankings(own, true, OVERLAPS), ones) == pytest.approx(at_all, abs=1e-12)
    assert mean_precision(rankings(own, true, OVERLAPS[:1]), ones) == pytest.approx(at_half, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_images_drawn_anew(seed: int) -> None:
    """Counting some of them several times is what pycocotools says of a set that has them several times."""
    own, true = scene(seed)
    chosen = np.sort(np.random.default_rng(seed).integers(12, size=12))
    assert len(set(chosen.tolist())) < 12
    expected, _ = by_pycocotools([own[at] for at in chosen], [true[at] for at in chosen])
    weights = np.bincount(chosen, minlength=12)
    assert mean_precision(rankings(own, true, OVERLAPS), weights) == pytest.approx(expected, abs=1e-12)


def test_more_boxes_than_count() -> None:
    """Only the surest hundred of a class in an image do, as pycocotools has it."""
    box = np.array([[0.0, 0, 10, 10]])
    wrong = np.tile(box + 50, (100, 1))
    true = [Boxes(box, np.zeros(1, int), np.ones(1))]
    for sure, expected in ((0.5, 0.0), (2.0, 1.0)):
        scores = np.array([*np.linspace(1, 0.6, 100), sure])
        own = [Boxes(np.concatenate([wrong, box]), np.zeros(101, int), scores)]
        assert by_pycocotools(own, true)[0] == pytest.approx(expected)
        assert mean_precision(rankings(own, true, OVERLAPS), np.ones(1, int)) == pytest.approx(expected)


def test_no_images_with_true_boxes() -> None:
    """Then there is no precision."""
    own, true = scene(4)
    true[3] = Boxes(np.empty((0, 4)), np.empty(0, int), np.empty(0))
    every = rankings(own, true, OVERLAPS)
    assert np.isnan(mean_precision(every, np.eye(12, dtype=int)[3]))
    assert mean_precision(every, np.eye(12, dtype=int)[2]) >= 0


def test_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """pycocotools would tell of its steps."""
    rankings(*scene(0), OVERLAPS)
    assert capsys.readouterr() == ("", "")


def joined_corners(images: Sequence[Boxes]) -> Array:
    return np.concatenate([some.corners for some in images])


def test_boxes_are_left_as_they_were() -> None:
    """They are sorted and matched in copies."""
    own, true = scene(3)
    before = joined_corners(own).copy(), joined_corners(true).copy()
    rankings(own, true, OVERLAPS)
    assert (joined_corners(own) == before[0]).all()
    assert (joined_corners(true) == before[1]).all()
