"""Recipes, runtimes, configs: one identity for what gives the same file, run the same way."""

import hashlib
from typing import Any

import numpy as np
import pytest

from autotune.config import Config, Recipe, Runtime, fingerprint, snap

TRAINING = [("epochs", 9), ("learning_rate", 0.05), ("batch_size", 64), ("samples", 100)]


def test_empty_mapping_gives_the_defaults() -> None:
    """What is absent keeps its default."""
    assert Config.of({}) == Config(Recipe(), Runtime())


def test_flat_names_reach_recipe_and_runtime() -> None:
    """Each name finds its field."""
    config = Config.of({"prune": 0.5, "quantize": "qat", "delegate": "builtin", "threads": 4})
    assert config.recipe == Recipe(prune=0.5, quantize="qat")
    assert config.runtime == Runtime("builtin", 4)


def test_other_names_are_of_plug_ins() -> None:
    """They are kept in the recipe where they are on, and are no part of it where they are off."""
    config = Config.of({"prune": 0.5, "rank": 4, "other": 0})
    assert config.recipe.extra == (("rank", 4),)
    assert config.canonical()["rank"] == 4
    assert Config.of(config.canonical()) == config
    assert config.key != Config.of({"prune": 0.5}).key == Config.of({"prune": 0.5, "rank": 0}).key


@pytest.mark.parametrize(
    ("values", "trains"),
    [
        ({}, False),
        ({"quantize": "int8"}, False),
        ({"prune": 0.5}, True),
        ({"cluster": 16}, True),
        ({"quantize": "qat"}, True),
        ({"prune": 0.5, "cluster": 16, "fine_tune": "none"}, False),
    ],
)
def test_what_trains(values: dict[str, Any], trains: bool) -> None:
    """Pruning, clustering and quantization-aware training do; post-training schemes do not."""
    assert Config.of(values).recipe.trains is trains


@pytest.mark.parametrize(("name", "value"), TRAINING)
def test_settings_of_training_do_not_matter_where_nothing_trains(name: str, value: float) -> None:
    """They are no part of canonical form or key."""
    plain, varied = Config.of({"quantize": "int8"}), Config.of({"quantize": "int8", name: value})
    assert varied.key == plain.key
    assert name not in varied.canonical()


@pytest.mark.parametrize(("name", "value"), TRAINING)
@pytest.mark.parametrize("stage", [{"prune": 0.5}, {"cluster": 16}, {"quantize": "qat"}])
def test_settings_of_training_matter_where_something_trains(stage: dict[str, Any], name: str, value: float) -> None:
    """They are part of canonical form and key."""
    varied = Config.of({**stage, name: value})
    assert varied.key != Config.of(stage).key
    assert varied.canonical()[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [("prune", 0.6), ("cluster", 8), ("quantize", "int8"), ("delegate", "builtin"), ("threads", 2)],
)
def test_every_other_field_changes_the_key(name: str, value: Any) -> None:
    """Another file, or another way to run it, is another config."""
    assert Config.of({"prune": 0.5, name: value}).key != Config.of({"prune": 0.5}).key


def test_floats_are_snapped() -> None:
    """0.30000000000000004, as samplers give it, is 0.3."""
    assert 0.1 + 0.2 != 0.3
    assert Config.of({"prune": 0.1 + 0.2}) == Config.of({"prune": 0.3})


@pytest.mark.parametrize(
    ("value", "snapped"), [(0.1 + 0.2, 0.3), (1.2345678, 1.23457), (1e-4, 1e-4), (0, 0), (123456, 123456)]
)
def test_snap_keeps_six_digits(value: float, snapped: float) -> None:
    """No more, no less."""
    assert snap(value) == snapped


def test_types_are_those_of_the_fields() -> None:
    """What YAML, JSON or numpy give as another type has the same key."""
    config = Config.of({"prune": np.float64(0.5), "cluster": 16.0, "threads": np.int64(2)})  # type: ignore[dict-item]
    assert config.key == Config.of({"prune": 0.5, "cluster": 16, "threads": 2}).key
    assert type(config.recipe.prune) is float
    assert type(config.recipe.cluster) is int
    assert type(config.runtime.threads) is int


def test_canonical_form_gives_the_config_back() -> None:
    """A canonical form read again has the same key and form."""
    config = Config.of({"prune": 0.5, "quantize": "int8", "epochs": 7, "threads": 2})
    assert Config.of(config.canonical()) == config


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "float on xnnpack, 1 thread"),
        ({"quantize": "int8", "threads": 2}, "int8 on xnnpack, 2 threads"),
        (
            {"prune": 0.75, "cluster": 16, "quantize": "qat", "delegate": "builtin"},
            "prune 75% + cluster 16 + qat on builtin, 1 thread",
        ),
    ],
)
def test_reads_as_a_person_would_say_it(values: dict[str, Any], text: str) -> None:
    """What does nothing is left out."""
    assert str(Config.of(values)) == text


def test_fingerprint_is_of_the_canonical_json() -> None:
    """Sorted keys, no spaces: the same in every process and version."""
    assert fingerprint({"b": 1, "a": [2]}) == hashlib.sha256(b'[{"a":[2],"b":1}]').hexdigest()


def test_fingerprint_tells_parts_apart() -> None:
    """Two parts are not one part of both."""
    assert len({fingerprint("a", "b"), fingerprint("ab"), fingerprint(["a", "b"]), fingerprint("b", "a")}) == 4


def test_fingerprint_refuses_what_is_not_json() -> None:
    """Neither objects nor NaN have one."""
    with pytest.raises(TypeError):
        fingerprint({1, 2})
    with pytest.raises(ValueError, match="JSON"):
        fingerprint(float("nan"))


def test_all_samples_are_no_part_of_a_recipe() -> None:
    """A training on some is another file, and says on how many; studies from before know of no such number."""
    every, some = Config.of({"prune": 0.5}), Config.of({"prune": 0.5, "samples": 100})
    assert "samples" not in every.canonical()
    assert str(some.recipe) == f"{every.recipe}, 100 samples"
