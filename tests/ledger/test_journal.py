"""Where a study lies: what is no study is said to be none, and one process writes at a time."""

import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from autotune.errors import UserError
from autotune.ledger import journal
from autotune.ledger.journal import exclusive, read
from autotune.results.front import Point
from tests import damage
from tests.ledger.test_ledger import begun, ledger, tell


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    """An unknown study is named, with those that are there; a damaged one is called so."""
    ledger(tmp_path / "toy")
    with pytest.raises(UserError, match=r"no study 'other' in .*; there is toy"):
        read(tmp_path / "other", "other")
    (tmp_path / "toy" / journal.JOURNAL).write_text("not a journal\n" * 2)
    with pytest.raises(UserError, match="damaged or empty"):
        read(tmp_path / "toy", "toy")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder, with a baseline and three trials."""
    folder = tmp_path_factory.mktemp("runs") / "toy"
    begun(folder, 3)
    return folder


def _goes_on(folder: Path, points: Sequence[Point]) -> None:
    """Whether a damaged study has kept as many of its points as are said to be whole, and is whole after its next run.

    Args:
        folder: of the study.
        points: of the study before.
    """
    path = folder / journal.JOURNAL
    damaged = path.read_bytes()
    found = journal.read_if_any(folder, "toy")
    kept = [] if found is None else found.points
    assert [point.outcome for point in kept] == [point.outcome for point in points[: len(kept)]]
    study = ledger(folder)
    whole = path.read_bytes()
    aside = b"".join(path.read_bytes() for path in folder.glob("*.damaged-1"))
    assert damaged.endswith(aside)
    if found is not None:
        assert damaged.startswith(whole[: len(damaged) - len(aside)])
        assert whole[: len(damaged) - len(aside)] + aside == damaged, "nothing is lost"
        assert bool(aside) == (found.damage is not None) == (study.mended is not None)
        if found.damage is not None:
            assert len(found.damage.splitlines()) == len(str(study.mended).splitlines()) == 1
    study.sample_by(optuna.samplers.RandomSampler(seed=0))
    asked = study.again() or study.ask()
    assert asked is not None
    tell(study, *asked)
    after = read(folder, "toy")
    assert after.damage is None
    assert [point.outcome for point in after.points[: len(kept)]] == [point.outcome for point in kept]
    assert len(after.points) == len(kept) + 1


def _copy(folder: Path, to: Path) -> tuple[Path, Sequence[Point]]:
    return Path(shutil.copytree(folder, to / "toy")), read(folder, "toy").points


@pytest.mark.parametrize("kind", [kind for kind in damage.KINDS if kind not in ("missing", "a folder instead")])
def test_whatever_becomes_of_a_journal(kind: str, whole: Path, tmp_path: Path) -> None:
    """What is before the damage counts, what is behind is kept, and the study goes on."""
    folder, points = _copy(whole, tmp_path)
    damage.KINDS[kind](folder / journal.JOURNAL)
    if "link" in kind:
        with pytest.raises(UserError, match="damaged or empty"):
            read(folder, "toy")
        assert ledger(folder).mended is not None
    else:
        _goes_on(folder, points)


def test_a_journal_cut_anywhere(whole: Path, tmp_path: Path) -> None:
    """At the end of each line, and within: no trial that was told is lost."""
    data = (whole / journal.JOURNAL).read_bytes()
    ends = list(itertools.accumulate(len(line) for line in data.splitlines(keepends=True)))
    for number, at in enumerate(sorted({0, *ends, *(end - 1 for end in ends)})):
        folder, points = _copy(whole, tmp_path / str(number))
        os.truncate(folder / journal.JOURNAL, at)
        _goes_on(folder, points)


@pytest.mark.parametrize("garbage", [b"garbage", b'{"foreign": "JSON"}', b"[1, 2]", b"\xff\x00\xfe", bytes(4096)])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_garbage_anywhere(garbage: bytes, end: bytes, whole: Path, tmp_path: Path) -> None:
    """At the beginning, in the middle, at the end, with and without an end: it never becomes part of the study."""
    lines = (whole / journal.JOURNAL).read_bytes().splitlines(keepends=True)
    for place in (0, 1, 2, len(lines) // 2, len(lines)):
        folder, points = _copy(whole, tmp_path / str(place))
        (folder / journal.JOURNAL).write_bytes(b"".join([*lines[:place], garbage + end, *lines[place:]]))
        _goes_on(folder, points)


def test_a_flipped_bit_anywhere(whole: Path, tmp_path: Path) -> None:
    """No number that was never measured is read, be it JSON all the same."""
    size = (whole / journal.JOURNAL).stat().st_size
    for at in range(0, size, size // 40):
        folder, points = _copy(whole, tmp_path / str(at))
        damage.flip(folder / journal.JOURNAL, at / size)
        _goes_on(folder, points)


def test_killed_at_its_birth(whole: Path, tmp_path: Path) -> None:
    """A journal without all that a study begins with is none: the name can be used, and nothing is said of it."""
    data = (whole / journal.JOURNAL).read_bytes()
    for lines in (0, 1):
        folder = tmp_path / str(lines)
        folder.mkdir()
        (folder / journal.JOURNAL).write_bytes(b"".join(data.splitlines(keepends=True)[:lines]))
        with pytest.raises(UserError, match=r"study 'toy': .* is damaged or empty"):
            read(folder, "toy")
        assert journal.read_if_any(folder, "toy") is None
        assert ledger(folder).mended is None
        assert read(folder, "toy").points == []


def test_is_born_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full at its birth there is no journal, and nothing in its place."""
    written: list[int] = []

    def full(_: int) -> None:
        written.append(1)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            ledger(tmp_path / "toy")
    assert list((tmp_path / "toy").iterdir()) == []
    assert ledger(tmp_path / "toy").record().points == []


@pytest.mark.parametrize("when", ["birth", "trial"])
def test_killed_at_any_write(when: str, tmp_path: Path) -> None:
    """A process that dies within a write, the first ones included, leaves a study that the next one goes on with."""
    script = (
        "import os, sys, pathlib\n"
        "from tests.ledger.test_ledger import ledger, tell\n"
        "def fsync(_, left=[int(sys.argv[2])]):\n"
        "    left[0] -= 1\n"
        "    if not left[0]:\n"
        "        os.kill(os.getpid(), 9)\n"
        "os.fsync = fsync\n"
        "study = ledger(pathlib.Path(sys.argv[1]))\n"
        "tell(study, *study.ask())\n"
    )
    writes = "2" if when == "birth" else "9"
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "toy"), writes], check=False)
    assert done.returncode == -signal.SIGKILL
    study = ledger(tmp_path / "toy")
    asked = study.again() or study.ask()
    assert asked is not None
    tell(study, *asked)
    assert len(read(tmp_path / "toy", "toy").points) == 1
    assert not list((tmp_path / "toy").glob(".new-*"))


def test_a_folder_in_place_of_the_journal(tmp_path: Path) -> None:
    """It is put aside with what is in it."""
    (tmp_path / "toy" / journal.JOURNAL / "something").mkdir(parents=True)
    with pytest.raises(UserError, match="damaged or empty"):
        read(tmp_path / "toy", "toy")
    study = ledger(tmp_path / "toy")
    assert "is kept as journal.log.damaged-1; the study begins anew" in str(study.mended)
    assert (tmp_path / "toy" / "journal.log.damaged-1" / "something").is_dir()


def test_a_study_under_another_name_is_left_alone(whole: Path, tmp_path: Path) -> None:
    """A folder that was called otherwise does not get a second study into its journal."""
    folder = Path(shutil.copytree(whole, tmp_path / "other"))
    before = (folder / journal.JOURNAL).read_bytes()
    for opened in (read, journal.read_if_any, journal.mend):
        with pytest.raises(UserError, match=r"study 'other': .* is of study 'toy'; call its folder so again"):
            opened(folder, "other")
    assert (folder / journal.JOURNAL).read_bytes() == before


def test_a_line_that_a_run_is_writing_is_no_damage(whole: Path, tmp_path: Path) -> None:
    """Whoever reads meanwhile is not alarmed by half of it."""
    folder, _ = _copy(whole, tmp_path)
    with (folder / journal.JOURNAL).open("ab") as file:
        file.write(b'{"op_code":')
    with exclusive(folder, "toy"):
        assert read(folder, "toy").damage is None
    assert "is damaged from line" in str(read(folder, "toy").damage)


def test_a_folder_in_place_of_the_lock(tmp_path: Path) -> None:
    """Is removed: nothing of a study is in it."""
    (tmp_path / journal.LOCK).mkdir()
    with exclusive(tmp_path, "toy"):
        assert (tmp_path / journal.LOCK).is_file()


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
        study.note("meta", replace(meta, format=journal.FORMAT + 1, versions={journal.PACKAGE: "9.1"}).to_json())
    for opened in (read, lambda folder, _: ledger(folder)):
        with pytest.raises(
            UserError, match=r"study 'toy' is from a newer version of autotune \(9.1\); update autotune"
        ):
            opened(tmp_path / "toy", "toy")
