"""The losses that autotune knows by name."""

CROSSENTROPIES = ("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy")
ERRORS = ("mse", "mae")
SHORT = {"mean_squared_error": "mse", "mean_absolute_error": "mae"}
"""Keras's long names of losses and metrics."""


def known(name: str) -> str | None:
    """A loss in its short form, "mse" or "binary_crossentropy:logits"; None where it is not known."""
    bare, _, suffix = name.partition(":")
    bare = SHORT.get(bare, bare)
    if bare not in CROSSENTROPIES + ERRORS or suffix not in ("", "logits") or (suffix and bare in ERRORS):
        return None
    return f"{bare}:{suffix}" if suffix else bare
