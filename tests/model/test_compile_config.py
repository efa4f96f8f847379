"""The loss that a file was compiled with, in the forms that Keras writes."""

from typing import Any

import pytest

from autotune.model.compile_config import compiled_loss

KERAS_2 = {"reduction": "auto", "name": "x", "from_logits": False}
KERAS_3 = {"reduction": "sum_over_batch_size", "name": "mine", "from_logits": False}


@pytest.mark.parametrize(
    ("kind", "config", "loss"),
    [
        (
            "SparseCategoricalCrossentropy",
            KERAS_2 | {"ignore_class": 255, "fn": "sparse_categorical_crossentropy"},
            "sparse_categorical_crossentropy:ignore_class=255",
        ),
        (
            "SparseCategoricalCrossentropy",
            KERAS_3 | {"ignore_class": 0, "from_logits": True},
            "sparse_categorical_crossentropy:logits:ignore_class=0",
        ),
        ("SparseCategoricalCrossentropy", KERAS_3 | {"ignore_class": None}, "sparse_categorical_crossentropy"),
        ("CategoricalCrossentropy", KERAS_3 | {"label_smoothing": 0.1}, "categorical_crossentropy:label_smoothing=0.1"),
        ("CategoricalCrossentropy", KERAS_3 | {"label_smoothing": 0.0}, "categorical_crossentropy"),
        ("Huber", {"name": "huber_loss", "delta": 0.3, "fn": "huber"}, "huber:delta=0.3"),
        ("CategoricalFocalCrossentropy", KERAS_3 | {"alpha": [0.1, 0.9], "gamma": 2}, "categorical_focal_crossentropy"),
        ("Hinge", {"name": "hinge", "reduction": "sum"}, "hinge"),
        ("MyOwn", {"name": "dice_of_mine"}, "dice_of_mine"),
    ],
)
def test_losses_with_settings(kind: str, config: dict[str, Any], loss: str) -> None:
    """Keras 2 names the function, Keras 3 the class; what is default, or no number, is not said."""
    assert compiled_loss({"loss": {"class_name": kind, "config": config}}) == loss
