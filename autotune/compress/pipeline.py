"""Which stages a recipe takes, and the key of each: its whole history, hashed."""

import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from autotune.compress.cluster import Cluster
from autotune.compress.prune import Prune
from autotune.compress.qat import QuantizationAware
from autotune.compress.quantize import Quantize
from autotune.compress.stage import Artifact, Stage, TrainingData
from autotune.config import Recipe, fingerprint

STAGES: tuple[Stage, ...] = (Prune(), Cluster(), QuantizationAware(), Quantize())
"""In the order in which a recipe takes them; the last gives the file."""

TOOLCHAIN = ("tensorflow", "tf-keras", "tensorflow-model-optimization", "keras", "numpy")


@dataclass(frozen=True)
class Step:
    """One stage of one recipe: what is built, and under which key it is kept."""

    key: str
    stage: str
    parameters: dict[str, Any]
    trains: bool


@cache
def toolchain() -> dict[str, str]:
    """Versions that an artifact depends on, read without importing them."""
    return {name: version(name) for name in TOOLCHAIN} | {"machine": platform.machine()}


def steps(recipe: Recipe, task: str) -> list[Step]:
    """The recipe's stages in order.

    Args:
        recipe: what is asked for.
        task: the fingerprint of the model, the training data and the loss.

    Returns:
        The steps; each key covers all before it, so recipes share every common prefix.
    """
    chain: list[Step] = []
    key = fingerprint(task, toolchain())
    for stage in STAGES:
        parameters = stage.parameters(recipe)
        if parameters is None:
            continue
        key = fingerprint(key, stage.name, stage.version, parameters)
        chain.append(Step(key, stage.name, parameters, stage.trains))
    return chain


def build(step: Step, base: bytes, parent: bytes | None, data: TrainingData) -> Artifact:
    """Runs one step; called in a worker.

    Raises:
        Infeasible: the model can't be treated so.
    """
    import tf_keras

    tf_keras.backend.clear_session()  # or a worker grows with every model it ever held
    stage = next(stage for stage in STAGES if stage.name == step.stage)
    return stage.build(base, parent, step.parameters, data)
