"""Which configurations make sense: for any model, and for the one at hand."""

from dataclasses import replace
from typing import Any

import pytest

from autotune.config import Config, Value
from autotune.space.rules import Limits, conflict

IMAGES = Limits(images=True, labels_of_places=False, largest_layer=1000)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"quantize": "qat", "prune": 0.5, "cluster": 16, "augment": "mix"},
        {"prune": 0.5, "prune_pattern": "2by4"},
        {"prune": 0.9, "prune_pattern": "xnnpack"},
        {"prune": 0.3, "cluster": 16, "fine_tune": "none", "quantize": "int4", "mixed": 0.5},
        {"quantize": "int16x8", "delegate": "builtin"},
        {"quantize": "int4", "rounding": "gptq", "levels": 9, "cluster": 8, "fine_tune": "none"},
    ],
)
def test_sensible_ones_fit(values: dict[str, Any]) -> None:
    """One of each kind."""
    assert conflict(Config.of(values), IMAGES) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"quantize": "qat", "fine_tune": "none"}, "is a training"),
        ({"prune": 0.5, "prune_pattern": "2by4", "fine_tune": "none"}, "need a training"),
        ({"prune": 0.75, "prune_pattern": "2by4"}, "half of the weights"),
        ({"prune": 0.75, "prune_pattern": "xnnpack", "quantize": "int8"}, "float weights"),
        ({"prune": 0.75, "prune_pattern": "xnnpack", "delegate": "builtin"}, "XNNPACK's"),
        ({"prune": 0.5, "augment": "mix", "fine_tune": "labels"}, "no labels"),
        ({"quantize": "int16x8", "delegate": "xnnpack"}, "no kernels"),
        ({"cluster": 1000}, "more weights than clusters"),
        ({"quantize": "w4a8", "rounding": "gptq", "levels": 9, "cluster": 9}, "clusters must be fewer than the levels"),
    ],
)
def test_senseless_ones_do_not(values: dict[str, Any], reason: str) -> None:
    """With the reason."""
    assert reason in str(conflict(Config.of(values), IMAGES))


@pytest.mark.parametrize("augment", ["shift", "flip_shift"])
def test_masks_are_not_varied_without_a_teacher(augment: str) -> None:
    """A flipped image does not go with the mask of the one that was not; a class, or a teacher's mask, does."""
    masks = replace(IMAGES, labels_of_places=True)
    labelled = Config.of({"prune": 0.5, "fine_tune": "labels", "augment": augment})
    assert "would not be shifted and flipped" in str(conflict(labelled, masks))
    assert conflict(labelled, IMAGES) is None
    assert conflict(Config.of({"prune": 0.5, "fine_tune": "distill", "augment": augment}), masks) is None
    assert conflict(Config.of({"prune": 0.5, "fine_tune": "labels"}), masks) is None


@pytest.mark.parametrize("values", [{"quantize": "qat"}, {"prune": 0.5}, {"cluster": 16, "fine_tune": "labels"}])
def test_what_can_not_be_trained_is_compressed_in_one_shot(values: dict[str, Any]) -> None:
    """A .tflite has no trainable form; without training the same is possible, save QAT."""
    limits = replace(IMAGES, untrainable="it is a .tflite file")
    assert conflict(Config.of(values), limits) == "the model can't be trained"
    assert conflict(Config.of({**values, "fine_tune": "none", "quantize": "int8"}), limits) is None


@pytest.mark.parametrize(
    "values", [{"quantize": "int8"}, {"prune": 0.3, "fine_tune": "none"}, {"cluster": 16, "fine_tune": "none"}]
)
def test_what_is_quantized_stays_as_it_is(values: dict[str, Any]) -> None:
    """Only how it runs can be chosen."""
    limits = replace(IMAGES, untrainable="it is a .tflite file", quantized=True)
    assert conflict(Config.of(values), limits) == "nothing can be done to the model"
    assert limits.remark == "is measured as it is: it is quantized already"
    assert conflict(Config.of({"delegate": "builtin", "threads": 2}), limits) is None


def test_one_shot_is_for_what_can_not_be_trained() -> None:
    """Where the space has none, and another model is there only because of which it was added."""
    trained, once = ({"prune": 0.5, "fine_tune": lesson} for lesson in ("distill", "none"))
    assert conflict(Config.of(trained), replace(IMAGES, one_shot=False)) is None
    assert "by training only" in str(conflict(Config.of(once), replace(IMAGES, one_shot=False)))


def test_what_has_no_weights_stays_as_it_is() -> None:
    """No scheme and no pruning is tried; as it is it fits, whatever a space has for clusters."""
    limits = replace(IMAGES, untrainable="it is a .tflite file", largest_layer=0)
    assert conflict(Config.of({"cluster": 0}), limits) is None
    touched: tuple[dict[str, Value], ...] = ({"quantize": "float16"}, {"prune": 0.5, "fine_tune": "none"})
    for values in touched:
        assert conflict(Config.of(values), limits) == "nothing can be done to the model"


def test_only_images_are_varied() -> None:
    """What has no height and width can't be shifted; where nothing trains it does not matter."""
    limits = replace(IMAGES, images=False)
    assert "only images" in str(conflict(Config.of({"prune": 0.5, "augment": "shift"}), limits))
    assert conflict(Config.of({"quantize": "int8", "augment": "shift"}), limits) is None
