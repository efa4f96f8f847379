"""From a recipe to its file: who waits for whom."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from autotune.compress import pipeline
from autotune.compress.cache import ArtifactCache
from autotune.config import Recipe
from autotune.model.artifact import Artifact
from autotune.study.builder import Builder
from autotune.study.candidates import open_candidates
from autotune.testing import FakePool, toy_build, toy_import
from tests.devices.processes import LONG
from tests.study.test_driver import options


def test_what_follows_a_training_does_not_wait_for_the_next_one(tmp_path: Path) -> None:
    """With one worker and two recipes to train, the first is a file before the second is begun."""
    order: list[str] = []
    both = threading.Barrier(2)

    def build(step: pipeline.Step, *arguments: Any) -> Artifact:
        if not order:
            both.wait(LONG)  # the other recipe is asked for while this one is trained
        order.append(step.stage)
        return toy_build(step, *arguments)

    pool = FakePool(1, build)
    cache = ArtifactCache(tmp_path / "cache")
    candidates = open_candidates(options(tmp_path), cache, pool, toy_import).candidates
    builder = Builder(candidates, (), cache, pool, tmp_path, trainings=1)
    recipes = [Recipe(prune=0.5, quantize="int8", epochs=1), Recipe(cluster=16, quantize="int8", epochs=1)]
    with ThreadPoolExecutor(3) as threads:
        built = [threads.submit(builder.build, recipe) for recipe in recipes]
        both.wait(LONG)
        for one in built:
            one.result(LONG)
    half = len(order) // 2
    assert order[half - 1] == order[-1]
    assert order[:half].count(order[-1]) == 1
    pool.close()


def test_a_file_tells_of_the_trainings_behind_it(tmp_path: Path) -> None:
    """Also where they are taken from the cache; what is kept there is as it was."""

    def build(step: pipeline.Step, *arguments: Any) -> Artifact:
        built = toy_build(step, *arguments)
        return replace(built, facts=built.facts | ({"loss": [0.5, 0.25]} if step.trains else {}))

    pool = FakePool(1, build)
    cache = ArtifactCache(tmp_path / "cache")
    candidates = open_candidates(options(tmp_path), cache, pool, toy_import).candidates
    recipe = Recipe(prune=0.5, quantize="int8", epochs=1)
    for _ in range(2):
        key, file = Builder(candidates, (), cache, pool, tmp_path).build(recipe)
        assert file.facts["training"] == [{"stage": "prune", "loss": [0.5, 0.25]}]
    kept = cache.get(key)
    assert kept is not None
    assert "training" not in kept.facts
    pool.close()


def test_what_follows_a_cut_begins_with_the_smaller_model(tmp_path: Path) -> None:
    """Which is its base, with no parent; and the file's facts tell of what was cut."""
    inputs: dict[str, tuple[Any, ...]] = {}

    def build(step: pipeline.Step, *arguments: Any) -> Artifact:
        base, parent, _, smaller = arguments
        inputs[step.stage] = (base, parent, smaller)
        return Artifact(step.stage.encode(), {"dead": {"channels": {}}} if step.stage == "trim" else {"layers": []})

    pool = FakePool(1, build)
    cache = ArtifactCache(tmp_path / "cache")
    candidates = open_candidates(options(tmp_path), cache, pool, toy_import).candidates
    _, file = Builder(candidates, (), cache, pool, tmp_path).build(Recipe(dead_channels="removed", prune=0.5, epochs=1))
    base = candidates[""].base
    assert inputs == {
        "trim": (base, None, None),
        "prune": (base, None, b"trim"),
        "convert": (base, b"prune", b"trim"),
        "quantize": (base, b"convert", b"trim"),
    }
    assert file.facts == {"dead": {"channels": {}}, "layers": []}
    pool.close()
