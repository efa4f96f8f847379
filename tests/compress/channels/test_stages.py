"""Channels are cut before all else: what comes behind works on the smaller model, and its facts say what is gone."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autotune.compress import pipeline
from autotune.compress.channels.examine import examine
from autotune.compress.channels.plan import most_important, plan
from autotune.compress.channels.stages import Cut, Recover, Trim
from autotune.compress.channels.untrained import untrained
from autotune.compress.stage import TrainingData
from autotune.config import Recipe
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact
from autotune.model.load import open_base
from autotune.testing import StageContract
from autotune.tflite.operators import operators
from autotune.tflite.structure import structure
from tests.compress.channels.models import ZOO, K, as_base, made, samples, tf_keras
from tests.compress.running import run

TRAINING: dict[str, Any] = {"epochs": 2, "learning_rate": 1e-3, "batch_size": 32}


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Noise whose class is its brightest channel, or the fourth if none is."""
    x = samples(128)
    means = np.append(x.mean(axis=(1, 2)) * 8, np.full((128, 1), 0.5), axis=1)
    return TrainingData(x, means.argmax(axis=1), x[:64], "sparse_categorical_crossentropy", 0)


@pytest.fixture(scope="module", params=ZOO)
def base(request: pytest.FixtureRequest, data: TrainingData) -> bytes:
    """A model that was trained a little."""
    tf_keras.utils.set_random_seed(0)
    model = made(ZOO[request.param])
    model.compile(tf_keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    model.fit(data.x, data.y, epochs=5, verbose=0)
    return as_base(model)


def keep(base: bytes, share: float, data: TrainingData) -> dict[str, list[int]]:
    examined = examine(base, data)
    assert json.loads(json.dumps(examined)) == examined
    return most_important(examined, plan(examined, share))


def built(recipe: Recipe, base: bytes, data: TrainingData, stays: JsonObject) -> Iterator[tuple[str, Artifact]]:
    """Each step's stage and artifact, as a study builds them."""
    parent: bytes | None = None
    smaller: bytes | None = None
    for step in pipeline.steps(recipe, "task"):
        step = replace(step, parameters=step.parameters | {"keep": stays}) if step.stage == "cut" else step
        artifact = pipeline.build(step, base, parent, data, smaller)
        parent, smaller = (None, artifact.data) if step.gives_model else (artifact.data, smaller)
        yield step.stage, artifact


def test_cuts_are_planned_by_what_was_examined(base: bytes, data: TrainingData) -> None:
    """No more than the share stays; the facts, the model and the file say so, and the file computes what it does."""
    steps = dict(built(Recipe(channels=0.6, fine_tune="none"), base, data, keep(base, 0.6, data)))
    cut = steps["cut"].facts
    before, after = cut["macs"]
    assert after <= 0.6 * before
    model = open_base(steps["cut"].data)
    assert cut["cut"] != {}
    assert all(model.get_layer(name).output_shape[-1] == width for name, (_, width) in cut["cut"].items())
    outputs = model.predict(data.x[:20], verbose=0)
    assert np.allclose(run(steps["quantize"].data, data.x[:20]), outputs, atol=1e-5)


def test_an_untrained_file_is_like_the_one_that_is_cut(data: TrainingData) -> None:
    """In its structure, which a layer that had no bias changes: it has one when it is fitted."""

    def body(x: Any) -> Any:
        x = K.Conv2D(8, 3, activation="relu", use_bias=False, name="first")(x)
        return K.Dense(8, activation="relu", use_bias=False)(K.Dense(8, use_bias=False)(K.Flatten()(x)))

    base = as_base(made(body))
    stays = keep(base, 0.5, data)
    cut = dict(built(Recipe(channels=0.5, fine_tune="none"), base, data, stays))["quantize"]
    (file,) = untrained(base, stays, ["none"], data)
    assert isinstance(file, Artifact)
    assert structure(file.data) == structure(cut.data)


@pytest.mark.parametrize(("base", "scheme"), [("residual", "qat"), ("flat", "int8")], indirect=["base"])
def test_every_stage_works_on_a_cut_model(base: bytes, data: TrainingData, scheme: str) -> None:
    """Trained by the original's outputs, pruned, clustered, quantized: what was asked is in a smaller file."""
    recipe = Recipe(dead_channels="removed", channels=0.5, prune=0.5, cluster=8, quantize=scheme, **TRAINING)
    steps = dict(built(recipe, base, data, keep(base, 0.5, data)))
    assert list(steps) == [
        *("trim", "cut", "recover", "prune", "cluster"),
        *(("qat", "convert") if scheme == "qat" else ("convert",)),
        "quantize",
    ]
    file = steps["quantize"]
    for layer in file.facts["layers"]:
        if layer["operator"] != "DEPTHWISE_CONV_2D":
            assert layer["dtype"] == "int8"
            assert layer["sparsity"] >= 0.5 - 1 / layer["weights"]
            assert layer["distinct"] <= 8
    assert sum(row.macs for row in operators(file.data)) <= 0.5 * steps["cut"].facts["macs"][0]
    agreement = run(file.data, data.x[:100]).argmax(axis=1) == open_base(base).predict(data.x[:100]).argmax(axis=1)
    assert agreement.mean() > 0.5


@pytest.mark.parametrize("base", ["residual"], indirect=True)
def test_recovers_by_the_original(base: bytes, data: TrainingData) -> None:
    """Labels that mislead do no harm, since the original model's outputs are what is learned from."""
    misled = replace(data, y=np.zeros_like(data.y))
    recipe = Recipe(channels=0.5, **(TRAINING | {"epochs": 8}))
    stays = {"stem": [0, 1], "wide": [0, 1, 2]}
    artifacts = list(built(recipe, base, misled, stays))
    cut = dict(artifacts)["cut"].data
    recovered = [artifact.data for stage, artifact in artifacts if stage == "recover"][-1]
    expected = open_base(base).predict(data.x, verbose=0)
    before, after = (
        np.abs(model.predict(data.x, verbose=0) - expected).mean()
        for model in (open_base(cut), open_base(cut, recovered))
    )
    assert after < before


class _Contract(StageContract):
    def inputs(self) -> tuple[bytes, TrainingData]:
        x = samples(32)
        return as_base(made(ZOO["residual"])), TrainingData(x, np.arange(32) % 4, x[:8], "mse", 0)


class TestTrim(_Contract):
    """As every stage."""

    stage = Trim()
    recipe = Recipe(dead_channels="removed")


class TestCut(_Contract):
    """As every stage; which channels stay comes from a plan."""

    stage = Cut()
    recipe = Recipe(channels=0.5)

    def parameters(self) -> JsonObject:
        return super().parameters() | {"keep": {"wide": [1, 2, 5]}}


class TestRecover(_Contract):
    """As every stage."""

    stage = Recover()
    recipe = Recipe(channels=0.5, **TRAINING)

    def inputs(self) -> tuple[bytes, TrainingData]:
        base, data = super().inputs()
        return base, replace(data, y=data.x[:, 0, 0, :1] + np.zeros((32, 4), np.float32))
