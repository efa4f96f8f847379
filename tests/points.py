"""Points of which a test knows what they are."""

from collections.abc import Iterable

from autotune.results.front import MeasuredPoint, Point


def all_measured(points: Iterable[Point]) -> list[MeasuredPoint]:
    """The points, none of which was refused."""
    found = []
    for point in points:
        assert isinstance(point, MeasuredPoint), point.reason
        found.append(point)
    return found
