"""What can be chosen: a Recipe makes a file, a Runtime runs it, a Config is both."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

SCHEMES = ("none", "float16", "dynamic", "int8", "int16x8", "qat")
"""Quantization schemes: the float file, four post-training ones, quantization-aware training."""


def fingerprint(*parts: object) -> str:
    """The sha256 (64 hex digits) of the parts' canonical JSON: sorted keys, no spaces.

    Raises:
        TypeError: a part is not JSON.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def snap(value: float) -> float:
    """A float as a person would write it: six significant digits.

    Samplers step by adding, so 0.3 comes back as 0.30000000000000004.
    """
    return float(f"{value:.6g}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done to the model before it becomes a file; the order is that of the fields.

    Attributes:
        prune: share of each layer's weights that become zero, 0 <= prune < 1; 0 does nothing.
        cluster: number of distinct weights in each layer, 2 or more; 0 does nothing.
        quantize: one of SCHEMES.
        epochs: passes over the training data in each stage that trains.
        learning_rate: of Adam, in each stage that trains.
        batch_size: samples in a step of training.
    """

    prune: float = 0.0
    cluster: int = 0
    quantize: str = "none"
    epochs: int = 3
    learning_rate: float = 1e-3
    batch_size: int = 32

    @property
    def trains(self) -> bool:
        """Whether any stage needs training data and time."""
        return self.prune > 0 or self.cluster > 0 or self.quantize == "qat"


@dataclass(frozen=True, slots=True)
class Runtime:
    """How a file is run: through which kernels, on how many threads."""

    delegate: str = "xnnpack"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Config:
    """One point of the search space."""

    recipe: Recipe
    runtime: Runtime

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From a flat mapping of field names; what is absent keeps its default.

        Raises:
            KeyError: a name that is no field.
        """
        unknown = set(values) - set(FIELDS)
        if unknown:
            raise KeyError(", ".join(sorted(unknown)))
        return cls(
            Recipe(**{name: _typed(name, values[name]) for name in _RECIPE if name in values}),
            Runtime(**{name: _typed(name, values[name]) for name in _RUNTIME if name in values}),
        )

    def canonical(self) -> dict[str, Any]:
        """Flat, and without the training's settings where nothing is trained.

        Two configs with equal canonical forms give the same file, run the same way.
        """
        values = asdict(self.recipe) | asdict(self.runtime)
        if not self.recipe.trains:
            for name in TRAINING:
                del values[name]
        return values

    @property
    def key(self) -> str:
        """Identity within a study: the fingerprint of the canonical form."""
        return fingerprint(self.canonical())

    def __str__(self) -> str:
        parts = []
        if self.recipe.prune:
            parts.append(f"prune {self.recipe.prune:.0%}")
        if self.recipe.cluster:
            parts.append(f"cluster {self.recipe.cluster}")
        parts.append("float" if self.recipe.quantize == "none" else self.recipe.quantize)
        plural = "" if self.runtime.threads == 1 else "s"
        return f"{' + '.join(parts)} on {self.runtime.delegate}, {self.runtime.threads} thread{plural}"


TRAINING = ("epochs", "learning_rate", "batch_size")
_RECIPE = {field.name: type(field.default) for field in fields(Recipe)}
_RUNTIME = {field.name: type(field.default) for field in fields(Runtime)}
FIELDS: dict[str, type] = _RECIPE | _RUNTIME
"""Every dimension that a search space may name, with its type."""


def _typed(name: str, value: Any) -> Any:
    return snap(float(value)) if FIELDS[name] is float else FIELDS[name](value)
