"""Numbers as people read them."""

from autotune.show_units import milliseconds, size


def test_numbers_have_units_people_read() -> None:
    """Microseconds below a millisecond, seconds above a thousand of them, megabytes above a million bytes."""
    assert [milliseconds(value) for value in (0.0351, 12.34, 999.4, 1234)] == ["35.1 us", "12.3 ms", "999 ms", "1.23 s"]
    assert (size(95904), size(4_300_000)) == ("95.9 kB", "4.30 MB")
