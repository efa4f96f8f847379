"""The dimensions of a study as its trials have them, and what is known of their importance."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from autotune.config import FIELDS, Value
from autotune.results.front import Point

P = TypeVar("P", bound=Point)

Columns = dict[str, list[Value | None]]
"""By dimension its value at each point, None where another one would give the same file."""


@dataclass(frozen=True)
class Importance:
    """How much of what differs between trials is due to each dimension.

    Attributes:
        shares: by the names of the objectives, of each dimension its share of the variance, the largest first;
            without objectives that nothing is known of.
        trials: that were looked at.
        measured: all that there are.
    """

    shares: dict[str, dict[str, float]]
    trials: int
    measured: int

    @property
    def order(self) -> list[str]:
        """The dimensions, that with the largest share in any objective first."""
        names = {name for shares in self.shares.values() for name in shares}
        return sorted(names, key=lambda name: (-max(shares.get(name, 0.0) for shares in self.shares.values()), name))


def varied(points: Sequence[Point]) -> Columns:
    """Dimensions that have more than one value, with the value of each point; None where another value would
    give the same file.

    Args:
        points: of a study.
    """
    rows = [point.outcome.config.canonical() for point in points]
    off = {name: 0 for point in points for name, _ in point.outcome.config.recipe.extra}
    names = [*(name for name in FIELDS if any(name in row for row in rows)), *off]
    columns = {name: [row.get(name, off.get(name)) for row in rows] for name in names}
    return {name: column for name, column in columns.items() if len({*column} - {None}) > 1}


def spread(points: Sequence[P], most: int) -> list[P]:
    """The points, or so many of them, drawn (the same each time) and in their order.

    Evenly would do no good: a file's runtimes follow each other with a period.
    """
    if len(points) <= most:
        return list(points)
    drawn = random.Random(0).sample(range(len(points)), most)  # noqa: S311  # no secret
    return [points[at] for at in sorted(drawn)]
