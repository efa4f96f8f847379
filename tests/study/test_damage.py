"""What became of one study's folder ends there, in one line: the study goes on, and so do others beside it."""

import shutil
from pathlib import Path

import pytest

from autotune.ledger import siblings
from autotune.ledger.journal import JOURNAL, read
from autotune.testing import FakeDevice, FakePool, SilentReporter
from autotune.track.picture import PictureTracker
from tests import damage
from tests.ledger.test_siblings import Board
from tests.study.test_driver import options, study

SPACE = {"quantize": ["none", "dynamic", "int8"], "delegate": ["xnnpack"], "threads": [1]}


def test_a_damaged_study_goes_on(tmp_path: Path) -> None:
    """Its trials are kept, none is built again, and one line says what became of the rest."""
    before = study(options(tmp_path, space=SPACE, trials=2)).record
    path = before.folder / JOURNAL
    path.write_bytes(path.read_bytes() + b"garbage\n" * 3)
    lines = path.read_bytes().count(b"\n")
    assert f"{path} is damaged from line {lines - 2} on" in str(read(before.folder, "toy").damage)
    pool, reporter = FakePool(), SilentReporter()
    record = study(options(tmp_path, space=SPACE, trials=3), pool=pool, reporter=reporter).record
    assert [point.outcome.config for point in record.points[:2]] == [point.outcome.config for point in before.points]
    assert len(record.points) == 3
    assert {step.stage for step in pool.built} <= {"convert", "quantize"}
    [note] = [note for note in reporter.notes if "damaged" in note]
    assert note.endswith(f"was damaged from line {lines - 2} on, which is kept as journal.log.damaged-1; "
                         "the study goes on from what is before")  # fmt: skip
    assert (before.folder / "journal.log.damaged-1").read_bytes() == b"garbage\n" * 3
    assert read(before.folder, "toy").damage is None


def test_a_study_that_was_killed_at_its_birth_can_be_run(tmp_path: Path) -> None:
    """On this device and on others; nothing is said of it."""
    for content in (b"", b'{"op_code": 0, "worker_id": "", "study_name": "toy", "directions": [2, 1, 1]}\n'):
        folder = tmp_path / "runs" / "toy"
        folder.mkdir(parents=True)
        (folder / JOURNAL).write_bytes(content)
        reporter = SilentReporter()
        assert study(options(tmp_path, space=SPACE, trials=1), reporter=reporter).record.trials_done == 1
        assert not any("damaged" in note for note in reporter.notes)
        shutil.rmtree(folder)


def test_what_lies_beside_a_journal_is_made_again(tmp_path: Path) -> None:
    """Folders in place of files, files in place of folders, and what a killed run left: the study goes on."""
    folder = study(options(tmp_path, space=SPACE, trials=1)).record.folder
    for name in ("lock", "study.log"):
        damage.folder_instead(folder / name)
    for name in ("journal.log.lock", "front.png"):
        (folder / name).mkdir()
    damage.file_instead(folder / "scores")
    (folder / ".new-1-2-journal.log").write_text("half of")
    record = study(options(tmp_path, space=SPACE, trials=3), local=[PictureTracker()]).record
    assert len(record.points) == 3
    assert all(Path(str(point.model)).is_file() for point in record.points if point.trial)
    assert {path.name for path in folder.iterdir()} == {JOURNAL, "lock", "study.log", "models", "scores", "front.png"}


def test_scores_that_are_damaged_are_none(tmp_path: Path) -> None:
    """The front is there without them: by intervals, not by pairs."""
    folder = study(options(tmp_path, space=SPACE, trials=3)).record.folder
    for number, kind in enumerate(damage.KINDS.values()):
        other = shutil.copytree(folder, tmp_path / str(number) / "toy")
        for path in (other / "scores").iterdir():
            kind(path)
        assert read(other, "toy").begun().points


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of studies: one search on two devices, and what is no study of autotune."""
    folder = tmp_path_factory.mktemp("studies")
    for device in (FakeDevice(), Board()):
        study(options(folder, space=SPACE, trials=2), device)
    (folder / "runs" / "foreign").mkdir()
    (folder / "runs" / "foreign" / JOURNAL).write_text('{"a": 1}\n')
    return folder / "runs"


@pytest.mark.parametrize("kind", damage.KINDS)
def test_a_damaged_study_does_not_break_its_siblings(kind: str, runs: Path, tmp_path: Path) -> None:
    """On which devices a search was is told without the one that can't be read, whichever of them is named."""
    for name, other, device in (("toy", "toy@board", "fake"), ("toy@board", "toy", "board")):
        folder = Path(shutil.copytree(runs, tmp_path / name, ignore=shutil.ignore_patterns(".cache")))
        damage.KINDS[kind](folder / other / JOURNAL)
        assert siblings.siblings(folder, name)[device].name == name


def test_damaged_studies_do_not_break_a_new_one(runs: Path, tmp_path: Path) -> None:
    """Whatever became of their journals, it begins, and takes over what is whole."""
    for number, kind in enumerate(damage.KINDS.values()):
        other = shutil.copytree(runs / "toy", tmp_path / "runs" / f"damaged-{number}")
        (other / JOURNAL).write_text((other / JOURNAL).read_text().replace('"toy"', f'"damaged-{number}"'))
        kind(other / JOURNAL)
    shutil.copytree(runs, tmp_path / "runs", dirs_exist_ok=True)
    reporter = SilentReporter()
    assert study(options(tmp_path, space=SPACE, name="new", trials=1), reporter=reporter).record.trials_done == 1
    assert any("files of earlier studies are taken over" in note for note in reporter.notes)
