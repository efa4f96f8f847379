"""Every technique on a model of several inputs and outputs: what a file gives by a name is what the model gives."""

from typing import Any

import numpy as np
import pytest

from autotune.compress import pipeline
from autotune.compress.channels.examine import examine
from autotune.compress.channels.plan import most_important, plan
from autotune.compress.stage import TrainingData
from autotune.config import Recipe
from autotune.model.load import import_model, open_base
from autotune.task.data.fields import Array, joined
from autotune.tflite.flatbuffer import ends
from tests import several

tf_keras = pytest.importorskip("tf_keras")

TRAINING: dict[str, Any] = {"epochs": 6, "learning_rate": 3e-3, "batch_size": 32, "fine_tune": "labels"}
LOSS = "width=mse*0.5,height=mae"


@pytest.fixture(scope="module")
def data() -> TrainingData:
    x = several.inputs(256)
    return TrainingData(joined(x), joined(several.labels(x)), joined(x)[:40], LOSS, 0)


@pytest.fixture(scope="module")
def base() -> bytes:
    import keras

    return import_model(several.as_file(several.trained(keras)), "several.keras").data


def built(recipe: Recipe, base: bytes, data: TrainingData) -> bytes:
    """The recipe's file."""
    keep = None
    if recipe.channels < 1:
        examined = examine(base, data)
        keep = most_important(examined, plan(examined, recipe.channels))
    parent: bytes | None = None
    smaller: bytes | None = None
    for step in pipeline.steps(recipe, "task", keep):
        artifact = pipeline.build(step, base, parent, data, smaller)
        parent, smaller = (None, artifact.data) if step.gives_model else (artifact.data, smaller)
    assert parent is not None
    return parent


def gap(wanted: Array, got: Array) -> float:
    """The share of what is wanted that differs."""
    return float(np.abs(wanted - got).mean() / np.abs(wanted).mean())


RECIPES = {
    "float": (Recipe(), 1e-4),
    "float16": (Recipe(quantize="float16"), 0.01),
    "dynamic": (Recipe(quantize="dynamic"), 0.05),
    "weight_int8": (Recipe(quantize="weight_int8"), 0.05),
    "int8": (Recipe(quantize="int8"), 0.1),
    "int8 io": (Recipe(quantize="int8", io="int8"), 0.1),
    "int16x8": (Recipe(quantize="int16x8"), 0.05),
    "int4": (Recipe(quantize="int4"), 0.4),
    "w4a8": (Recipe(quantize="w4a8"), 0.4),
    "mixed": (Recipe(quantize="int8", mixed=0.4), 0.1),
    "gptq": (Recipe(quantize="int8", rounding="gptq"), 0.1),
    "gptq by layer": (Recipe(quantize="int4", rounding="gptq", levels=7, levels_scope="layer"), 0.5),
    "prune": (Recipe(prune=0.3, **TRAINING), 0.5),
    "prune 2by4": (Recipe(prune=0.5, prune_pattern="2by4", **TRAINING), 0.6),
    "cluster": (Recipe(cluster=16, **TRAINING), 0.5),
    "distilled": (Recipe(prune=0.3, cluster=16, **TRAINING | {"fine_tune": "distill"}), 0.5),
    "qat": (Recipe(quantize="qat", **TRAINING), 0.5),
    "qat io": (Recipe(quantize="qat", io="int8", **TRAINING), 0.5),
    "qat of all": (Recipe(prune=0.3, cluster=16, quantize="qat", **TRAINING), 0.6),
    "one shot": (Recipe(prune=0.3, cluster=16, quantize="int8", fine_tune="none"), 0.5),
    "one shot gptq": (Recipe(prune=0.3, rounding="gptq", fine_tune="none"), 0.5),
    "channels": (Recipe(channels=0.7, fine_tune="none"), 0.5),
    "channels trained": (Recipe(channels=0.7, **TRAINING), 0.5),
    "channels distilled": (Recipe(channels=0.7, **TRAINING | {"fine_tune": "distill"}), 0.5),
    "no dead channels": (Recipe(dead_channels="removed", quantize="int8"), 0.1),
}


@pytest.mark.parametrize("name", RECIPES)
def test_outputs_are_the_models_by_name(name: str, base: bytes, data: TrainingData) -> None:
    """Not those of the other output, nor of swapped inputs: which are of the same shapes."""
    recipe, tolerance = RECIPES[name]
    file = built(recipe, base, data)
    names = ends(file)
    assert set(names.inputs) == set(several.INPUTS)
    assert set(names.outputs) == set(several.OUTPUTS)
    x = several.inputs(64, seed=1)
    model = open_base(base)
    wanted = dict(zip(several.OUTPUTS, model.predict(x, verbose=0), strict=True))
    swapped = dict(
        zip(several.OUTPUTS, model.predict(x | {"first": x["second"], "second": x["first"]}, verbose=0), strict=True)
    )
    got = several.outputs(file, x, batch=16)
    width, height = several.OUTPUTS
    for own, other in ((width, height), (height, width)):
        assert gap(wanted[own], got[own]) < tolerance
        assert gap(wanted[own], got[own]) < 0.7 * min(gap(wanted[other], got[own]), gap(swapped[own], got[own]))
