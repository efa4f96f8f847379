"""What files that were not built would do to the front."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.config import Config, Recipe, Runtime
from autotune.results.outcome import Measured
from autotune.results.record import Begun
from autotune.search.acquisition import Acquisition
from autotune.search.evidence import Evidence
from autotune.search.surrogate import Features, Prediction
from autotune.testing import toy_outcome, toy_record

RECIPES = [
    Recipe(prune=prune, quantize=scheme)
    for prune in (0.0, 0.3, 0.5, 0.7, 0.9)
    for scheme in ("none", "int8", "dynamic")
]


def measured(recipe: Recipe, latency_ms: float | None = None) -> Measured:
    """Pruning costs accuracy and saves download; int8 is four times as small and fast."""
    share = 1.0 if recipe.quantize == "none" else 0.25
    outcome = toy_outcome(0.9 - 0.4 * recipe.prune**3, latency_ms or 10 * share, 1e6 * share * (1 - 0.8 * recipe.prune))
    return replace(outcome, config=Config(recipe, Runtime()))


def record(folder: Path, *recipes: Recipe, targets: tuple[str, ...] = ()) -> Begun:
    found = toy_record(folder, *(measured(recipe) for recipe in recipes))
    found = replace(found, meta=replace(found.meta, targets=targets))
    return replace(found, points=found.judged(found.targets))


def acquisition(found: Begun) -> Acquisition:
    known = Evidence()
    known.see(found)
    return Acquisition(found, known, RECIPES, Features(RECIPES), Prediction(), Prediction())


SOME = [Recipe(), Recipe(quantize="int8"), Recipe(prune=0.5), Recipe(prune=0.9), Recipe(prune=0.5, quantize="int8")]


def test_what_compresses_further_gains_more(tmp_path: Path) -> None:
    """Between what was measured there is less to be gained than beyond it."""
    found = acquisition(record(tmp_path, *SOME))
    beyond, between = Recipe(prune=0.7, quantize="int8"), Recipe(prune=0.3)
    assert found.gain([beyond], meeting=True) > found.gain([between], meeting=True) > 0


def test_files_of_one_training_gain_together(tmp_path: Path) -> None:
    """At least as much as each alone, at most as much as all of them apart."""
    found = acquisition(record(tmp_path, *SOME))
    pair = [Recipe(prune=0.7), Recipe(prune=0.7, quantize="int8")]
    apart = [found.gain([one], meeting=True) for one in pair]
    assert max(apart) <= found.gain(pair, meeting=True) <= sum(apart) + 1e-12


def test_what_is_known_grows_with_the_study(tmp_path: Path) -> None:
    """Point by point as all at once; and what is held against its targets anew counts as it is held by now."""
    whole = record(tmp_path, *SOME, targets=("accuracy>=0.87",))
    sharp = replace(
        whole,
        points=[replace(p, held=dict.fromkeys(p.held, (p.outcome.metrics["accuracy"],) * 2)) for p in whole.measured],
    )
    known = Evidence()
    for count in range(1, len(SOME) + 1):
        known.see(replace(whole, points=whole.points[:count]))
    for found in (whole, sharp):
        known.see(found)
        at_once = Evidence()
        at_once.see(found)
        assert [one.config.recipe for one in known.newest(3)] == SOME[:1:-1]
        assert known.margin(found.targets[0]) == at_once.margin(found.targets[0])
        assert all(known.of(recipe) == at_once.of(recipe) for recipe in RECIPES)
    assert known.margin(sharp.targets[0]) == (0, 0)


def test_a_file_counts_once(tmp_path: Path) -> None:
    """With its first outcome, and as new as its last; its kind is known as it was measured last on each runtime."""
    found = toy_record(tmp_path, measured(Recipe()), measured(Recipe(prune=0.5)), measured(Recipe(), latency_ms=9.0))
    known = Evidence()
    known.see(found)
    assert known.newest(9) == [found.points[0].outcome, found.points[1].outcome]
    assert [metrics["latency_ms"] for metrics, _ in known.of(Recipe(prune=0.9))] == [9.0]
    assert known.of(Recipe(quantize="int8")) == ()


def test_latency_is_known_of_the_kind(tmp_path: Path) -> None:
    """A pruned file takes what its dense twin was measured to take: it gains nothing where that is too long."""
    targets = ("latency<5ms",)
    found = acquisition(record(tmp_path, *SOME, targets=targets))
    assert found.gain([Recipe(prune=0.7)], meeting=True) == 0
    assert found.gain([Recipe(prune=0.7)], meeting=False) > 0
    assert found.gain([Recipe(prune=0.7, quantize="int8")], meeting=True) > 0


def test_a_quality_that_is_out_of_reach_gains_nothing(tmp_path: Path) -> None:
    """Where every part of the prediction misses the target."""
    found = acquisition(record(tmp_path, *SOME, Recipe(prune=0.7), targets=("accuracy>=0.85",)))
    assert found.gain([Recipe(prune=0.9, quantize="int8")], meeting=True) == 0


@pytest.mark.parametrize("recipe", [Recipe(quantize="dynamic"), Recipe(prune=0.5, quantize="dynamic")])
def test_a_kind_that_nobody_measured(recipe: Recipe, tmp_path: Path) -> None:
    """Is taken to be as fast as the baseline, until one of it is measured."""
    some = record(tmp_path, *SOME)
    unknown = acquisition(some).gain([recipe], meeting=True)
    fast = toy_record(
        tmp_path, *(p.outcome for p in some.measured), measured(Recipe(prune=0.3, quantize="dynamic"), 0.1)
    )
    assert acquisition(fast).gain([recipe], meeting=True) > unknown


def test_a_target_is_expected_to_be_met_with_margin(tmp_path: Path) -> None:
    """What is expected to be at the bound gains less where qualities have an interval of 2 points to either side."""
    wide = record(tmp_path, *SOME, targets=("accuracy>=0.87",))
    sharp = [replace(p, held=dict.fromkeys(p.held, (p.outcome.metrics["accuracy"],) * 2)) for p in wide.measured]
    recipe = Recipe(prune=0.3, quantize="int8")
    gains = [acquisition(found).gain([recipe], meeting=True) for found in (wide, replace(wide, points=sharp))]
    assert 0 < gains[0] < gains[1]


def test_memory_that_is_not_known_of_every_runtime(tmp_path: Path) -> None:
    """As objective and target: what could not be told is no gain and no crash."""
    found = record(tmp_path, *SOME, targets=("memory<1MB",))
    found = replace(found, meta=replace(found.meta, objectives=("quality", "latency", "memory")))
    for point in found.measured[:3]:
        point.outcome.metrics["memory_bytes"] = 5e5
    found = replace(found, points=found.judged(found.targets))
    assert [point.feasible for point in found.points] == [True, True, True, False, False]
    assert acquisition(found).gain([Recipe(prune=0.7), Recipe(prune=0.7, quantize="int8")], meeting=True) >= 0


def test_what_nobody_tried_may_be_small(tmp_path: Path) -> None:
    """A target on the download is not out of reach for a setting of which nothing is known yet."""
    dense = [Recipe(), Recipe(quantize="int8"), Recipe(quantize="dynamic")]
    some = acquisition(record(tmp_path, *dense, targets=("download<=200kB",)))
    assert some.gain([Recipe(prune=0.9, quantize="int8")], meeting=True) > 0
