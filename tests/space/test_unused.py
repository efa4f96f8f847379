"""Dimensions of a space that can't matter in it."""

import random
from typing import Any

import pytest

from autotune.config import Recipe
from autotune.space.file import parse, read
from autotune.space.space import Space
from autotune.space.unused import DECIDING, WANTS, unused

FULL = read("full", [1, 2])
GPTQ = "rounding gptq and quantize int4 or w4a8"


def space(**content: Any) -> Space:
    return parse(content, "s.yaml", [1, 2])


@pytest.mark.parametrize(
    ("content", "names", "wants"),
    [
        ({"quantize": "w4a8", "levels": [15, 9]}, "levels matters", GPTQ),
        ({"quantize": "int8", "rounding": "gptq", "levels": 9}, "levels matters", GPTQ),
        ({"quantize": "w4a8", "rounding": "gptq", "levels_scope": "layer"}, "levels_scope matters", "at fewer levels"),
        ({"quantize": "none", "rounding": ["nearest", "gptq"]}, "rounding matters", "quantize dynamic"),
        ({"quantize": "int8", "epochs": [5, 20], "augment": "mix"}, "augment, epochs matter", "a training"),
        ({"prune": [0, 0.5], "fine_tune": "none", "epochs": {"low": 1, "high": 9}}, "epochs matters", "a training"),
        ({"quantize": "int8", "prune_pattern": "2by4"}, "prune_pattern matters", "prune above 0"),
        ({"prune": 0.5, "prune_pattern": "2by4", "prune_schedule": "constant"}, "prune_schedule", "than 2by4"),
        ({"cluster": 8, "fine_tune": "none", "cluster_scope": "channel"}, "cluster_scope", "in a training"),
        ({"quantize": "int8", "fine_tune": "labels"}, "fine_tune matters", "quantize qat"),
        ({"quantize": ["qat", "int16x8"], "mixed": [0, 0.5]}, "mixed matters", "quantize dynamic"),
        ({"quantize": ["dynamic", "int16x8"], "io": "int8"}, "io matters", "quantize int8, w4a8 or qat"),
    ],
)
def test_what_never_matters_is_said(content: dict[str, Any], names: str, wants: str) -> None:
    """In one line, with what it would want."""
    asked = space(**content)
    [line] = unused(asked, asked)
    assert line.startswith(f"space s.yaml: {names}")
    assert wants in line


@pytest.mark.parametrize(
    "content",
    [
        {"quantize": "w4a8", "rounding": ["nearest", "gptq"], "levels": [15, 9], "levels_scope": "layer"},
        {"quantize": "int8", "levels": 15, "epochs": 3, "fine_tune": "distill"},
        {"prune": {"low": 0, "high": 0.9}, "prune_schedule": ["polynomial", "constant"], "learning_rate": 0.1},
        {"prune": 0.5, "fine_tune": "none", "rounding": "gptq"},
    ],
)
def test_what_matters_somewhere_is_not(content: dict[str, Any]) -> None:
    """Nor what has its default and nothing else."""
    asked = space(**content)
    assert unused(asked, asked) == []


def test_what_matters_for_the_models_at_hand_is_not() -> None:
    """A model that can't be trained is pruned in one shot, which rounds."""
    asked = space(prune=[0, 0.5], rounding="gptq")
    assert unused(asked, asked) != []
    assert unused(asked, asked.of_lessons(["none"])) == []


@pytest.mark.parametrize("name", ["full", "quick", "post_training", "edge_tpu", "android"])
def test_shipped_spaces_have_nothing_for_nothing(name: str) -> None:
    """Whatever stands in them is of use."""
    shipped = read(name, [1, 2])
    assert unused(shipped, shipped) == []


def test_the_table_is_whole() -> None:
    """Each field that may not matter says what it wants, and nothing but the deciding ones decides."""
    draw = random.Random(0)
    drawn = [FULL.sample(draw).recipe for _ in range(200)] + [Recipe(), Recipe(prune=0.5, prune_pattern="2by4")]
    assert set.union(*(recipe.idle() for recipe in drawn)) - {"extra", "model"} == WANTS.keys()
    for recipe in drawn:
        decided = Recipe(**{name: getattr(recipe, name) for name in DECIDING})
        assert decided.idle() == recipe.idle()
