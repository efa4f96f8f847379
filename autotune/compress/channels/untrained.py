"""Files of which only the structure is right: what they take on a device is known before anything is trained."""

from collections.abc import Mapping, Sequence

from autotune.compress import post_training
from autotune.compress.channels.groups import groups_of
from autotune.compress.channels.moments import biases_behind
from autotune.compress.channels.surgery import without
from autotune.compress.convert import converted, names_of
from autotune.compress.flat import flattened
from autotune.compress.keras_preprocessing import unfolded
from autotune.compress.stage import TrainingData
from autotune.errors import Infeasible
from autotune.model.artifact import Artifact
from autotune.model.load import open_base

SEEN = 8
"""Calibration samples of which a scheme takes ranges: no output is looked at."""

BIAS = 1e-3
"""Of layers that will be fitted: one of zeros would be left out of the file."""


def untrained(
    base: bytes, keep: Mapping[str, Sequence[int]], schemes: Sequence[str], data: TrainingData
) -> list[Artifact | Infeasible]:
    """A model's files with some of its channels and nothing made good; called in a worker.

    Args:
        base: a model as load.open_base() takes it.
        keep: the channels that stay, by a group's name; of others all do.
        schemes: of quantization.
        data: of the study.

    Returns:
        For each scheme the file, or why the model can't be quantized so.

    Raises:
        Infeasible: the model can't be converted.
    """
    import tf_keras

    tf_keras.backend.clear_session()  # or a worker grows with every model it ever held
    groups = groups_of(flattened(open_base(base)), data.excluded)
    removed = groups.removed(keep)
    model = without(groups, removed, biases_behind(groups, removed, BIAS))
    file = converted(unfolded(model, data.calibration), names_of(model, base))
    return [_quantized(file, scheme, data) for scheme in schemes]


def _quantized(file: bytes, scheme: str, data: TrainingData) -> Artifact | Infeasible:
    if scheme == "none":
        return Artifact(file, {})
    try:
        return Artifact(post_training.quantize(file, scheme, data.calibration[:SEEN], (), data.excluded), {})
    except Infeasible as error:
        return error
