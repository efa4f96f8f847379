"""The journal as a file: read as far as it is whole, written whole or not at all."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autotune.ledger.journal_file import Damage, JournalFile, cut, opened


def journal(folder: Path, values: int = 3) -> Path:
    """Of a study with so many attributes, each in a line."""
    path = folder / "journal.log"
    study = optuna.create_study(storage=JournalStorage(JournalFile(path)), study_name="toy")
    for number in range(values):
        study.set_user_attr(f"value {number}", number)
    return path


def attributes(storage: JournalStorage) -> dict[str, Any]:
    return {key: value for study in storage.get_all_studies() for key, value in study.user_attrs.items()}


def test_optunas_own_backend_reads_it(tmp_path: Path) -> None:
    """So other tools do; and what they add is read here."""
    path = journal(tmp_path)
    theirs = optuna.load_study(study_name="toy", storage=JournalStorage(JournalFileBackend(str(path))))
    assert theirs.user_attrs == {"value 0": 0, "value 1": 1, "value 2": 2}
    theirs.set_user_attr("note", "of a dashboard")
    assert opened(path, attributes) == ({**theirs.user_attrs, "note": "of a dashboard"}, None)


@pytest.mark.parametrize(
    "line",
    [
        b"not JSON\n",
        b"\n",
        b"[]\n",
        b"null\n",
        b"3\n",
        b"{}\n",
        b'{"op_code": 77, "worker_id": ""}\n',
        b'{"op_code": 2, "worker_id": "", "study_id": 0, "user_attr": {"a": 1}, "crc32": 1}\n',
        b'{"op_code": 2, "worker_id": "", "study_id": 0, "user_attr": 3}\n',
        b'{"op_code": 4, "worker_id": ""}\n',
        b'{"op_code": 0, "worker_id": "", "study_name": "x", "directions": [9]}\n',
        b'{"op_code": 2, "worker_id": "", "study_id": 0, "user_attr": {"value 0": "no number"}}\n',
        b"\xff\xfe\x00\n",
        bytes(100) + b"\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_is_read_up_to_what_makes_no_sense(line: bytes, tmp_path: Path) -> None:
    """To JSON, to the checksum, to Optuna, or to who reads it; and what is behind is kept when it is cut."""
    path = journal(tmp_path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], line, *lines[3:]]))

    def numbers(storage: JournalStorage) -> list[float]:
        return [value / 1 for value in attributes(storage).values()]

    found, damage = opened(path, numbers)
    assert found == [0, 1]
    assert damage == Damage(len(b"".join(lines[:3])), 4)
    aside = cut(path, damage)
    assert aside.read_bytes() == line + lines[3]
    assert opened(path, numbers) == ([0, 1], None)


def test_who_reads_wrongly_does_not_damage(tmp_path: Path) -> None:
    """What has its checksum is as it was written: whatever is raised over it is nothing to cut a journal for."""

    def read(storage: JournalStorage) -> None:
        if attributes(storage):
            raise KeyError("a mistake of ours")

    with pytest.raises(KeyError, match="of ours"):
        opened(journal(tmp_path), read)


def test_lines_from_before_are_read(tmp_path: Path) -> None:
    """They have no checksum."""
    path = journal(tmp_path)
    old = [{k: v for k, v in json.loads(line).items() if k != "crc32"} for line in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps(log)}\n" for log in old))
    assert opened(path, attributes) == ({"value 0": 0, "value 1": 1, "value 2": 2}, None)


def test_a_full_disk_leaves_no_half_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before stays, and once there is room again the next line follows it."""
    path = journal(tmp_path)
    before = path.read_bytes()
    study = optuna.load_study(study_name="toy", storage=JournalStorage(JournalFile(path)))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            study.set_user_attr("more", 1)
    assert path.read_bytes() == before
    study.set_user_attr("more", 2)
    assert opened(path, attributes)[0]["more"] == 2
