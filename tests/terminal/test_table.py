"""The front as a table, and what is said of a point that misses a target."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.config import Config, Recipe, Runtime
from autotune.results.outcome import Measured
from autotune.results.quality import Certainty
from autotune.targets.metric import METRICS
from autotune.terminal.table import front_table
from autotune.testing import toy_measurement, toy_outcome, toy_record
from autotune.text.words import missed

OUTCOME = toy_outcome(0.861, 10, 1000).with_latency(toy_measurement(10))
"""Its accuracy's interval reaches from 84.1 % to 88.1 %, its latency's from 9.9 to 10.1 ms."""


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("accuracy>=89%", "misses accuracy>=89% by 2.9 points"),
        ("accuracy>=baseline-1%", "misses accuracy>=baseline-1% by 2.9 points"),
        ("accuracy>=87.1%", "misses accuracy>=87.1% by 1 point"),
        ("accuracy>=86%", "not for sure accuracy>=86%"),
        ("latency<8.7ms", "misses latency<8.7ms by 1.3 ms"),
        ("latency<baseline", "misses latency<baseline"),
        ("latency_p90<=50us", "misses latency_p90<=50us by 10.9 ms"),
        ("size<=700B", "misses size<=700B by 500 B"),
        ("download<0.9kB", "misses download<0.9kB by 100 B"),
        ("memory<=1MB", "misses memory<=1MB, since the device can't tell"),
    ],
)
def test_by_how_much_a_target_is_missed_is_in_its_own_unit(tmp_path: Path, target: str, told: str) -> None:
    """From the value to the bound: not a share of the bound, and not from an interval's far end."""
    metrics = {key: value for key, value in OUTCOME.metrics.items() if key != "memory_bytes"}
    record = toy_record(tmp_path, toy_outcome(0.9, 10, 1000), replace(OUTCOME, metrics=metrics))
    record = replace(record, meta=replace(record.meta, targets=(target,)))
    front = record.front(record.targets)
    assert front is not None
    assert missed(front, record.judge(record.measured[1], record.targets)) == told


def test_the_unit_is_that_of_the_tasks_metric(tmp_path: Path) -> None:
    """An error has none."""
    metrics = {"mae": 2.5, "latency_ms": 1.0, "download_bytes": 10.0, "size_bytes": 10.0}
    outcome = Measured(OUTCOME.config, metrics, Certainty(0.1, samples=9), "0" * 64)
    record = toy_record(tmp_path, outcome)
    record = replace(record, meta=replace(record.meta, quality=METRICS["mae"], targets=("mae<=2.1",)))
    front = record.front(record.targets)
    assert front is not None
    assert missed(front, record.judge(record.measured[0], record.targets)) == "misses mae<=2.1 by 0.4"


def test_a_recipe_is_told_whole(tmp_path: Path) -> None:
    """Fewer channels and fewer levels have their place in the table; no column for channels where none are cut."""
    plain = toy_outcome(0.9, 10, 1000)
    recipes = [
        Recipe(channels=0.5, prune=0.75, quantize="int4", rounding="gptq", levels=9, mixed=0.25),
        Recipe(channels=0.35, fine_tune="none"),
    ]
    others = [
        replace(toy_outcome(0.8 - n / 10, 5 - n, 500), config=Config(recipe, Runtime()))
        for n, recipe in enumerate(recipes)
    ]
    for outcomes in ([plain, *others], [plain]):
        record = toy_record(tmp_path, *outcomes)
        front = record.front(record.targets)
        assert front is not None
        table = front_table(front, "gzip", everything=True)
        cells = {str(column.header): list(column.cells) for column in table.columns}
        assert ("channels" in cells) == (outcomes != [plain])
        if outcomes != [plain]:
            assert cells["channels"] == ["-", "-", "50%", "35% once"]
            assert cells["quantize"][2:] == ["int4 9 levels mixed 25%", "float32"]
