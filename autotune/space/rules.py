"""Which configurations make sense, for any model and for the one at hand."""

from collections.abc import Iterator
from dataclasses import dataclass

from autotune.config import FOUR_BITS, Config, Recipe


@dataclass(frozen=True)
class Limits:
    """What decides of a model, and of what is asked for, which configurations make sense for it.

    Attributes:
        images: whether a sample is one image and nothing else.
        labels_of_places: whether labels are of places in a sample, such as masks, or of several outputs.
        largest_layer: the number of weights in it.
        untrainable: why the model can't be trained, None where it can.
        quantized: whether it came quantized.
        excludes: whether layers of it are left alone.
        one_shot: whether it may be pruned and clustered without training.
        labelled: whether labels say what each output is to be.
    """

    images: bool
    labels_of_places: bool
    largest_layer: int
    untrainable: str | None = None
    quantized: bool = False
    excludes: bool = False
    one_shot: bool = True
    labelled: bool = True

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
    return next(_conflicts(config, limits), None)


def _conflicts(config: Config, limits: Limits) -> Iterator[str]:
    yield from _with_model(config.recipe, limits)
    yield from _of_quantization(config.recipe, limits)
    yield from _of_zeros(config)
    yield from _of_augmentation(config.recipe, limits)
    if config.recipe.quantize == "int16x8" and config.runtime.delegate == "xnnpack":
        yield "XNNPACK has no kernels for int16 activations"


def _with_model(recipe: Recipe, limits: Limits) -> Iterator[str]:
    cuts = recipe.channels < 1
    compresses = bool(recipe.prune or recipe.cluster) or cuts
    changes = compresses or recipe.quantize != "none" or bool(recipe.extra)
    if limits.untrainable is not None and recipe.trains:
        yield "the model can't be trained"
    if cuts and limits.untrainable is not None:
        yield "the channels of a model that can't be opened as Keras layers can't be cut"
    if recipe.trains and recipe.fine_tune == "labels" and not limits.labelled:
        yield "labels are of another form than the model's outputs, so only a teacher can say what these are to be"
    if compresses and recipe.fine_tune == "none" and not limits.one_shot:
        yield "the space cuts, prunes and clusters this model by training only"
    if changes and limits.finished is not None:
        yield "nothing can be done to the model"
    if 0 < limits.largest_layer <= recipe.cluster:
        yield "no layer has more weights than clusters"


def _of_quantization(recipe: Recipe, limits: Limits) -> Iterator[str]:
    if recipe.quantize == "qat" and recipe.fine_tune == "none":
        yield "quantization-aware training is a training"
    if recipe.quantize == "qat" and limits.excludes:
        yield "LiteRT's converter would quantize excluded layers all the same"
    if recipe.rounds and recipe.quantize in FOUR_BITS and recipe.cluster >= recipe.levels:
        yield "rounded together, clusters must be fewer than the levels that weights of 4 bits may have"


def _of_zeros(config: Config) -> Iterator[str]:
    recipe = config.recipe
    if recipe.prune > 0 and recipe.prune_pattern != "unstructured" and recipe.fine_tune == "none":
        yield "patterns of zeros need a training"
    if recipe.prune not in (0, 0.5) and recipe.prune_pattern == "2by4":
        yield "two zeros in each four are half of the weights"
    sparse_kernels = recipe.quantize == "none" and config.runtime.delegate == "xnnpack"
    if recipe.prune > 0 and recipe.prune_pattern == "xnnpack" and not sparse_kernels:
        yield "sparse kernels are XNNPACK's, for float weights"


def _of_augmentation(recipe: Recipe, limits: Limits) -> Iterator[str]:
    if not recipe.trains or recipe.augment == "none":
        return
    if not limits.images:
        yield "only images are shifted and flipped"
    if recipe.fine_tune != "distill" and limits.labels_of_places:
        yield "labels such as masks would not be shifted and flipped with their images; only a teacher's outputs are"
    if recipe.fine_tune != "distill" and recipe.augment == "mix":
        yield "mixed samples have no labels, only a teacher's outputs"
