"""Which configurations make sense, for any model and for the one at hand."""

from collections.abc import Callable, Mapping
from typing import Any

from autotune.config import Config

Facts = Mapping[str, Any]
"""A model's facts by name, as JSON has them, and what a study says of it: `one_shot`, `excludes`."""


def conflict(config: Config, facts: Facts) -> str | None:
    """Why a configuration is not worth a trial, None where it is.

    Args:
        config: what might be tried.
        facts: of its model, as model.load.import_model gives them.
    """
    return next((reason for applies, reason in _RULES if applies(config, facts)), None)


def limits(facts: Facts) -> str | None:
    """What can't be done to a model, in words that follow its name; None where all can.

    Args:
        facts: as conflict() takes them.
    """
    if reason := finished(facts):
        return f"is measured as it is: {reason}"
    if facts.get("untrainable"):
        return f"is compressed without training: {facts['untrainable']}"
    return None


def finished(facts: Facts) -> str | None:
    """Why nothing can be done to a model, None where something can."""
    if facts.get("quantized"):
        return "it is quantized already"
    if facts.get("largest_layer") == 0:
        return "no layer of it has weights that could be made smaller"
    return None


def _changes(config: Config) -> bool:
    return _compresses(config) or config.recipe.quantize != "none" or bool(config.recipe.extra)


def _compresses(config: Config) -> bool:
    return bool(config.recipe.prune or config.recipe.cluster)


_RULES: tuple[tuple[Callable[[Config, Facts], bool], str], ...] = (
    (
        lambda config, facts: bool(facts.get("untrainable")) and config.recipe.trains,
        "the model can't be trained",
    ),
    (
        lambda config, facts: (
            _compresses(config) and config.recipe.fine_tune == "none" and not facts.get("one_shot", True)
        ),
        "the space prunes and clusters this model by training only",
    ),
    (
        lambda config, facts: _changes(config) and finished(facts) is not None,
        "nothing can be done to the model",
    ),
    (
        lambda config, facts: 0 < facts.get("largest_layer", float("inf")) <= config.recipe.cluster,
        "no layer has more weights than clusters",
    ),
    (
        lambda config, _: config.recipe.quantize == "qat" and config.recipe.fine_tune == "none",
        "quantization-aware training is a training",
    ),
    (
        lambda config, facts: config.recipe.quantize == "qat" and bool(facts.get("excludes")),
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
        lambda config, facts: (
            config.recipe.trains and config.recipe.augment != "none" and len(facts["input_shape"]) != 3
        ),
        "only images are shifted and flipped",
    ),
    (
        lambda config, facts: (
            config.recipe.trains
            and config.recipe.augment != "none"
            and config.recipe.fine_tune != "distill"
            and len(facts["output_shape"]) > 1
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
