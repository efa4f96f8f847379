"""Which stages a recipe takes, and the key of each: its whole history, hashed."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version

from autotune import plugins
from autotune.compress.channels.stages import Cut, Recover, Trim
from autotune.compress.cluster import Cluster, ClusterOnce
from autotune.compress.convert import Convert
from autotune.compress.prune import Prune, PruneOnce
from autotune.compress.qat import QuantizationAware
from autotune.compress.quantize import Quantize
from autotune.compress.rounding.stage import Round
from autotune.compress.stage import Stage, TrainingData
from autotune.compress.training import rungs
from autotune.config import FIELDS, Recipe, fingerprint
from autotune.errors import UserError
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact

BUILT_IN: tuple[Stage, ...] = (
    Trim(),
    Cut(),
    Recover(),
    Prune(),
    Cluster(),
    QuantizationAware(),
    Convert(),
    PruneOnce(),
    ClusterOnce(),
    Round(),
    Quantize(),
)
"""In the order in which a recipe takes them; the last gives the file."""

TOOLCHAIN = (
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
    "keras",
    "numpy",
    "litert-quantizer",
    "ai-edge-litert",  # its interpreter gives the ranges of activations
)


@dataclass(frozen=True)
class Step:
    """One stage of one recipe: what is built, and under which key it is kept.

    Attributes:
        key: of the artifact.
        stage: its name.
        parameters: of the stage.
        trains: whether it trains.
        gives_model: whether its artifact is the base of the steps behind it.
    """

    key: str
    stage: str
    parameters: JsonObject
    trains: bool
    gives_model: bool = False


@cache
def toolchain() -> dict[str, str]:
    """Versions that an artifact depends on, read without importing them."""
    return {name: version(name) for name in TOOLCHAIN} | {"machine": platform.machine()}


@cache
def stages() -> tuple[Stage, ...]:
    """All stages in their order, those of plug-ins behind the ones that they name.

    Raises:
        UserError: a plug-in names a stage that is not there.
    """
    order = list(BUILT_IN)
    for kind in plugins.load_all("stages"):
        stage = kind()
        places = [index for index, other in enumerate(order) if other.name == stage.after and other is not order[-1]]
        if not places:
            names = ", ".join(other.name for other in order[:-1])
            raise UserError(f"stage {stage.name!r} of a plug-in: there is no stage {stage.after!r}; known are {names}")
        order.insert(places[0] + 1, stage)
    return tuple(order)


def dimensions() -> dict[str, type]:
    """What stages of plug-ins add to search spaces.

    Raises:
        UserError: a name is taken already.
    """
    added: dict[str, type] = {}
    for stage in stages():
        for name, kind in getattr(stage, "dimensions", {}).items():
            if name in added or name in FIELDS:
                raise UserError(f"stage {stage.name!r} of a plug-in: there is a dimension {name!r} already")
            added[name] = kind
    return added


def steps(recipe: Recipe, task: str, keep: Mapping[str, Sequence[int]] | None = None) -> list[Step]:
    """The recipe's stages in order.

    Of its trainings the last is as long as the recipe says, in steps that each continue the one before
    (training.rungs()); those before it are as long as the first of these.

    Args:
        recipe: what is asked for.
        task: the fingerprint of the model, the training data and the loss.
        keep: the channels that stay where the recipe cuts some, as Cut takes them; None before that is planned.

    Returns:
        The steps; each key covers all before it, so recipes share every common prefix.
    """
    taken = [(stage, parameters) for stage in stages() if (parameters := stage.parameters(recipe)) is not None]
    if keep is not None:
        cut = {"keep": {name: list(channels) for name, channels in keep.items()}}
        taken = [(stage, cut if isinstance(stage, Cut) else parameters) for stage, parameters in taken]
    last = [stage for stage, _ in taken if getattr(stage, "continues", False)][-1:]
    chain: list[Step] = []
    key = fingerprint(task, toolchain())
    for stage, parameters in taken:
        parts = rungs(parameters) if getattr(stage, "continues", False) else [parameters]
        for part in parts if stage in last else parts[:1]:
            key = fingerprint(key, stage.name, stage.version, part)
            chain.append(Step(key, stage.name, part, stage.trains, getattr(stage, "gives_model", False)))
    return chain


def build(step: Step, base: bytes, parent: bytes | None, data: TrainingData, smaller: bytes | None = None) -> Artifact:
    """Runs one step; called in a worker.

    Args:
        step: to run.
        base: the original model.
        parent: what the step before made, None where that gave a model, or there is none.
        data: to learn from.
        smaller: the model that a step before gave; None where none did.

    Raises:
        Infeasible: the model can't be treated so.
    """
    import tf_keras

    tf_keras.backend.clear_session()  # or a worker grows with every model it ever held
    stage = next(stage for stage in stages() if stage.name == step.stage)
    if smaller is None:
        return stage.build(base, parent, step.parameters, data)
    return stage.build(smaller, parent, step.parameters, replace(data, teacher=base))
