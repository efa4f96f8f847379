"""The losses that autotune knows by name."""

CROSSENTROPIES = ("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy")
ERRORS = ("mse", "mae")
"""That are metrics, too."""

GAPS = (*ERRORS, "huber", "log_cosh", "mape", "msle", "poisson", "cosine_similarity")
"""Losses between quantities."""

SHORT = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_logarithmic_error": "msle",
    "huber_loss": "huber",
    "logcosh": "log_cosh",
    "cosine_proximity": "cosine_similarity",
    "kl_divergence": "categorical_crossentropy",
    "kullback_leibler_divergence": "categorical_crossentropy",
    "kld": "categorical_crossentropy",
    "categorical_focal_crossentropy": "categorical_crossentropy",
    "binary_focal_crossentropy": "binary_crossentropy",
}
"""Keras's other names of losses. The divergence differs from the crossentropy by what depends on the labels alone, so
its gradient is the same; a focal loss takes the same labels, but weighs them otherwise.
"""


def known(name: str) -> str | None:
    """A loss in its short form, "mse" or "binary_crossentropy:logits"; None where it is not known."""
    bare, _, suffix = name.partition(":")
    bare = SHORT.get(bare, bare)
    if bare not in CROSSENTROPIES + GAPS or suffix not in ("", "logits") or (suffix and bare in GAPS):
        return None
    return f"{bare}:{suffix}" if suffix else bare
