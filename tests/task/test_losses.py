"""Losses by name, with their settings."""

import pytest

from autotune.task.losses import Loss


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("mean_squared_error", "mse"),
        ("categorical_crossentropy:logits", "categorical_crossentropy:logits"),
        ("huber_loss:delta=0.30", "huber:delta=0.3"),
        ("huber:delta=1", "huber"),
        ("binary_focal_crossentropy:gamma=3:logits:alpha=0.5", "binary_focal_crossentropy:logits:alpha=0.5:gamma=3"),
        ("sparse_categorical_crossentropy:ignore_class=255", "sparse_categorical_crossentropy:ignore_class=255"),
        ("sparse_categorical_crossentropy:ignore_class=0", "sparse_categorical_crossentropy:ignore_class=0"),
    ],
)
def test_the_same_loss_has_the_same_text(text: str, short: str) -> None:
    """Whatever the order; what is Keras' default is left out."""
    assert str(Loss.parse(text)) == short
    assert Loss.parse(short) == Loss.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "my_own", "mse:delta=1", "huber:delta", "huber:delta=x", "huber:delta=nan", "huber:logits"),
        *(
            "hinge:logits",
            "sparse_categorical_crossentropy:ignore_class=0.5",
            "categorical_crossentropy:ignore_class=0",
        ),
    ],
)
def test_what_is_no_loss(text: str) -> None:
    """Unknown names, settings that a loss does not have, and values that are none."""
    assert Loss.parse(text) is None
