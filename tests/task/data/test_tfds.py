"""Datasets of tensorflow-datasets, made here: no network is needed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.worker import start
from autotune.errors import UserError
from autotune.task.data import Data, mapped, read_data
from autotune.task.data.mapped import path_of

start(2)

tfds = pytest.importorskip("tensorflow_datasets", reason="needs the extra tfds")

IMAGE, TABLE = (6, 5, 3), (2,)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a small dataset where tensorflow-datasets looks for it, and gives its name."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path))

    def make(splits: tuple[str, ...] = ("train", "test"), images: bool = True, keys: Any = ("input", "label")) -> str:
        size = IMAGE if images else TABLE
        values = np.random.default_rng(0).integers(0, 256, (12, *size)).astype(np.uint8 if images else np.float32)
        features = tfds.features
        inputs = features.Image(shape=size) if images else features.Tensor(shape=size, dtype=np.float32)
        labels = features.ClassLabel(names=["cat", "dog", "owl"])

        builder: Any = tfds.core.GeneratorBasedBuilder
        with tfds.core.registered.skip_registration():

            class Tiny(builder):  # type: ignore[misc]  # has no types
                VERSION = tfds.core.Version("1.0.0")

                def _info(self) -> Any:
                    both = features.FeaturesDict({"input": inputs, "label": labels})
                    return tfds.core.DatasetInfo(builder=self, features=both, supervised_keys=keys)

                def _split_generators(self, manager: Any) -> dict[str, Any]:
                    return {name: self._generate_examples() for name in splits}

                def _generate_examples(self) -> Any:
                    for number, value in enumerate(values):
                        yield number, {"input": value, "label": number % 3}

        Tiny(data_dir=tmp_path).download_and_prepare()
        return "tfds:tiny"

    return make


def read(source: str, shape: tuple[int, ...] = IMAGE, cache: Path | None = None) -> Data:
    return read_data(source, shape, 0, cache=cache)


def test_images(dataset: Callable[..., str]) -> None:
    """Train and test, which is cut; the pixels as they are where the size is the model's; class names."""
    data = read(dataset())
    assert data.train.x.shape == (12, *IMAGE)
    assert data.train.x.dtype == np.uint8
    assert data.pixels
    assert data.train.x.max() > 200
    assert np.bincount(data.train.y).tolist() == [4, 4, 4]
    assert (len(data.validation), len(data.test)) == (6, 6)
    assert data.classes == ("cat", "dog", "owl")
    assert data.source == "tfds:tiny"


@pytest.mark.parametrize("shape", [(3, 4, 3), (3, 4, 1), (3, 4)])
def test_images_are_made_to_fit(dataset: Callable[..., str], shape: tuple[int, ...]) -> None:
    """In size and channels."""
    assert read(dataset(), shape).train.x.shape == (12, *shape)


def test_models_that_take_no_images(dataset: Callable[..., str]) -> None:
    """Are told so."""
    with pytest.raises(UserError, match="data tfds:tiny: images need a model that takes"):
        read(dataset(), (5,))


def test_other_inputs(dataset: Callable[..., str]) -> None:
    """Are taken as they are."""
    data = read(dataset(images=False), TABLE)
    assert data.train.x.shape == (12, 2)
    assert data.train.x.max() > 200


def test_what_is_large_goes_through_a_file(
    dataset: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same samples as in memory."""
    name = dataset()
    plain = read(name, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(mapped, "LARGE", 1)
    data = read(name, cache=tmp_path / "cache")
    assert data.fingerprint() == plain.fingerprint()
    assert None not in {path_of(split.x) for split in (data.train, data.validation, data.test)}


def test_files_that_are_cut_off(dataset: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line; nothing stays of what was read till then."""
    monkeypatch.setattr(mapped, "LARGE", 1)
    name = dataset()
    for file in tmp_path.glob("**/*train*"):
        file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UserError, match="data tfds:tiny: train can't be read: ") as caught:
        read(name, cache=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_versions(dataset: Callable[..., str]) -> None:
    """Can be named, and must be there."""
    assert len(read(dataset() + ":1.0.0").train) == 12
    with pytest.raises(UserError, match=r"data tfds:tiny:2.0.0: not to be had: "):
        read("tfds:tiny:2.0.0")


def test_validation_split(dataset: Callable[..., str]) -> None:
    """Is validation beside a test split; without one it is what is cut."""
    data = read(dataset(("train", "validation", "test")))
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 12, 12)


def test_validation_instead_of_test(dataset: Callable[..., str]) -> None:
    """It is cut in two."""
    data = read(dataset(("train", "validation")))
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 6, 6)


def test_train_alone_is_refused(dataset: Callable[..., str]) -> None:
    """Nothing is cut from it."""
    with pytest.raises(UserError, match=r"tfds:tiny: needs splits train and test or validation; it has train$"):
        read(dataset(("train",)))


def test_datasets_without_labels_are_refused(dataset: Callable[..., str]) -> None:
    """Here the data does not say what is learned from what."""
    with pytest.raises(UserError, match="tfds:tiny: has no inputs and labels that belong together"):
        read(dataset(keys=None))


def test_unknown_datasets(dataset: Callable[..., str]) -> None:
    """One line."""
    with pytest.raises(UserError, match="data tfds:no_such_set: not to be had: ") as caught:
        read("tfds:no_such_set")
    assert "\n" not in str(caught.value)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UserError, match="needs tensorflow-datasets: install autotune with the extra tfds"):
        read("tfds:tiny")
