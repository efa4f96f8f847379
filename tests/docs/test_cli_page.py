"""docs/cli.md: it is what the program says now."""

from tests.docs.cli_page import PAGE, page


def test_the_page_is_current() -> None:
    """Word for word; lines may be broken elsewhere by another Python. To mend it: python -m tests.docs.cli_page."""
    assert PAGE.read_text().split() == page().split()
