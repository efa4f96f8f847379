"""Which stages a recipe takes, and what their keys depend on."""

import pytest

from autotune.compress import pipeline
from autotune.config import Recipe


def names(recipe: Recipe) -> list[str]:
    return [step.stage for step in pipeline.steps(recipe, "task")]


@pytest.mark.parametrize(
    ("recipe", "stages"),
    [
        (Recipe(), ["convert", "quantize"]),
        (Recipe(quantize="int8"), ["convert", "quantize"]),
        (Recipe(prune=0.5), ["prune", "convert", "quantize"]),
        (Recipe(cluster=16, quantize="dynamic"), ["cluster", "convert", "quantize"]),
        (Recipe(quantize="qat"), ["qat", "quantize"]),
        (Recipe(prune=0.5, cluster=16, quantize="qat"), ["prune", "cluster", "qat", "quantize"]),
        (
            Recipe(prune=0.5, cluster=16, quantize="int4", fine_tune="none"),
            ["convert", "prune_once", "cluster_once", "quantize"],
        ),
    ],
)
def test_stages_of_a_recipe(recipe: Recipe, stages: list[str]) -> None:
    """In order, and none that the recipe does not name."""
    assert names(recipe) == stages


def test_recipes_share_their_prefix() -> None:
    """Schemes after the same pruning and clustering differ in the last key alone."""
    first = pipeline.steps(Recipe(prune=0.5, cluster=16, quantize="int8"), "task")
    second = pipeline.steps(Recipe(prune=0.5, cluster=16, quantize="float16"), "task")
    assert [step.key for step in first[:3]] == [step.key for step in second[:3]]
    assert first[3].key != second[3].key


def test_clustering_depends_on_the_pruning_before() -> None:
    """The same clustering after another pruning is another artifact."""
    first = pipeline.steps(Recipe(prune=0.5, cluster=16), "task")[1]
    second = pipeline.steps(Recipe(prune=0.75, cluster=16), "task")[1]
    assert first.key != second.key


def test_keys_depend_on_task_version_and_toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other data, another version of a stage, or another TensorFlow: another key."""
    recipe = Recipe(prune=0.5)
    keys = {pipeline.steps(recipe, "task")[-1].key, pipeline.steps(recipe, "other")[-1].key}
    monkeypatch.setattr(type(pipeline.BUILT_IN[0]), "version", 999)
    keys.add(pipeline.steps(recipe, "task")[-1].key)
    monkeypatch.setattr(pipeline, "toolchain", lambda: {"tensorflow": "9"})
    keys.add(pipeline.steps(recipe, "task")[-1].key)
    assert len(keys) == 4


def test_settings_of_training_matter_only_where_something_trains() -> None:
    """Epochs are part of a pruning's key, not of a plain conversion's."""
    assert pipeline.steps(Recipe(epochs=1), "task") == pipeline.steps(Recipe(epochs=9), "task")
    one, nine = (pipeline.steps(Recipe(prune=0.5, epochs=epochs), "task")[0].key for epochs in (1, 9))
    assert one != nine
