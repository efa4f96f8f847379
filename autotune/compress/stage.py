"""What a stage is: it takes a model's weights one step towards the finished file."""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from autotune.config import Recipe
from autotune.json_object import JsonObject
from autotune.model.artifact import Artifact
from autotune.task.data import Array, stratified_order
from autotune.task.data.mapped import ByPath


def so_far(base: bytes, parent: bytes | None) -> bytes:
    """What there is: what was made last, or the model itself where nothing was."""
    return base if parent is None else parent


@dataclass(frozen=True)
class TrainingData(ByPath):
    """What stages may learn from; never validation or test samples.

    Attributes:
        x: inputs (n, *input shape), as the model takes them: float32, or integers; of several inputs a field for each,
            in the model's order.
        y: labels (n, …) integers, of which those below 0 don't count; or (n, *output shape) float32. Of several
            outputs likewise.
        calibration: inputs (m, *input shape), as x.
        loss: as losses.Loss.parse() takes it, or the user's own as FILE.py:FUNCTION; of several outputs as
            losses.of_outputs().
        seed: of the shuffles.
        excluded: names of layers, or patterns of them, that are neither cut, pruned, clustered nor quantized.
        teacher: the original model, where it is not the base that a stage is given, but one that was cut from it.
        places: (k,) of the samples in x and y that are learned from; None for all.
    """

    x: Array
    y: Array
    calibration: Array
    loss: str
    seed: int
    excluded: tuple[str, ...] = ()
    teacher: bytes | None = None
    places: Array | None = None

    def drawn(self, samples: int) -> Self:
        """The same, of which so many samples are learned from at most, with the classes in proportion."""
        order = stratified_order(self.y, np.random.default_rng(self.seed))
        return replace(self, places=np.sort(order[:samples]))


class Stage(Protocol):
    """One step. Built in a worker; its name, version and parameters make its key.

    A stage of a plug-in (an entry point of the group autotune.stages that names the class) says two
    things more: `after`, the name of the built-in stage behind which it comes, and `dimensions`,
    the names that it adds to search spaces, each with its type (int, float or str). A recipe has them
    in `extra` where they are on, that is not 0 or ""; the settings of the built-in trainings are not
    for it. Behind "prune" and "cluster" parents are packed weights, behind "qat" too (where the recipe has
    it, as qat.reopened() reads them), behind "convert" and all later ones .tflite files. Its module is
    imported in the driver too, so it imports TensorFlow inside of build() only.

    A built-in training says one thing more: `continues`, that it can go on from what a shorter one
    gave. Its parameters then hold "continues", the epochs done before, and "epochs", those that it adds.

    A built-in stage that cuts channels says `gives_model`: its artifact is a whole model, as load.saved() gives
    it. Those behind it are given that as their base, and no parent.

    Attributes:
        name: of the stage, as in keys and messages.
        version: raised whenever build() would give another outcome for the same inputs.
        trains: whether it trains.
    """

    name: str
    version: int
    trains: bool

    def parameters(self, recipe: Recipe) -> JsonObject | None:
        """What of the recipe this stage depends on (JSON), or None where it has no part."""
        ...

    def build(self, base: bytes, parent: bytes | None, parameters: JsonObject, data: TrainingData) -> Artifact:
        """Makes the artifact.

        Args:
            base: the original model, as load.import_model gave it; or what a stage made of it that gives models.
            parent: what the step before made: packed weights, or from "convert" on a .tflite
                file; None where this is the first, or the one before gave the base.
            parameters: what parameters() gave, or one of the parts that training.rungs() made of it.
            data: to learn from.

        Raises:
            Infeasible: this model can't be treated so; the message is the reason.
        """
        ...
