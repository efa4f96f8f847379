"""Metrics of the user's own: what they are called with, and how often."""

import math
from pathlib import Path

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.results.significance import wilson
from autotune.task import user_code
from autotune.task.data import Array
from autotune.task.score import LEAST, RESAMPLES
from autotune.task.user_metric import score_with, value_with

MINE = """
import numpy as np

calls = []

def each(labels, outputs):
    return [0, 1, 0, 1][:len(labels)]

def graded(labels, outputs):
    return 10 * outputs[:, 0]

def whole(labels, outputs):
    calls.append(len(labels))
    return np.abs(labels - outputs[:, 0]).max()

def counted(labels, outputs):
    calls.append(len(labels))
    return 0.5 * np.abs(labels - outputs[:, 0])

def beside(labels, outputs, inputs):
    return np.abs(outputs[:, 0] - inputs[:, 1])

def named(labels, outputs, inputs=None):
    return inputs[:, 1].max()

def option(labels, outputs, limit=3):
    return np.minimum(outputs[:, 0], limit).max()

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


ANY: tuple[Array, Array, Array] = np.arange(4.0)[:, np.newaxis], np.zeros(4), np.array([[0, 7], [0, 8], [0, 9], [0, 9]])
"""Outputs, labels, inputs."""


def calls(mine: str) -> list[int]:
    """Of how many samples each call was."""
    return list(user_code.module(mine + "calls").calls)


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
    assert calls(mine) == [4] * (1 + RESAMPLES)


def test_one_number_a_sample_is_enough(mine: str) -> None:
    """The metric is called once, whatever is made of it: with groups, too."""
    assert score_with(mine + "counted", *ANY).value == 0.75
    assert score_with(mine + "counted", *ANY, np.array([0, 0, 1, 1])).value == 0.75
    assert value_with(mine + "counted", *ANY) == 0.75
    assert calls(mine) == [4] * 3


def test_one_number_of_all_that_takes_long_is_asked_for_a_few_times(mine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where the value alone is wanted, once."""
    monkeypatch.setattr("autotune.task.score.ENOUGH_S", 0.0)
    score = score_with(mine + "whole", *ANY)
    assert calls(mine) == [4] * (1 + LEAST)
    assert score.low < score.value == 3.0 < score.high
    assert value_with(mine + "whole", *ANY) == 3.0
    assert len(calls(mine)) == 2 + LEAST


def test_groups_are_drawn_whole(mine: str) -> None:
    """Also for a metric of all samples."""
    outputs, labels, inputs = ANY
    score = score_with(mine + "whole", outputs, labels, inputs, np.array([5, 5, 5, 9]))
    assert set(score.each.tolist()) == {2.0, 3.0}
    assert set(calls(mine)) == {2, 4, 6}


def test_inputs_are_the_third_argument(mine: str) -> None:
    """Of a metric that takes three, or names it so; an option of the metric's own keeps its default."""
    assert score_with(mine + "beside", *ANY).value == (7 + 7 + 7 + 6) / 4
    assert score_with(mine + "named", *ANY).value == 9
    assert score_with(mine + "option", *ANY).value == 3


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
