"""Samplers by name: each proposes every recipe of a small space once."""

import pytest

from autotune import plugins
from autotune.errors import UserError
from tests.search.test_ehvi import Study

SPACE = {"prune": [0, 0.5, 0.9], "quantize": ["none", "dynamic", "int8"], "threads": [1], "epochs": [5]}


@pytest.mark.parametrize("name", ["ehvi", "tpe", "nsga2", "random", "grid"])
def test_each_recipe_once(name: str) -> None:
    """Several open at a time, until there are no more."""
    study = Study(SPACE, plugins.load("samplers", name))
    while asked := [one for one in (study.choose([]), study.choose([])) if one]:
        assert len({config.recipe.key for _, config in asked}) == len(asked)
        for one in asked:
            study.tell(one)
    assert len({recipe.key for recipe in study.tried}) == len(study.tried) == 9


def test_the_grid_goes_in_the_order_of_the_space() -> None:
    """Without what was tried already."""
    study = Study(SPACE, plugins.load("samplers", "grid"))
    order = [study.tell(study.choose([])) for _ in range(6)]
    assert [(recipe.prune, recipe.quantize) for recipe in order] == [
        (prune, scheme) for prune in (0.5, 0.9) for scheme in ("none", "dynamic", "int8")
    ]


def test_unknown_names() -> None:
    """Are told with those that are known; Gaussian processes say what they need."""
    with pytest.raises(UserError, match="unknown sampler 'tpee'; known are ehvi, gp, grid, nsga2, random, tpe"):
        plugins.load("samplers", "tpee")
    try:
        import torch  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match="it needs PyTorch: install the extra gp, or take another --sampler"):
            plugins.load("samplers", "gp")
