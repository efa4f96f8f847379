"""When a search ends by itself."""

from autotune.search.patience import Patience


def test_counts_from_the_last_better_front() -> None:
    """Not from the first trial, and a hair more is no better front."""
    patience = Patience(3)
    for asked, volume in ((1, 1.0), (3, 1.5), (4, 1.5001), (5, 1.5)):
        patience.see(asked, volume)
    assert not patience.is_over(5)
    assert patience.is_over(6)


def test_none_never_ends() -> None:
    """However long nothing happens."""
    patience = Patience(None)
    patience.see(1, 1.0)
    assert not patience.is_over(10_000)
