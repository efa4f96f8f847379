"""Samples in a file that processes share."""

import errno
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotune.compress.stage import TrainingData
from autotune.errors import UserError
from autotune.task.data import mapped, read_data
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
    """So that nobody takes half of the samples for all."""

    def fail(room: Array) -> None:
        room[0] = 1
        raise UserError("not an image")

    with pytest.raises(UserError, match="not an image"):
        filled(tmp_path, lambda: "key", SHAPE, np.uint8, fail)
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
    monkeypatch.setattr(mapped, "LARGE", 0)
    kept = read_data(source, shape, 0, cache=cache)
    assert kept.fingerprint() == plain.fingerprint()
    assert path_of(kept.train.x) is not None
    assert len(list(cache.iterdir())) == 3
    monkeypatch.setattr("autotune.task.data.images.as_input", lambda *_: pytest.fail("decoded again"))
    assert read_data(source, shape, 0, cache=cache).fingerprint() == plain.fingerprint()
    monkeypatch.undo()
    monkeypatch.setattr(mapped, "LARGE", 0)
    Image.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / "images" / "train" / "a" / "0.png")
    assert read_data(source, shape, 0, cache=cache).fingerprint() != plain.fingerprint()
