"""Which stages a recipe takes, and what their keys depend on."""

from typing import Any

import pytest

from autotune.compress import pipeline
from autotune.compress.prune import Prune
from autotune.compress.stage import so_far
from autotune.config import Recipe


def names(recipe: Recipe) -> list[str]:
    return [step.stage for step in pipeline.steps(recipe, "task")]


@pytest.mark.parametrize(
    ("recipe", "stages"),
    [
        (Recipe(), ["convert", "quantize"]),
        (Recipe(quantize="int8"), ["convert", "quantize"]),
        (Recipe(prune=0.5), ["prune", "convert", "quantize"]),
        (Recipe(dead_channels="removed"), ["trim", "convert", "quantize"]),
        (Recipe(channels=0.5, prune=0.5, epochs=1), ["cut", "recover", "prune", "convert", "quantize"]),
        (Recipe(channels=0.5, fine_tune="none"), ["cut", "convert", "quantize"]),
        (Recipe(cluster=16, quantize="dynamic"), ["cluster", "convert", "quantize"]),
        (Recipe(quantize="qat"), ["qat", "convert", "quantize"]),
        (Recipe(prune=0.5, cluster=16, quantize="qat"), ["prune", "cluster", "qat", "convert", "quantize"]),
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
    monkeypatch.setattr(Prune, "version", 999)
    keys.add(pipeline.steps(recipe, "task")[-1].key)
    monkeypatch.setattr(pipeline, "toolchain", lambda: {"tensorflow": "9"})
    keys.add(pipeline.steps(recipe, "task")[-1].key)
    assert len(keys) == 4


def test_settings_of_training_matter_only_where_something_trains() -> None:
    """Epochs are part of a pruning's key, not of a plain conversion's."""
    assert pipeline.steps(Recipe(epochs=1), "task") == pipeline.steps(Recipe(epochs=9), "task")
    one, nine = (pipeline.steps(Recipe(prune=0.5, epochs=epochs), "task")[0].key for epochs in (1, 9))
    assert one != nine


def trainings(**values: Any) -> list[pipeline.Step]:
    return [step for step in pipeline.steps(Recipe(**values), "task") if step.trains]


@pytest.mark.parametrize(("epochs", "parts"), [(1, [1]), (11, [11]), (12, [3, 9]), (20, [5, 15]), (80, [5, 15, 60])])
def test_a_training_is_made_of_shorter_ones(epochs: int, parts: list[int]) -> None:
    """Each step says what it trains itself, and the sum is what was asked for."""
    steps = trainings(prune=0.5, epochs=epochs)
    assert [step.parameters["epochs"] for step in steps] == parts
    assert [step.parameters.get("continues", 0) for step in steps] == [
        sum(parts[:place]) for place in range(len(parts))
    ]


@pytest.mark.parametrize(
    "values", [{"prune": 0.5}, {"cluster": 16}, {"quantize": "qat"}, {"prune": 0.5, "cluster": 16, "quantize": "qat"}]
)
def test_a_longer_training_begins_with_the_shorter_ones(values: dict[str, Any]) -> None:
    """Whose artifacts are in the cache: what is left to train, or to train again after a kill, is the last part."""
    short, longer, longest = (trainings(epochs=epochs, **values) for epochs in (5, 20, 80))
    assert longer[: len(short)] == short
    assert longest[: len(longer)] == longer
    assert [step.parameters["epochs"] for step in longer[len(short) :]] == [15]
    assert [step.parameters["epochs"] for step in longest[len(longer) :]] == [60]
    assert len({step.key for step in longest}) == len(longest)


def test_only_the_last_training_is_long() -> None:
    """Those before it are as long as its first part."""
    steps = trainings(prune=0.5, cluster=16, quantize="qat", epochs=20)
    found = [(step.stage, step.parameters["epochs"]) for step in steps]
    assert found == [("prune", 5), ("cluster", 5), ("qat", 5), ("qat", 15)]


def test_integer_ends_need_no_training_of_their_own() -> None:
    """They are the converter's matter."""
    plain, integer = (pipeline.steps(Recipe(quantize="qat", io=io), "task") for io in ("float32", "int8"))
    assert plain[0] == integer[0]
    assert plain[1].key != integer[1].key


def test_a_stage_begins_with_what_was_made_before_it() -> None:
    """Of which there may be nothing yet: the first stage begins with the model."""
    assert so_far(b"model", b"weights") == b"weights"
    assert so_far(b"model", b"") == b""
    assert so_far(b"model", None) == b"model"
