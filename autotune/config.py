"""What can be chosen: a Recipe makes a file, a Runtime runs it, a Config is both."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from typing import Any, Self

Value = str | int | float
"""What a dimension may be: one of a few names, a count or switch, or a number; FIELDS says which."""

SCHEMES = ("none", "float16", "dynamic", "weight_int8", "int8", "int16x8", "int4", "qat")
"""Quantization schemes: the float file, post-training ones, quantization-aware training.

float16 weights; int8 weights with activations quantized at run time (dynamic) or left float
(weight_int8); int8 throughout (int8); int8 weights with int16 activations (int16x8); int4 weights
with activations quantized at run time (int4).
"""

MOST_THREADS = 1024
"""What a space or a command may ask for."""

NAMES = {
    "quantize": SCHEMES,
    "prune_pattern": ("unstructured", "2by4", "xnnpack"),
    "prune_schedule": ("polynomial", "constant"),
    "cluster_init": ("kmeans++", "linear", "density", "random"),
    "cluster_scope": ("layer", "channel"),
    "fine_tune": ("distill", "labels", "none"),
    "augment": ("none", "shift", "flip_shift", "mix"),
    "io": ("float32", "int8"),
}
"""Dimensions that are one of a few names; see Recipe for what they mean."""


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
    """What is done to a model before it becomes a file.

    Attributes:
        model: which of several candidate models, "" where there is but one.
        prune: share of each layer's weights that become zero, 0 <= prune < 1; 0 does nothing.
        prune_pattern: where the zeros may be: anywhere, two in each four along the input channels,
            or where XNNPACK's sparse kernels use them (1x1 convolutions).
        prune_schedule: how sparsity comes in training: rising, or at once.
        cluster: number of distinct weights, 2 or more; 0 does nothing.
        cluster_init: how a training's centroids begin.
        cluster_scope: distinct within a layer, or within each output channel of a convolution.
        fine_tune: what pruning and clustering learn from: the original model's outputs, the labels,
            or nothing (one shot on the finished weights).
        augment: how samples are varied in training.
        epochs: passes over the training data in the last stage that trains, at most; those before it
            take its first part (docs/decisions/015).
        learning_rate: of Adam at the beginning; it falls to 0 by a cosine.
        batch_size: samples in a step of training.
        quantize: one of SCHEMES: none, float16, dynamic, weight_int8, int8, int16x8, int4, qat.
        mixed: share of the layers, those that quantization hurts most, that stay a step more
            precise (int8 instead of int4, else float).
        io: type of the file's input and output.
        extra: dimensions of plug-in stages that are on, as sorted (name, value) pairs.
    """

    model: str = ""
    prune: float = 0.0
    prune_pattern: str = "unstructured"
    prune_schedule: str = "polynomial"
    cluster: int = 0
    cluster_init: str = "kmeans++"
    cluster_scope: str = "layer"
    fine_tune: str = "distill"
    augment: str = "none"
    epochs: int = 3
    learning_rate: float = 1e-3
    batch_size: int = 32
    quantize: str = "none"
    mixed: float = 0.0
    io: str = "float32"
    extra: tuple[tuple[str, Value], ...] = ()

    @property
    def trains(self) -> bool:
        """Whether any stage needs training data and time."""
        return self.quantize == "qat" or (self.fine_tune != "none" and bool(self.prune or self.cluster))

    def matters(self, name: str) -> bool:
        """Whether another value of this field would give another file."""
        return name not in self.idle()

    def canonical(self) -> dict[str, Value]:
        """Flat, and without what does not matter. Two recipes with equal canonical forms give the same file."""
        idle = self.idle()
        return {name: getattr(self, name) for name in _RECIPE if name not in idle} | dict(self.extra)

    @property
    def key(self) -> str:
        """Identity within a study: the fingerprint of the canonical form."""
        return fingerprint(self.canonical())

    def idle(self) -> set[str]:
        """The fields of which another value would give the same file."""
        idle = {"extra"}  # each of its pairs is a field of its own
        if not self.model:
            idle.add("model")
        if not self.prune:
            idle.add("prune_pattern")
        if not self.prune or self.fine_tune == "none" or self.prune_pattern == "2by4":
            idle.add("prune_schedule")
        if not self.cluster or self.fine_tune == "none":
            idle |= {"cluster_init", "cluster_scope"}
        if not (self.trains or self.prune or self.cluster):
            idle.add("fine_tune")
        if not self.trains:
            idle |= set(TRAINING)
        if self.quantize not in MIXABLE:
            idle.add("mixed")
        if self.quantize not in INTEGER:
            idle.add("io")
        return idle

    def __str__(self) -> str:
        parts = []
        if self.prune:
            pattern = "" if self.prune_pattern == "unstructured" else f" ({self.prune_pattern})"
            parts.append(f"prune {self.prune:.0%}{pattern}")
        if self.cluster:
            parts.append(f"cluster {self.cluster}")
        if parts and not self.trains:
            parts.append("one shot")
        parts += [f"{name} {value}" for name, value in self.extra]
        parts.append("float" if self.quantize == "none" else self.quantize)
        if self.mixed and self.matters("mixed"):
            parts[-1] += f" mixed {self.mixed:.0%}"
        return (f"{self.model}: " if self.model else "") + " + ".join(parts)


@dataclass(frozen=True, slots=True)
class Runtime:
    """How a file is run.

    Attributes:
        delegate: whose kernels run it; "builtin" and "reference" are LiteRT's own.
        threads: of the delegate, 1 or more.
    """

    delegate: str = "xnnpack"
    threads: int = 1

    def __str__(self) -> str:
        return f"{self.delegate}, {self.threads} thread{'' if self.threads == 1 else 's'}"

    @property
    def short(self) -> str:
        """A short form, as tables have it: xnnpack x2."""
        return f"{self.delegate} x{self.threads}"


@dataclass(frozen=True, slots=True)
class Config:
    """One point of the search space."""

    recipe: Recipe
    runtime: Runtime

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Self:
        """The recipe of a flat mapping of names; what is absent keeps its default.

        Names that are no field are dimensions of plug-in stages; a false value switches one off.
        """
        extra = {name: value for name, value in values.items() if name not in FIELDS and value}
        recipe = {name: _typed(name, values[name]) for name in _RECIPE if name in values}
        return cls(
            Recipe(**recipe, extra=tuple(sorted(extra.items()))),
            Runtime(**{name: _typed(name, values[name]) for name in _RUNTIME if name in values}),
        )

    def canonical(self) -> dict[str, Value]:
        """Flat, and without what does not matter, such as the training's settings where nothing is trained.

        Two configurations with equal canonical forms give the same file, run the same way.
        """
        return self.recipe.canonical() | {name: getattr(self.runtime, name) for name in _RUNTIME}

    @property
    def key(self) -> str:
        """Identity within a study: the fingerprint of the canonical form."""
        return fingerprint(self.canonical())

    def __str__(self) -> str:
        return f"{self.recipe} on {self.runtime}"

    def _repr_html_(self) -> str:
        values = [(escape(name), escape(str(value))) for name, value in self.canonical().items()]
        rows = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in values)
        return f"<div><b>{escape(str(self))}</b><table style='color:inherit'>{rows}</table></div>"


TRAINING = ("augment", "epochs", "learning_rate", "batch_size")
MIXABLE = ("dynamic", "weight_int8", "int8", "int4")
INTEGER = ("int8", "qat")
_RECIPE = {field.name: type(field.default) for field in fields(Recipe) if field.name != "extra"}
_RUNTIME = {field.name: type(field.default) for field in fields(Runtime)}
RUNNING = tuple(_RUNTIME)
FIELDS: dict[str, type] = _RECIPE | _RUNTIME
"""Every dimension that a search space may name, with its type; stages of plug-ins add theirs."""


def _typed(name: str, value: Value) -> Any:  # of the field's own type, which is looked up
    return snap(float(value)) if FIELDS[name] is float else FIELDS[name](value)
