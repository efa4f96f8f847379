"""The front in the study's folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.results.record import Record
from autotune.testing import toy_meta, toy_outcome, toy_record
from autotune.track.picture import PictureTracker


def test_draws_once_the_run_has_ended(tmp_path: Path) -> None:
    """Not before; and the same again is no other picture."""
    record = toy_record(tmp_path / "toy", toy_outcome(0.9, 1.0, 1000), toy_outcome(0.8, 0.5, 500, prune=0.5))
    tracker = PictureTracker()
    tracker.update(record)
    picture = record.folder / "front.png"
    assert not picture.exists()
    assert [tracker.finish(record), tracker.finish(record), PictureTracker().finish(record)] == [1, 0, 0]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert tracker.finish(replace(record, points=record.points[:1])) == 1


def test_nothing_is_drawn_before_there_is_a_baseline(tmp_path: Path) -> None:
    """And what is there stays."""
    assert PictureTracker().finish(Record("toy", tmp_path / "toy", toy_meta())) == 0
    assert not (tmp_path / "toy" / "front.png").exists()


def test_a_picture_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run may be ended while it is drawn."""
    record = toy_record(tmp_path / "toy", toy_outcome(0.9, 1.0, 1000))
    PictureTracker().finish(record)
    before, files = (record.folder / "front.png").read_bytes(), set(record.folder.iterdir())

    def interrupted(_: Record, path: Path) -> None:
        path.write_bytes(before[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr("autotune.track.picture.draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        PictureTracker().finish(record)
    assert set(record.folder.iterdir()) == files
    assert (record.folder / "front.png").read_bytes() == before


def test_what_is_in_the_way_of_the_picture_is_removed(tmp_path: Path) -> None:
    """A folder of its name."""
    record = toy_record(tmp_path / "toy", toy_outcome(0.9, 1.0, 1000))
    (record.folder / "front.png").mkdir(parents=True)
    assert PictureTracker().finish(record) == 1
    assert (record.folder / "front.png").is_file()
