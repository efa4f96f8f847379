"""Dimensions that a space has for nothing: no configuration of it gives another file by them."""

import itertools
from collections import defaultdict

from autotune.config import FOUR_BITS, INTEGER, MIXABLE, ROUNDED, TRAINING, Config, Recipe, Value
from autotune.space.space import Categorical, Dimension, Space, grid

DECIDING = ("channels", "prune", "prune_pattern", "cluster", "fine_tune", "quantize", "rounding", "levels", "samples")
"""The fields by which a recipe's others matter or not, see Recipe.idle()."""


def _one_of(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


_TRAINING = "a training (quantize qat, or channels, prune or cluster with another fine_tune than none)"
_LEVELS = f"rounding gptq and quantize {_one_of(FOUR_BITS)}"

WANTS = {
    "prune_pattern": "prune above 0",
    "prune_schedule": "prune above 0 in a training, of another prune_pattern than 2by4",
    "cluster_init": "cluster above 0 in a training",
    "cluster_scope": "cluster above 0 in a training",
    "fine_tune": "channels below 1, prune or cluster above 0, or quantize qat",
    **dict.fromkeys(TRAINING, _TRAINING),
    "rounding": f"quantize {_one_of(ROUNDED)}, or prune or cluster with fine_tune none",
    "levels": _LEVELS,
    "levels_scope": f"{_LEVELS}, at fewer levels than {Recipe().levels}",
    "mixed": f"quantize {_one_of(MIXABLE)}",
    "io": f"quantize {_one_of(INTEGER)}",
}
"""What each field that does not always matter does so with."""


def unused(asked: Space, tried: Space) -> list[str]:
    """A line for the dimensions that were asked for and matter in no configuration, with what they would want.

    Args:
        asked: as it was written.
        tried: the same with what is done to it for the models at hand.
    """
    together = defaultdict(list)
    for name in asked.dimensions.keys() & _never(asked) & _never(tried):
        if any(value != getattr(Recipe(), name) for value in _ends(asked.dimensions[name])):
            together[WANTS[name]].append(name)
    return sorted(
        f"space {asked.source}: {', '.join(sorted(names))} {'matter' if names[1:] else 'matters'} only with {wants}, "
        "which nothing in it has"
        for wants, names in together.items()
    )


def _never(space: Space) -> set[str]:
    """The fields of recipes that matter in none of a space's; of numbers only whether they do something counts."""
    deciding = {name: _ends(dim) for name, dim in space.dimensions.items() if name in DECIDING}
    cases = itertools.product(*deciding.values())
    recipes = (Config.of(dict(zip(deciding, values, strict=True))).recipe for values in cases)
    return set.intersection(*(recipe.idle() for recipe in recipes)) & WANTS.keys()


def _ends(dim: Dimension) -> list[Value]:
    """All names, the least and the greatest number."""
    values = grid(dim) or ([dim.low, dim.high] if not isinstance(dim, Categorical) else [])
    return values if any(isinstance(value, str) for value in values) else [min(values), max(values)]
