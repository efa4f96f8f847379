"""Models and arrays of the caller's process, kept as files: workers open them, and later runs find them."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from autotune.errors import UserError, one_line
from autotune.files import Scratch, whole
from autotune.ledger.journal import JOURNAL
from autotune.model.keras_types import KerasModel
from autotune.options.table import RunOptions
from autotune.study.checks import check_writable
from autotune.task.data import Array
from autotune.task.data.npz import ARRAYS

FOLDER = "given"
"""Of a study's folder: what it was given in memory."""


@dataclass(frozen=True)
class Content:
    """A file to be.

    Attributes:
        name: of the file.
        key: of what is in it; the same in another process (hexadecimal).
        write: writes it to a path.
    """

    name: str
    key: str
    write: Callable[[Path], object]

    def __fspath__(self) -> str:
        """Its name, by which it is spoken of before it is written."""
        return self.name


def is_model(value: object) -> bool:
    """Whether it is a Keras model, of Keras 3 or tf_keras."""
    return all(callable(getattr(value, name, None)) for name in ("save", "get_config", "count_params"))


def of_model(model: KerasModel) -> Content:
    """A Keras model as a .keras file, in the words of its own save(); without the time, so that equal ones are equal.

    Raises:
        UserError: it can't be saved so.
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "-", model.name).lstrip(".-") or "model"
    try:
        with Scratch() as folder:
            file = Path(folder, "model.keras")
            model.save(str(file))
            data = _timeless(file)
    except Exception as error:  # layers of the user's own may raise anything
        raise UserError(f"model {name}: Keras can't save it as .keras: {one_line(error)}") from error
    return Content(f"{name}.keras", hashlib.sha256(data).hexdigest(), lambda path: path.write_bytes(data))


def _timeless(file: Path) -> bytes:
    """A .keras file without the times at which it and its parts were written."""
    stream = io.BytesIO()
    with zipfile.ZipFile(file) as before, zipfile.ZipFile(stream, "w") as after:
        for name in before.namelist():
            part = before.read(name)
            if name == "metadata.json":
                part = json.dumps(json.loads(part) | {"date_saved": ""}).encode()
            after.writestr(zipfile.ZipInfo(name), part)
    return stream.getvalue()


def of_arrays(arrays: Mapping[str, object]) -> Content:
    """Data as an .npz file.

    Args:
        arrays: by ARRAYS' names; whatever NumPy takes for an array.

    Raises:
        UserError: a name is none of these, or its value is no array of numbers.
    """
    taken: dict[str, Array] = {}
    for name, value in arrays.items():
        if name not in ARRAYS:
            raise UserError(f"data: {name!r} is no array's name; known are {', '.join(ARRAYS)}")
        try:
            taken[name] = np.ascontiguousarray(value)
        except Exception as error:  # another library's array, perhaps on another device
            raise UserError(f"data: {name} is no array: {one_line(error)}") from error
        kinds, what = ("biuUS", "names") if name.startswith("groups") else ("biuf", "numbers")
        if taken[name].dtype.kind not in kinds:
            raise UserError(f"data: {name} is no array of {what}, but of {taken[name].dtype}")
    digest = hashlib.sha256()
    for name, array in sorted(taken.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.data if array.size else b"")
    return Content("data.npz", digest.hexdigest(), partial(_save, taken))


def _save(arrays: Mapping[str, Array], path: Path) -> None:
    np.savez(path, allow_pickle=False, **arrays)


@contextmanager
def kept(folder: Path, values: RunOptions) -> Iterator[RunOptions]:
    """Gives a run's options with paths for contents, each of which is written where it is not there yet.

    Where the study does not begin in the end, nothing of them is left.

    Args:
        folder: of the study.
        values: of which model and data may be Content.

    Raises:
        UserError: the folder can't be written to.
    """
    contents = [item for item in (*values.model, values.data) if isinstance(item, Content)]
    if contents:
        check_writable(folder)
    paths = {content: folder / FOLDER / content.key[:16] / content.name for content in contents}
    fresh = [path for path in paths.values() if not path.exists()]
    made = [above for path in fresh for above in path.parents if not above.exists()]
    was_there = (folder / JOURNAL).exists()

    def path_of(source: str | PathLike[str]) -> str:
        return str(paths[source]) if isinstance(source, Content) else fspath(source)

    try:
        for content, path in paths.items():
            if path in fresh:
                with whole(path) as file:
                    content.write(file)
        yield replace(values, model=tuple(map(path_of, values.model)), data=path_of(values.data))
    except BaseException:
        if was_there or not (folder / JOURNAL).exists():
            for path in fresh:
                path.unlink(missing_ok=True)
            for above in made:
                with suppress(OSError):  # something else is in it
                    above.rmdir()
        raise
