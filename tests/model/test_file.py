"""Reading a model: each format as bytes, and what is none in one line."""

import os
import zipfile
from pathlib import Path

import pytest

from autotune.errors import UserError
from autotune.model.file import read_model


def folder(path: Path) -> Path:
    """Looks like a SavedModel."""
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"graph")
    (path / "variables" / "variables.index").write_bytes(b"index")
    return path


def test_gives_the_bytes(tmp_path: Path) -> None:
    """Of a zip archive named .keras, an HDF5 file named .h5, and a .tflite file."""
    archive, legacy, tflite = tmp_path / "model.keras", tmp_path / "model.h5", tmp_path / "model.tflite"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("config.json", "{}")
    legacy.write_bytes(b"\x89HDF\r\n\x1a\n and more")
    tflite.write_bytes(b"\x1c\0\0\0TFL3 and more")
    for path in (archive, legacy, tflite):
        assert read_model(path) == path.read_bytes()


@pytest.mark.parametrize("name", ["model.hdf5", "model.keras", "model.H5", "model.lite", "model"])
def test_content_goes_before_the_name(tmp_path: Path, name: str) -> None:
    """HDF5 has many names (TensorFlow before 2.12 wrote it as .keras, too), .tflite files were called .lite."""
    for content in (b"\x89HDF\r\n\x1a\n and more", b"\x1c\0\0\0TFL3 and more"):
        (tmp_path / name).write_bytes(content)
        assert read_model(tmp_path / name) == content


def test_packs_a_folder(tmp_path: Path) -> None:
    """As a zip archive that equal folders share, whatever the time and the order of their making."""
    first = folder(tmp_path / "first")
    second = tmp_path / "second"
    second.mkdir()
    (second / "variables").mkdir()
    (second / "variables" / "variables.index").write_bytes(b"index")
    (second / "saved_model.pb").write_bytes(b"graph")
    assert read_model(first) == read_model(second)
    (tmp_path / "packed.zip").write_bytes(read_model(first))
    with zipfile.ZipFile(tmp_path / "packed.zip") as archive:
        assert archive.namelist() == ["saved_model.pb", "variables/variables.index"]
        assert archive.read("saved_model.pb") == b"graph"
    (second / "saved_model.pb").write_bytes(b"another")
    assert read_model(first) != read_model(second)


def test_links(tmp_path: Path) -> None:
    """Followed within the folder, refused where they lead out of it."""
    model = folder(tmp_path / "model")
    (model / "again").symlink_to(model / "saved_model.pb")
    (tmp_path / "packed.zip").write_bytes(read_model(model))
    assert "again" in zipfile.ZipFile(tmp_path / "packed.zip").namelist()
    (tmp_path / "secret").write_text("")
    (model / "out").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="out is a link out of the folder"):
        read_model(model)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model.keras", "not a whole .keras file"),
        ("model.h5", "not an HDF5 file, in spite of its name"),
        ("model.hdf5", "not an HDF5 file, in spite of its name"),
        ("model.tflite", "not a .tflite file, in spite of its name"),
        ("model.pt", "not a .keras, .h5 or .tflite file"),
        ("model", "not a .keras, .h5 or .tflite file"),
        ("saved_model.pb", "give its folder"),
    ],
)
def test_refuses_other_files(tmp_path: Path, name: str, reason: str) -> None:
    """By name and by content."""
    path = tmp_path / name
    path.write_bytes(b"something else")
    with pytest.raises(UserError, match=reason) as caught:
        read_model(path)
    assert str(caught.value).startswith(f"model {path}: ")


def test_refuses_what_is_not_there(tmp_path: Path) -> None:
    """A wrong path, and a folder that is no SavedModel."""
    with pytest.raises(UserError, match="no such file"):
        read_model(tmp_path / "model.keras")
    (tmp_path / "model.keras").mkdir()
    with pytest.raises(UserError, match=r"a folder, but no SavedModel: it has no saved_model.pb"):
        read_model(tmp_path / "model.keras")


def test_refuses_a_broken_archive(tmp_path: Path) -> None:
    """A download that broke off."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}" * 100)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserError, match=r"not a whole .keras file"):
        read_model(path)


def test_what_can_not_be_read_to_its_end(tmp_path: Path) -> None:
    """A pipe, a device, a name that no file has, more than there is memory: each is refused before it is read."""
    os.mkfifo(tmp_path / "pipe.keras")
    huge = tmp_path / "huge.h5"
    with huge.open("wb") as file:
        file.truncate(2**41)  # takes no room
    reasons = r"no such file|can't be read: File name too long|MB of memory are free"
    for path in (tmp_path / "pipe.keras", Path("/dev/zero"), tmp_path / ("n" * 300 + ".tflite"), huge):
        with pytest.raises(UserError, match=reasons) as caught:
            read_model(path)
        assert "\n" not in str(caught.value)
