"""What the measured files of a study tell of files that were not built."""

from dataclasses import replace
from pathlib import Path

from autotune.config import Config, Recipe, Runtime
from autotune.search.evidence import Evidence
from autotune.testing import toy_outcome, toy_record


def test_fewer_channels_are_faster_than_all_by_what_was_planned(tmp_path: Path) -> None:
    """Until a file with as many channels was measured, which tells of others by itself."""
    whole = toy_outcome(0.9, 10.0, 1000)
    evidence = Evidence(lambda recipe: recipe.channels)
    evidence.see(toy_record(tmp_path, whole))
    recipe = Recipe(channels=0.5, prune=0.5)
    assert [metrics["latency_ms"] for metrics, _ in evidence.of(recipe)] == [5.0]
    cut = replace(toy_outcome(0.8, 7.0, 600), config=Config(Recipe(channels=0.5, fine_tune="none"), Runtime()))
    evidence.see(toy_record(tmp_path, whole, cut))
    assert [metrics["latency_ms"] for metrics, _ in evidence.of(recipe)] == [7.0]
    assert [metrics["latency_ms"] for metrics, _ in evidence.of(replace(recipe, channels=1.0))] == [10.0]
