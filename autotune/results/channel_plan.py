"""Which channels of a model stay on a study's device, at one share of the multiply-accumulates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from autotune.config import Recipe
from autotune.json_object import JsonFields

STANDS_FOR = {"float": "none", "int8": "int8"}
"""By the kernels that run a file the scheme whose files tell what they take for each width."""

_FLOAT = ("none", "float16", "weight_int8")
"""Schemes whose files compute in float."""


@dataclass(frozen=True)
class ChannelPlan(JsonFields):
    """What is cut.

    Attributes:
        keep: by a group's first layer the channels that stay, of groups that are cut.
        widths: by the same how many channels there were.
        refused: None, or why there is no such plan.
        structure: of the untrained file with these channels, of the scheme that stands for the kernels; None where no
            time was measured.
        speed: what that file takes, as a share of the one with all channels; None likewise.
        left: by the name of a layer whose channels can't be cut, why not.
    """

    keep: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    refused: str | None = None
    structure: str | None = None
    speed: float | None = None
    left: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:  # Any: as JsonObject
        keep = {name: tuple(channels) for name, channels in values.get("keep", {}).items()}
        return super().from_json({**values, "keep": keep})

    def __str__(self) -> str:
        if self.refused is not None:
            return self.refused
        return ", ".join(f"{name} {width} → {len(self.keep[name])}" for name, width in self.widths.items())


def plan_name(recipe: Recipe) -> str:
    """The name of the plan that a recipe's channels are cut by: recipes of one name are cut alike."""
    model = [recipe.model] if recipe.model else []
    return " ".join([*model, f"{recipe.channels:g}", kernels(recipe.quantize), recipe.dead_channels])


def kernels(scheme: str) -> str:
    """The kind of kernels that run a scheme's files, as far as channels are planned for them."""
    return "float" if scheme in _FLOAT else "int8"
