"""What all metrics of real tasks have in common."""

import sys

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.task.data import Array
from autotune.task.data.fields import joined
from autotune.task.judges import parse
from autotune.task.judges.judge import ratio

BOXES = np.tile(np.array([0.0, 0, 1, 1]), (2, 1, 1))
DETECTED = joined({"boxes": BOXES, "scores": np.ones((2, 1)), "classes": np.zeros((2, 1))})
TOKENS = np.eye(3)[np.zeros((2, 4), int)]


@pytest.mark.parametrize(
    ("text", "library", "module", "outputs", "labels"),
    [
        ("map", "pycocotools", "pycocotools.cocoeval", DETECTED, DETECTED),
        ("cer", "rapidfuzz", "rapidfuzz.distance", TOKENS, np.zeros((2, 1), int)),
    ],
)
def test_a_missing_library_is_named(
    text: str, library: str, module: str, outputs: Array, labels: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what installs it."""
    parse(text).score(outputs, labels)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as caught:
        parse(text).score(outputs, labels)
    assert str(caught.value) == f"{text} needs {library}: pip install 'litert-autotune[tasks]'"


def test_a_ratio_in_groups() -> None:
    """Is that of the groups' sums; its bounds are never below 0, nor above what is highest."""
    sums, sizes = np.array([0, 1, 4, 1]), np.array([1, 2, 4, 1])
    alone, grouped = ratio(sums, sizes, None, 1.0), ratio(sums, sizes, np.array([7, 7, 5, 5]), 1.0)
    assert alone.value == grouped.value == 6 / 8
    assert grouped.each.shape == (2,)
    assert (grouped.low, grouped.high) == (0, 1)
    assert ratio(sums, sizes, None, None).high > 1
    with pytest.raises(UserError, match="all samples are of one group"):
        ratio(sums, sizes, np.zeros(4), 1.0)
