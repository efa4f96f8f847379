"""What is said of models before anything is searched."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.model.artifact import Artifact
from autotune.model.opening import Opening
from autotune.model.trust import Trust
from autotune.space.file import parse
from autotune.study.options import Options
from autotune.study.prepare import prepare
from autotune.testing import FakeDevice, FakePool, toy_files, toy_import
from autotune.tflite.state import KEEPS


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        ({}, []),
        ({"untrainable": "it is code"}, ["toy.keras is compressed without training: it is code"]),
        (
            {"state": "variables", "left_float": "its LSTM stays float"},
            [f"toy.keras {KEEPS}", "toy.keras: its LSTM stays float"],
        ),
    ],
    ids=["nothing", "untrainable", "state"],
)
def test_what_there_is_to_know_of_a_model_is_told(facts: dict[str, str], lines: list[str], tmp_path: Path) -> None:
    """That it can't be trained, that it keeps state, and what of it stays float: a line each."""

    def importer(data: bytes, name: str, trust: Trust, _: Opening) -> Artifact:
        made = toy_import(data, name, trust)
        return replace(made, facts=made.facts | facts)

    model, data = toy_files(tmp_path)
    space = parse({"quantize": ["none"], "delegate": ["xnnpack"], "threads": [1]}, "toy", (1,))
    options = Options((model,), str(data), space, [], "toy", tmp_path / "runs")
    assert prepare(options, FakeDevice(), FakePool(), importer).remarks() == lines


def test_what_a_space_has_for_nothing_is_told(tmp_path: Path) -> None:
    """Levels without the rounding that keeps to them: nobody waits for what they would do."""
    model, data = toy_files(tmp_path)
    space = parse({"quantize": "w4a8", "levels": [15, 9], "threads": [1]}, "toy", (1,))
    options = Options((model,), str(data), space, [], "toy", tmp_path / "runs")
    [line] = prepare(options, FakeDevice(), FakePool(), toy_import).remarks()
    assert line.startswith("space toy: levels matters only with rounding gptq")


def test_a_model_that_can_not_be_trained_keeps_its_channels(tmp_path: Path) -> None:
    """In a space of more configurations than are looked through, too."""

    def importer(data: bytes, name: str, trust: Trust, _: Opening) -> Artifact:
        made = toy_import(data, name, trust)
        return replace(made, facts=made.facts | {"untrainable": "it is code"})

    model, data = toy_files(tmp_path)
    space = parse({"channels": [1.0, 0.5], "prune": {"low": 0, "high": 0.9}, "threads": [1]}, "toy", (1,))
    assert space.all() is None
    options = Options((model,), str(data), space, [], "toy", tmp_path / "runs")
    assert prepare(options, FakeDevice(), FakePool(), importer).space.shares() == (1.0,)


@pytest.mark.parametrize(
    ("samples", "dimensions", "message"),
    [
        (10**6, {}, "--train-samples 1000000: there are only {every} training samples; leave it out"),
        (8, {"samples": [4, 0]}, "space toy: has samples of its own; leave them out, or --train-samples"),
    ],
    ids=["too many", "said twice"],
)
def test_samples_that_can_not_be(samples: int, dimensions: dict[str, Any], message: str, tmp_path: Path) -> None:
    """More than there are, or said in two places: one line, and nothing is written."""
    model, data = toy_files(tmp_path)
    space = parse({"quantize": "qat", "threads": [1], **dimensions}, "toy", (1,))
    options = Options((model,), str(data), space, [], "toy", tmp_path / "runs", train_samples=samples)
    with np.load(data) as arrays:
        every = len(arrays["x_train"])
    with pytest.raises(UserError) as error:
        prepare(options, FakeDevice(), FakePool(), toy_import)
    assert str(error.value) == message.format(every=every)
    assert not (tmp_path / "runs").exists()


def test_samples_without_a_training_are_told(tmp_path: Path) -> None:
    """Nobody believes that a search without trainings was any faster."""
    model, data = toy_files(tmp_path)
    space = parse({"quantize": ["none", "int8"], "threads": [1]}, "toy", (1,))
    options = Options((model,), str(data), space, [], "toy", tmp_path / "runs", train_samples=8)
    [line] = prepare(options, FakeDevice(), FakePool(), toy_import).remarks()
    assert line.startswith("space toy: samples matters only with a training")
    trains = replace(options, space=parse({"quantize": ["none", "qat"], "threads": [1]}, "toy", (1,)))
    assert prepare(trains, FakeDevice(), FakePool(), toy_import).remarks() == []
