"""The commands that show a study that is there: what they print and write, and how they end."""

from pathlib import Path

import pytest

import autotune
from autotune.cli import command as cli
from autotune.ledger.journal import read
from autotune.ledger.ledger import Ledger
from autotune.space.file import parse
from tests.cli.conftest import SPACE
from tests.damage import flip


def test_report_writes_a_page_and_pictures(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Into --out; their paths are printed."""
    assert cli.main(["report", "toy", "--out", "page"]) == 0
    assert "page/toy.html" in capsys.readouterr().out
    page = (tmp_path / "page" / "toy.html").read_text()
    assert "toy on fake" in page
    assert "autotune pick toy --trial" in page
    assert (tmp_path / "page" / "toy-front.png").is_file()


def test_report_of_what_is_none(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown study, a damaged one, one without trials, a place that is a file: a line each, and nothing written."""
    (tmp_path / "file").write_text("")
    (tmp_path / "runs" / "bad").mkdir()
    (tmp_path / "runs" / "bad" / "journal.log").write_text("no journal")
    (tmp_path / "runs" / "begun").mkdir()
    Ledger(tmp_path / "runs" / "begun", "begun", parse(SPACE, "toy", (1, 2)), read(finished, "toy").meta)
    for asked, told in (
        (["none"], "no study 'none'"),
        (["bad"], "damaged or empty"),
        (["begun"], "study 'begun' has no trials yet; run it first"),
        (["toy", "--out", "file"], "--out file: "),
    ):
        assert cli.main(["report", *asked]) == 2
        shown = capsys.readouterr()
        assert told in shown.err
        assert shown.err.count("\n") == 1
        assert shown.out == ""
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize("asked", [["front", "toy"], ["front", "toy", "--json"], ["pick", "toy", "--no-measure"]])
def test_a_damaged_journal_takes_one_line(asked: list[str], finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr; what is whole is shown and picked as ever, and the journal is left as it is."""
    path = finished / "journal.log"
    assert cli.main(asked) == 0
    before = capsys.readouterr()
    path.write_bytes(path.read_bytes() + b"garbage\n")
    damaged = path.read_bytes()
    lines = damaged.count(b"\n")
    assert cli.main(asked) == 0
    shown = capsys.readouterr()
    assert shown.out == before.out
    assert shown.err == (
        f"autotune: study 'toy': runs/toy/journal.log is damaged from line {lines} on; "
        "what is before counts, and the next run goes on from there\n"
    )
    assert path.read_bytes() == damaged


def test_a_damaged_file_of_the_front_takes_one_line(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, for each; pick hands it out in no case, and writes nothing."""
    assert finished.is_dir()
    front = read(Path("runs/toy"), "toy").begun().front()
    assert front is not None
    point = front.points[0]
    flip(Path(str(point.model)), 0.5)
    assert cli.main(["front", "toy"]) == 0
    shown = capsys.readouterr()
    gone = f"{point.model} is gone or damaged, and not in the cache either; the same autotune run builds it again\n"
    assert f"autotune: study 'toy', trial {point.trial}: {gone}" in shown.err
    assert cli.main(["pick", "toy", "--trial", str(point.trial), "--out", "out"]) == 2
    assert capsys.readouterr().err == f"autotune: {gone}"
    assert not Path("out").exists()
    assert autotune.load("toy").notes[0].endswith(gone.strip())
    with pytest.raises(autotune.UserError, match="is gone or damaged"):
        autotune.load("toy").pick(trial=point.trial)
