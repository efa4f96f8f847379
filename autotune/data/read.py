"""Data by what the user calls it."""

from pathlib import Path

from autotune import userfile
from autotune.data.function import read_function
from autotune.data.images import read_folder
from autotune.data.npz import read_npz
from autotune.data.splits import Cut, Data
from autotune.data.tfds import read_tfds
from autotune.errors import UserError

TFDS = "tfds:"


def needs_worker(source: str) -> bool:
    """Whether reading it may import TensorFlow, or run the user's code."""
    return source.startswith(TFDS) or userfile.is_function(source)


def located(source: str) -> str:
    """What the data is called from any folder."""
    if source.startswith(TFDS):
        return source
    file, colon, function = source.rpartition(":") if userfile.is_function(source) else (source, "", "")
    return f"{Path(file).resolve()}{colon}{function}"


def read_data(source: str, shape: tuple[int, ...], seed: int, share: float = 0.5) -> Data:
    """The user's data, split. Where needs_worker() says so, to be called in a worker.

    Args:
        source: an .npz file, a folder of images, tfds:NAME or FILE.py:FUNCTION.
        shape: of the model's input, without the batch; images are resized to it.
        seed: of the cut, where validation has to be cut from the test samples.
        share: of the test samples that becomes validation then, above 0 and below 1.

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
        return read_tfds(source.removeprefix(TFDS), shape, cut)
    if userfile.is_function(source):
        return read_function(source, shape, cut)
    try:
        return _read(Path(source), shape, cut)
    except OSError as error:
        raise UserError(f"data {source}: can't be read: {error.strerror}") from error
    except MemoryError as error:
        raise UserError(f"data {source}: takes more memory than there is") from error


def _read(path: Path, shape: tuple[int, ...], cut: Cut) -> Data:
    if path.is_dir():
        return read_folder(path, shape, cut)
    if not path.is_file():
        raise UserError(f"data {path}: no such file or folder")
    if path.suffix == ".py":
        raise UserError(f"data {path}: name the function that returns the data: {path}:FUNCTION")
    return read_npz(path, cut)
