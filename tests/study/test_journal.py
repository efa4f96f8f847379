"""Where a study lies: what is no study is said to be none, and one process writes at a time."""

from pathlib import Path

import pytest

from autotune.errors import UserError
from autotune.study import journal
from autotune.study.journal import exclusive, read
from tests.study.test_asktell import ledger


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    """An unknown study is named, with those that are there; a damaged one is called so."""
    ledger(tmp_path / "toy")
    with pytest.raises(UserError, match=r"no study 'other' in .*; there is toy"):
        read(tmp_path / "other", "other")
    (tmp_path / "toy" / journal.JOURNAL).write_text("not a journal\n" * 2)
    with pytest.raises(UserError, match="damaged or empty"):
        read(tmp_path / "toy", "toy")


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    """The second is told so in one line; afterwards the study is free again."""
    with (
        exclusive(tmp_path, "toy"),
        pytest.raises(UserError, match="being run by another process"),
        exclusive(tmp_path, "toy"),
    ):
        pass
    with exclusive(tmp_path, "toy"):
        pass


def test_a_newer_versions_study_is_left_alone(tmp_path: Path) -> None:
    """Neither read nor run on: what it holds may mean something else by then."""
    study = ledger(tmp_path / "toy")
    meta = study.record().meta
    with pytest.raises(UserError, match="newer version of autotune"):
        study.note("meta", meta | {"format": journal.FORMAT + 1, "versions": {journal.PACKAGE: "9.1"}})
    for opened in (read, lambda folder, _: ledger(folder)):
        with pytest.raises(
            UserError, match=r"study 'toy' is from a newer version of autotune \(9.1\); update autotune"
        ):
            opened(tmp_path / "toy", "toy")
