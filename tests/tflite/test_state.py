"""What a file keeps from one inference to the next, as the file tells it."""

import pytest

from autotune.tflite.state import State, state
from tests.compress import tables
from tests.tflite import stateful


@pytest.mark.parametrize(
    ("file", "kept"),
    [
        (stateful.variables(), "variables"),
        (stateful.resources(), "resources"),
        (tables.small(), ""),
        (tables.behind(stateful.variables()), "variables"),
        (b"no model at all", ""),
        (stateful.variables()[:600], ""),
    ],
    ids=["variable tensors", "resource variables", "nothing", "constants behind the tables", "no file", "cut"],
)
def test_what_a_file_keeps(file: bytes, kept: State) -> None:
    """Variable tensors or resource variables; of what LiteRT refuses nothing is said, nor raised."""
    assert state(file) == kept
