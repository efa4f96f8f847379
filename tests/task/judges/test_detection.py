"""The mean average precision of a detector's outputs."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.errors import UserError
from autotune.results.significance import LEVEL, compare, difference
from autotune.task.data import Array
from autotune.task.data.fields import joined
from autotune.task.judges import parse
from autotune.task.judges.detection import MeanPrecision
from autotune.task.score import RESAMPLES


def scene(seed: int = 0, images: int = 30, noise: float = 0.02) -> tuple[dict[str, Array], dict[str, Array]]:
    """Outputs and labels of three classes, by yxyx corners; the last two boxes of each image are none."""
    random = np.random.default_rng(seed)
    least = random.uniform(0, 0.6, (images, 5, 2))
    boxes = np.concatenate([least, least + random.uniform(0.1, 0.4, (images, 5, 2))], axis=-1)
    classes = random.integers(0, 3, (images, 5))
    classes[:, 3:] = -1
    moved = (boxes + random.normal(0, noise, boxes.shape)).astype(np.float32)
    scores = random.random((images, 5)).astype(np.float32)
    own = {"boxes": moved, "scores": scores, "classes": classes.astype(np.float32)}
    return own, {"boxes": boxes, "classes": classes}


def value(own: dict[str, Array], true: dict[str, Array], said: str = "map") -> float:
    return parse(said).score(joined(own), joined(true)).value


def one_image(box: list[float], true: list[float], said: str = "map") -> float:
    """Of two images with a box each."""
    own = {"boxes": np.array([[box]] * 2), "scores": np.ones((2, 1)), "classes": np.zeros((2, 1))}
    return value(own, {"boxes": np.array([[true]] * 2), "classes": np.zeros((2, 1), int)}, said)


def test_perfect_boxes() -> None:
    """Are worth 1, by either metric."""
    own, true = scene(noise=0)
    own["boxes"] = true["boxes"]
    assert value(own, true) == value(own, true, "map50") == 1


@pytest.mark.parametrize(
    ("shift", "overlap", "share"),
    [(1, 9 / 11, 0.7), (2, 8 / 12, 0.4), (3, 7 / 13, 0.1), (4, 6 / 14, 0.0)],
)
def test_shifted_boxes(shift: int, overlap: float, share: float) -> None:
    """A box of 10 by 10 that is moved overlaps by so much, which is enough for that share of the ten overlaps."""
    assert sum(overlap >= 0.5 + 0.05 * step for step in range(10)) / 10 == pytest.approx(share)
    assert one_image([0, shift, 10, 10 + shift], [0, 0, 10, 10]) == pytest.approx(share)
    assert one_image([0, shift, 10, 10 + shift], [0, 0, 10, 10], "map50") == (overlap >= 0.5)


def test_precision_by_hand() -> None:
    """Of four true boxes three are hit: by the surest, the third and the fourth box of five.

    So precision is 1 up to a recall of 1/4, then 3/4 up to 3/4, then 0: at 26, 50 and 25 of the 101 recalls.
    """
    true = {"boxes": np.array([[[0, at, 1, at + 1] for at in range(0, 8, 2)]]), "classes": np.zeros((1, 4), int)}
    empty = {"boxes": np.zeros((1, 4, 4)), "classes": np.full((1, 4), -1)}
    both = {name: np.concatenate([true[name], empty[name]]) for name in true}
    boxes = np.array([[[0, at, 1, at + 1] for at in (0, 20, 2, 4, 30)]] * 2, float)
    classes = np.array([[0] * 5, [-1] * 5])
    own = {"boxes": boxes, "classes": classes, "scores": np.tile(np.linspace(0.9, 0.1, 5), (2, 1))}
    assert value(own, both) == pytest.approx((26 + 50 * 0.75) / 101)


@pytest.mark.parametrize(
    ("layout", "change"),
    [
        ("xyxy", lambda b: b[..., [1, 0, 3, 2]]),
        ("xywh", lambda b: np.concatenate([b[..., [1, 0]], b[..., [3, 2]] - b[..., [1, 0]]], axis=-1)),
        (
            "cxcywh",
            lambda b: np.concatenate([(b[..., [1, 0]] + b[..., [3, 2]]) / 2, b[..., [3, 2]] - b[..., [1, 0]]], -1),
        ),
    ],
)
def test_layouts(layout: str, change: Any) -> None:
    """The same boxes in another one are worth the same, in labels, too; where that is not said they are not."""
    own, true = scene()
    expected = value(own, true)
    other = own | {"boxes": change(own["boxes"].astype(float))}
    assert value(other, true, f"map:layout={layout}:label_layout=yxyx") == pytest.approx(expected, abs=1e-4)
    both = true | {"boxes": change(true["boxes"])}
    assert value(other, both, f"map:layout={layout}") == pytest.approx(expected, abs=1e-4)
    assert value(other, true) < expected / 2


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), data=st.data())
def test_order_and_padding_change_nothing(seed: int, data: st.DataObject) -> None:
    """Neither that of boxes nor that of images, as scores differ; nor more room for boxes that are none."""
    own, true = scene(seed, images=8)
    expected = value(own, true)
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    images, boxes, others = random.permutation(8), random.permutation(5), random.permutation(5)
    padded = {"boxes": np.full((8, 2, 4), np.nan), "scores": np.full((8, 2), 2.0), "classes": np.full((8, 2), -1)}
    own = {name: np.concatenate([part[images][:, boxes], padded[name]], axis=1) for name, part in own.items()}
    true = {name: np.concatenate([part[images][:, others], padded[name]], axis=1) for name, part in true.items()}
    assert value(own, true) == pytest.approx(expected, abs=1e-12)


def test_what_does_not_count() -> None:
    """Beyond the count, of no class, not finite: as if it were not there; what counts and is wrong, tells."""
    own, true = scene()
    expected = value(own, true)
    stray = np.full((30, 3, 4), 0.5) + np.array([0, 0, 0.1, 0.1])
    more = {"boxes": stray, "scores": np.full((30, 3), 2.0), "classes": np.zeros((30, 3))}
    both = {name: np.concatenate([part, more[name]], axis=1) for name, part in own.items()}
    assert value(both, true) < expected
    for count in (np.full(30, 5), np.full((30, 1), 5.0)):
        assert value(both | {"count": count}, true) == expected
    for name, none in (("classes", -1), ("classes", np.nan), ("scores", np.nan), ("scores", np.inf), ("boxes", np.inf)):
        part = both[name].copy()
        part[:, 5:] = none
        assert value(both | {name: part}, true) == expected


def test_scores_of_each_class() -> None:
    """Without classes: of several boxes around an object the surest counts, for each class."""
    own, true = scene()
    own["classes"][:, 3:] = 0  # there is no class for none
    own["scores"][:, 3:] = np.nan
    rows = np.where(np.arange(3) == own["classes"][..., np.newaxis], own["scores"][..., np.newaxis], np.nan)
    anchors = {
        "boxes": np.concatenate([own["boxes"], own["boxes"] + 0.001], axis=1),
        "scores": np.concatenate([rows, rows / 2], axis=1),
    }
    assert value(anchors, true, "map50") == pytest.approx(value(own, true, "map50"), abs=0.05)
    twice = {name: np.concatenate([part, part], axis=1) for name, part in own.items()}
    assert value(twice, true, "map50") < value(anchors, true, "map50")
    [first, *_] = MeanPrecision().detected(joined(anchors))
    assert len(first.classes) <= 3


NAMES = [
    ("boxes", "classes", "scores", "count"),
    ("detection_boxes", "detection_classes", "detection_scores", "num_detections"),
    ("location", "category", "probability", "number"),
    ("b", "class_ids", "class_scores", "n"),
]


@pytest.mark.parametrize("names", NAMES)
def test_names_say_which_is_which(names: tuple[str, ...]) -> None:
    """In any order, beside others of the same shapes."""
    own, true = scene()
    expected = value(own, true)
    parts = [own["boxes"], own["classes"], own["scores"], np.full(30, 5)]
    every = dict(zip(names, parts, strict=True))
    assert value(every, true) == value(dict(reversed(every.items())), true) == expected
    raw = {f"raw_{names[0]}": own["boxes"] * 0, f"multi_{names[2]}": np.zeros((30, 5, 9))}
    if names[0] != "b":
        assert value(raw | every, true) == expected


def test_shapes_say_which_is_which() -> None:
    """Where names don't: whole numbers are classes; where one of two is known it is the other."""
    own, true = scene()
    expected = value(own, true)
    whole = own["classes"].astype(np.int32)
    assert value({"a": own["scores"], "b": whole, "c": own["boxes"], "d": np.full(30, 5)}, true) == expected
    assert value({"a": own["scores"], "class": own["classes"], "c": own["boxes"]}, true) == expected
    assert value({"score": own["scores"], "b": own["classes"], "c": own["boxes"]}, true) == expected
    unlike = {"y": true["classes"], "x": true["boxes"]}
    assert value(own, unlike) == expected


def test_settings_say_which_is_which() -> None:
    """Before names do, and where nothing else can: the outputs of TFLite_Detection_PostProcess."""
    own, true = scene()
    name = "TFLite_Detection_PostProcess"
    parts = (own["boxes"], own["classes"], own["scores"], np.full(30, 5.0))
    every = dict(zip((name, f"{name}:1", f"{name}:2", f"{name}:3"), parts, strict=True))
    with pytest.raises(UserError, match=r"can't tell which are the scores; the outputs are TFLite.* \(5, 4\), TFLite"):
        value(every, true)
    assert value(every, true, f"map:classes={name}:1:scores={name}:2") == value(own, true)
    wrong = own | {"other_boxes": own["boxes"] * 0}
    assert value(wrong, true) == value(own, true)
    assert value(wrong, true, "map:boxes=other_boxes") == 0
    labels = true | {"other_boxes": true["boxes"] * 0, "other_classes": true["classes"]}
    assert value(own, labels, "map:label_boxes=other_boxes:label_classes=other_classes") == 0


@pytest.mark.parametrize(
    ("change", "said", "says"),
    [
        ({"boxes": None}, "map", "can't tell which are the boxes; the outputs are scores (5,), classes (5,); say it"),
        ({"classes": None}, "map", "can't tell which are the classes"),
        (
            {"scores": None},
            "map50",
            "map50: can't tell which are the scores; the outputs are boxes (5, 4), classes (5,)",
        ),
        ({"scores": np.ones((30, 4))}, "map", "can't tell which are the scores"),
        ({}, "map:boxes=box", "map:boxes=box: no 'box'; the outputs are boxes (5, 4), scores (5,), classes (5,)"),
        ({}, "map:boxes=scores", "map:boxes=scores: (5,) is no shape of boxes; the outputs are boxes (5, 4)"),
        ({}, "map:count=scores", "(5,) is no shape of count"),
        ({"scores": np.ones((30, 5, 2))}, "map:classes=classes", "the scores are of each class, so no classes"),
        ({}, "map:label_classes=c", "no 'c'; the labels are boxes (5, 4), classes (5,)"),
    ],
)
def test_what_is_not_there_is_said(change: dict[str, Array | None], said: str, says: str) -> None:
    """In one line, with what is."""
    own, true = scene()
    changed = {name: part for name, part in (own | change).items() if part is not None}
    with pytest.raises(UserError, match=re.escape(says)):
        value(changed, true, said)


def test_labels_without_boxes() -> None:
    """Can't be met; nor can labels that are one array, and outputs that are."""
    own, true = scene()
    with pytest.raises(UserError, match="map: the labels have no boxes"):
        value(own, true | {"classes": np.full((30, 5), -1)})
    with pytest.raises(UserError, match=r"can't tell which are the classes; the labels are \(5, 4\)"):
        parse("map").score(joined(own), true["boxes"])
    with pytest.raises(UserError, match=r"can't tell which are the scores; the outputs are \(5, 4\)"):
        parse("map").score(own["boxes"], joined(true))


def test_files_are_compared() -> None:
    """On the same resamples: a file that is worse by a little is told from one that is not worse at all."""
    own, true = scene(images=200, noise=0.01)
    worse = own | {"boxes": own["boxes"] + np.random.default_rng(1).normal(0, 0.01, own["boxes"].shape)}
    first, second, again = (parse("map").score(joined(each), joined(true)) for each in (own, worse, own))
    assert first.resampled
    assert first.each.shape == second.each.shape == (RESAMPLES,)
    assert first.low < first.value < first.high
    assert compare(first.each, second.each, resampled=True) <= LEVEL < compare(first.each, again.each, resampled=True)
    interval = difference(second.each, first.each, 1, resampled=True)
    assert interval is not None
    assert interval[0] < second.value - first.value < interval[1] < 0


def test_groups_are_drawn_whole() -> None:
    """Images that are alike within a group tell less than as many that are each on their own."""
    own, true = scene(images=10)
    own, true = ({name: np.repeat(part, 6, axis=0) for name, part in each.items()} for each in (own, true))
    alone = parse("map").score(joined(own), joined(true))
    grouped = parse("map").score(joined(own), joined(true), np.repeat(np.arange(10), 6))
    assert grouped.value == alone.value
    assert grouped.standard_error > 1.5 * alone.standard_error
