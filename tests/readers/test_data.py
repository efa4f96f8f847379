"""Data of any content: archives of arrays, folders of images."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from autotune.task.data import Data, read_data
from autotune.task.data.npy import read_array
from tests.readers.contract import read_or_refused, with_header
from tests.readers.mutations import archived, damaged

DTYPES = ["<f4", ">f8", "<f2", "|u1", "|i1", "<i8", "<u8", "|b1", "<c8", "<U3", "|S2", "|V4", "<M8[s]", "|O", "<f16"]
DTYPES += ["<U0", "|V0", "|S0"]
LENGTHS = st.sampled_from([0, 1, 2, 3, 12, 13, 24, 2**31, 2**40, 2**62, 2**63, -1, -24])


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


X, Y = np.linspace(0, 1, 48, dtype=np.float32).reshape(24, 2), np.arange(24) % 3
MEMBERS = {
    "x_train.npy": npy(X),
    "y_train.npy": npy(Y),
    "x_test.npy": npy(X + 1),
    "y_test.npy": npy(Y),
    "x_cal.npy": npy(X),
}


def packed(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """An .npy file whose header says what it likes."""
    dtype = draw(st.sampled_from([repr(name) for name in DTYPES]) | st.just("[('a', '<f4'), ('b', '|O')]"))
    shape = draw(st.lists(LENGTHS, max_size=4) | st.just([1] * 70) | st.just([24, 2]))
    header = f"{{'descr': {dtype}, 'fortran_order': {draw(st.booleans())}, 'shape': {tuple(shape)!r}, }}"
    odd = st.sampled_from(
        ["", "{", "(" * 300, "{'descr': 1}", "[1]", "1" * 5000, "{'a': " * 90, "x" * 9000, "'''", "\\"]
    )
    return with_header(
        draw(st.just(header) | odd),
        draw(st.sampled_from([b"", X.tobytes(), b"\0" * 24])),
        draw(st.sampled_from([b"\1\0", b"\2\0", b"\3\0", b"\xff\xff"])),
    )


@st.composite
def packings(draw: st.DrawFn) -> bytes:
    """An archive whole in itself, with an array or two of another shape or kind."""
    members = dict(MEMBERS)
    for name in draw(st.lists(st.sampled_from(sorted(members)), min_size=1, max_size=2)):
        shape = draw(st.sampled_from([(), (0,), (24,), (24, 0), (24, 2), (24, 1), (24, 2, 1), (1, 24), (12,), (2,)]))
        dtype = np.dtype(draw(st.sampled_from([name for name in DTYPES if "O" not in name])))
        fill = draw(st.sampled_from([0, 1, -1, 255, 2**62, float("nan"), float("inf"), 1e300]))
        with np.errstate(all="ignore"):
            members[name] = npy(
                np.full(shape, np.array(fill, dtype="f8" if isinstance(fill, float) else "i8")).astype(dtype)
            )
    return packed(members)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def data_of(path: Path, content: bytes) -> Data | None:
    path.write_bytes(content)
    return read_or_refused(lambda: read_data(str(path), (2,), 0))


@given(content=headers() | damaged(npy(X)))
def test_arrays(content: bytes) -> None:
    """What a header declares is there, or the array is refused."""
    array = read_or_refused(lambda: read_array(io.BytesIO(content), len(content)), (ValueError,))
    assert array is None or array.nbytes <= len(content)


@given(content=archived(MEMBERS) | damaged(packed(MEMBERS)) | packings())
def test_archives(folder: Path, content: bytes) -> None:
    """Of arrays: each split has as many labels as samples, all of them numbers."""
    data = data_of(folder / "data.npz", content)
    for split in (data.train, data.validation, data.test) if data else ():
        assert len(split.x) == len(split.y) > 0
        assert np.isfinite(split.x).all()


def image(suffix: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(10 * 9 * 3, dtype=np.uint8).reshape(10, 9, 3)).save(stream, suffix)
    return stream.getvalue()


IMAGES = {"png": image("PNG"), "jpg": image("JPEG"), "gif": image("GIF"), "webp": image("WEBP"), "tiff": image("TIFF")}


@pytest.fixture(scope="module")
def images(folder: Path) -> Path:
    """Two splits of two classes."""
    for split in ("train", "test"):
        for label in "ab":
            (folder / "images" / split / label).mkdir(parents=True)
            for number in (1, 2):
                (folder / "images" / split / label / f"{number}.png").write_bytes(IMAGES["png"])
    return folder / "images"


@given(
    content=st.one_of(*[damaged(content) for content in IMAGES.values()]), shape=st.sampled_from([(8, 8, 3), (4, 4)])
)
def test_images(images: Path, content: bytes, shape: tuple[int, ...]) -> None:
    """An image is one, or the line names it; whatever its suffix says it is."""
    (images / "train" / "a" / "1.png").write_bytes(content)
    data = read_or_refused(lambda: read_data(str(images), shape, 0))
    assert data is None or data.train.x.shape == (4, *shape)
