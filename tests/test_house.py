"""The figures by which the house is judged (docs/decisions/028) stay what they are."""

import pytest

from benchmarks.house import Figures, figures


@pytest.fixture(scope="module")
def house() -> Figures:
    return figures()


def test_the_hall_is_small(house: Figures) -> None:
    """Modules belong into rooms."""
    assert len(house.loose) <= 10, house.loose


def test_rows_are_whole_rooms(house: Figures) -> None:
    """The contract of imports does not cut rooms into slices: each of its rows is at the package's root."""
    assert len(house.rows) <= 18
    assert [name for row in house.rows for name in row.split(" | ") if name.count(".") != 1] == []


def test_imports_have_no_circles(house: Figures) -> None:
    """Not even for types alone."""
    assert house.circles == []


def test_types_say_what_is_there(house: Figures) -> None:
    """At most ten places in a thousand lines where they don't."""
    assert len(house.anys) <= house.lines / 100
