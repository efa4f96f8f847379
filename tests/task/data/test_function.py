"""Data from a function of the user's: arrays and datasets, loss and metric, and what is refused."""

import pickle
import resource
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.worker import start
from autotune.errors import UserError
from autotune.task.data import Data, mapped, read_data
from autotune.task.data.mapped import path_of

start(2)

ARRAYS = """
import numpy as np

x, y = np.arange(80.0).reshape(40, 2), np.arange(40) % 4

def loss_of_mine(y_true, y_pred): ...
def slips(labels, outputs): ...
def f1(labels, outputs): ...
def mse(y_true, y_pred): ...
def latency(labels, outputs): ...

def make():
    return {"train": (x[:20], y[:20]), "test": (x[20:], y[20:]), **more}

more = {}
"""

DATASETS = """
import tensorflow as tf

x, y = tf.reshape(tf.range(80.0), (40, 2)), tf.range(40) % 4

def dataset(first, last):
    return tf.data.Dataset.from_tensor_slices((x[first:last], y[first:last]))

def make():
    return {"train": dataset(0, 20), "test": dataset(20, 40), "calibration": dataset(0, 5).map(lambda x, y: x)}

def batched():
    return {name: split.batch(3) for name, split in make().items()}

def dropped():
    return {name: split.batch(5, drop_remainder=True) for name, split in make().items()}

def tensors():
    return {"train": (x[:20], y[:20]), "test": (x[20:], y[20:]), "calibration": x[:5]}

def mixed():
    return {"train": (x[:20], y[:20]), "test": dataset(20, 40).batch(8), "calibration": dataset(0, 5)}

def endless():
    return make() | {"train": dataset(0, 20).repeat()}

def empty():
    return make() | {"test": dataset(0, 0)}

def unlabelled():
    return make() | {"train": dataset(0, 20).map(lambda x, y: x)}

def named():
    return make() | {"train": dataset(0, 20).map(lambda x, y: {"x": x, "y": y})}

def wide():
    return make() | {"train": dataset(0, 20).map(lambda x, y: (tf.concat([x, x], 0), y))}

def ragged():
    return make() | {"train": tf.data.Dataset.from_generator(
        lambda: ((tf.zeros(2), tf.zeros(n)) for n in (1, 2)),
        output_signature=(tf.TensorSpec((2,)), tf.TensorSpec((None,))))}

def unknown():
    return make() | {"train": tf.data.Dataset.from_generator(lambda: iter([]), (tf.float32, tf.int32))}

def failing():
    return make() | {"train": dataset(0, 20).map(lambda x, y: (tf.debugging.check_numerics(x / 0.0, "oops"), y))}

def generated(values):
    return make() | {"train": tf.data.Dataset.from_generator(
        values, output_signature=(tf.TensorSpec((2,)), tf.TensorSpec((), tf.int32)))}

def raising():
    def values():
        yield from zip(x[:5], y[:5])
        raise ValueError("broken off")
    return generated(values)

def changing():
    return generated(lambda: (([0.0] * n, 1) for n in (2, 2, 3)))

def early():
    few = generated(lambda: zip(x[:5], y[:5]))
    return few | {"train": few["train"].apply(tf.data.experimental.assert_cardinality(20))}

def batches_change():
    return make() | {"train": tf.data.Dataset.from_generator(
        lambda: ((tf.zeros((4, 2)), tf.zeros((4, n))) for n in (3, 3, 1)),
        output_signature=(tf.TensorSpec((None, 2)), tf.TensorSpec((None, None))))}

def uneven():
    return make() | {"train": tf.data.Dataset.from_generator(
        lambda: ((tf.zeros((4, 2)), tf.zeros(n)) for n in (4, 3)),
        output_signature=(tf.TensorSpec((None, 2)), tf.TensorSpec((None,))))}

def not_finite():
    return make() | {"train": dataset(0, 20).map(lambda x, y: (tf.where(x > 30, x / 0, x), y))}

def words():
    return make() | {"train": dataset(0, 20).map(lambda x, y: (x, tf.strings.as_string(y)))}

def forever():
    def values():
        while True:
            yield [0.0, 0.0], 1
    return generated(values)

def several():
    def pair(x, y):
        return {"a": x, "b": tf.cast(x * 2, tf.uint8)}, {"c": y, "d": x}
    return {name: split.map(pair) for name, split in batched().items() if name != "calibration"}

def arrays_of_several():
    def pair(first, last):
        part = x[first:last].numpy()
        return {"a": part, "b": (part * 2).astype("uint8")}, {"c": y[first:last].numpy(), "d": part}
    return {"train": pair(0, 20), "test": pair(20, 40)}
"""


def written(folder: Path, code: str) -> Path:
    """A file of the user's."""
    path = folder / "mine.py"
    path.write_text(code)
    return path


def read(
    folder: Path, code: str, function: str = "make", shape: tuple[int, ...] = (2,), cache: Path | None = None
) -> Data:
    """What read_data() makes of a function."""
    several = {"a": shape, "b": shape}
    return read_data(f"{written(folder, code)}:{function}", several if "several" in function else shape, 0, cache=cache)


def test_arrays(tmp_path: Path) -> None:
    """Are taken as those of a file are: validation is cut from test."""
    data = read(tmp_path, ARRAYS)
    assert data.train.x.tolist() == np.arange(40.0).reshape(20, 2).tolist()
    assert data.train.y.tolist() == [0, 1, 2, 3] * 5
    assert len(data.validation) == len(data.test) == 10
    assert data.source == f"{tmp_path / 'mine.py'}:make"
    assert (data.calibration, data.loss, data.metric, data.better) == (None, None, None, "higher")


def test_validation_and_calibration(tmp_path: Path) -> None:
    """Where the function returns them."""
    data = read(tmp_path, ARRAYS + "more = {'validation': (x[:3], y[:3]), 'calibration': x[:5]}")
    assert (len(data.validation), len(data.test)) == (3, 20)
    assert data.calibration is not None
    assert data.calibration.dtype == np.float32
    assert data.calibration.shape == (5, 2)


@pytest.mark.parametrize("function", ["make", "batched", "dropped", "tensors", "mixed"])
def test_datasets(tmp_path: Path, function: str) -> None:
    """Batched or not, all that they hold, in order, as NumPy arrays that can be sent."""
    data = pickle.loads(pickle.dumps(read(tmp_path, DATASETS, function)))
    assert data.train.x.tolist() == np.arange(40.0).reshape(20, 2).tolist()
    assert data.train.y.tolist() == [0, 1, 2, 3] * 5
    assert len(data.validation) + len(data.test) == 20
    assert data.calibration.tolist() == np.arange(10.0).reshape(5, 2).tolist()
    assert b"tensorflow" not in pickle.dumps(data)


@pytest.mark.parametrize(("shape", "grey"), [((4, 4, 1), "(n, 4, 4)"), ((1,), "(n,)"), ((1,), "(n, 1)")])
@pytest.mark.parametrize("batched", [False, True])
def test_batches_are_told_from_samples(tmp_path: Path, shape: tuple[int, ...], grey: str, batched: bool) -> None:
    """Also where samples lack the model's channel axis of 1."""
    code = f"""
import tensorflow as tf
n = 6
split = tf.data.Dataset.from_tensor_slices((tf.zeros({grey}), tf.range(6) % 2))
def make():
    return dict.fromkeys(["train", "test"], split.batch(4) if {batched} else split)
"""
    assert len(read(tmp_path, code, shape=shape).train) == 6


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("endless", r"train has no end; leave out repeat\(\)"),
        ("empty", "test is empty"),
        ("unlabelled", r"train must be \(x, y\) or a tf.data.Dataset of \(x, y\)"),
        ("named", r"train must have elements \(x, y\) of known shapes"),
        ("unknown", r"train must have elements \(x, y\) of known shapes"),
        ("wide", r"train has samples of shape \(4,\), the model takes \(2,\)"),
        ("ragged", "samples of train differ in shape"),
        ("failing", "InvalidArgumentError: .*oops"),
        ("raising", "InvalidArgumentError: .*broken off"),
        ("changing", r"`generator` yielded an element of shape \(3,\)"),
        ("early", "FailedPreconditionError: .* expected to contain 20 elements but contained only 5 elements"),
        ("batches_change", "samples of train differ in shape"),
        ("uneven", "x_train has 8 samples, y_train 7"),
        ("not_finite", "x_train has NaN or infinite values"),
        ("words", "y_train is of type .*, not numbers"),
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_datasets_that_are_refused(
    tmp_path: Path, function: str, reason: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line that names the function and the split; of what was read till then no file stays that is not whole."""
    if large:
        monkeypatch.setattr(mapped, "LARGE", 1)
    with pytest.raises(UserError, match=reason) as caught:
        read(tmp_path, DATASETS, function, cache=tmp_path / "cache")
    assert f"{tmp_path / 'mine.py'}:{function}: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path.suffix for path in (tmp_path / "cache").glob("*")} <= {".npy"}


def test_a_dataset_without_an_end_is_read_till_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell before that a generator has none; it is one line, and nothing stays."""
    monkeypatch.setattr(mapped, "LARGE", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(UserError, match="of samples can't be kept there: File too large; choose another --dir"):
            read(tmp_path, DATASETS, "forever", cache=tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("function", ["make", "batched", "tensors", "mixed", "several", "arrays_of_several"])
def test_what_is_large_goes_through_a_file(tmp_path: Path, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Datasets and arrays, of one input or several: all samples are the same as in memory, and nobody sends them."""
    plain = read(tmp_path, DATASETS, function, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(mapped, "LARGE", 1)
    data = pickle.loads(pickle.dumps(read(tmp_path, DATASETS, function, cache=tmp_path / "cache")))
    assert data.fingerprint() == plain.fingerprint()
    for split, other in ((data.train, plain.train), (data.validation, plain.validation), (data.test, plain.test)):
        assert (split.x.dtype, split.y.dtype) == (other.x.dtype, other.y.dtype)
        assert path_of(split.x) is not None
        assert path_of(other.x) is None
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".npy"}


def test_a_dataset_is_never_all_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 48 MB of samples, and of what is cut of them, there are never more than a few."""
    code = """
import numpy as np, tensorflow as tf
split = tf.data.Dataset.range(24).map(lambda n: (tf.fill((1024, 512), tf.cast(n, tf.uint16)), n % 2))
def make():
    return {"train": split, "test": split.batch(2)}
"""
    monkeypatch.setattr(mapped, "LARGE", 1 << 20)
    tracemalloc.start()
    data = read(tmp_path, code, shape=(1024, 512), cache=tmp_path / "cache")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.train.x.nbytes == 24 << 20
    assert peak < 16 << 20


def test_a_file_of_the_users_own_is_used_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it has the types that are wanted, else it gets another beside the studies."""
    monkeypatch.setattr(mapped, "LARGE", 1)
    for name, dtype in (("train", np.float32), ("test", np.float64)):
        np.save(tmp_path / f"{name}.npy", np.arange(80, dtype=dtype).reshape(40, 2))
    code = f"""
import numpy as np
def pair(name):
    return np.load(f"{tmp_path}/{{name}}.npy", mmap_mode="r"), range(40)
def make():
    return {{"train": pair("train"), "test": pair("test"), "validation": pair("test")}}
"""
    data = read(tmp_path, code, cache=tmp_path / "cache")
    assert path_of(data.train.x) == tmp_path / "train.npy"
    cast = path_of(data.test.x)
    assert cast is not None
    assert cast.parent == tmp_path / "cache"
    assert data.test.x.dtype == np.float32
    assert (data.test.x == data.train.x).all()


@pytest.mark.parametrize(
    ("function", "side"),
    [
        ("def sized(shape):", 5),
        ("def sized(side=7):", 7),
        ("def sized(*, side=7):", 7),
        ("def sized():\n    side = 7", 7),
    ],
)
def test_shape_is_given_to_functions_that_ask(tmp_path: Path, function: str, side: int) -> None:
    """A parameter with a default of its own is none that asks."""
    code = f"""
import numpy as np
{function}
    side = locals().get("side") or shape[0]
    return dict.fromkeys(["train", "test"], (np.zeros((6, side)), np.arange(6) % 2))
"""
    assert read(tmp_path, code, "sized", (5,)).train.x.shape == (6, side)


@pytest.mark.parametrize(
    ("more", "loss", "metric", "better"),
    [
        ({"loss": "mse"}, None, None, "higher"),
        ({"loss": "mae", "metric": "top3"}, "mae", "top3", "higher"),
        ({"loss": "categorical_crossentropy:logits"}, "categorical_crossentropy:logits", None, "higher"),
        ({"loss": "loss_of_mine", "metric": "slips", "better": "lower"}, ":loss_of_mine", ":slips", "lower"),
    ],
)
def test_loss_and_metric(tmp_path: Path, more: dict[str, str], loss: str, metric: str, better: str) -> None:
    """Known by name, or functions of the same file, which are kept with its absolute path."""
    code = ARRAYS.replace("def mse", "def mse_of_mine") + f"more = {more}"
    data = read(tmp_path, code)
    path = tmp_path / "mine.py"
    assert data.loss == (f"{path}{loss}" if loss and loss.startswith(":") else loss or more.get("loss"))
    assert data.metric == (f"{path}{metric}" if metric and metric.startswith(":") else metric)
    assert data.better == better


def test_functions_may_be_given_themselves(tmp_path: Path) -> None:
    """Instead of their names."""
    data = read(tmp_path, ARRAYS + "more = {'loss': loss_of_mine, 'metric': slips}")
    assert (data.loss, data.metric) == (f"{tmp_path}/mine.py:loss_of_mine", f"{tmp_path}/mine.py:slips")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("{'loss': 'hubert'}", "loss 'hubert' is neither known nor a function of mine.py"),
        ("{'metric': 'bleu'}", "metric 'bleu' is neither known nor a function of mine.py"),
        ("{'metric': 'x'}", "metric 'x' is neither known nor a function of mine.py"),
        ("{'metric': max}", "metric 'max' is neither known nor a function of mine.py"),
        ("{'metric': 3}", "metric '3' is neither known nor a function"),
        ("{'metric': 'f1'}", "metric 'f1' is autotune's and a function of mine.py; rename yours"),
        ("{'loss': 'mse'}", "loss 'mse' is autotune's and a function of mine.py; rename yours"),
        ("{'metric': 'latency'}", "metric 'latency' has the name of another metric; rename the function"),
        ("{'better': 'more'}", "better can't be 'more'; it is 'higher' or 'lower'"),
        ("{'valid': (x, y)}", "returned an unknown key 'valid'; known are train, test, validation, calibration"),
        ("{'validation': x}", r"validation must be \(x, y\) or a tf.data.Dataset of \(x, y\)"),
        ("{'validation': (x, y, y)}", r"validation must be \(x, y\)"),
        ("{'validation': ([[1, 2], [3]], [0, 1])}", "validation has samples of different shapes, or no arrays"),
        ("{'validation': (x, y[:3])}", "x_val has 40 samples, y_val 3"),
        ("{'validation': (x * np.nan, y)}", "x_val has NaN or infinite values"),
        ("{'calibration': x * 9}", "calibration data out of the training range"),
        ("{'calibration': [[1, 2], [3]]}", "calibration has samples of different shapes, or no arrays"),
    ],
)
def test_what_may_not_be_returned(tmp_path: Path, more: str, reason: str) -> None:
    """One line that names the function."""
    with pytest.raises(UserError, match=reason) as caught:
        read(tmp_path, f"{ARRAYS}more = {more}")
    assert str(caught.value).startswith(f"data {tmp_path / 'mine.py'}:make: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("None", "returned NoneType, not a dictionary of train, test"),
        ("[1]", "returned list, not a dictionary"),
        ("{}", "returned no train and no test"),
        ("{'train': 1}", "returned no test"),
    ],
)
def test_what_must_be_returned(tmp_path: Path, returned: Any, reason: str) -> None:
    """A dictionary with train and test."""
    with pytest.raises(UserError, match=reason):
        read(tmp_path, f"def make():\n    return {returned}")
