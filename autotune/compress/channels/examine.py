"""What a study has to know of a model's channels to plan cuts."""

import numpy as np

from autotune.compress.channels.dead import dead_channels
from autotune.compress.channels.groups import groups_of
from autotune.compress.channels.importance import importance
from autotune.compress.channels.macs import in_all, terms
from autotune.compress.channels.plan import Examined
from autotune.compress.flat import flattened
from autotune.compress.stage import TrainingData
from autotune.model.load import open_base
from autotune.task.data import Array

SAMPLES = 512
"""That are looked at, at most."""


def examine(base: bytes, data: TrainingData) -> Examined:
    """The groups of a model's channels, and how much each channel matters; called in a worker.

    Args:
        base: a model as load.open_base() takes it.
        data: its inputs; no labels are looked at.
    """
    groups = groups_of(flattened(open_base(base)), data.excluded)
    scores = importance(groups, unlabelled(data), data.loss)
    return {
        "groups": [
            {"name": group.name, "layers": list(group.layers), "importance": scores[group.name]}
            for group in groups.groups
        ],
        "left": dict(groups.left),
        "terms": terms(groups),
        "macs": in_all(groups),
    }


def unlabelled(data: TrainingData) -> Array:
    """The inputs that are looked at (n, *input shape), in a drawn order, since data may be sorted by class.

    Calibration's come first, which stand for all; others as far as these are fewer than SAMPLES.
    """
    random = np.random.default_rng(data.seed)
    chosen = data.calibration[random.permutation(len(data.calibration))[:SAMPLES]]
    others = data.x[random.permutation(len(data.x))[: SAMPLES - len(chosen)]]
    return np.concatenate([chosen, others])


def count_dead(base: bytes, excluded: tuple[str, ...]) -> int:
    """How many channels of a model change nothing; called in a worker.

    Args:
        base: a model as load.open_base() takes it.
        excluded: names or patterns of layers that are left alone.
    """
    return int(dead_channels(groups_of(flattened(open_base(base)), excluded)).labels.size)
