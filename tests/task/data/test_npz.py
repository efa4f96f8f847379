"""The user's data: split without overlap, refused with reasons."""

import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.task.data import Array, Data, Split, mapped, read_data, stratified_order
from autotune.task.data.mapped import path_of

NAN, INF = float("nan"), float("inf")


def arrays(test: int = 90, classes: int = 3) -> dict[str, Array]:
    """Small data whose every sample is another: x counts up from 0, and on in the test set."""
    x = np.arange(30 + test, dtype=float)[:, np.newaxis]
    y = np.arange(30 + test) % classes
    return {"x_train": x[:30], "y_train": y[:30], "x_test": x[30:], "y_test": y[30:]}


def written(folder: Path, content: dict[str, Any]) -> Path:
    """The arrays as a file."""
    path = folder / "data.npz"
    np.savez(path, **content)
    return path


def read(folder: Path, content: dict[str, Any], seed: int = 0) -> Data:
    """The arrays as read_data() gives them."""
    return read_data(str(written(folder, content)), (1,), seed)


def samples(split: Split) -> set[float]:
    """Which samples of arrays() these are."""
    return set(split.x[:, 0].tolist())


def test_train_is_left_alone(tmp_path: Path) -> None:
    """All of it, in order."""
    data = read(tmp_path, arrays())
    assert data.train.x[:, 0].tolist() == list(range(30))
    assert data.train.y.tolist() == [0, 1, 2] * 10


def test_halves_are_all_of_x_test_without_overlap(tmp_path: Path) -> None:
    """No sample is in both, none is lost, and none of train is among them."""
    data = read(tmp_path, arrays(test=91))
    assert not samples(data.validation) & samples(data.test)
    assert samples(data.validation) | samples(data.test) == set(range(30, 121))
    assert {len(data.validation), len(data.test)} == {45, 46}


def test_halves_keep_samples_with_their_labels(tmp_path: Path) -> None:
    """Rows are moved whole."""
    data = read(tmp_path, arrays())
    for split in (data.validation, data.test):
        assert (split.x[:, 0] % 3 == split.y).all()


@pytest.mark.parametrize("classes", [2, 3, 4, 10])
@pytest.mark.parametrize("count", [90, 101])
@pytest.mark.parametrize("order", ["dealt", "sorted", "shuffled", "unequal"])
@pytest.mark.parametrize("one_hot", [False, True])
def test_halves_are_stratified(tmp_path: Path, classes: int, count: int, order: str, one_hot: bool) -> None:
    """Of each class half is in each, give or take one, in whichever order and form the labels stand."""
    y = np.arange(count) % classes
    if order == "unequal":
        y = np.minimum(y, np.random.default_rng(1).integers(0, classes, count))
    if order == "sorted":
        y.sort()
    if order == "shuffled":
        np.random.default_rng(0).shuffle(y)
    content = arrays(count, classes)
    data = read(tmp_path, {**content, "y_test": np.eye(classes)[y] if one_hot else y})
    for split in (data.validation, data.test):
        labels = split.y.argmax(axis=1) if one_hot else split.y
        assert (labels == y[split.x[:, 0].astype(int) - 30]).all()
        halves = np.bincount(y, minlength=classes) / 2
        assert np.abs(np.bincount(labels, minlength=classes) - halves).max() <= 1
    assert not samples(data.validation) & samples(data.test)
    assert samples(data.validation) | samples(data.test) == set(range(30, 30 + count))
    assert abs(len(data.validation) - len(data.test)) <= 1


def test_halves_are_seeded(tmp_path: Path) -> None:
    """The same seed gives the same halves, another gives others."""
    path = written(tmp_path, arrays())
    first, again, other = (samples(read_data(str(path), (1,), seed).validation) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_quantities_are_halved_too(tmp_path: Path) -> None:
    """Without classes there is nothing to stratify, and still no overlap."""
    content = arrays()
    content["y_train"] = content["y_train"] + 0.5
    content["y_test"] = content["y_test"] + 0.5
    data = read(tmp_path, content)
    assert data.test.y.dtype == np.float32
    assert len(data.validation) == len(data.test) == 45
    assert samples(data.validation) | samples(data.test) == set(range(30, 120))


def test_x_val_is_used_where_there_is_one(tmp_path: Path) -> None:
    """It is the validation split, and the test split is all of x_test."""
    data = read(tmp_path, {**arrays(), "x_val": np.full((5, 1), 7.5), "y_val": np.arange(5) % 3})
    assert samples(data.validation) == {7.5}
    assert len(data.validation) == 5
    assert data.test.x[:, 0].tolist() == list(range(30, 120))


def test_dtypes(tmp_path: Path) -> None:
    """Inputs stay whole where they are, else are float32; labels are int64 where they were saved whole, also as a
    column.
    """
    content = arrays()
    content["x_train"] = content["x_train"].astype(np.uint8)
    content["y_train"] = content["y_train"].astype(np.int32)
    content["y_test"] = content["y_test"][:, np.newaxis].astype(np.uint8)
    data = read(tmp_path, content)
    assert data.train.x.dtype == np.uint8
    assert data.test.x.dtype == np.float32
    assert data.train.y.dtype == data.validation.y.dtype == data.test.y.dtype == np.int64
    assert data.test.y.ndim == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_whole_floats_stay_floats(tmp_path: Path, dtype: type) -> None:
    """Whether they are classes is not for the file to say; as strata they are."""
    content = arrays()
    content["y_train"], content["y_test"] = content["y_train"].astype(dtype), content["y_test"].astype(dtype)
    data = read(tmp_path, content)
    assert data.train.y.dtype == data.validation.y.dtype == data.test.y.dtype == np.float32
    assert data.train.y.tolist() == [0.0, 1.0, 2.0] * 10
    assert np.bincount(data.test.y.astype(int)).tolist() == [15, 15, 15]


def test_bool_labels_are_whole(tmp_path: Path) -> None:
    """As 0 and 1."""
    content = arrays()
    data = read(tmp_path, {**content, "y_train": content["y_train"] > 0})
    assert data.train.y.dtype == np.int64
    assert data.train.y.tolist() == [0, 1, 1] * 10


def test_other_arrays_are_ignored(tmp_path: Path) -> None:
    """A file may hold more than is needed."""
    assert len(read(tmp_path, {**arrays(), "names": np.array(["a", "b"])}).train) == 30


def test_source_is_the_file(tmp_path: Path) -> None:
    """For messages."""
    assert read(tmp_path, arrays()).source == str(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"y_test": None}, "no y_test; it has x_train, y_train, x_test$"),
        ({"x_train": None, "y_train": None}, "no x_train, y_train; it has x_test, y_test$"),
        ({"x_val": np.zeros((3, 1))}, "no y_val"),
        ({"y_val": np.zeros(3)}, "no x_val"),
        ({"x_train": np.zeros((0, 1)), "y_train": np.zeros(0)}, "x_train is empty"),
        ({"x_test": np.zeros((0, 1)), "y_test": np.zeros(0)}, "x_test is empty"),
        ({"x_val": np.zeros((0, 1)), "y_val": np.zeros(0)}, "x_val is empty"),
        ({"x_train": np.float32(1)}, "x_train is empty"),
        ({"y_train": np.zeros(29)}, "x_train has 30 samples, y_train 29"),
        ({"y_test": np.zeros(91)}, "x_test has 90 samples, y_test 91"),
        ({"y_train": np.float32(1)}, "x_train has 30 samples, y_train none"),
        ({"x_train": np.full((30, 1), NAN)}, "x_train has NaN or infinite values"),
        ({"y_train": np.full(30, NAN)}, "y_train has NaN or infinite values"),
        ({"x_test": np.full((90, 1), INF)}, "x_test has NaN or infinite values"),
        ({"x_train": np.full((30, 1), 1e300)}, "x_train has NaN or infinite values"),
        ({"y_test": np.full(90, -1e300)}, "y_test has NaN or infinite values"),
        ({"x_val": np.full((3, 1), NAN), "y_val": np.zeros(3)}, "x_val has NaN or infinite values"),
        ({"y_train": np.array(["cat"] * 30)}, "y_train is of type <U3, not numbers"),
        ({"x_train": np.zeros((30, 1), complex)}, "x_train is of type complex128, not numbers"),
        (
            {"x_test": np.zeros((1, 1)), "y_test": np.zeros(1)},
            "too few test samples to be cut .*; add validation samples",
        ),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """In one line that names the file and the array."""
    content = {name: array for name, array in (arrays() | changes).items() if array is not None}
    with pytest.raises(UserError, match=reason) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"data {tmp_path / 'data.npz'}: ")
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    """Is refused by name."""
    with pytest.raises(UserError, match=r"nowhere.npz: no such file"):
        read_data(str(tmp_path / "nowhere.npz"), (1,), 0)


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"PK\x03\x04 cut short"])
def test_not_an_npz(tmp_path: Path, content: bytes) -> None:
    """Other files are refused, whatever their name."""
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not an .npz file of plain arrays, or damaged"):
        read_data(str(path), (1,), 0)


def test_single_array_is_no_npz(tmp_path: Path) -> None:
    """An .npy file under the name of an .npz is refused."""
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"not an .npz file"):
        read_data(str((tmp_path / "one.npy").rename(tmp_path / "data.npz")), (1,), 0)


def test_truncated_npz(tmp_path: Path) -> None:
    """A download that broke off is refused."""
    path = written(tmp_path, arrays())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="or damaged"):
        read_data(str(path), (1,), 0)


@pytest.mark.parametrize("save", [np.savez_compressed, np.savez])
def test_flipped_bytes(tmp_path: Path, save: Any) -> None:
    """Wherever a byte was damaged, the right data come, or an error for the user; nothing else ever."""
    path = tmp_path / "data.npz"
    save(path, **arrays())
    intact = path.read_bytes()

    def fingerprints() -> list[str]:
        found = read_data(str(path), (1,), 0)
        return [part.fingerprint() for part in (found.train, found.validation, found.test)]

    right, refused = fingerprints(), 0
    for position in range(0, len(intact), len(intact) // 300):
        damaged = bytearray(intact)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert fingerprints() == right, position
        except UserError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("save", [np.savez_compressed, np.savez])
def test_large_arrays_are_the_same_in_files(tmp_path: Path, save: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one input or several, of any type and order in memory, with their labels and calibration inputs."""
    content = arrays() | {"x_cal": np.arange(20)[:, np.newaxis], "groups_test": np.arange(90) // 3}
    content |= {"y_train": content["y_train"].astype(np.uint8)[:, np.newaxis]}
    named = {f"{key}:{name}": content[key] for key in ("x_train", "x_test") for name in "ab"}
    rows = {key: np.asfortranarray(np.repeat(content[key], 3, axis=1)) for key in ("x_train", "x_test", "x_cal")}
    labels = {key: content[key] for key in ("y_train", "y_test", "groups_test")}
    for which in (content, named | labels, rows | labels, {key: rows[key] for key in ("x_train", "x_test")}):
        save(tmp_path / "data.npz", **which)
        monkeypatch.undo()
        plain = read_data(str(tmp_path / "data.npz"), (1,), 0, cache=tmp_path / "cache")
        monkeypatch.setattr(mapped, "LARGE", 1)
        data = read_data(str(tmp_path / "data.npz"), (1,), 0, cache=tmp_path / "cache")
        assert data.fingerprint() == plain.fingerprint()
        assert data.train.unlabelled == plain.train.unlabelled
        assert None not in {path_of(split.x) for split in (data.train, data.validation, data.test)}


def test_large_arrays_are_never_all_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 48 MB, and of what is cut of them, there are never more than a few; also where none would be free."""
    x = np.zeros((24, 1 << 20), np.uint8) + np.arange(24, dtype=np.uint8)[:, np.newaxis]
    content: dict[str, Any] = {key: np.arange(24) % 2 for key in ("y_train", "y_test")}
    content |= {f"{key}:{name}": x[:, start::2] for key in ("x_train", "x_test") for start, name in enumerate("ab")}
    np.savez_compressed(tmp_path / "data.npz", **content)
    monkeypatch.setattr(mapped, "LARGE", 1 << 20)
    monkeypatch.setattr("autotune.files.RATIO", 10_000)
    monkeypatch.setattr("autotune.files.HARMLESS", 1 << 20)
    monkeypatch.setattr("autotune.files.available", lambda: 1 << 21)
    tracemalloc.start()
    data = read_data(str(tmp_path / "data.npz"), {"a": (1 << 19,), "b": (1 << 19,)}, 0, cache=tmp_path / "cache")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.train.x.nbytes == 24 << 20
    assert peak < 20 << 20
    with pytest.raises(UserError, match=r"takes 50 MB, and 2 MB of memory are free"):
        read_data(str(tmp_path / "data.npz"), {"a": (1 << 19,), "b": (1 << 19,)}, 0)


@pytest.mark.parametrize("save", [np.savez_compressed, np.savez])
def test_flipped_bytes_of_large_arrays(tmp_path: Path, save: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of small ones; what is refused leaves no file that is not whole."""
    monkeypatch.setattr(mapped, "LARGE", 100)
    path, cache = tmp_path / "data.npz", tmp_path / "cache"
    save(path, **arrays())
    intact = path.read_bytes()
    right = read_data(str(path), (1,), 0, cache=cache).fingerprint()
    refused = 0
    for position in range(0, len(intact), len(intact) // 100):
        damaged = bytearray(intact)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert read_data(str(path), (1,), 0, cache=cache).fingerprint() == right, position
        except UserError:
            refused += 1
    assert refused > 30
    assert {file.suffix for file in cache.iterdir()} == {".npy"}


def test_flag_of_encryption(tmp_path: Path) -> None:
    """One bit of a directory entry says that an array is encrypted: refused like other damage."""
    path = written(tmp_path, arrays())
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"PK\x01\x02") + 8] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="or damaged"):
        read_data(str(path), (1,), 0)


@pytest.mark.parametrize("suffix", ["", ".txt", ".npy"])
def test_zip_of_other_things(tmp_path: Path, suffix: str) -> None:
    """Members that are no arrays are refused, under whatever names."""
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}{suffix}", "not an array")
    with pytest.raises(UserError) as caught:
        read_data(str(path), (1,), 0)
    assert str(caught.value).startswith(f"data {path}: ")
    assert "\n" not in str(caught.value)


class Trap:
    """Does something when unpickled."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._file,))


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    """Nothing in a data file is ever executed."""
    trap = np.empty(30, dtype=object)
    trap[:] = [Trap(tmp_path / "sprung")] * 30
    with pytest.raises(UserError, match="plain arrays"):
        read(tmp_path, {**arrays(), "x_train": trap})
    assert not (tmp_path / "sprung").exists()


def test_fingerprint_of_a_split() -> None:
    """Changes with any sample, label, shape or type, and with nothing else."""
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(3)
    changed = x.copy()
    changed[2, 1] += 1
    same = Split(x.copy(), y.copy()).fingerprint()
    assert same == Split(np.asfortranarray(x), y).fingerprint() == Split(x, y).fingerprint()
    others = [Split(changed, y), Split(x, y[::-1]), Split(x.reshape(3, 2, 1), y), Split(x, y.astype(np.float32))]
    assert len({same, *(other.fingerprint() for other in others)}) == 5


def test_stratified_order_is_a_permutation() -> None:
    """Every index once, with and without classes."""
    generator = np.random.default_rng(0)
    for y in (np.arange(50) % 7, np.linspace(0, 1, 50)):
        assert sorted(stratified_order(y, generator)) == list(range(50))


def test_prefixes_of_stratified_order_hold_the_classes_in_proportion() -> None:
    """Rare classes, too: of 10% of the samples there are 10% in each prefix, give or take one."""
    y = np.repeat([0, 1, 2], [100, 70, 30])
    order = stratified_order(y, np.random.default_rng(0))
    for length in (20, 50, 100, 150):
        counts = np.bincount(y[order[:length]], minlength=3)
        assert np.abs(counts - np.array([100, 70, 30]) * length / 200).max() <= 1


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.8])
def test_share_of_validation(tmp_path: Path, share: float) -> None:
    """So much of each class is cut off, give or take one; the rest is the test split."""
    data = read_data(str(written(tmp_path, arrays(test=120))), (1,), 0, share)
    assert np.abs(np.bincount(data.validation.y) - 40 * share).max() <= 1
    assert not samples(data.validation) & samples(data.test)
    assert len(data.validation) + len(data.test) == 120


@pytest.mark.parametrize("share", [0, 1, -0.5, 1.5, NAN])
def test_share_must_leave_something(tmp_path: Path, share: float) -> None:
    """On both sides."""
    with pytest.raises(UserError, match="above 0 and below 1"):
        read_data(str(written(tmp_path, arrays())), (1,), 0, share)


def test_inputs_are_their_own_labels_where_there_are_none(tmp_path: Path) -> None:
    """As for an autoencoder: in every split, with the squared error as loss and metric."""
    data = read(tmp_path, {name: array for name, array in arrays().items() if name.startswith("x")})
    assert (data.loss, data.metric) == ("mse", "mse")
    for split in (data.train, data.validation, data.test):
        assert split.unlabelled
    assert len(data.validation) == len(data.test) == 45


def test_labels_of_some_splits_alone_are_refused(tmp_path: Path) -> None:
    """They were forgotten."""
    content = arrays()
    del content["y_train"]
    with pytest.raises(UserError, match=r"no y_train; it has x_train, x_test, y_test$"):
        read(tmp_path, content)


def test_calibration_inputs(tmp_path: Path) -> None:
    """Are kept as they are; without them there are none."""
    assert read(tmp_path, arrays()).calibration is None
    data = read(tmp_path, {**arrays(), "x_cal": np.array([[3], [29]])})
    assert data.calibration is not None
    assert data.calibration.tolist() == [[3], [29]]


@pytest.mark.parametrize(
    ("calibration", "reason"),
    [
        (
            [[-0.3], [5]],
            "calibration data out of the training range: it goes from -0.3 to 5, training data from 0 to 29",
        ),
        ([[0], [255]], "calibration data out of the training range: it goes from 0 to 255, training data from 0 to 29"),
        (np.zeros((0, 1)), "x_cal is empty"),
        ([[NAN]], "x_cal has NaN or infinite values"),
        ([["a"]], "x_cal is of type <U1, not numbers"),
    ],
)
def test_bad_calibration_inputs_are_refused(tmp_path: Path, calibration: Any, reason: str) -> None:
    """Out of the range of the training inputs, by more than 1% of it, integer schemes would learn the wrong scale."""
    with pytest.raises(UserError, match=reason):
        read(tmp_path, {**arrays(), "x_cal": np.array(calibration)})


def test_calibration_inputs_may_leave_the_range_a_little(tmp_path: Path) -> None:
    """By 1% of it."""
    assert read(tmp_path, {**arrays(), "x_cal": np.array([[-0.28], [29.28]])}).calibration is not None


def test_fingerprint_of_data(tmp_path: Path) -> None:
    """Changes with the splits and the calibration inputs."""
    content = arrays()
    plain = read(tmp_path, content)
    others = [
        read(tmp_path, content, seed=1),
        read(tmp_path, {**content, "x_cal": np.array([[3]])}),
        read(tmp_path, {**content, "x_cal": np.array([[4]])}),
    ]
    assert plain.fingerprint() == read(tmp_path, content).fingerprint()
    assert len({plain.fingerprint(), *(other.fingerprint() for other in others)}) == 4
