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


def test_each_any_has_its_reason(house: Figures) -> None:
    """Beside it; and names that stand for it, of libraries without types, hide no more than that."""
    assert [f"{file}:{line}" for file, line, reason in house.anys if not reason] == []
    assert len(house.anys) + len(house.behind) <= house.lines / 100


def test_locals_are_called_what_they_are(house: Figures) -> None:
    """Not that they were found."""
    assert len(house.vague) <= house.lines / 1000, house.vague


def test_types_say_what_was_measured(house: Figures) -> None:
    """No assert has to."""
    assert house.measured == []
