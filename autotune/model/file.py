"""The user's model as bytes: read where the driver is, opened in a worker."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from autotune.errors import UserError
from autotune.files import check_memory
from autotune.options.table import MODELS

SAVED_MODEL = "saved_model.pb"
"""The file that makes a folder a SavedModel."""

HDF5 = b"\x89HDF\r\n\x1a\n"
"""What HDF5 files begin with: .h5 and .hdf5 ones, and .keras ones by TensorFlow before 2.12."""

_TFLITE = b"TFL3"
"""What .tflite files, also those named .lite, have at byte 4."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in a packed folder, so that equal folders give equal bytes."""


def read_model(path: Path) -> bytes:
    """A model's bytes, once it looks like one.

    Args:
        path: a .keras, .h5 or .tflite file, or a SavedModel folder. HDF5 and .tflite files are known by
            their content, whatever they are named.

    Returns:
        The file; of a folder a zip archive that depends on names and contents alone.

    Raises:
        UserError: it is missing, or none of these.
    """
    try:
        if path.is_dir():
            return _packed(path)
        if not path.is_file():  # nor a pipe, which may have no end
            raise UserError(f"model {path}: no such file")
        check_memory(path.stat().st_size)
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"model {path}: can't be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"model {path}: {error}") from error
    _check(path, data)
    return data


def _check(path: Path, data: bytes) -> None:
    """Holds a file's bytes against what its name says.

    Raises:
        UserError: it is no model file; what is wrong goes by its name.
    """
    if data.startswith(HDF5) or data[4:8] == _TFLITE:
        return
    suffix = path.suffix.lower()
    if suffix == ".keras":
        if not zipfile.is_zipfile(io.BytesIO(data)):
            what = "not a whole .keras file (a .keras file is a zip archive); save the model again"
            raise UserError(f"model {path}: {what}")
    elif suffix in (".h5", ".hdf5"):
        raise UserError(f"model {path}: not an HDF5 file, in spite of its name")
    elif suffix == ".tflite":
        raise UserError(f"model {path}: not a .tflite file, in spite of its name")
    else:
        hint = f"; give its folder {path.parent}" if path.name == SAVED_MODEL else "; save the model in one of these"
        raise UserError(f"model {path}: not {MODELS}{hint}")


def _packed(folder: Path) -> bytes:
    if not (folder / SAVED_MODEL).is_file():
        hint = "give the folder that model.export() or tf.saved_model.save() wrote"
        raise UserError(f"model {folder}: a folder, but no SavedModel: it has no {SAVED_MODEL}; {hint}")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, file in sorted(_files(folder)):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), file.read_bytes())
    return stream.getvalue()


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The folder's files, each with its name in it.

    Raises:
        UserError: a link leads out of the folder.
    """
    inside = folder.resolve()
    for file in folder.rglob("*"):
        if file.is_symlink() and not file.resolve().is_relative_to(inside):
            raise UserError(
                f"model {folder}: {file.relative_to(folder)} is a link out of the folder; copy the file there"
            )
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file
