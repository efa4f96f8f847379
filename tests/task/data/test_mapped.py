"""Samples in a file that processes share."""

import errno
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autotune.compress.stage import TrainingData
from autotune.errors import UserError
from autotune.task.data import Data, Split, mapped, read_data
from autotune.task.data.fields import Array
from autotune.task.data.mapped import filled, path_of

SHAPE = (4, 2)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """All samples are many."""
    monkeypatch.setattr(mapped, "LARGE", 0)


def count(room: Array) -> None:
    room[:] = np.arange(room.size).reshape(room.shape)


def test_few_samples_are_in_memory(tmp_path: Path) -> None:
    """No file is written, and none is where nobody says a folder for it."""
    for folder in (tmp_path, None):
        samples = filled(folder, lambda: "key", SHAPE, np.uint8, count)
        assert samples.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
        assert path_of(samples) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("large")
def test_many_are_in_a_file_that_is_made_once(tmp_path: Path) -> None:
    """The second time it is found by its key; nothing can be written to it."""
    folder = tmp_path / "cache"
    first = filled(folder, lambda: "key", SHAPE, np.uint8, count)
    again = filled(folder, lambda: "key", SHAPE, np.uint8, lambda _: pytest.fail("made twice"))
    assert first.tolist() == again.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert path_of(again) == folder / "key.npy"
    assert not again.flags.writeable


@pytest.mark.usefixtures("large")
def test_what_fails_leaves_no_file(tmp_path: Path) -> None:
    """So that nobody takes half of the samples for all, nor a folder that was not there."""

    def fail(room: Array) -> None:
        room[0] = 1
        raise UserError("not an image")

    with pytest.raises(UserError, match="not an image"):
        filled(tmp_path / ".cache" / "data", lambda: "key", SHAPE, np.uint8, fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("large")
def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is filled in: to write into a file that has no room ends a process."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(UserError, match="samples can't be kept there: No space left on device; choose another --dir"):
        filled(tmp_path, lambda: "key", SHAPE, np.uint8, lambda _: pytest.fail("filled"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("large")
def test_a_part_of_a_file_is_no_file(tmp_path: Path) -> None:
    """Nor is a choice of its samples, which is a copy."""
    samples = filled(tmp_path, lambda: "key", SHAPE, np.uint8, count)
    assert [path_of(part) for part in (samples[:3], samples[1:], samples[[0, 1, 2, 3]])] == [None] * 3


@pytest.mark.usefixtures("large")
def test_nobody_sends_what_is_in_a_file(tmp_path: Path) -> None:
    """It is opened where it comes to; what is in memory goes along."""
    samples = filled(tmp_path, lambda: "key", (1000, 100), np.uint8, count)
    labels = np.arange(1000)
    data = TrainingData(samples, labels, samples[:2], "mse", 0, ("dense",))
    sent = pickle.dumps(data)
    assert len(sent) < 20_000 < len(pickle.dumps(TrainingData(np.array(samples), labels, samples[:2], "mse", 0)))
    there = pickle.loads(sent)  # our own
    assert path_of(there.x) == tmp_path / "key.npy"
    assert (there.x == samples).all()
    assert (there.y.tolist(), there.loss, there.excluded) == (labels.tolist(), "mse", ("dense",))


@pytest.mark.usefixtures("large")
def test_samples_in_another_shape_come_so(tmp_path: Path) -> None:
    """As with an axis for the channel that the file does not have."""
    samples = filled(tmp_path, lambda: "key", SHAPE, np.uint8, count)[..., np.newaxis]
    there = pickle.loads(pickle.dumps(TrainingData(samples, samples, samples, "mse", 0)))
    assert there.x.shape == (*SHAPE, 1)
    assert path_of(there.x) == tmp_path / "key.npy"


def test_what_is_other_than_its_file_is_in_memory(tmp_path: Path) -> None:
    """In another order, changed since it was opened, or without a file any more."""
    np.save(tmp_path / "x.npy", np.arange(8).reshape(SHAPE))
    samples = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert path_of(samples) == tmp_path / "x.npy"
    assert [path_of(other) for other in (samples[::-1], samples.T, samples + 1, np.asarray(samples))] == [None] * 4
    changed = np.load(tmp_path / "x.npy", mmap_mode="c")
    changed[0] = 7
    assert path_of(changed) is None
    (tmp_path / "x.npy").unlink()
    assert path_of(samples) is None
    assert (pickle.loads(pickle.dumps(Split(samples, samples))).x == samples).all()


@pytest.mark.usefixtures("large")
def test_splits_and_data_go_by_path(tmp_path: Path) -> None:
    """With their labels and calibration inputs; inputs that are their own labels stay so."""
    samples = filled(tmp_path, lambda: "key", (1000, 100), np.uint8, count)
    split = Split(samples, np.arange(1000), np.arange(1000) // 10)
    data = Data(split, Split(samples, samples), split, "source", calibration=samples, cache=tmp_path)
    sent = pickle.dumps(data)
    assert len(sent) < 50_000
    there = pickle.loads(sent)
    assert there.fingerprint() == data.fingerprint()
    assert (there.validation.unlabelled, there.train.unlabelled) == (True, False)
    assert [path_of(x) for x in (there.train.x, there.validation.y, there.calibration)] == [tmp_path / "key.npy"] * 3
    assert (there.train.groups == split.groups).all()
    assert (there.source, there.cache) == ("source", tmp_path)


def test_validation_is_cut_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same samples as in memory, with or without groups."""
    x, y = np.arange(4000, dtype=np.float32).reshape(1000, 4), np.arange(1000) % 3
    arrays: dict[str, Any] = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    for groups in ({}, {"groups_test": y * 100 + np.arange(1000) % 7}):
        np.savez(tmp_path / "data.npz", **(arrays | groups))
        monkeypatch.setattr(mapped, "LARGE", 1 << 30)
        plain = read_data(str(tmp_path / "data.npz"), (4,), 0, 0.3, tmp_path / "cache")
        monkeypatch.setattr(mapped, "LARGE", 1)
        in_files = read_data(str(tmp_path / "data.npz"), (4,), 0, 0.3, tmp_path / "cache")
        for split, other in ((plain.validation, in_files.validation), (plain.test, in_files.test)):
            assert (path_of(split.x), path_of(other.x) is not None) == (None, True)
            assert split.fingerprint() == other.fingerprint()


def test_a_folder_of_images_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into the same data as in memory; images that change are decoded again."""
    random = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for label in "ab":
            (tmp_path / "images" / split / label).mkdir(parents=True)
            for number in range(3):
                image = Image.fromarray(random.integers(0, 255, (6, 6, 3), np.uint8))
                image.save(tmp_path / "images" / split / label / f"{number}.png")
    source, shape, cache = str(tmp_path / "images"), (4, 4, 3), tmp_path / "cache"
    plain = read_data(source, shape, 0, cache=cache)
    monkeypatch.setattr(mapped, "LARGE", 6 * 4 * 4 * 3)  # pixels are many, labels few
    kept = read_data(source, shape, 0, cache=cache)
    assert kept.fingerprint() == plain.fingerprint()
    assert path_of(kept.train.x) is not None
    assert len(list(cache.iterdir())) == 3
    monkeypatch.setattr("autotune.task.data.images.as_input", lambda *_: pytest.fail("decoded again"))
    assert read_data(source, shape, 0, cache=cache).fingerprint() == plain.fingerprint()
    monkeypatch.undo()
    monkeypatch.setattr(mapped, "LARGE", 6 * 4 * 4 * 3)
    Image.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / "images" / "train" / "a" / "0.png")
    assert read_data(source, shape, 0, cache=cache).fingerprint() != plain.fingerprint()
