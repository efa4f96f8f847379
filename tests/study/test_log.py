"""What a run leaves in the study's log."""

import logging
from pathlib import Path

import pytest

from autotune.study import log as study_log
from autotune.study.log import log, logged


def test_lines_from_before_the_folder_are_kept(tmp_path: Path) -> None:
    """With those after it, each with its time and its part; where no folder comes, nothing is written."""
    with logged() as log_to:
        logging.getLogger("autotune.worker").info("1: opening")
        log_to(tmp_path)
        log.error("it failed")
    log.error("after")
    lines = (tmp_path / "study.log").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [
        "INFO autotune.worker: 1: opening",
        "ERROR autotune: it failed",
    ]
    with logged():
        log.error("nowhere to go")
    assert (tmp_path / "study.log").read_text().splitlines() == lines


def test_a_library_is_quoted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever numbers are in a line, and no more than so many lines; our own errors are all there."""
    monkeypatch.setattr(study_log, "MOST_PRINTED", 2)
    with logged() as log_to:
        log_to(tmp_path)
        for number in range(3):
            log.info("W0000 %d: retraced", number)
            log.error("trial failed")
        log.info("another")
        log.info("one too many")
    lines = (tmp_path / "study.log").read_text().splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["retraced", *["trial failed"] * 3, "another"]


def test_a_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last lines are there, in two files at most."""
    monkeypatch.setattr(study_log, "MOST_LOG", 1000)
    with logged() as log_to:
        log_to(tmp_path)
        for number in range(100):
            log.error("error %d", number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.log", "study.log.1"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000
    assert (tmp_path / "study.log").read_text().endswith("error 99\n")
