"""The benchmarks' zoo, for a few of its models: `python -m benchmarks zoo` goes through all of them."""

from pathlib import Path

import pytest

from autotune.compress.worker import start
from benchmarks.zoo import in_a_process, matrix
from benchmarks.zoo_models import entries
from benchmarks.zoo_row import COLUMNS, OK, cells


@pytest.mark.parametrize(
    ("name", "refusals"),
    [
        ("batch of one, tf_keras", {}),
        ("shared, keras", {}),
        ("grouped, keras", {"channels": "79% of the multiply-accumulates stay at least, not 50%"}),
    ],
)
def test_a_model_goes_through_all(name: str, refusals: dict[str, str], tmp_path: Path) -> None:
    """Each column has its word, and what can't be done its reason."""
    start(2)
    row = dict(cells(entries()[name], tmp_path))
    assert set(row) == set(COLUMNS)
    said = {column: reason for column, reason in row.items() if reason != OK}
    assert said.keys() == refusals.keys()
    assert all(said[column].startswith(reason) for column, reason in refusals.items())


@pytest.mark.parametrize(
    ("limit", "reason"), [((0.0, 100.0), "not within 0 s"), ((600.0, 0.0), "takes more than 0 GB")]
)
def test_a_model_that_takes_too_much_is_ended(limit: tuple[float, float], reason: str) -> None:
    """Its process is; the row says so in the cells that it has not got to."""
    assert in_a_process("batch of one, keras", *limit) == dict.fromkeys(COLUMNS, reason)


def test_reasons_stand_below_the_table() -> None:
    """Once each, by their numbers."""
    row = dict.fromkeys(COLUMNS, OK)
    table = matrix({"a": row, "b": row | {"int8": "too long"}, "c": row | {"int8": "too long", "QAT": "other"}})
    lines = table.splitlines()
    assert lines[2] == f"| a |{' ok |' * len(COLUMNS)}"
    assert lines[3].count("(1)") == lines[4].count("(1)") == lines[4].count("(2)") == 1
    assert lines[-2:] == ["1. too long", "2. other"]
