"""Search spaces: read, refused with reasons, enumerated, sampled."""

import random
import statistics
from pathlib import Path
from typing import Any

import pytest

from autotune.config import Config
from autotune.errors import UserError
from autotune.space.file import parse, read
from autotune.space.space import Categorical, Range, Space, coarse_grid, grid

NAN, INF = float("nan"), float("inf")


def space(**content: Any) -> Space:
    """A space on a device with 1, 2 or 4 threads, XNNPACK and a GPU."""
    return parse(content, "s.yaml", [1, 2, 4], delegates=["xnnpack", "gpu"])


def configs(space: Space) -> list[Config]:
    """All of a finite space."""
    every = space.all()
    assert every is not None
    return list(every)


@pytest.mark.parametrize(
    ("name", "spec", "dimension"),
    [
        ("prune", 0.5, Categorical((0.5,))),
        ("prune", [0, 0.5], Categorical((0.0, 0.5))),
        ("quantize", ["none", "qat"], Categorical(("none", "qat"))),
        ("delegate", "builtin", Categorical(("builtin",))),
        ("cluster", [0, 16.0], Categorical((0, 16))),
        ("threads", "auto", Categorical((1, 2, 4))),
        ("delegate", "auto", Categorical(("xnnpack", "gpu"))),
        ("prune", {"low": 0, "high": 0.9}, Range(0, 0.9)),
        ("prune", {"low": 0, "high": 0.9, "step": 0.3}, Range(0, 0.9, 0.3)),
        ("learning_rate", {"low": 1e-4, "high": 1e-2, "log": True}, Range(1e-4, 1e-2, None, log=True)),
        ("epochs", {"low": 1, "high": 5}, Range(1, 5, 1)),
        ("epochs", {"low": 1, "high": 5, "step": 2}, Range(1, 5, 2)),
        ("epochs", {"low": 1, "high": 5, "log": False}, Range(1, 5, 1)),
        ("epochs", {"low": 2, "high": 2}, Categorical((2,))),
        ("prune", {"low": 0.5, "high": 0.5, "step": 0.1}, Categorical((0.5,))),
        ("learning_rate", {"low": 1e-3, "high": 1e-3, "log": True}, Categorical((1e-3,))),
        ("levels", {"low": 7, "high": 11, "step": 2}, Range(7, 11, 2)),
        ("cluster", {"low": 2, "high": 16}, Range(2, 16, 1)),
        ("cluster", {"low": 0, "high": 16, "step": 8}, Range(0, 16, 8)),
        ("batch_size", {"low": 8, "high": 256, "log": True}, Range(8, 256, 1, log=True)),
    ],
)
def test_dimensions_are_read(name: str, spec: Any, dimension: Categorical | Range) -> None:
    """Scalars, lists, ranges with and without step and log, and what is auto on the device."""
    assert space(**{name: spec}).dimensions == {name: dimension}


@pytest.mark.parametrize(
    ("name", "spec", "reason"),
    [
        ("prune", [], "no values"),
        ("prune", None, "no values"),
        ("prune", [0.5, None], "no values"),
        ("prune", [0.5, 0.5], "a value stands twice"),
        ("prune", [0, 0.0], "a value stands twice"),
        ("prune", "half", "'half' is no number$"),
        ("channels", "50%", "'50%' is no number; write 0.5$"),
        ("prune", {"low": 0, "high": "12.5 %"}, "'12.5 %' is no number; write 0.125$"),
        ("prune", True, "True is no number"),
        ("prune", [[0.5]], r"\[0.5\] is no number"),
        ("prune", 1.5, "1.5 is outside 0 to 0.999"),
        ("prune", -0.1, "-0.1 is outside 0 to 0.999"),
        ("prune", NAN, "nan is no number"),
        ("prune", [0, -INF], "-inf is no number"),
        ("learning_rate", INF, "inf is no number"),
        ("epochs", NAN, "nan is no whole number"),
        ("batch_size", INF, "inf is no whole number"),
        ("prune", {"low": NAN, "high": 0.5}, "nan is no number"),
        ("learning_rate", {"low": 1e-4, "high": INF, "log": True}, "inf is no number"),
        ("epochs", {"low": 1, "high": INF}, "inf is no whole number"),
        ("cluster", 1, "1 is no clustering"),
        ("cluster", 2.5, "2.5 is no whole number"),
        ("epochs", 0, "0 is outside 1 to"),
        ("learning_rate", 0, "0 is outside"),
        ("batch_size", 0, "0 is outside"),
        ("threads", 0, "0 is outside"),
        ("threads", ["auto"], "'auto' is no whole number"),
        (
            "quantize",
            "int2",
            "unknown scheme 'int2'; known are none, float16, dynamic, weight_int8, int8, int16x8, int4, w4a8, qat",
        ),
        ("quantize", 8, "8 is no name"),
        ("delegate", False, "False is no name"),
        ("quantize", {"low": 0, "high": 1}, "a range has low, high"),
        ("prune", {"low": 0}, "a range has low, high"),
        ("prune", {"low": 0, "high": 0.5, "steps": 3}, "a range has low, high"),
        ("prune", {"low": 0.5, "high": 0.1}, "low and high must be numbers, low not above high"),
        ("prune", {"low": None, "high": 0.5}, "low and high must be numbers"),
        ("prune", {"low": 0, "high": None}, "low and high must be numbers"),
        ("epochs", {"low": None, "high": None}, "low and high must be numbers"),
        ("prune", {"low": 0, "high": 0.5, "step": 0}, "step must be a number above 0"),
        ("prune", {"low": 0, "high": 0.5, "step": -0.1}, "step must be a number above 0"),
        ("prune", {"low": 0, "high": 0.5, "step": "0.1"}, "step must be a number above 0"),
        ("prune", {"low": 0, "high": 0.5, "step": True}, "step must be a number above 0"),
        ("prune", {"low": 0, "high": 0.5, "step": NAN}, "step must be a number above 0"),
        ("prune", {"low": 0, "high": 0.5, "step": INF}, "step must be a number above 0"),
        ("epochs", {"low": 1, "high": 5, "step": 0}, "step must be a whole number above 0"),
        ("epochs", {"low": 1, "high": 5, "step": 0.5}, "step must be a whole number above 0"),
        ("threads", {"low": 1, "high": 4, "step": 1.5}, "step must be a whole number above 0"),
        ("epochs", {"low": 1, "high": 5, "step": NAN}, "step must be a whole number above 0"),
        ("prune", {"low": 0, "high": 1.5}, "1.5 is outside"),
        ("prune", {"low": 0, "high": 0.5, "log": True}, "log is true or false, goes without step, and above 0"),
        ("learning_rate", {"low": 1e-4, "high": 1e-2, "log": True, "step": 1e-4}, "log is .* goes without step"),
        ("learning_rate", {"low": 1e-4, "high": 1e-2, "log": "yes"}, "log is true or false"),
        ("epochs", {"low": 1, "high": 5, "log": 1}, "log is true or false"),
        ("epochs", {"low": 1, "high": 5, "log": None}, "log is true or false"),
        ("cluster", {"low": 0, "high": 16}, "1 is no clustering; begin at 2, or list the values"),
        ("cluster", {"low": 0, "high": 3, "step": 1}, "1 is no clustering; begin at 2"),
        ("channels", {"low": 0.4, "high": 1.0}, "each share is planned before the search; give a step, or list"),
        ("cluster", {"low": 1, "high": 16}, "1 is no clustering"),
        ("cluster", {"low": 1, "high": 16, "log": True}, "1 is no clustering"),
        ("cluster", {"low": 1, "high": 1}, "1 is no clustering"),
        ("levels", [9, 10], "10 is none of 15, 11, 9, 7"),
        ("levels", {"low": 9, "high": 11}, "10 is none of 15, 11, 9, 7"),
        ("levels", {"low": 9, "high": 15, "step": 2}, "13 is none of 15, 11, 9, 7"),
        ("levels", {"low": 7, "high": 15, "log": True}, "8 is none of 15, 11, 9, 7"),
        ("levels", {"low": 10, "high": 10}, "10 is none of 15, 11, 9, 7"),
    ],
)
def test_bad_dimensions_are_refused(name: str, spec: Any, reason: str) -> None:
    """In one line that names the source, the dimension and what is wrong."""
    with pytest.raises(UserError, match=f"^space s.yaml: {name}: .*{reason}") as caught:
        space(**{name: spec})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "threads"])
@pytest.mark.parametrize("spec", [1, [1, 2], {"low": 1, "high": 1}, {"low": 1, "high": 4}])
def test_one_is_fine_elsewhere(name: str, spec: Any) -> None:
    """Only a cluster of 1 is no clustering."""
    assert {config.canonical().get(name, 1) for config in configs(space(**{name: spec}))} >= {1}


@pytest.mark.parametrize("name", ["prune", "learning_rate"])
def test_hint_at_clustering_is_for_clusters(name: str) -> None:
    """What else does not take 1 says so in its own words."""
    with pytest.raises(UserError) as caught:
        space(**{name: [1, 1]})
    assert "clustering" not in str(caught.value)


def test_unknown_dimension_is_refused() -> None:
    """The message names it, the source and those known."""
    with pytest.raises(UserError, match=r"space s.yaml: unknown dimension 'pruning'; known are dead_channels"):
        space(pruning=0.5)


@pytest.mark.parametrize("content", [None, {}, [], "full", 3])
def test_what_maps_nothing_is_no_space(content: Any) -> None:
    """An empty or other file is refused, with its name."""
    with pytest.raises(UserError, match=r"space s.yaml: must map dimensions to values"):
        parse(content, "s.yaml", [1])


def test_read_reads_a_file(tmp_path: Path) -> None:
    """A path is read as YAML, and is the source."""
    path = tmp_path / "mine.yaml"
    path.write_text("prune: [0, 0.5]\nthreads: auto\n")
    loaded = read(str(path), [1, 2])
    assert loaded.dimensions == {"prune": Categorical((0.0, 0.5)), "threads": Categorical((1, 2))}
    assert loaded.source == str(path)


def test_read_refuses_what_is_not_yaml(tmp_path: Path) -> None:
    """In one line, with the path."""
    path = tmp_path / "mine.yaml"
    path.write_text("prune: [0, 0.5\nquantize: }")
    with pytest.raises(UserError, match="not YAML") as caught:
        read(str(path), [1])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"prune: 0.5  # \xe4\xf6\n", b"\xff\xfe\x00", b"prune: 0.5\x00"])
def test_read_refuses_what_is_not_text(tmp_path: Path, content: bytes) -> None:
    """Other encodings and binary files, in one line with the path."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not YAML") as caught:
        read(str(path), [1])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "count"), [("post_training", 1920), ("quick", 3 * 2 * 5 * 2 * 2)])
def test_shipped_spaces_are_finite(name: str, count: int) -> None:
    """Each loads by its name and has this many configurations on two thread counts and two delegates."""
    assert len(configs(read(name, [1, 2], delegates=["xnnpack", "builtin"]))) == count


def test_the_full_space_is_drawn_from() -> None:
    """It has too many configurations to look through one by one, and all that it may cut is among those drawn."""
    full = read("full", [1, 2], delegates=["xnnpack", "builtin"])
    assert full.all() is None
    draw = random.Random(0)
    drawn = [full.sample(draw).recipe for _ in range(200)]
    assert {recipe.channels for recipe in drawn} == set(full.shares()) == {1.0, 0.8, 0.65, 0.5, 0.35}


def test_all_enumerates_each_configuration_once() -> None:
    """Those that differ only in settings of a training that they don't have are one."""
    found = configs(space(prune=[0, 0.5], quantize=["none", "int8"], epochs=[1, 2, 3]))
    assert len({config.key for config in found}) == len(found) == 2 + 2 * 3


def test_all_walks_stepped_ranges() -> None:
    """Both ends are included, and values are as a person would write them."""
    found = configs(space(prune={"low": 0, "high": 0.3, "step": 0.1}))
    assert [config.recipe.prune for config in found] == [0.0, 0.1, 0.2, 0.3]


def test_all_stops_below_high() -> None:
    """A step that does not divide the range does not go beyond it."""
    found = configs(space(threads={"low": 1, "high": 4, "step": 2}))
    assert [config.runtime.threads for config in found] == [1, 3]


def test_no_end_of_configurations() -> None:
    """A range without step can't be enumerated."""
    assert space(prune={"low": 0, "high": 0.5}, quantize=["none", "int8"]).all() is None


def test_grids() -> None:
    """A grid has every value; the coarse one, of what has no end of them, those at its ends and the middle one."""
    assert grid(Categorical(("a", "b", "c"))) == ["a", "b", "c"]
    assert grid(Range(0.0, 0.5, 0.25)) == [0.0, 0.25, 0.5]
    assert grid(Range(0.0, 0.5)) is None
    assert coarse_grid(Categorical(("a", "b", "c"))) == ["a", "c"]
    assert coarse_grid(Range(0.0, 0.5)) == [0.0, 0.25, 0.5]
    assert coarse_grid(Range(0.01, 1.0, log=True)) == [0.01, 0.1, 1.0]


def test_free_are_those_with_a_choice() -> None:
    """Dimensions of one value are fixed."""
    varied = space(
        prune=[0, 0.5],
        cluster=16,
        quantize=["int8"],
        epochs={"low": 2, "high": 2},
        learning_rate={"low": 1e-4, "high": 1e-2},
    )
    assert list(varied.free()) == ["prune", "learning_rate"]


def test_config_fills_in_fixed_dimensions() -> None:
    """What is sampled and what is fixed make a configuration; the rest keeps its default."""
    config = space(prune=[0, 0.5], cluster=16, quantize="int8").config({"prune": 0.5})
    assert config == Config.of({"prune": 0.5, "cluster": 16, "quantize": "int8"})


def test_config_keeps_a_range_of_one_value() -> None:
    """It is as fixed as if it stood alone, whole or not."""
    fixed = space(prune=[0, 0.5], epochs={"low": 7, "high": 7}, learning_rate={"low": 0.01, "high": 0.01, "log": True})
    assert list(fixed.free()) == ["prune"]
    config = fixed.config({"prune": 0.5})
    assert config == Config.of({"prune": 0.5, "epochs": 7, "learning_rate": 0.01})
    assert fixed.values(config) == {"prune": 0.5}
    assert fixed.sample(random.Random(0)).recipe.epochs == 7
    assert len(configs(space(prune=0.5, epochs={"low": 7, "high": 7}))) == 1


def test_values_and_config_are_a_round_trip() -> None:
    """On a grid, every configuration comes back from its values."""
    grid = space(
        prune={"low": 0, "high": 0.9, "step": 0.1},
        cluster=[0, 16],
        quantize=["none", "int8"],
        threads="auto",
        delegate="builtin",
        epochs=[1, 5],
    )
    for config in configs(grid):
        values = grid.values(config)
        assert values is not None
        assert set(values) == set(grid.free())
        assert grid.config(values).key == config.key


def test_values_and_config_are_a_round_trip_in_ranges() -> None:
    """So do configurations sampled from ranges without step."""
    ranges = space(
        prune={"low": 0, "high": 0.9},
        learning_rate={"low": 1e-5, "high": 1e-1, "log": True},
        batch_size={"low": 8, "high": 64, "log": True},
    )
    generator = random.Random(0)
    for _ in range(100):
        config = ranges.sample(generator)
        values = ranges.values(config)
        assert values is not None
        assert ranges.config(values).key == config.key


@pytest.mark.parametrize(
    "outside", [{"prune": 0.25}, {"quantize": "qat", "prune": 0.5}, {"prune": 0.5, "epochs": 4}, {"threads": 8}]
)
def test_values_of_a_configuration_outside(outside: dict[str, Any]) -> None:
    """There are none."""
    inside = space(prune=[0, 0.5], quantize=["none", "int8"], epochs=[1, 2], threads="auto")
    assert inside.values(Config.of(outside)) is None


@pytest.mark.parametrize("other", [{"cluster": 16}, {"threads": 4}, {"quantize": "int8"}, {"epochs": 9}])
def test_values_of_a_configuration_outside_in_an_unnamed_dimension(other: dict[str, Any]) -> None:
    """What the space does not speak of has its default, and nothing else."""
    unspoken = space(prune=[0, 0.5], delegate="xnnpack")
    assert unspoken.values(Config.of({"prune": 0.5})) == {"prune": 0.5}
    assert unspoken.values(Config.of({"prune": 0.5, **other})) is None


def test_values_do_not_mind_the_settings_of_no_training() -> None:
    """A configuration that trains nothing is inside, whatever its epochs."""
    assert space(prune=[0, 0.5]).values(Config.of({"epochs": 9})) == {"prune": 0.0}


def test_values_of_a_range_outside() -> None:
    """Ranges without step have ends, too."""
    ranged = space(prune={"low": 0.1, "high": 0.5})
    assert ranged.values(Config.of({"prune": 0.5})) == {"prune": 0.5}
    assert ranged.values(Config.of({"prune": 0.51})) is None


@pytest.mark.parametrize("rate", [[0.1, 0.2], {"low": 0.1, "high": 0.2}, {"low": 0.1, "high": 0.2, "step": 0.05}])
def test_values_for_a_training_that_is_not_there(rate: Any) -> None:
    """Any value inside the space does: the configuration is not outside."""
    varied = space(quantize=["int8", "qat"], learning_rate=rate)
    config = Config.of({"quantize": "int8"})
    values = varied.values(config)
    assert values is not None
    assert 0.1 <= float(values["learning_rate"]) <= 0.2
    assert varied.config(values).key == config.key


def test_sample_stays_inside_and_reaches_everything() -> None:
    """Every configuration of a small space comes up, and no other."""
    small = space(prune=[0, 0.5], quantize=["none", "int8"], threads={"low": 1, "high": 3})
    generator = random.Random(0)
    drawn = {small.sample(generator).key for _ in range(300)}
    assert drawn == {config.key for config in configs(small)}


def test_sample_repeats_with_its_seed() -> None:
    """Equal generators give equal configurations; others don't."""
    ranged = space(prune={"low": 0, "high": 0.9})
    assert ranged.sample(random.Random(1)) == ranged.sample(random.Random(1))
    assert ranged.sample(random.Random(1)) != ranged.sample(random.Random(2))


def test_sample_is_even_in_the_logarithm() -> None:
    """Half of a range from 1e-4 to 1 by log lies below 1e-2."""
    ranged = space(quantize="qat", learning_rate={"low": 1e-4, "high": 1, "log": True})
    generator = random.Random(0)
    rates = [ranged.sample(generator).recipe.learning_rate for _ in range(1000)]
    assert min(rates) >= 1e-4
    assert max(rates) <= 1
    assert 400 < sum(rate < 1e-2 for rate in rates) < 600


def test_sample_of_whole_numbers_is_even_in_the_logarithm() -> None:
    """Half of a range from 1 to 1024 by log lies below 32, far from its middle; all are whole and inside."""
    ranged = space(quantize="qat", batch_size={"low": 1, "high": 1024, "log": True})
    generator = random.Random(0)
    sizes = [ranged.sample(generator).recipe.batch_size for _ in range(1000)]
    assert {type(size) for size in sizes} == {int}
    assert min(sizes) >= 1
    assert max(sizes) <= 1024
    assert 20 < statistics.median(sizes) < 50


@pytest.mark.parametrize(
    ("content", "delegates"),
    [
        ({"delegate": ["builtin", "reference"]}, ("builtin", "reference")),
        ({"delegate": "builtin"}, ("builtin",)),
        ({"prune": 0}, ("xnnpack",)),
    ],
)
def test_delegates(content: dict[str, Any], delegates: tuple[str, ...]) -> None:
    """Those named, or the default where the space does not speak of them."""
    assert space(**content).delegates() == delegates


@pytest.mark.parametrize(
    ("content", "schemes"),
    [({"quantize": ["int8", "none"]}, ("int8", "none")), ({"quantize": "int8"}, ("int8",)), ({"prune": 0}, ("none",))],
)
def test_schemes(content: dict[str, Any], schemes: tuple[str, ...]) -> None:
    """Likewise."""
    assert space(**content).schemes() == schemes


def test_fingerprint_is_of_what_may_be_sampled() -> None:
    """Neither source, order of dimensions, nor how one value is written changes it."""
    one = parse({"prune": [0.5], "cluster": [0, 16]}, "a", [1])
    other = parse({"cluster": [0, 16.0], "prune": 0.5}, "b", [2])
    assert one.fingerprint() == other.fingerprint()


def test_fingerprint_changes_with_any_dimension() -> None:
    """Another value, end, step or scale is another space."""
    specs: list[Any] = [
        0.5,
        [0, 0.5],
        [0, 0.6],
        [0, 0.5, 0.6],
        {"low": 0.1, "high": 0.5},
        {"low": 0.2, "high": 0.5},
        {"low": 0.1, "high": 0.6},
        {"low": 0.1, "high": 0.5, "step": 0.1},
        {"low": 0.1, "high": 0.5, "log": True},
    ]
    assert len({space(prune=spec).fingerprint() for spec in specs}) == len(specs)
