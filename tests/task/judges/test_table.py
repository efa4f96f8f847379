"""How metrics with settings are said."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.errors import UserError
from autotune.targets.metric import JUDGED, METRICS
from autotune.task.judges import JUDGES, parse
from autotune.task.judges.detection import MeanPrecision
from autotune.task.judges.judge import settings
from autotune.task.judges.transcripts import WordErrors


def test_each_is_a_metric_of_targets() -> None:
    """By the same name; better and bounds are those that values have."""
    assert tuple(JUDGES) == JUDGED
    assert all(JUDGES[name].metric is METRICS[name] for name in JUDGED)
    assert {name for name in JUDGED if METRICS[name].better == "lower"} == {"wer", "cer"}
    assert {name for name in JUDGED if METRICS[name].highest is None} == {"wer", "cer"}
    assert {(METRICS[name].kind, METRICS[name].lowest) for name in JUDGED} == {("share", 0.0)}


def test_settings_are_read() -> None:
    """By their names, in any order; a colon may be within a name, as TensorFlow's are."""
    assert parse("wer:space=26:blank=0") == parse("wer:blank=0:space=26") == WordErrors(space=26, blank=0)
    assert parse("map:boxes=Post:0:scores=Post:2") == MeanPrecision(boxes="Post:0", scores="Post:2")
    assert parse("map") == MeanPrecision()
    assert parse("map") != parse("map50")


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("map:layout=yxyx", "map"),
        ("map:layout=xywh:label_layout=yxyx:boxes=b", "map:boxes=b:label_layout=yxyx:layout=xywh"),
        ("wer:space=026:blank=0", "wer:blank=0:space=26"),
        ("pck:within=0.10", "pck"),
        ("pck:within=2e-1", "pck:within=0.2"),
        ("span_f1:longest=30", "span_f1"),
    ],
)
def test_there_is_one_spelling(text: str, spelled: str) -> None:
    """By name, without what is usual; it is read as the same metric."""
    assert str(parse(text)) == spelled
    assert parse(spelled) == parse(text)


@given(
    name=st.sampled_from(["map", "map50"]),
    said=st.dictionaries(
        st.sampled_from(["boxes", "classes", "scores", "count", "label_boxes", "label_classes"]),
        st.text("ab:_/0", min_size=1, max_size=6),
    ),
)
def test_names_survive(name: str, said: dict[str, str]) -> None:
    """Whatever colons they have."""
    judge = parse(":".join([name, *(f"{setting}={value}" for setting, value in said.items())]))
    assert {setting: getattr(judge, setting) for setting in said} == said
    assert parse(str(judge)) == judge


@given(within=st.floats(min_value=1e-9, max_value=1e9))
def test_numbers_survive(within: float) -> None:
    """To 15 digits."""
    judge = parse(f"pck:within={within!r}")
    assert math.isclose(getattr(judge, "within"), within)  # noqa: B009  # it is a Judge to mypy
    assert str(parse(str(judge))) == str(judge)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mop", "--metric 'mop' is unknown; known are map, map50, wer, cer, exact_match, span_f1, pck, with"),
        ("map:xyxy", "--metric 'map:xyxy' is unknown"),
        ("", "is unknown"),
        ("map:style=xyxy", "map has no setting 'style'; known are layout, label_layout, boxes, classes, scores, count"),
        ("cer:space=3", "cer has no setting 'space'; known are blank, output, label"),
        ("map:layout=yx", "layout takes yxyx or xyxy or xywh or cxcywh, not 'yx'"),
        ("map:boxes=", "boxes takes a name, not ''"),
        ("wer", "wer needs space, the token that parts words, as in wer:space=26"),
        ("wer:space=-1", "space takes a whole number, 0 or more, not '-1'"),
        ("wer:space=1:blank=1.5", "blank takes a whole number, 0 or more, not '1.5'"),
        ("wer:space=9999999999", "space takes a whole number"),
        ("wer:space=1:space=2", "space is said twice"),
        ("span_f1:longest=0", "longest takes a whole number, 1 or more, not '0'"),
        ("pck:within=0", "within takes a number above 0, not '0'"),
        ("pck:within=nan", "within takes a number above 0, not 'nan'"),
        ("pck:within=far", "within takes a number above 0, not 'far'"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    """With what there is."""
    with pytest.raises(UserError) as caught:
        parse(text, "--metric")
    assert says in str(caught.value)


def test_every_setting_says_what_it_takes() -> None:
    """None is without a reading, by which a wrong value would be taken."""
    for judge in JUDGES.values():
        assert all("reading" in setting.metadata for setting in settings(judge).values())
