"""Images: decoded and resized to a model's input, and folders of them as data."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from autotune.config import fingerprint
from autotune.errors import UserError, one_line
from autotune.task.data.cut import Cut
from autotune.task.data.fields import Array
from autotune.task.data.mapped import filled
from autotune.task.data.splits import Data, assembled
from autotune.task.shape import Shape

SUFFIXES = (".png", ".jpg", ".jpeg")

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
"""That a file may be, whatever its suffix. Of Pillow's others some are read by other programs that it starts."""

MOST_PIXELS = 50_000_000
"""Of an image before it is resized: 150 MB, in each thread. A few kilobytes can be a bomb of billions."""

THREADS = 4
"""That decode: Pillow leaves Python's lock while it does."""


DECODED = 1
"""Raised when an image would become other pixels."""


def read_folder(folder: Path, shape: Shape, cut: Cut, cache: Path | None = None) -> Data:
    """The splits of a folder of images: train/CLASS/*.png, test/CLASS/*.png, optionally val/CLASS/*.png.

    PNG and JPEG; other files and hidden ones are passed over. Classes are numbered in the order of their
    names. Pixels are uint8, nothing is scaled: a model that was trained on others than 0 to 255 needs
    a Rescaling layer.

    Args:
        folder: of the splits.
        shape: of the model's input: (height, width, 1 or 3) or (height, width).
        cut: of test/, where there is no val/.
        cache: folder for what is decoded, where that is large: it is decoded once and mapped into memory.

    Raises:
        UserError: the model takes no images, the folder has another layout, its splits have different
            classes or only one, a class has no images, or an image can't be read.
    """
    size = check_shape(shape, str(folder))
    splits, classes = check_folder(folder)
    paths = {name: [_images(folder / name / label, folder) for label in classes] for name in splits}
    parts = {name: _labelled(paths[name], size, folder, cache) for name in splits}
    return replace(assembled(parts, cut, str(folder), cache=cache), classes=tuple(classes), pixels=True)


def check_folder(folder: Path) -> tuple[list[str], list[str]]:
    """The splits and the classes of a folder, of which no image is read.

    Raises:
        UserError: it has another layout, or its splits have different classes or only one.
    """
    splits = [name for name in ("train", "test", "val") if (folder / name).is_dir()]
    if splits[:2] != ["train", "test"]:
        raise UserError(
            f"data {folder}: needs folders train/ and test/ (and may have val/), each with a folder of images for "
            f"each class, such as test/cat/1.png; it has {_listing(folder)}"
        )
    return splits, _classes(folder, splits)


def check_shape(shape: Shape, source: str) -> tuple[int, ...]:
    """The shape of an input, which is held against what an image has.

    Raises:
        UserError: an input of this shape is no image, or there are several inputs.
    """
    if not isinstance(shape, tuple):
        raise UserError(
            f"data {source}: images are one input, the model takes {', '.join(shape)}; write a FILE.py:FUNCTION"
        )
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise UserError(
            f"data {source}: images need a model that takes (height, width, 3), (height, width, 1) or "
            f"(height, width); this one takes {shape}"
        )
    return shape


def as_input(image: Image.Image, shape: tuple[int, ...]) -> Array:
    """An image as a model takes it: (*shape), uint8.

    Turned as its EXIF data says, in the model's channels, resized with Pillow's bilinear filter, which
    averages where it makes smaller.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image) / 257).astype(np.uint8))
    image = image.convert("RGB" if shape[2:] == (3,) else "L")
    image = image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(shape)


def _classes(folder: Path, splits: Sequence[str]) -> list[str]:
    """The names of the class folders, which must be the same in each split."""
    classes = _folders(folder / "train")
    if len(classes) < 2:
        raise UserError(
            f"data {folder}: train/ needs a folder for each of two classes or more; it has {_listing(folder / 'train')}"
        )
    for name in splits[1:]:
        folders = _folders(folder / name)
        if lacking := sorted(set(classes) - set(folders)):
            raise UserError(f"data {folder}: {name}/ has no folder {lacking[0]!r}, which train/ has")
        if extra := sorted(set(folders) - set(classes)):
            raise UserError(f"data {folder}: {name}/ has a folder {extra[0]!r}, which train/ has not")
    return classes


def _folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _listing(folder: Path) -> str:
    """What is in a folder, for a message."""
    paths = (path for path in folder.iterdir() if not path.name.startswith("."))
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in paths)
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "") if names else "nothing"


def _images(folder: Path, source: Path) -> list[Path]:
    """The images of a class, in the order of their names."""
    images = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()  # no pipe
    )
    if not images:
        raise UserError(f"data {source}: {folder.relative_to(source)}/ has no {', '.join(SUFFIXES)} files")
    return images


def _labelled(
    paths: Sequence[Sequence[Path]], shape: tuple[int, ...], source: Path, cache: Path | None
) -> tuple[Array, Array]:
    """Inputs and labels of a split, from its paths by class."""
    every = [path for members in paths for path in members]

    def key() -> str:
        files = [(path.relative_to(source).as_posix(), path.stat()) for path in every]
        return fingerprint(DECODED, shape, [(name, found.st_size, found.st_mtime_ns) for name, found in files])

    x = filled(cache, key, (len(every), *shape), np.uint8, lambda room: _decode(every, room, shape, source))
    return x, np.repeat(np.arange(len(paths)), [len(members) for members in paths])


def _decode(every: Sequence[Path], room: Array, shape: tuple[int, ...], source: Path) -> None:
    """Fills in all images.

    Raises:
        UserError: one can't be read.
    """

    def decode(index: int) -> str | None:
        """Fills in one image, or says what is wrong with it."""
        try:
            with Image.open(every[index], formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise ValueError(f"{image.width} x {image.height} pixels are too many")
                room[index] = as_input(image, shape)
        except Exception as error:  # noqa: BLE001  # Pillow has no end of errors for what is no image, or not whole
            reason = "not an image" if isinstance(error, UnidentifiedImageError) else one_line(error, 200)
            return f"{every[index].relative_to(source)} can't be read: {reason}"
        return None

    with ThreadPoolExecutor(THREADS) as threads:
        broken = [reason for reason in threads.map(decode, range(len(every))) if reason]
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise UserError(f"data {source}: {broken[0]}{more}; mend or remove it")
