"""What is expected of files that were not built."""

import numpy as np

from autotune.config import Recipe
from autotune.search.surrogate import Features, Prediction


def test_numbers_go_by_rank_and_names_by_axis() -> None:
    """Fewer clusters compress more, none not at all; what does not matter to a recipe is 0."""
    recipes = [
        Recipe(prune=prune, cluster=cluster, quantize=scheme)
        for prune in (0.0, 0.5, 0.9)
        for cluster in (0, 64, 8)
        for scheme in ("none", "int8")
    ]
    features = Features(recipes)
    plain, mild, hard = (
        features.of(Recipe(prune=prune, cluster=cluster, quantize="int8"))
        for prune, cluster in ((0.0, 0), (0.5, 64), (0.9, 8))
    )
    assert len(plain) == len(mild) == len(hard)
    assert (mild >= plain).all()
    assert (hard >= mild).all()
    assert sorted(set(hard)) == [0.0, 1.0]
    assert 0.5 in mild
    assert (features.of(Recipe()) != features.of(Recipe(quantize="int8"))).sum() >= 2


def test_fewer_levels_compress_more() -> None:
    """As fewer clusters do; schemes without levels are next to those with all of them."""
    levels = (15, 11, 7)
    recipes = [Recipe(quantize="int4", rounding="gptq", levels=number) for number in levels]
    features = Features([*recipes, Recipe(quantize="int8", rounding="gptq")])
    axis = next(
        index
        for index, values in enumerate(np.transpose([features.of(recipe) for recipe in recipes]))
        if len(set(values)) == len(levels)
    )
    assert 0 < features.of(recipes[0])[axis] < features.of(recipes[1])[axis] < features.of(recipes[2])[axis] == 1
    assert features.of(Recipe(quantize="int8", rounding="gptq"))[axis] == 0


def test_learns_a_smooth_function_and_knows_where_it_does_not() -> None:
    """Near to what was seen it is right and sure, far from it neither."""
    x = np.linspace(0, 0.5, 11)[:, np.newaxis]
    prediction = Prediction()
    prediction.fit(x, np.sin(6 * x[:, 0]))
    mean, deviation = prediction.at(np.array([[0.225], [1.0]]))
    assert abs(mean[0] - np.sin(6 * 0.225)) < 0.05
    assert deviation[0] < deviation[1]


def test_a_constant_is_learnt_too() -> None:
    """All files may be equally good at first."""
    prediction = Prediction()
    prediction.fit(np.array([[0.0], [1.0]]), np.array([2.0, 2.0]))
    mean, _ = prediction.at(np.array([[0.5]]))
    assert mean[0] == 2.0
