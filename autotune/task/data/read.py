"""Data by what the user calls it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from autotune.errors import UserError
from autotune.task import user_code
from autotune.task.data.cut import Cut
from autotune.task.data.function import read_function
from autotune.task.data.images import check_folder, read_folder
from autotune.task.data.npz import check_npz, read_npz
from autotune.task.data.splits import Data
from autotune.task.data.tfds import read_tfds
from autotune.task.shape import Shape

T = TypeVar("T")

TFDS = "tfds:"


def needs_worker(source: str) -> bool:
    """Whether reading it may import TensorFlow, or run the user's code."""
    return source.startswith(TFDS) or user_code.is_function(source)


def located(source: str) -> str:
    """What the data is called from any folder."""
    if source.startswith(TFDS):
        return source
    file, colon, function = source.rpartition(":") if user_code.is_function(source) else (source, "", "")
    return f"{Path(file).resolve()}{colon}{function}"


def check_source(source: str) -> None:
    """What can be said of data without reading them, nor running the user's code.

    Raises:
        UserError: there is no such thing, or it can't be read.
    """
    if source.startswith(TFDS):
        return
    if user_code.is_function(source):
        user_code.fingerprint(source)
        return
    _checked(source, _check)


def read_data(source: str, shape: Shape, seed: int, share: float = 0.5, cache: Path | None = None) -> Data:
    """The user's data, split. Where needs_worker() says so, to be called in a worker.

    Args:
        source: an .npz file, a folder of images, tfds:NAME or FILE.py:FUNCTION.
        shape: of the model's input; images are resized to it.
        seed: of the cut, where validation has to be cut from the test samples.
        share: of the test samples that becomes validation then, above 0 and below 1.
        cache: folder for samples that are many: they are kept there, and mapped.

    Raises:
        UserError: there is no such thing, or what it holds is not in order: read_npz(), read_folder(),
            read_tfds() and read_function() say how.
    """
    if not 0 < share < 1:
        raise UserError(
            f"data {source}: a share of {share:g} of the test samples can't be cut off; above 0 and below 1 can"
        )
    cut = Cut(share, seed)
    if source.startswith(TFDS):
        return read_tfds(source.removeprefix(TFDS), shape, cut, cache)
    if user_code.is_function(source):
        return read_function(source, shape, cut, cache)

    def read(path: Path) -> Data:
        return read_folder(path, shape, cut, cache) if path.is_dir() else read_npz(path, cut, cache)

    return _checked(source, read)


def _check(path: Path) -> None:
    if path.is_dir():
        check_folder(path)
    else:
        check_npz(path)


def _checked(source: str, take: Callable[[Path], T]) -> T:
    """What is made of a file or folder.

    Raises:
        UserError: there is none, or it can't be read.
    """
    path = Path(source)
    try:
        if not path.exists():
            raise UserError(f"data {path}: no such file or folder")
        if path.suffix == ".py" and path.is_file():
            raise UserError(f"data {path}: name the function that returns the data: {path}:FUNCTION")
        return take(path)
    except OSError as error:
        raise UserError(f"data {source}: can't be read: {error.strerror}") from error
    except MemoryError as error:
        raise UserError(f"data {source}: takes more memory than there is") from error
