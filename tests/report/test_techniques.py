"""The table of techniques, and what delegates took."""

from dataclasses import replace
from pathlib import Path

from autotune.config import SCHEMES, Config, Recipe, Runtime
from autotune.report.panels import COLOURS, TITLES
from autotune.report.techniques import delegation, techniques
from autotune.results.front import Point
from autotune.results.outcome import Refused
from autotune.results.record import Record
from autotune.testing import toy_measurement, toy_outcome, toy_record


def _techniques(record: Record) -> list[tuple[str, Point]]:
    return techniques(record.points, record.begun().baseline.config.runtime)


def test_each_technique_has_a_row(tmp_path: Path) -> None:
    """The first trial of it; schemes by themselves, then pruning, clustering and both."""
    record = toy_record(
        tmp_path,
        toy_outcome(0.9, 1.0, 1000),
        toy_outcome(0.8, 0.1, 300, prune=0.5, cluster=16, quantize="int8"),
        toy_outcome(0.8, 0.1, 300, cluster=16, quantize="int8"),
        toy_outcome(0.8, 0.1, 300, prune=0.5, quantize="int8"),
        toy_outcome(0.7, 0.1, 300, prune=0.75, quantize="dynamic"),
        toy_outcome(0.8, 0.1, 300, quantize="int4", mixed=0.5),
        toy_outcome(0.8, 0.1, 300, quantize="dynamic"),
        toy_outcome(0.8, 0.1, 300, quantize="dynamic", decimals=3),
    )
    assert [(name, point.trial) for name, point in _techniques(record)] == [
        ("float32", 0),
        ("dynamic range", 6),
        ("int4, 50% of the layers more precise", 5),
        ("pruned 50% + full integer", 3),
        ("clustered to 16 + full integer", 2),
        ("pruned 50% + clustered to 16 + full integer", 1),
    ]


def test_a_float_file_has_a_row_beside_the_quantized_one(tmp_path: Path) -> None:
    """Whichever was tried first: what pruning, clustering or fewer channels do by themselves is there to be read."""
    for changes in ({"channels": 0.6}, {"prune": 0.5}, {"cluster": 16}):
        recipes = [Recipe(quantize="int8", **changes), Recipe(**changes), Recipe(quantize="w4a8", **changes)]
        outcomes = [replace(toy_outcome(0.8, 0.5, 400), config=Config(recipe, Runtime())) for recipe in recipes]
        rows = _techniques(toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000), *outcomes))
        assert [point.trial for _, point in rows] == [0, 2, 1]
        assert rows[2][0] == f"{rows[1][0]} + full integer"


def test_they_are_compared_on_the_baselines_runtime(tmp_path: Path) -> None:
    """Where they were measured there; else on the fastest. What runs nowhere has its reason."""
    refused = Refused(Config.of({"quantize": "int16x8"}), "no kernels")
    record = toy_record(
        tmp_path,
        toy_outcome(0.9, 1.0, 1000),
        toy_outcome(0.9, 0.2, 300, quantize="int8", threads=2),
        toy_outcome(0.9, 0.4, 300, quantize="int8"),
        toy_outcome(0.9, 0.9, 300, quantize="qat", delegate="builtin"),
        toy_outcome(0.9, 0.7, 300, quantize="qat", threads=2),
        refused,
    )
    found = dict(_techniques(record))
    assert found["full integer"].trial == 2
    assert found["quantization-aware training"].trial == 4
    assert found["int8 weights, int16 activations"].reason == "no kernels"


def test_delegates_and_what_they_left() -> None:
    """A file counts once, on however many threads; a runtime that can't tell does not."""
    whole = toy_measurement(1.0)
    part = replace(whole, delegated=2, fell_back=("SOFTMAX x 2", "PAD"))
    silent = replace(whole, delegated=None)
    outcomes = [
        toy_outcome(0.9, 1.0, 1).with_latency(whole),
        replace(toy_outcome(0.9, 1.0, 1, quantize="int8").with_latency(part), artifact="1"),
        replace(toy_outcome(0.9, 1.0, 1, quantize="int8", threads=2).with_latency(part), artifact="1"),
        toy_outcome(0.9, 1.0, 1, delegate="builtin").with_latency(silent),
        toy_outcome(0.9, 1.0, 1, delegate="builtin"),
    ]
    [(name, found)] = delegation(outcomes).items()
    assert (name, found.files, found.whole) == ("xnnpack", 2, 1)
    assert found.left == {"SOFTMAX": 1, "PAD": 1}


def test_each_scheme_has_its_looks() -> None:
    """A colour of its own, and a title, in the order in which schemes are tried."""
    assert tuple(COLOURS) == tuple(TITLES) == SCHEMES
    assert len(set(COLOURS.values())) == len(SCHEMES)
