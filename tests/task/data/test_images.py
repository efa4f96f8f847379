"""Folders of images: which class, which size, which channels; what is no such folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotune.errors import UserError
from autotune.task.data import Array, Data, read_data

SHAPE = (4, 6, 3)
COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def folder(root: Path, splits: tuple[str, ...] = ("train", "test"), count: int = 4, suffix: str = ".png") -> Path:
    """Splits with classes blue and red, each with some plain images of that colour."""
    for split in splits:
        for name, colour in COLOURS.items():
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (9, 8), colour).save(root / split / name / f"{number}{suffix}")
    return root


def read(root: Path, shape: tuple[int, ...] = SHAPE, share: float = 0.5) -> Data:
    return read_data(str(root), shape, 0, share)


def first(root: Path, image: Image.Image, shape: tuple[int, ...] = SHAPE, name: str = "0.png") -> Array:
    """An image as the model will be given it."""
    image.save(folder(root) / "train" / "blue" / name)
    pixels: Array = read(root, shape).train.x[0]
    return pixels


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".PNG", ".JPG"])
def test_classes_are_the_sorted_names(tmp_path: Path, suffix: str) -> None:
    """PNG and JPEG; pixels keep their colour, as uint8."""
    data = read(folder(tmp_path, suffix=suffix))
    assert data.classes == ("blue", "red")
    assert data.train.y.tolist() == [0] * 4 + [1] * 4
    assert data.train.x.shape == (8, *SHAPE)
    assert data.train.x.dtype == np.uint8
    assert data.pixels
    for split in (data.train, data.validation, data.test):
        for x, y in zip(split.x, split.y, strict=True):
            assert np.abs(x - COLOURS[data.classes[y]]).max() <= 3
    assert (data.loss, data.metric, data.calibration) == (None, None, None)


def test_test_is_cut_where_there_is_no_val(tmp_path: Path) -> None:
    """Stratified, with the share that is asked for."""
    data = read(folder(tmp_path), share=0.25)
    assert np.bincount(data.validation.y).tolist() == [1, 1]
    assert np.bincount(data.test.y).tolist() == [3, 3]


def test_val_is_taken_where_there_is_one(tmp_path: Path) -> None:
    """And the whole of test is the test split."""
    data = read(folder(tmp_path, ("train", "test", "val")))
    assert (len(data.train), len(data.validation), len(data.test)) == (8, 8, 8)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3)])
def test_channels_are_the_models(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Colour becomes grey by its luminance, grey becomes three equal channels."""
    assert first(tmp_path / "colour", Image.new("RGB", (3, 3), (0, 0, 255)), shape).shape == shape
    grey = first(tmp_path / "grey", Image.new("L", (3, 3), 77), shape)
    assert (grey == 77).all()
    luminance = read(tmp_path / "colour", (4, 6)).train.x[0]
    assert (luminance == 29).all()


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "LA", "CMYK"])
def test_other_modes(tmp_path: Path, mode: str) -> None:
    """Palettes, transparency and print colours are converted."""
    name = "0.jpg" if mode == "CMYK" else "0.png"
    root = folder(tmp_path)
    (root / "train" / "blue" / "0.png").unlink()
    Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode).save(root / "train" / "blue" / name)
    assert (read(root).train.x[0] > 250).all()


def test_sixteen_bits(tmp_path: Path) -> None:
    """Are brought to 0..255, not cut off there."""
    deep = Image.fromarray(np.full((8, 8), 0x80FF, np.uint16))
    assert np.abs(first(tmp_path, deep, (4, 6, 1)) - 128).max() <= 1


def test_size_is_the_models(tmp_path: Path) -> None:
    """Height and width in their order; making smaller averages, so that thin stripes become grey."""
    stripes = np.zeros((40, 60), np.uint8)
    stripes[:, ::2] = 255
    small = first(tmp_path, Image.fromarray(stripes), (4, 6))
    assert small.shape == (4, 6)
    assert np.abs(small - 127.5).max() < 20
    halves = np.zeros((40, 60), np.uint8)
    halves[:20] = 255
    Image.fromarray(halves).save(tmp_path / "train" / "blue" / "0.png")
    rows = read(tmp_path, (4, 6)).train.x[0].mean(axis=1)
    assert np.abs(rows - [255, 223, 32, 0]).max() < 2


def test_images_of_the_models_size_are_left_alone(tmp_path: Path) -> None:
    """Every pixel."""
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    assert (first(tmp_path, Image.fromarray(pixels)) == pixels).all()


@pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int, turn: int) -> None:
    """A camera's picture is turned as it is shown, before it is resized."""
    pixels = np.zeros((32, 32), np.uint8)
    pixels[:16, 16:] = 255  # one bright quarter
    exif = Image.Exif()
    exif[0x0112] = orientation
    root = folder(tmp_path)
    Image.fromarray(pixels).save(root / "train" / "blue" / "0.jpg", exif=exif, quality=95)
    shown = read(root, (32, 32)).train.x[0]
    assert np.abs(shown - np.rot90(pixels, turn)).max() < 20


def test_hidden_and_other_files_are_passed_over(tmp_path: Path) -> None:
    """In class folders, beside them and beside the splits."""
    root = folder(tmp_path)
    for place in (root, root / "train", root / "train" / "blue"):
        (place / ".DS_Store").write_bytes(b"?")
        (place / "notes.txt").write_text("?")
        (place / ".hidden").mkdir()
    (root / "train" / "blue" / "._0.png").write_bytes(b"?")
    assert len(read(root).train) == 8


@pytest.mark.parametrize("shape", [(12,), (4, 6, 4), (3, 4, 6), (2, 4, 6, 3)])
def test_models_that_take_no_images(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Are told so, with the shape."""
    with pytest.raises(UserError, match=r"images need a model that takes \(height, width, 3\)"):
        read(folder(tmp_path), shape)


@pytest.mark.parametrize("splits", [("train",), ("test",), ("blue", "red"), ("train", "val")])
def test_other_layouts_are_refused(tmp_path: Path, splits: tuple[str, ...]) -> None:
    """Nothing is cut from train, which the model has seen: the message says which folders there must be."""
    with pytest.raises(UserError, match=r"needs folders train/ and test/ .* such as test/cat/1.png; it has") as caught:
        read(folder(tmp_path, splits))
    assert f"{splits[0]}/" in str(caught.value)


def test_empty_folder(tmp_path: Path) -> None:
    """Has nothing."""
    with pytest.raises(UserError, match="it has nothing"):
        read(tmp_path)


@pytest.mark.parametrize("split", ["test", "val"])
def test_class_that_is_missing(tmp_path: Path, split: str) -> None:
    """Is named, with its split."""
    root = folder(tmp_path, ("train", "test", "val"))
    (root / split / "red").rename(tmp_path / "away")
    with pytest.raises(UserError, match=f"{split}/ has no folder 'red', which train/ has"):
        read(root)


def test_class_too_many(tmp_path: Path) -> None:
    """Likewise."""
    (folder(tmp_path) / "test" / "green").mkdir()
    with pytest.raises(UserError, match="test/ has a folder 'green', which train/ has not"):
        read(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    """Is nothing to tell apart."""
    root = folder(tmp_path)
    for split in ("train", "test"):
        (root / split / "red").rename(tmp_path / f"away-{split}")
    with pytest.raises(UserError, match="train/ needs a folder for each of two classes or more; it has blue/"):
        read(root)


def test_class_without_images(tmp_path: Path) -> None:
    """Is named."""
    root = folder(tmp_path)
    for path in (root / "test" / "red").iterdir():
        path.rename(path.with_suffix(".bmp"))
    with pytest.raises(UserError, match=r"test/red/ has no .png, .jpg, .jpeg files"):
        read(root)


def test_unreadable_images(tmp_path: Path) -> None:
    """The first is named, the others are counted, in one line."""
    root = folder(tmp_path)
    (root / "train" / "blue" / "1.png").write_bytes(b"no image")
    (root / "train" / "red" / "2.png").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        read(root)
    assert str(caught.value) == (
        f"data {root}: train/blue/1.png can't be read: not an image (and 1 more); mend or remove it"
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_images(tmp_path: Path, suffix: str) -> None:
    """Are noticed, though their beginning can be read."""
    root = folder(tmp_path, suffix=suffix)
    path = root / "test" / "red" / f"3{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match=rf"test/red/3{suffix} can't be read: .*; mend or remove it") as caught:
        read(root)
    assert "more" not in str(caught.value)
    assert "\n" not in str(caught.value)
