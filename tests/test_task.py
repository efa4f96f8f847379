"""The task: model and data held against each other, loss and metric settled, outputs scored."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.data import Array, Data, Split
from autotune.errors import UserError
from autotune.target import METRICS
from autotune.task import CALIBRATION, Task, make_task, read_model

CLASSES = np.arange(12) % 4
QUANTITIES = np.linspace(0, 1, 12, dtype=np.float32)


def facts(output: int = 4, activation: str | None = "softmax", **others: Any) -> dict[str, Any]:
    """Of a model that takes three numbers."""
    return {
        "input_shape": [3],
        "output_shape": [output],
        "activation": activation,
        "compiled_loss": None,
        "compiled_metrics": [],
        **others,
    }


def split(y: Array, shape: tuple[int, ...] = (3,)) -> Split:
    """These labels with some inputs."""
    return Split(np.arange(len(y) * math.prod(shape), dtype=np.float32).reshape(len(y), *shape), y)


def data(y: Array, shape: tuple[int, ...] = (3,)) -> Data:
    """Three equal splits."""
    return Data(split(y, shape), split(y, shape), split(y, shape), "data.npz")


def task(
    y: Array = CLASSES,
    model: dict[str, Any] | None = None,
    loss: str | None = None,
    metric: str | None = None,
    seed: int = 0,
) -> Task:
    """A task of these labels."""
    return make_task(Path("folder/model.keras"), b"model", model or facts(), data(y), loss, metric, seed)


def test_knows_its_model_by_name() -> None:
    """The file's name, without its folder."""
    assert task().model == "model.keras"


def test_channel_axis_is_added() -> None:
    """Grey images saved without one fit a model that takes one."""
    made = make_task(Path("m"), b"", facts(input_shape=[2, 5, 1]), data(CLASSES, (2, 5)), None, None, 0)
    assert [part.x.shape for part in (made.data.train, made.data.validation, made.data.test)] == [(12, 2, 5, 1)] * 3
    assert (made.data.train.x[..., 0] == data(CLASSES, (2, 5)).train.x).all()


@pytest.mark.parametrize("shape", [(4,), (3, 1), (1, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    """The message has the file and both shapes."""
    with pytest.raises(UserError) as caught:
        make_task(Path("m"), b"", facts(), data(CLASSES, shape), None, None, 0)
    assert str(caught.value) == f"data data.npz: train samples have shape {shape}, the model takes (3,)"


def test_the_split_that_does_not_fit_is_named() -> None:
    """Here it is the test split."""
    mixed = Data(split(CLASSES), split(CLASSES), split(CLASSES, (4,)), "data.npz")
    with pytest.raises(UserError, match="test samples have shape"):
        make_task(Path("m"), b"", facts(), mixed, None, None, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_one_hot_labels_become_classes(dtype: type) -> None:
    """Whatever their type."""
    made = task(np.eye(4, dtype=dtype)[CLASSES])
    assert (made.data.train.y == CLASSES).all()
    assert made.loss == "sparse_categorical_crossentropy"


@pytest.mark.parametrize("row", [[0.25, 0.25, 0.25, 0.25], [1, 1, 0, 0], [0, 0, 0, 0], [2, -1, 0, 0]])
def test_other_rows_stay_quantities(row: list[float]) -> None:
    """Rows of the output's shape that are not one-hot are what the model is to give."""
    made = task(np.array([row] * 12, np.float32), facts(activation="linear"))
    assert made.data.train.y.shape == (12, 4)
    assert made.quality.name == "mae"


@pytest.mark.parametrize(
    ("output", "low", "high"), [(4, 0, 4), (4, -1, 3), (1, 0, 2)]
)  # the activation of a single output is a sigmoid
def test_labels_without_an_output_are_refused(output: int, low: int, high: int) -> None:
    """The message has the labels' range and the model's."""
    with pytest.raises(UserError) as caught:
        task(np.array([low, high]), facts(output, "softmax" if output > 1 else "sigmoid"))
    assert str(caught.value) == (
        f"data data.npz: train labels go from {low} to {high}, the model has outputs for 0 to {max(output, 2) - 1}"
    )


def test_labels_of_another_shape_are_refused() -> None:
    """Two quantities for a model that gives four."""
    with pytest.raises(UserError, match=r"train labels have shape \(2,\), the model gives \(4,\)"):
        task(np.full((12, 2), 0.5, np.float32))


def test_single_quantities_take_the_output_shape() -> None:
    """One number a sample becomes a row of one."""
    assert task(QUANTITIES, facts(1, "linear")).data.test.y.shape == (12, 1)


@pytest.mark.parametrize(
    ("labels", "output", "activation", "loss"),
    [
        (CLASSES, 4, "softmax", "sparse_categorical_crossentropy"),
        (CLASSES, 4, "linear", "sparse_categorical_crossentropy:logits"),
        (CLASSES, 4, None, "sparse_categorical_crossentropy:logits"),
        (CLASSES % 2, 1, "sigmoid", "binary_crossentropy"),
        (CLASSES % 2, 1, "linear", "binary_crossentropy:logits"),
        (QUANTITIES, 1, "linear", "mse"),
    ],
)
def test_loss_from_output_and_labels(labels: Array, output: int, activation: str | None, loss: str) -> None:
    """Where neither user nor file names one: classes or quantities, probabilities or logits."""
    assert task(labels, facts(output, activation)).loss == loss


@pytest.mark.parametrize(
    ("labels", "compiled", "loss"),
    [
        (CLASSES, "sparse_categorical_crossentropy", "sparse_categorical_crossentropy"),
        (CLASSES, "sparse_categorical_crossentropy:logits", "sparse_categorical_crossentropy:logits"),
        (CLASSES, "categorical_crossentropy", "sparse_categorical_crossentropy"),
        (CLASSES, "categorical_crossentropy:logits", "sparse_categorical_crossentropy:logits"),
        (np.eye(4)[CLASSES], "categorical_crossentropy", "sparse_categorical_crossentropy"),
        (np.full((12, 4), 0.5, np.float32), "mae", "mae"),
        (np.full((12, 4), 0.5, np.float32), "mean_absolute_error", "mae"),
        (np.full((12, 4), 0.5, np.float32), "mean_squared_error", "mse"),
        (CLASSES, "my_own_loss", "sparse_categorical_crossentropy"),
        (np.full((12, 4), 0.5, np.float32), "huber", "mse"),
    ],
)
def test_loss_from_the_file(labels: Array, compiled: str, loss: str) -> None:
    """In the form that class numbers need; one that is not known is as none."""
    assert task(labels, facts(compiled_loss=compiled)).loss == loss


def test_loss_from_the_user_goes_first() -> None:
    """Before the file's."""
    compiled = facts(1, "linear", compiled_loss="mse")
    assert task(QUANTITIES, compiled, loss="mae").loss == "mae"
    assert task(CLASSES, facts(), loss="categorical_crossentropy:logits").loss == (
        "sparse_categorical_crossentropy:logits"
    )


@pytest.mark.parametrize(
    ("labels", "loss", "reason"),
    [
        (CLASSES, "mse", "loss 'mse' does not fit the labels, which are class numbers"),
        (QUANTITIES, "binary_crossentropy", "loss 'binary_crossentropy' does not fit the labels, which are quantities"),
        (CLASSES, "crossentropy", "--loss 'crossentropy' is unknown; known are sparse_categorical_crossentropy, "),
    ],
)
def test_loss_that_does_not_fit(labels: Array, loss: str, reason: str) -> None:
    """Errors for classes, or entropies for quantities, are refused."""
    with pytest.raises(UserError, match=reason):
        task(labels, facts(4 if labels is CLASSES else 1), loss=loss)


def test_compiled_loss_that_does_not_fit() -> None:
    """The file's is held against the labels, too, and can be overruled."""
    compiled = facts(compiled_loss="mean_squared_error")
    with pytest.raises(
        UserError, match="loss 'mse' does not fit the labels, which are class numbers; give another --loss"
    ):
        task(CLASSES, compiled)
    assert task(CLASSES, compiled, loss="sparse_categorical_crossentropy").loss == "sparse_categorical_crossentropy"


@pytest.mark.parametrize(
    ("labels", "asked", "compiled", "metric"),
    [
        (CLASSES, None, [], "accuracy"),
        (CLASSES, None, ["mae"], "accuracy"),
        (CLASSES, "accuracy", [], "accuracy"),
        (QUANTITIES, None, [], "mae"),
        (QUANTITIES, None, ["accuracy", "mse", "mae"], "mse"),
        (QUANTITIES, None, ["mean_squared_error"], "mse"),
        (QUANTITIES, "mae", ["mse"], "mae"),
    ],
)
def test_metric(labels: Array, asked: str | None, compiled: list[str], metric: str) -> None:
    """The user's, else the first of the file's that fits, else by the labels."""
    model = facts(4 if labels is CLASSES else 1, compiled_metrics=compiled)
    assert task(labels, model, metric=asked).quality is METRICS[metric]


@pytest.mark.parametrize(
    ("labels", "metric", "reason"),
    [
        (CLASSES, "mae", "metric 'mae' does not fit the labels, which are class numbers; give another --loss"),
        (
            QUANTITIES,
            "accuracy",
            "metric 'accuracy' does not fit the labels, which are quantities; give another --loss",
        ),
        (CLASSES, "latency", "--metric 'latency' is unknown; known are accuracy, mae, mse"),
    ],
)
def test_metric_that_does_not_fit(labels: Array, metric: str, reason: str) -> None:
    """Is refused, with the reason."""
    with pytest.raises(UserError, match=reason):
        task(labels, facts(4 if labels is CLASSES else 1), metric=metric)


@pytest.mark.parametrize(
    ("labels", "output", "loss", "metric", "fitting"),
    [
        (CLASSES, 4, "sparse_categorical_crossentropy", "mae", "accuracy"),
        (QUANTITIES, 1, "mse", "accuracy", "mse or mae"),
        (CLASSES % 2, 1, "mse", "accuracy", "mse or mae"),
        (np.eye(4)[CLASSES], 4, "mae", "accuracy", "mse or mae"),
    ],
)
def test_metric_that_does_not_fit_the_loss(labels: Array, output: int, loss: str, metric: str, fitting: str) -> None:
    """The loss decides what the labels are; a metric of the other kind is refused, with those that do."""
    reason = f"--metric '{metric}' does not fit the loss and the labels; {fitting} does"
    with pytest.raises(UserError, match=reason):
        task(labels, facts(output), loss=loss, metric=metric)


AGES = np.arange(12) * 7


@pytest.mark.parametrize(
    "labels", [AGES, AGES.astype(np.float32), CLASSES, CLASSES % 2, (CLASSES % 2).astype(np.float32)]
)
@pytest.mark.parametrize(
    ("loss", "metric", "compiled", "settled"),
    [
        ("mse", None, None, "mse"),
        ("mean_absolute_error", None, None, "mae"),
        ("mse", "mse", None, "mse"),
        (None, "mae", None, "mse"),
        (None, None, "mean_squared_error", "mse"),
        ("mse", None, "binary_crossentropy", "mse"),
    ],
)
def test_whole_numbers_are_quantities_where_loss_or_metric_says_so(
    labels: Array, loss: str | None, metric: str | None, compiled: str | None, settled: str
) -> None:
    """Ages, counts, or 0 and 1: the user's loss, the file's, or the metric decides."""
    made = task(labels, facts(1, "linear", compiled_loss=compiled), loss, metric)
    assert (made.loss, made.quality.name) == (settled, metric or "mae")
    for part in (made.data.train, made.data.validation, made.data.test):
        assert part.y.dtype == np.float32
        assert (part.y == labels[:, np.newaxis]).all()
    assert made.score(labels[:, np.newaxis].astype(np.float32), made.data.test.y) == (0.0, 0.0)


@pytest.mark.parametrize("labels", [AGES, CLASSES, AGES.astype(np.float32)])
def test_whole_numbers_beyond_one_are_quantities_of_a_single_linear_output(labels: Array) -> None:
    """It has no classes but two."""
    made = task(labels, facts(1, "linear"))
    assert (made.loss, made.quality.name) == ("mse", "mae")
    assert made.data.train.y.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
@pytest.mark.parametrize(
    ("asked", "metric", "settled"),
    [
        (None, None, "binary_crossentropy:logits"),
        (None, "accuracy", "binary_crossentropy:logits"),
        ("binary_crossentropy", None, "binary_crossentropy"),
        ("binary_crossentropy:logits", "accuracy", "binary_crossentropy:logits"),
    ],
)
def test_zeros_and_ones_are_classes_otherwise(dtype: type, asked: str | None, metric: str | None, settled: str) -> None:
    """By what the user says, or by themselves; they become int64, whatever they were saved as."""
    made = task((CLASSES % 2).astype(dtype), facts(1, "linear"), asked, metric)
    assert (made.loss, made.quality.name) == (settled, "accuracy")
    assert made.data.train.y.dtype == made.data.validation.y.dtype == made.data.test.y.dtype == np.int64
    assert (made.data.train.y == CLASSES % 2).all()


def test_whole_floats_are_classes_of_several_outputs() -> None:
    """As int64."""
    made = task(CLASSES.astype(np.float32))
    assert made.data.test.y.dtype == np.int64
    assert made.quality.name == "accuracy"


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_one_hot_rows_are_quantities_where_the_loss_says_so(loss: str) -> None:
    """They have the output's shape, and keep it."""
    made = task(np.eye(4)[CLASSES], facts(), loss)
    assert made.loss == loss
    assert made.data.train.y.shape == (12, 4)
    assert made.data.train.y.dtype == np.float32


SOFT = np.full((12, 4), 0.25, np.float32)


@pytest.mark.parametrize("train", [CLASSES, np.eye(4, dtype=np.float32)[CLASSES]])
@pytest.mark.parametrize("name", ["validation", "test"])
def test_soft_labels_beside_classes_are_refused(train: Array, name: str) -> None:
    """What train labels are the others must be, too: one kind for all splits."""
    others = {"validation": split(train), "test": split(train), name: split(SOFT)}
    reason = f"data data.npz: {name} labels are neither class numbers nor one-hot rows of 4"
    with pytest.raises(UserError, match=reason):
        make_task(Path("m"), b"", facts(), Data(split(train), source="data.npz", **others), None, None, 0)


def test_kind_is_that_of_train() -> None:
    """One-hot rows beside soft ones, and whole numbers beside fractions, are quantities like them."""
    eye = split(np.eye(4)[CLASSES])
    made = make_task(Path("m"), b"", facts(), Data(split(SOFT), eye, eye, "data.npz"), None, None, 0)
    assert made.data.train.y.dtype == made.data.test.y.dtype == np.float32
    assert (made.data.test.y == np.eye(4)[CLASSES]).all()
    whole = split(AGES)
    made = make_task(
        Path("m"), b"", facts(1, "linear"), Data(split(QUANTITIES), whole, whole, "data.npz"), None, None, 0
    )
    assert made.data.test.y.dtype == np.float32
    assert made.data.test.y.shape == (12, 1)


def test_one_hot_and_class_numbers_go_together() -> None:
    """They are the same thing in two forms."""
    made = make_task(
        Path("m"), b"", facts(), Data(split(np.eye(4)[CLASSES]), split(CLASSES), split(CLASSES), "d"), None, None, 0
    )
    assert (made.data.train.y == made.data.validation.y).all()
    assert made.data.train.y.dtype == np.int64


@pytest.mark.parametrize(
    "loss",
    [
        "",
        "huber",
        "mse:logits",
        "mae:logits",
        "mean_squared_error:logits",
        "sparse_categorical_crossentropy:probabilities",
        "sparse_categorical_crossentropy:logit",
        "sparse_categorical_crossentropy:logits:logits",
        ":logits",
    ],
)
@pytest.mark.parametrize("output", [1, 4])
def test_unknown_losses_are_refused(loss: str, output: int) -> None:
    """Also known ones with a suffix that they don't have; before anything else is looked at."""
    with pytest.raises(UserError) as caught:
        task(QUANTITIES, facts(output), loss=loss)
    assert str(caught.value).startswith(f"--loss {loss!r} is unknown; known are sparse_categorical_crossentropy, ")


@pytest.mark.parametrize(
    ("output", "loss"),
    [
        (4, "binary_crossentropy"),
        (4, "binary_crossentropy:logits"),
        (2, "binary_crossentropy"),
        (1, "sparse_categorical_crossentropy"),
        (1, "categorical_crossentropy"),
        (1, "categorical_crossentropy:logits"),
    ],
)
def test_loss_that_does_not_fit_the_output(output: int, loss: str) -> None:
    """A binary one goes with a single output, the others with several."""
    with pytest.raises(UserError) as caught:
        task(CLASSES % 2, facts(output), loss=loss)
    assert str(caught.value) == f"--loss {loss!r} does not fit the model's output of shape ({output},)"


def test_accuracy_of_several_classes() -> None:
    """The share of samples whose largest output is the label's, with the error of a proportion."""
    outputs = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0, 1, 2, 0]]
    value, error = task().score(outputs, np.array([0, 1, 2, 3, 0, 1, 0, 1]))
    assert value == 0.75
    assert error == pytest.approx(math.sqrt(0.75 * 0.25 / 8))


@pytest.mark.parametrize(
    ("activation", "outputs"), [("sigmoid", [0.2, 0.6, 0.9, 0.4]), ("linear", [-3.0, 0.2, 5.0, -0.1])]
)
def test_accuracy_of_a_single_output(activation: str, outputs: list[float]) -> None:
    """A probability counts from one half, a logit from zero."""
    single = task(CLASSES % 2, facts(1, activation))
    value, error = single.score(np.array(outputs, np.float32)[:, np.newaxis], np.array([0, 1, 1, 1]))
    assert value == 0.75
    assert error == pytest.approx(math.sqrt(0.75 * 0.25 / 4))


@pytest.mark.parametrize(("metric", "each"), [("mae", [0.5, 1.5, 3.5]), ("mse", [0.5, 2.5, 12.5])])
def test_errors_of_quantities(metric: str, each: list[float]) -> None:
    """The mean over samples of each one's mean over outputs, and its standard error."""
    labels = np.zeros((3, 2), np.float32)
    outputs = np.array([[0, 1], [-1, 2], [3, -4]], np.float32)
    value, error = task(np.full((12, 2), 0.5, np.float32), facts(2, "linear"), metric=metric).score(outputs, labels)
    assert value == pytest.approx(sum(each) / 3)
    variance = sum((one - sum(each) / 3) ** 2 for one in each) / 3
    assert error == pytest.approx(math.sqrt(variance / 3))


def test_outputs_that_are_lost_are_noticed() -> None:
    """Fewer outputs than labels have no score."""
    with pytest.raises(ValueError, match="3 outputs for 4 labels"):
        task().score(np.zeros((3, 4), np.float32), np.zeros(4, int))


def test_calibration_is_drawn_from_train() -> None:
    """So many samples of it and of nothing else, the classes in proportion, the same each time."""
    y = np.arange(400) % 4
    train = Split(np.arange(1200, dtype=np.float32).reshape(400, 3), y)
    elsewhere = Split(-1 - train.x, y)

    def drawn(seed: int) -> Array:
        return make_task(Path("m"), b"", facts(), Data(train, elsewhere, elsewhere, ""), None, None, seed).calibration()

    rows = (drawn(0)[:, 0] / 3).astype(int)
    assert len(set(rows.tolist())) == CALIBRATION
    assert (train.x[rows] == drawn(0)).all()
    assert np.bincount(y[rows]).tolist() == [CALIBRATION // 4] * 4
    assert (drawn(0) == drawn(0)).all()
    assert (drawn(0) != drawn(1)).any()


def test_calibration_of_little_data() -> None:
    """All of train, where it is less."""
    assert (task().calibration() == task().data.train.x).all()


def test_fingerprint_is_of_what_a_file_depends_on() -> None:
    """Model, train data, loss and seed change it; validation and test data, path and metric do not."""
    labels = np.full((12, 4), 0.5, np.float32)
    other = split(labels + 0.25)

    def made(
        model: bytes = b"model",
        path: str = "m.keras",
        train: Split | None = None,
        rest: Split | None = None,
        loss: str = "mse",
        metric: str = "mae",
        seed: int = 0,
        **others: Any,
    ) -> str:
        splits = data(labels)
        splits = Data(train or splits.train, rest or splits.validation, rest or splits.test, "data.npz")
        return make_task(Path(path), model, facts(**others), splits, loss, metric, seed).fingerprint

    first = made()
    assert made(path="n.keras") == made(rest=other) == made(metric="mse") == first
    changed = [
        made(model=b"other"),
        made(train=other),
        made(loss="mae"),
        made(seed=1),
        made(activation="linear"),
    ]
    assert len({first, *changed}) == 6


def test_read_model_gives_the_bytes(tmp_path: Path) -> None:
    """Of a zip archive named .keras, or an HDF5 file named .h5."""
    archive, legacy = tmp_path / "model.keras", tmp_path / "model.h5"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("config.json", "{}")
    legacy.write_bytes(b"\x89HDF\r\n\x1a\n and more")
    assert read_model(archive) == archive.read_bytes()
    assert read_model(legacy) == b"\x89HDF\r\n\x1a\n and more"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model.keras", "not a whole .keras file"),
        ("model.h5", "not an HDF5 file, in spite of its name"),
        ("model.tflite", "not a .keras or .h5 file"),
        ("model", "not a .keras or .h5 file"),
    ],
)
def test_read_model_refuses_other_files(tmp_path: Path, name: str, reason: str) -> None:
    """By name and by content."""
    path = tmp_path / name
    path.write_bytes(b"something else")
    with pytest.raises(UserError, match=reason) as caught:
        read_model(path)
    assert str(caught.value).startswith(f"model {path}: ")


def test_read_model_refuses_what_is_not_there(tmp_path: Path) -> None:
    """A wrong path, and a folder."""
    with pytest.raises(UserError, match="no such file"):
        read_model(tmp_path / "model.keras")
    (tmp_path / "model.keras").mkdir()
    with pytest.raises(UserError, match="can't be read"):
        read_model(tmp_path / "model.keras")


def test_read_model_refuses_a_broken_archive(tmp_path: Path) -> None:
    """A download that broke off."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}" * 100)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserError, match=r"not a whole .keras file"):
        read_model(path)
