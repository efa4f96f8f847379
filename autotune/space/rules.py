"""Which configurations make sense, for any model and for the one at hand."""

from collections.abc import Callable
from dataclasses import dataclass

from autotune.config import Config


@dataclass(frozen=True)
class Limits:
    """What decides of a model, and of what is asked for, which configurations make sense for it.

    Attributes:
        input_shape: of a sample.
        output_shape: likewise, of its output.
        largest_layer: the number of weights in it.
        untrainable: why the model can't be trained, None where it can.
        quantized: whether it came quantized.
        excludes: whether layers of it are left alone.
        one_shot: whether it may be pruned and clustered without training.
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    largest_layer: int
    untrainable: str | None = None
    quantized: bool = False
    excludes: bool = False
    one_shot: bool = True

    @property
    def finished(self) -> str | None:
        """Why nothing can be done to the model, None where something can."""
        if self.quantized:
            return "it is quantized already"
        if self.largest_layer == 0:
            return "no layer of it has weights that could be made smaller"
        return None

    @property
    def remark(self) -> str | None:
        """What can't be done to the model, in words that follow its name; None where all can."""
        if self.finished:
            return f"is measured as it is: {self.finished}"
        if self.untrainable:
            return f"is compressed without training: {self.untrainable}"
        return None


def conflict(config: Config, limits: Limits) -> str | None:
    """Why a configuration is not worth a trial, None where it is.

    Args:
        config: what might be tried.
        limits: of its model.
    """
    return next((reason for applies, reason in _RULES if applies(config, limits)), None)


def _changes(config: Config) -> bool:
    return _compresses(config) or config.recipe.quantize != "none" or bool(config.recipe.extra)


def _compresses(config: Config) -> bool:
    return bool(config.recipe.prune or config.recipe.cluster)


_RULES: tuple[tuple[Callable[[Config, Limits], bool], str], ...] = (
    (
        lambda config, limits: limits.untrainable is not None and config.recipe.trains,
        "the model can't be trained",
    ),
    (
        lambda config, limits: _compresses(config) and config.recipe.fine_tune == "none" and not limits.one_shot,
        "the space prunes and clusters this model by training only",
    ),
    (
        lambda config, limits: _changes(config) and limits.finished is not None,
        "nothing can be done to the model",
    ),
    (
        lambda config, limits: 0 < limits.largest_layer <= config.recipe.cluster,
        "no layer has more weights than clusters",
    ),
    (
        lambda config, _: config.recipe.quantize == "qat" and config.recipe.fine_tune == "none",
        "quantization-aware training is a training",
    ),
    (
        lambda config, limits: config.recipe.quantize == "qat" and limits.excludes,
        "LiteRT's converter would quantize excluded layers all the same",
    ),
    (
        lambda config, _: (
            config.recipe.prune > 0
            and config.recipe.prune_pattern != "unstructured"
            and config.recipe.fine_tune == "none"
        ),
        "patterns of zeros need a training",
    ),
    (
        lambda config, _: config.recipe.prune not in (0, 0.5) and config.recipe.prune_pattern == "2by4",
        "two zeros in each four are half of the weights",
    ),
    (
        lambda config, _: (
            config.recipe.prune > 0
            and config.recipe.prune_pattern == "xnnpack"
            and (config.recipe.quantize != "none" or config.runtime.delegate != "xnnpack")
        ),
        "sparse kernels are XNNPACK's, for float weights",
    ),
    (
        lambda config, limits: (
            config.recipe.trains and config.recipe.augment != "none" and len(limits.input_shape) != 3
        ),
        "only images are shifted and flipped",
    ),
    (
        lambda config, limits: (
            config.recipe.trains
            and config.recipe.augment != "none"
            and config.recipe.fine_tune != "distill"
            and len(limits.output_shape) > 1
        ),
        "labels such as masks would not be shifted and flipped with their images; only a teacher's outputs are",
    ),
    (
        lambda config, _: (
            config.recipe.trains and config.recipe.augment == "mix" and config.recipe.fine_tune != "distill"
        ),
        "mixed samples have no labels, only a teacher's outputs",
    ),
    (
        lambda config, _: config.recipe.quantize == "int16x8" and config.runtime.delegate == "xnnpack",
        "XNNPACK has no kernels for int16 activations",
    ),
)
