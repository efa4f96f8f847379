"""The losses that autotune knows by name, and their settings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

OF_CLASSES = (
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
)
"""Of one class among several."""

OF_DISTRIBUTIONS = ("categorical_crossentropy", "categorical_focal_crossentropy")
"""Of those, the ones that take labels between 0 and 1."""

BINARY = ("binary_crossentropy", "binary_focal_crossentropy")

SIGNS = ("hinge", "squared_hinge")
"""Losses of outputs whose sign decides; labels are -1 and 1, or 0 and 1, which Keras takes for the same."""

MARGINS = (*SIGNS, "categorical_hinge")
"""Losses of outputs that are no probabilities, and no logits of any."""

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
}
"""Keras's other names of losses. The divergence differs from the crossentropy by what depends on the labels alone, so
its gradient is the same.
"""

IGNORED = "ignore_class"
"""The setting that names a label whose positions count nowhere."""

_FOCAL = {"alpha": 0.25, "gamma": 2.0, "label_smoothing": 0.0}

DEFAULTS: dict[str, dict[str, float | None]] = {
    "sparse_categorical_crossentropy": {IGNORED: None},
    "categorical_crossentropy": {"label_smoothing": 0.0},
    "categorical_focal_crossentropy": {**_FOCAL},
    "binary_crossentropy": {"label_smoothing": 0.0},
    "binary_focal_crossentropy": {**_FOCAL, "apply_class_balancing": 0.0},
    "huber": {"delta": 1.0},
}
"""The settings that losses have in Keras, by Keras' names, and what they are where nothing is said."""


@dataclass(frozen=True)
class Loss:
    """A known loss.

    Attributes:
        name: one of OF_CLASSES, BINARY, SIGNS or GAPS.
        logits: whether it takes logits, not probabilities.
        settings: those that are not DEFAULTS.
    """

    name: str
    logits: bool
    settings: Mapping[str, float]

    @classmethod
    def of_config(cls, name: str, config: Mapping[str, object]) -> "Loss | None":
        """A loss by its Keras name and the config of its class; None where it is not known.

        A setting that is no number, such as a weight for each class, is left out.
        """
        name = SHORT.get(name, name)
        if name not in (*OF_CLASSES, *BINARY, *SIGNS, *GAPS):
            return None
        usual = DEFAULTS.get(name, {})
        settings = {
            setting: float(value)
            for setting, value in config.items()
            if setting in usual and isinstance(value, int | float) and value != usual[setting]
        }
        return cls(name, bool(config.get("from_logits")) and name.endswith("crossentropy"), settings)

    @classmethod
    def parse(cls, text: str) -> "Loss | None":
        """A loss from NAME, NAME:logits, NAME:SETTING=NUMBER and so on; None where name or setting are not known."""
        name, *parts = text.split(":")
        loss = cls.of_config(name, {})
        if loss is None:
            return None
        config: dict[str, object] = {}
        for part in parts:
            setting, _, value = part.partition("=")
            if part == "logits" and loss.name.endswith("crossentropy") and parts.count(part) == 1:
                config["from_logits"] = True
            elif setting in DEFAULTS.get(loss.name, {}) and _is_number(value, whole=setting == IGNORED):
                config[setting] = float(value)
            else:
                return None
        return cls.of_config(name, config)

    def __str__(self) -> str:
        """The form that parse() takes, the same for the same loss."""
        settings = [f"{setting}={value:.15g}" for setting, value in sorted(self.settings.items())]
        return ":".join([self.name, *(["logits"] if self.logits else []), *settings])

    @property
    def ignored(self) -> int | None:
        """The label whose positions count nowhere."""
        return int(self.settings[IGNORED]) if IGNORED in self.settings else None


@dataclass(frozen=True)
class OutputLoss:
    """The loss of one of several outputs.

    Attributes:
        loss: as Loss.parse() takes it.
        weight: by which it counts in the sum of all.
    """

    loss: str
    weight: float = 1.0

    def __str__(self) -> str:
        return self.loss if self.weight == 1 else f"{self.loss}*{self.weight:.15g}"


def of_outputs(text: str) -> dict[str, OutputLoss] | None:
    """The losses of several outputs, by their names, from OUTPUT=LOSS,OUTPUT=LOSS*WEIGHT and so on.

    Returns:
        None where the text is one loss, of which the same can't be said.

    Raises:
        ValueError: a weight is no positive number, an output is named twice, or a loss is of none; says which.
    """
    losses = dict[str, OutputLoss]()
    for part in text.split(","):
        name, equals, rest = part.partition("=")
        if not equals or ":" in name:
            if losses:
                raise ValueError(f"{part!r} is of no output; write OUTPUT=LOSS for each")
            return None
        loss, star, weight = rest.partition("*")
        if name.strip() in losses:
            raise ValueError(f"output {name.strip()!r} has two losses")
        if star and (not _is_number(weight, whole=False) or float(weight) <= 0):
            raise ValueError(f"weight {weight!r} of output {name!r} is no positive number")
        losses[name.strip()] = OutputLoss(loss, float(weight or 1))
    return losses


def each_of(text: str) -> dict[str, OutputLoss]:
    """As of_outputs(); of one loss that, by the name ""."""
    return of_outputs(text) or {"": OutputLoss(text)}


def joined(losses: Mapping[str, OutputLoss]) -> str:
    """The reverse of of_outputs()."""
    return ",".join(f"{name}={loss}" for name, loss in losses.items())


def _is_number(text: str, *, whole: bool) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and (value.is_integer() or not whole)
