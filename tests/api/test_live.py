"""What is in memory as files: equal things are equal files, and nothing is left of what did not begin."""

import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.api import live
from autotune.errors import UserError
from autotune.options.table import RunOptions
from autotune.task.data import read_data

ARRAYS = {"x_train": [[1.0], [2.0]], "y_train": [0, 1], "x_test": np.ones((2, 1), np.float32), "y_test": [0, 1]}


class Toy:
    """A model like Keras's, with weights of a text."""

    def __init__(self, name: str = "toy", weights: str = "1, 2") -> None:
        self.name, self.weights = name, weights

    def get_config(self) -> dict[str, Any]:
        return {}

    def count_params(self) -> int:
        return 2

    def save(self, path: str) -> None:
        if not self.weights:
            raise ValueError("a layer\nwithout weights")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": "3", "date_saved": time.time_ns()}))
            archive.writestr("config.json", "{}")
            archive.writestr("weights", self.weights)


@pytest.mark.parametrize(("value", "found"), [(Toy(), True), ("toy.keras", False), (np.ones(3), False), (None, False)])
def test_is_model(value: Any, found: bool) -> None:
    """By what a Keras model can do."""
    assert live.is_model(value) == found


def test_equal_models_are_equal_files(tmp_path: Path) -> None:
    """Whenever they were saved; other weights make another."""
    one, again, other = (live.of_model(toy) for toy in (Toy(), Toy(), Toy(weights="3")))
    assert one.key == again.key != other.key
    for path, content in ((tmp_path / "a", one), (tmp_path / "b", again)):
        content.write(path)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("name", "file"), [("my net/1", "my-net-1.keras"), ("..x", "x.keras"), ("ä", "model.keras")])
def test_models_have_names_that_are_files(name: str, file: str) -> None:
    """The study is called so, where it is called nothing else."""
    assert live.of_model(Toy(name)).name == file


def test_a_model_that_can_not_be_saved() -> None:
    """One line, with Keras's reason."""
    with pytest.raises(UserError) as caught:
        live.of_model(Toy(weights=""))
    assert str(caught.value) == "model toy: Keras can't save it as .keras: a layer without weights"


def test_arrays_are_data(tmp_path: Path) -> None:
    """Lists and arrays; read again they are the splits; equal ones are equal, in any order."""
    content = live.of_arrays(ARRAYS)
    content.write(tmp_path / content.name)
    data = read_data(str(tmp_path / "data.npz"), (1,), 0)
    assert data.train.x.tolist() == ARRAYS["x_train"]
    assert live.of_arrays(dict(reversed(ARRAYS.items()))).key == content.key
    assert live.of_arrays(ARRAYS | {"y_test": [1, 0]}).key != content.key
    grouped = live.of_arrays(ARRAYS | {"groups_test": ["ann", "bob"]})
    assert len({content.key, grouped.key, live.of_arrays(ARRAYS | {"groups_test": ["ann", "eve"]}).key}) == 3
    grouped.write(tmp_path / "grouped.npz")
    assert read_data(str(tmp_path / "grouped.npz"), (1,), 0).test.groups is not None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"xtrain": [1]}, "data: 'xtrain' is no array's name; known are x_train, y_train, groups_train, x_val"),
        ({"x_train": ["a"]}, "data: x_train is no array of numbers, but of <U1"),
        ({"x_train": np.array([None])}, "data: x_train is no array of numbers, but of object"),
        ({"x_train": [[1], [1, 2]]}, "data: x_train is no array: "),
        ({"groups_test": [0.5, 1.5]}, "data: groups_test is no array of names, but of float64"),
    ],
)
def test_arrays_that_are_none(given: dict[str, Any], says: str) -> None:
    """One line; nothing is pickled."""
    with pytest.raises(UserError) as caught:
        live.of_arrays(given)
    assert str(caught.value).startswith(says)


VALUES = RunOptions(model=("a.h5", live.of_model(Toy())), data=live.of_arrays(ARRAYS), name="toy", trials=3)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def fails(folder: Path, error: BaseException, *, begins: bool = False, **changes: Any) -> None:
    """Keeps what it is given for a study that fails so, with or without having begun."""
    with live.kept(folder, replace(VALUES, **changes)):
        if begins:
            (folder / "journal.log").touch()
        raise error


def test_kept_gives_paths(tmp_path: Path) -> None:
    """In place of what is in memory; the same ones again, and nothing is written again."""
    with live.kept(tmp_path / "runs" / "toy", VALUES) as values:
        assert values.model[0] == "a.h5"
        assert (Path(values.model[1]).name, Path(values.data).name) == ("toy.keras", "data.npz")
        times = [Path(path).stat().st_mtime_ns for path in (values.model[1], values.data)]
    with live.kept(tmp_path / "runs" / "toy", VALUES) as again:
        assert again == values
    assert [Path(path).stat().st_mtime_ns for path in (values.model[1], values.data)] == times


@pytest.mark.parametrize("error", [UserError("wrong"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_study_that_did_not_begin(tmp_path: Path, error: BaseException) -> None:
    """No folder either, save those that were there."""
    with pytest.raises(type(error)):
        fails(tmp_path / "runs" / "toy", error)
    assert files(tmp_path) == []
    (tmp_path / "runs" / "toy").mkdir(parents=True)
    (tmp_path / "runs" / "toy" / "mine.txt").touch()
    with pytest.raises(type(error)):
        fails(tmp_path / "runs" / "toy", error)
    assert files(tmp_path) == ["runs", "runs/toy", "runs/toy/mine.txt"]


def test_what_a_study_began_with_stays(tmp_path: Path) -> None:
    """However it ends; what a later call brought that was refused does not."""
    with pytest.raises(KeyError):
        fails(tmp_path, KeyError(), begins=True)
    before = files(tmp_path)
    assert len(before) == 1 + 1 + 2 * 2
    with pytest.raises(UserError):
        fails(tmp_path, UserError("another data"), data=live.of_arrays(ARRAYS | {"y_test": [1, 0]}))
    assert files(tmp_path) == before


def test_a_folder_that_can_not_be_written_to() -> None:
    """As on the command line."""
    with pytest.raises(UserError, match="--dir: can't write into /proc"), live.kept(Path("/proc/runs/toy"), VALUES):
        pass


@pytest.mark.parametrize("kind", ["keras", "tf_keras"])
def test_real_models(tmp_path: Path, kind: str) -> None:
    """Of either Keras, saved twice alike; a worker opens them."""
    import importlib

    from autotune.model.load import import_model
    from autotune.model.trust import Trust

    keras = importlib.import_module(kind)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, activation="softmax")], name="net")
    model.compile("adam", "sparse_categorical_crossentropy")
    assert live.is_model(model)
    content = live.of_model(model)
    assert content.key == live.of_model(model).key
    content.write(tmp_path / content.name)
    facts = import_model((tmp_path / "net.keras").read_bytes(), "net.keras", Trust()).facts
    assert (facts["input_shape"], facts["untrainable"]) == ([4], None)
