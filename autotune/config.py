"""What can be chosen: a Recipe makes a file, a Runtime runs it, a Config is both."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from typing import Any, Self

Value = str | int | float
"""What a dimension may be: one of a few names, a count or switch, or a number; FIELDS says which."""

SCHEMES = ("none", "float16", "dynamic", "weight_int8", "int8", "int16x8", "int4", "w4a8", "qat")
"""Quantization schemes: the float file, post-training ones, quantization-aware training.

float16 weights; int8 weights with activations quantized at run time (dynamic) or left float
(weight_int8); int8 throughout (int8); int8 weights with int16 activations (int16x8); int4 weights
with activations quantized at run time (int4) or int8 by calibration (w4a8).
"""

LEVELS = (15, 11, 9, 7)
"""How many of 4 bits' values weights may have, each as many below zero as above."""

MOST_THREADS = 1024
"""What a space or a command may ask for."""

NAMES = {
    "quantize": SCHEMES,
    "prune_pattern": ("unstructured", "2by4", "xnnpack"),
    "prune_schedule": ("polynomial", "constant"),
    "cluster_init": ("kmeans++", "linear", "density", "random"),
    "cluster_scope": ("layer", "channel"),
    "dead_channels": ("kept", "removed"),
    "fine_tune": ("distill", "labels", "none"),
    "augment": ("none", "shift", "flip_shift", "mix"),
    "rounding": ("nearest", "gptq"),
    "levels_scope": ("file", "layer"),
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
        dead_channels: whether channels that change nothing are taken out before all else; kept, unless a study says
            otherwise, which it does where a model has any and the space is silent on it.
        channels: share of the multiply-accumulates that stays, 0 < channels <= 1; at 1 no channel is cut.
        prune: share of each layer's weights that become zero, 0 <= prune < 1; 0 does nothing.
        prune_pattern: where the zeros may be: anywhere, two in each four along the input channels,
            or where XNNPACK's sparse kernels use them (1x1 convolutions).
        prune_schedule: how sparsity comes in training: rising, or at once.
        cluster: number of distinct weights, 2 or more; 0 does nothing.
        cluster_init: how a training's centroids begin.
        cluster_scope: distinct within a layer, or within each output channel of a convolution.
        fine_tune: what cut channels, pruning and clustering learn from: the original model's outputs, the
            labels, or nothing (one shot on the finished weights).
        augment: how samples are varied in training.
        epochs: passes over the training data in the last stage that trains, at most; those before it
            take its first part (docs/decisions/015).
        learning_rate: of Adam at the beginning; it falls to 0 by a cosine.
        batch_size: samples in a step of training.
        samples: training samples that are learned from, drawn in proportion to their classes; 0 for all.
        quantize: one of SCHEMES: none, float16, dynamic, weight_int8, int8, int16x8, int4, w4a8, qat.
        rounding: of weights that are quantized, pruned or clustered without training: each to what is nearest,
            or all of a layer together, so that its outputs stay (gptq).
        levels: one of LEVELS, of weights of 4 bits.
        levels_scope: whether every layer has as many, or those that bear it fewer and others more.
        mixed: share of the layers, those that quantization hurts most, that stay a step more
            precise (int8 instead of int4, else float).
        io: type of the file's input and output.
        extra: dimensions of plug-in stages that are on, as sorted (name, value) pairs.
    """

    model: str = ""
    dead_channels: str = "kept"
    channels: float = 1.0
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
    samples: int = 0
    quantize: str = "none"
    rounding: str = "nearest"
    levels: int = LEVELS[0]
    levels_scope: str = "file"
    mixed: float = 0.0
    io: str = "float32"
    extra: tuple[tuple[str, Value], ...] = ()

    @property
    def trains(self) -> bool:
        """Whether any stage needs training data and time."""
        return self.quantize == "qat" or (self.fine_tune != "none" and self._learns)

    @property
    def rounds(self) -> bool:
        """Whether weights are rounded together."""
        return self.rounding == "gptq" and self.matters("rounding")

    @property
    def _learns(self) -> bool:
        """Whether something is done of which a training makes good the harm."""
        return bool(self.prune or self.cluster) or self.channels < 1

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
        if not (self.trains or self._learns):
            idle.add("fine_tune")
        if not self.trains:
            idle |= set(TRAINING)
        if not self.samples:
            idle.add("samples")
        idle |= self._idle_of_rounding()
        if self.quantize not in MIXABLE:
            idle.add("mixed")
        if self.quantize not in INTEGER:
            idle.add("io")
        return idle

    def _idle_of_rounding(self) -> set[str]:
        one_shot = self.fine_tune == "none" and bool(self.prune or self.cluster)
        if self.quantize not in ROUNDED and not one_shot:
            return {"rounding", "levels", "levels_scope"}
        if self.rounding != "gptq" or self.quantize not in FOUR_BITS:
            return {"levels", "levels_scope"}
        return {"levels_scope"} if self.levels == LEVELS[0] else set()

    def __str__(self) -> str:
        parts = []
        if self.channels < 1:
            parts.append(f"channels {self.channels:.0%}")
        if self.prune:
            pattern = "" if self.prune_pattern == "unstructured" else f" ({self.prune_pattern})"
            parts.append(f"prune {self.prune:.0%}{pattern}")
        if self.cluster:
            parts.append(f"cluster {self.cluster}")
        if parts and not self.trains:
            parts.append("one shot")
        parts += [f"{name} {value}" for name, value in self.extra]
        parts.append("float" if self.quantize == "none" else self.quantize)
        if self.rounds:
            parts[-1] += f" {self.rounding}"
        if self.matters("levels") and self.levels < LEVELS[0]:
            parts[-1] += f" {self.levels} levels" + (" by layer" if self.levels_scope == "layer" else "")
        if self.mixed and self.matters("mixed"):
            parts[-1] += f" mixed {self.mixed:.0%}"
        if self.matters("samples"):
            parts[-1] += f", {self.samples} samples"
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


TRAINING = ("augment", "epochs", "learning_rate", "batch_size", "samples")
MIXABLE = ("dynamic", "weight_int8", "int8", "int4", "w4a8")
INTEGER = ("int8", "w4a8", "qat")
FOUR_BITS = ("int4", "w4a8")
ROUNDED = ("dynamic", "weight_int8", "int8", "int16x8", *FOUR_BITS)
_RECIPE = {field.name: type(field.default) for field in fields(Recipe) if field.name != "extra"}
_RUNTIME = {field.name: type(field.default) for field in fields(Runtime)}
RUNNING = tuple(_RUNTIME)
FIELDS: dict[str, type] = _RECIPE | _RUNTIME
"""Every dimension that a search space may name, with its type; stages of plug-ins add theirs."""


def _typed(name: str, value: Value) -> Any:  # of the field's own type, which is looked up
    return snap(float(value)) if FIELDS[name] is float else FIELDS[name](value)
