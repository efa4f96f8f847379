"""The task: model and data held against each other, loss and metric settled, outputs scored."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.targets.metric import METRICS
from autotune.task.data import Array, Data, Split
from autotune.task.labels import UNCOUNTED
from autotune.task.make import make_task
from autotune.task.model_facts import ModelFacts, TensorSpec
from autotune.task.task import CALIBRATION, Task
from autotune.tflite.activation import Activation

CLASSES = np.arange(12) % 4
QUANTITIES = np.linspace(0, 1, 12, dtype=np.float32)


def facts(
    output: int = 4,
    activation: Activation = "softmax",
    input_shape: tuple[int, ...] = (3,),
    input_dtype: str = "float32",
    quantization: tuple[float, int] | None = None,
    output_shape: tuple[int, ...] | None = None,
    **others: Any,
) -> ModelFacts:
    """Of a model that takes three numbers."""
    end = TensorSpec((output,) if output_shape is None else output_shape, activation=activation)
    entry = TensorSpec(input_shape, input_dtype, quantization=quantization)
    return ModelFacts((entry,), (end,), ("dense",), 100, 100, **others)


def split(y: Array, shape: tuple[int, ...] = (3,)) -> Split:
    """These labels with some inputs."""
    return Split(np.arange(len(y) * math.prod(shape), dtype=np.float32).reshape(len(y), *shape), y)


def data(y: Array, shape: tuple[int, ...] = (3,)) -> Data:
    """Three equal splits."""
    return Data(split(y, shape), split(y, shape), split(y, shape), "data.npz")


def task(
    y: Array = CLASSES,
    model: ModelFacts | None = None,
    loss: str | None = None,
    metric: str | None = None,
    seed: int = 0,
) -> Task:
    """A task of these labels."""
    return make_task("model.keras", b"model", model or facts(), data(y), loss, metric, seed)


def test_channel_axis_is_added() -> None:
    """Grey images saved without one fit a model that takes one."""
    made = make_task("m", b"", facts(input_shape=(2, 5, 1)), data(CLASSES, (2, 5)), None, None, 0)
    assert [part.x.shape for part in (made.data.train, made.data.validation, made.data.test)] == [(12, 2, 5, 1)] * 3
    assert (made.data.train.x[..., 0] == data(CLASSES, (2, 5)).train.x).all()


def test_tokens_stay_integers() -> None:
    """For a model that takes them: in every split and in calibration, so in all that is made of them."""
    made = task(model=facts(input_dtype="int32"))
    splits = (made.data.train, made.data.validation, made.data.test)
    assert {part.x.dtype for part in splits} == {made.calibration().dtype} == {np.dtype(np.int32)}


def test_inputs_as_labels_are_what_they_stand_for() -> None:
    """Where the data are a quantized input's own integers, the outputs are held against real numbers."""
    x = np.arange(36, dtype=np.uint8).reshape(12, 3)
    autoencoder = facts(3, "linear", input_dtype="uint8", quantization=(0.5, 4))
    same = Split(x, x)
    made = make_task("m", b"", autoencoder, Data(same, same, same, "data.npz", loss="mse", metric="mse"), None, None, 0)
    assert made.data.test.x.dtype == np.uint8
    np.testing.assert_allclose(made.data.test.y, (x - 4.0) / 2)


@pytest.mark.parametrize("shape", [(4,), (3, 1), (1, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    """The message has the file and both shapes."""
    with pytest.raises(UserError) as caught:
        make_task("m", b"", facts(), data(CLASSES, shape), None, None, 0)
    assert str(caught.value) == f"data data.npz: train samples have shape {shape}, the model takes (3,)"


def test_the_split_that_does_not_fit_is_named() -> None:
    """Here it is the test split."""
    mixed = Data(split(CLASSES), split(CLASSES), split(CLASSES, (4,)), "data.npz")
    with pytest.raises(UserError, match="test samples have shape"):
        make_task("m", b"", facts(), mixed, None, None, 0)


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
        (CLASSES % 2, 1, "sigmoid", "binary_crossentropy"),
        (CLASSES % 2, 1, "linear", "binary_crossentropy:logits"),
        (QUANTITIES, 1, "linear", "mse"),
    ],
)
def test_loss_from_output_and_labels(labels: Array, output: int, activation: Activation, loss: str) -> None:
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
        (np.full((12, 4), 0.5, np.float32), "huber", "huber"),
        (np.full((12, 4), 0.5, np.float32), "my_own_loss", "mse"),
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
        (QUANTITIES * 2, "binary_crossentropy", "loss 'binary_crossentropy' needs labels from 0 to 1, not 0 to 2"),
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
        (CLASSES, "auc", [], "auc"),
        (CLASSES, "f1", ["accuracy"], "f1"),
        (CLASSES, None, ["auc", "accuracy"], "auc"),
        (QUANTITIES, None, [], "mae"),
        (QUANTITIES, None, ["accuracy", "mse", "mae"], "mse"),
        (QUANTITIES, None, ["mean_squared_error"], "mse"),
        (QUANTITIES, "mae", ["mse"], "mae"),
    ],
)
def test_metric(labels: Array, asked: str | None, compiled: list[str], metric: str) -> None:
    """The user's, else the first of the file's that fits, else by the labels."""
    model = facts(4 if labels is CLASSES else 1, compiled_metrics=tuple(compiled))
    assert task(labels, model, metric=asked).quality is METRICS[metric]


@pytest.mark.parametrize(
    ("labels", "metric", "reason"),
    [
        (CLASSES, "mae", "metric 'mae' does not fit the labels, which are class numbers; give another --metric"),
        (
            QUANTITIES,
            "accuracy",
            "metric 'accuracy' does not fit the labels, which are quantities; give another --metric",
        ),
        (CLASSES, "latency", "--metric 'latency' is unknown; known are accuracy, topK, auc, f1, miou, mae, mse"),
    ],
)
def test_metric_that_does_not_fit(labels: Array, metric: str, reason: str) -> None:
    """Is refused, with the reason."""
    with pytest.raises(UserError, match=reason):
        task(labels, facts(4 if labels is CLASSES else 1), metric=metric)


@pytest.mark.parametrize(
    ("labels", "output", "loss", "metric", "fitting"),
    [
        (CLASSES, 4, "sparse_categorical_crossentropy", "mae", "accuracy or topK or auc or f1 or miou"),
        (QUANTITIES, 1, "mse", "accuracy", "mae or mse"),
        (CLASSES % 2, 1, "mse", "accuracy", "mae or mse"),
        (np.eye(4)[CLASSES], 4, "mae", "accuracy", "mae or mse"),
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
    assert made.score(labels[:, np.newaxis].astype(np.float32), made.data.test.y).value == 0.0


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
    soft = Data(split(train), others["validation"], others["test"], "data.npz")
    reason = f"data data.npz: {name} labels are neither class numbers nor one-hot rows of 4"
    with pytest.raises(UserError, match=reason):
        make_task("m", b"", facts(), soft, None, None, 0)


def test_kind_is_that_of_train() -> None:
    """One-hot rows beside soft ones, and whole numbers beside fractions, are quantities like them."""
    eye = split(np.eye(4)[CLASSES])
    made = make_task("m", b"", facts(), Data(split(SOFT), eye, eye, "data.npz"), None, None, 0)
    assert made.data.train.y.dtype == made.data.test.y.dtype == np.float32
    assert (made.data.test.y == np.eye(4)[CLASSES]).all()
    whole = split(AGES)
    made = make_task("m", b"", facts(1, "linear"), Data(split(QUANTITIES), whole, whole, "data.npz"), None, None, 0)
    assert made.data.test.y.dtype == np.float32
    assert made.data.test.y.shape == (12, 1)


def test_one_hot_and_class_numbers_go_together() -> None:
    """They are the same thing in two forms."""
    made = make_task(
        "m", b"", facts(), Data(split(np.eye(4)[CLASSES]), split(CLASSES), split(CLASSES), "d"), None, None, 0
    )
    assert (made.data.train.y == made.data.validation.y).all()
    assert made.data.train.y.dtype == np.int64


@pytest.mark.parametrize(
    "loss",
    [
        "",
        "hubert",
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
    found = task().score(outputs, np.array([0, 1, 2, 3, 0, 1, 0, 1]))
    assert found.value == 0.75
    assert found.standard_error == pytest.approx(math.sqrt(0.75 * 0.25 / 8))


@pytest.mark.parametrize(
    ("activation", "outputs"), [("sigmoid", [0.2, 0.6, 0.9, 0.4]), ("linear", [-3.0, 0.2, 5.0, -0.1])]
)
def test_accuracy_of_a_single_output(activation: Activation, outputs: list[float]) -> None:
    """A probability counts from one half, a logit from zero."""
    single = task(CLASSES % 2, facts(1, activation))
    found = single.score(np.array(outputs, np.float32)[:, np.newaxis], np.array([0, 1, 1, 1]))
    assert found.value == 0.75
    assert found.standard_error == pytest.approx(math.sqrt(0.75 * 0.25 / 4))


ROWS = np.array([[0.2, 0.5, 0.3, 0.0], [0.9, 0.0, 0.0, 0.104]], np.float32)
ONE = np.array([[0.2], [0.9]], np.float32)


@pytest.mark.parametrize(
    ("activation", "outputs", "line"),
    [
        (
            "linear",
            ROWS,
            "its outputs are taken for logits, but go from 0 to 0.9 and sum to one; say what they are: "
            "--loss sparse_categorical_crossentropy for probabilities, "
            "--loss sparse_categorical_crossentropy:logits for logits",
        ),
        (
            "linear",
            ONE,
            "its outputs are taken for logits, but go from 0.2 to 0.9; say what they are: --loss "
            "binary_crossentropy for probabilities, --loss binary_crossentropy:logits for logits",
        ),
        (
            "sigmoid",
            ONE * 8 - 4,
            "its outputs are taken for probabilities, but go from -2.4 to 3.2; say what they are: --loss "
            "binary_crossentropy for probabilities, --loss binary_crossentropy:logits for logits",
        ),
        ("linear", ROWS / 2, None),
        ("linear", ROWS * 8 - 4, None),
        ("linear", ONE * 8 - 4, None),
        ("softmax", ROWS, None),
        ("sigmoid", ROWS * 1.1, None),
        ("sigmoid", ONE, None),
    ],
)
def test_what_outputs_are_is_held_against_them(activation: Activation, outputs: Array, line: str | None) -> None:
    """Values that say otherwise than the model end in one line that asks for the loss, and not once it was given."""
    labels, width = CLASSES % max(2, outputs.shape[1]), outputs.shape[1]
    assert task(labels, facts(width, activation)).misread(outputs) == line
    loss = task(labels, facts(width, activation)).loss
    assert task(labels, facts(width, activation), loss).misread(outputs) is None


def test_what_the_models_own_loss_says_is_held_against_outputs() -> None:
    """A file compiled for logits that gives probabilities, and the reverse."""
    logits = facts(1, "linear", compiled_loss="binary_crossentropy:logits")
    assert "taken for logits" in (task(CLASSES % 2, logits).misread(ONE) or "")
    probabilities = facts(1, "linear", compiled_loss="binary_crossentropy")
    assert "taken for probabilities" in (task(CLASSES % 2, probabilities).misread(ONE * 8 - 4) or "")


def test_quantities_may_be_anything() -> None:
    """Such as shares that sum to one."""
    assert task(QUANTITIES, facts(1, "linear")).misread(ONE) is None


@pytest.mark.parametrize(("metric", "each"), [("mae", [0.5, 1.5, 3.5]), ("mse", [0.5, 2.5, 12.5])])
def test_errors_of_quantities(metric: str, each: list[float]) -> None:
    """The mean over samples of each one's mean over outputs, and its standard error."""
    labels = np.zeros((3, 2), np.float32)
    outputs = np.array([[0, 1], [-1, 2], [3, -4]], np.float32)
    found = task(np.full((12, 2), 0.5, np.float32), facts(2, "linear"), metric=metric).score(outputs, labels)
    assert found.value == pytest.approx(sum(each) / 3)
    variance = sum((one - sum(each) / 3) ** 2 for one in each) / 3
    assert found.standard_error == pytest.approx(math.sqrt(variance / 3))


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
        return make_task("m", b"", facts(), Data(train, elsewhere, elsewhere, ""), None, None, seed).calibration()

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
        return make_task(path, model, facts(**others), splits, loss, metric, seed).fingerprint

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


@pytest.mark.parametrize("metric", ["top2", "top3", "auc", "f1"])
def test_metrics_of_classes(metric: str) -> None:
    """Each is better when higher, and 1 of outputs that are right."""
    made = task(metric=metric)
    assert (made.quality.name, made.quality.better) == (metric, "higher")
    assert made.score(np.eye(4, dtype=np.float32)[CLASSES], CLASSES).value == 1.0


@pytest.mark.parametrize(("metric", "output"), [("top4", 4), ("top5", 4), ("top2", 1)])
def test_top_k_of_all_outputs_is_refused(metric: str, output: int) -> None:
    """It would always be 100%."""
    with pytest.raises(UserError, match=f"--metric '{metric}' is always 100% of a model with {output} outputs"):
        task(CLASSES if output > 1 else CLASSES % 2, facts(output, "sigmoid"), metric=metric)


def test_long_names_of_metrics() -> None:
    """Keras's own."""
    assert task(QUANTITIES, facts(1, "linear"), metric="mean_squared_error").quality.name == "mse"


MASKS = np.arange(12 * 4 * 5).reshape(12, 4, 5) * 7 % 3
"""Of 12 images, with 3 classes."""

MASK_ROWS = np.eye(3)[MASKS]
TWO = (MASKS > 0).astype(np.int64)

MASKED = facts(output_shape=(4, 5, 3))
BINARY = facts(output_shape=(4, 5, 1), activation="sigmoid")


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("labels", "model", "compiled", "loss"),
    [
        (MASKS, MASKED, "sparse_categorical_crossentropy", "sparse_categorical_crossentropy"),
        (MASKS[..., np.newaxis], MASKED, "sparse_categorical_crossentropy", "sparse_categorical_crossentropy"),
        (
            MASKS[..., np.newaxis] / 1,
            MASKED,
            "categorical_crossentropy",
            "sparse_categorical_crossentropy",
        ),
        (MASK_ROWS, MASKED, "categorical_crossentropy", "sparse_categorical_crossentropy"),
        (MASK_ROWS.astype(bool), MASKED, "kl_divergence", "sparse_categorical_crossentropy"),
        (TWO, BINARY, "binary_crossentropy", "binary_crossentropy"),
        (TWO[..., np.newaxis], BINARY, "binary_crossentropy", "binary_crossentropy"),
        (TWO.astype(bool)[..., np.newaxis], BINARY, "binary_crossentropy", "binary_crossentropy"),
        (
            TWO.astype(np.float32),
            facts(output_shape=(4, 5, 1), activation="linear"),
            "my_dice",
            "binary_crossentropy:logits",
        ),
    ],
)
def test_masks(labels: Array, model: ModelFacts, compiled: str, loss: str, named: bool) -> None:
    """In the forms that Keras' losses take: class numbers, one-hot, one sigmoid; with or without an axis of 1, and of
    any type. What the file was compiled with agrees with what labels and output say.
    """
    made = task(labels, replace(model, compiled_loss=compiled if named else None))
    assert (made.loss, made.quality.name, made.labels) == (loss, "accuracy", "classes")
    numbers = TWO if made.output[-1] == 1 else MASKS
    for part in (made.data.train, made.data.validation, made.data.test):
        assert part.y.dtype == np.int64
        assert part.y.shape == (12, 4, 5)
        assert (part.y == numbers).all()
    right = (
        (2.0 * TWO - 1 if loss.endswith("logits") else 1.0 * TWO)[..., np.newaxis]
        if made.output[-1] == 1
        else MASK_ROWS
    )
    half = np.concatenate([right[:6], np.roll(right[6:], 1, axis=-1) if made.output[-1] > 1 else -right[6:] + 1e-3])
    for metric in ("accuracy", "miou", "f1"):
        scored = task(labels, model, metric=metric)
        assert scored.score(right.astype(np.float32), made.data.test.y).value == 1.0
        assert scored.score(half.astype(np.float32), made.data.test.y).value < 0.7


@pytest.mark.parametrize("name", ["mean_io_u", "one_hot_mean_io_u", "binary_io_u", "mean_iou", "miou"])
def test_intersection_over_union_by_keras_names(name: str) -> None:
    """As a file was compiled with it; classes and answers have it, quantities do not."""
    assert task(MASKS, replace(MASKED, compiled_metrics=(name, "accuracy"))).quality is METRICS["miou"]
    assert task(MASK_ROWS, MASKED, metric=name).quality is METRICS["miou"]
    with pytest.raises(UserError, match="does not fit the labels, which are quantities"):
        task(QUANTITIES, facts(1, "linear"), metric=name)


def test_masks_that_do_not_fit() -> None:
    """More classes than outputs, another size, and one class alone."""
    with pytest.raises(UserError, match="train labels go from 0 to 2, the model has outputs for 0 to 1"):
        task(MASKS, facts(output_shape=(4, 5, 2)))
    with pytest.raises(UserError, match=r"train labels have shape \(4, 5\), the model gives \(5, 4, 3\)"):
        task(MASKS, facts(output_shape=(5, 4, 3)))
    with pytest.raises(UserError, match=r"all train labels are the same \(1\); there must be two classes"):
        task(MASKS * 0 + 1, MASKED)


def test_images_are_quantities_where_they_are_no_masks() -> None:
    """A depth map, pixels from 0 to 1 under a binary loss, or whole numbers that a loss calls quantities."""
    depth = np.linspace(0, 9, 240, dtype=np.float32).reshape(12, 4, 5)
    linear = facts(output_shape=(4, 5, 1), activation="linear")
    for labels, model, loss in (
        (depth, linear, "mse"),
        (depth.round(), linear, "mse"),
        (depth / 9, replace(BINARY, compiled_loss="binary_crossentropy"), "binary_crossentropy"),
        (TWO, replace(linear, compiled_loss="mean_squared_error"), "mse"),
        (TWO[..., np.newaxis], replace(BINARY, compiled_loss="huber_loss"), "huber"),
        (MASK_ROWS, replace(MASKED, compiled_loss="mse"), "mse"),
    ):
        made = task(labels, model)
        assert (made.loss, made.quality.name) == (loss, "mae")
        assert made.data.test.y.shape == (12, *made.output)
        assert made.score(made.data.test.y, made.data.test.y).value == 0.0


def test_several_answers_a_pixel() -> None:
    """A sigmoid for each class, of which several may hold."""
    labels = np.stack([MASKS == 0, MASKS != 1, MASKS == 2], axis=-1)
    made = task(labels, facts(output_shape=(4, 5, 3), activation="sigmoid"))
    assert (made.loss, made.quality.name, made.labels) == ("binary_crossentropy", "f1", "multilabel")
    assert made.score(labels.astype(np.float32), made.data.test.y).value == 1.0


SMOOTH = (0.9 * np.eye(4)[CLASSES] + 0.025).astype(np.float32)


@pytest.mark.parametrize(
    ("labels", "model", "compiled"),
    [
        (SMOOTH, facts(), "categorical_crossentropy"),
        (SMOOTH, facts(), "kl_divergence"),
        ((0.9 * MASK_ROWS + 0.1 / 3).astype(np.float32), MASKED, "categorical_crossentropy"),
    ],
)
def test_smoothed_labels(labels: Array, model: ModelFacts, compiled: str) -> None:
    """Are learned from as they are, and scored by the likeliest class; test labels may be numbers or one-hot, too."""
    hard = labels.argmax(axis=-1)
    for test in (labels, hard, np.eye(labels.shape[-1])[hard]):
        splits = Data(split(labels), split(test), split(test), "data.npz")
        made = make_task("m", b"", replace(model, compiled_loss=compiled), splits, None, None, 0)
        assert (made.loss, made.quality.name) == ("categorical_crossentropy", "accuracy")
        assert (made.data.train.y == labels).all()
        assert made.score(np.eye(labels.shape[-1], dtype=np.float32)[hard], made.data.test.y).value == 1.0
    with pytest.raises(UserError, match="does not fit the labels, which are quantities"):
        task(labels, model, "sparse_categorical_crossentropy")


NUMBERS = {"sparse_categorical_crossentropy"}
DISTRIBUTIONS = {"categorical_crossentropy", "categorical_focal_crossentropy", "kl_divergence", "categorical_hinge"}
YES_OR_NO = {"binary_crossentropy", "binary_focal_crossentropy", "hinge", "squared_hinge", "dice", "tversky"}
ANY_NUMBERS = {
    *("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error"),
    *("huber", "huber_loss", "log_cosh", "logcosh", "poisson", "cosine_similarity"),
}


@pytest.mark.parametrize("places", [(), (6,), (4, 5), (2, 4, 5)], ids=["one", "steps", "pixels", "voxels"])
@pytest.mark.parametrize("loss", sorted(NUMBERS | DISTRIBUTIONS | YES_OR_NO | ANY_NUMBERS))
def test_what_keras_losses_take(loss: str, places: tuple[int, ...]) -> None:
    """Every loss of Keras that compares an output with labels of its own, compiled into a file: the labels that it
    documents are taken, one for a sample or for each step, pixel or voxel, and outputs that are right have no fault.
    """
    random = np.random.default_rng(0)
    numbers = random.integers(0, 3, (12, *places))
    rows, signs = np.eye(3)[numbers], np.where(numbers > 0, 1, -1)
    values = random.random((12, *places, 1)).astype(np.float32)
    cases: list[tuple[Array, Array, Activation]] = []
    if loss in NUMBERS:
        cases += [(form, rows, "softmax") for form in (numbers, numbers[..., np.newaxis], numbers.astype(np.float32))]
    if loss in DISTRIBUTIONS:
        cases += [(form, rows, "softmax") for form in (rows, rows.astype(bool), rows.astype(np.int32))]
    if loss in YES_OR_NO:
        yes = (signs > 0)[..., np.newaxis]
        cases += [(form, yes, "sigmoid") for form in (yes, yes[..., 0], yes.astype(int), yes.astype(np.float32))]
        several = random.integers(0, 2, (12, *places, 3))
        cases.append((several, several, "sigmoid"))
    if loss.endswith("hinge") and loss not in DISTRIBUTIONS:
        cases.append((signs, signs[..., np.newaxis], "linear"))
    if loss in ANY_NUMBERS:
        wide = random.random((12, *places, 3)).astype(np.float32)
        cases += [(values, values, "linear"), (values[..., 0], values, "linear"), (wide, wide, "linear")]
        if places:
            cases.append((values, values[..., 0], "linear"))
    for labels, outputs, activation in cases:
        made = task(labels, facts(output_shape=outputs.shape[1:], activation=activation, compiled_loss=loss))
        score = made.score(outputs.astype(np.float32), made.data.test.y)
        assert score.value == (1.0 if made.quality.better == "higher" else 0.0)


def test_a_single_number_without_an_axis() -> None:
    """The model gives (samples,)."""
    made = task(QUANTITIES, facts(output_shape=(), activation="linear"))
    assert made.score(QUANTITIES, made.data.test.y).value == 0.0
    yes = task(CLASSES % 2, facts(output_shape=(), activation="sigmoid"))
    assert yes.quality.name == "accuracy"
    assert yes.score((CLASSES % 2).astype(np.float32), yes.data.test.y).value == 1.0
    assert yes.half == 0.5


ANSWERS = np.array([[0, 0, 1, 1], [1, 1, 1, 0], [0, 1, 0, 0]] * 4)


@pytest.mark.parametrize(
    ("activation", "loss", "metric", "settled"),
    [
        ("sigmoid", None, None, ("binary_crossentropy", "f1")),
        ("sigmoid", None, "auc", ("binary_crossentropy", "auc")),
        ("linear", "binary_crossentropy:logits", None, ("binary_crossentropy:logits", "f1")),
        ("linear", None, "f1", ("binary_crossentropy:logits", "f1")),
    ],
)
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_several_answers_a_sample(
    activation: Activation, loss: str | None, metric: str | None, settled: tuple[str, str], dtype: type
) -> None:
    """Rows of 0 and 1 and a sigmoid, or a binary loss: each column is a question of its own."""
    made = task(ANSWERS.astype(dtype), facts(4, activation), loss, metric)
    assert (made.loss, made.quality.name) == settled
    assert (made.data.test.y == ANSWERS).all()
    outputs = np.where(ANSWERS, 0.9, 0.2) if made.loss == "binary_crossentropy" else np.where(ANSWERS, 2.0, -0.1)
    assert made.score(outputs.astype(np.float32), made.data.test.y).value == 1.0


def test_one_hot_rows_are_answers_where_the_user_says_so() -> None:
    """With a binary loss; where only the file has one they are classes."""
    eye = np.eye(4)[CLASSES]
    assert task(eye, facts(4, "sigmoid"), "binary_crossentropy").data.train.y.shape == (12, 4)
    assert task(eye, facts(4, "sigmoid", compiled_loss="binary_crossentropy")).quality.name == "accuracy"


def test_several_answers_have_no_accuracy() -> None:
    """The message has what they have."""
    with pytest.raises(
        UserError, match="--metric 'accuracy' does not fit the loss and the labels; f1 or auc or miou does"
    ):
        task(ANSWERS, facts(4, "sigmoid"), "binary_crossentropy", "accuracy")


def test_answers_beside_other_labels_are_refused() -> None:
    """All splits are of one kind."""
    mixed = Data(split(ANSWERS), split(ANSWERS * 2), split(ANSWERS), "data.npz")
    with pytest.raises(UserError, match=r"data data.npz: validation labels are not all 0 or 1"):
        make_task("m", b"", facts(4, "sigmoid"), mixed, None, None, 0)


def autoencoder(values: Array, model: ModelFacts, loss: str | None = None, named: str | None = "mse") -> Task:
    """A task whose inputs are their own labels."""
    alone = Split(values, values)
    return make_task("m", b"", model, Data(alone, alone, alone, "data.npz", loss=named, metric=named), loss, None, 0)


@pytest.mark.parametrize("saved", [(4, 5), (4, 5, 1)])
def test_autoencoders(saved: tuple[int, ...]) -> None:
    """Inputs without labels are what the model is to give, also saved without the channel axis."""
    values = np.random.default_rng(0).random((12, *saved)).astype(np.float32)
    made = autoencoder(values, facts(input_shape=(4, 5, 1), output_shape=(4, 5, 1)))
    assert (made.loss, made.quality.name) == ("mse", "mse")
    assert made.data.test.y.shape == (12, 4, 5, 1)
    assert made.score(made.data.test.x, made.data.test.y).value == 0.0
    assert made.score(made.data.test.x + 0.5, made.data.test.y).value == pytest.approx(0.25)


def test_binary_loss_of_quantities() -> None:
    """As autoencoders of pixels from 0 to 1 have; beyond that it is refused."""
    values = np.linspace(0, 1, 36, dtype=np.float32).reshape(12, 3)
    model = facts(output_shape=(3,), activation="sigmoid", compiled_loss="binary_crossentropy")
    made = autoencoder(values, model, named=None)
    assert (made.loss, made.quality.name) == ("binary_crossentropy", "mae")
    with pytest.raises(UserError, match="loss 'binary_crossentropy' needs labels from 0 to 1, not 0 to 2"):
        autoencoder(values * 2, model, "binary_crossentropy")


def test_forgotten_labels() -> None:
    """A model that gives something else than its input needs some."""
    reason = r"no y_train and y_test, and the model does not give back its inputs: it takes \(3,\) and gives \(4,\)"
    with pytest.raises(UserError, match=reason):
        autoencoder(np.zeros((12, 3), np.float32), facts())


STEPS = np.arange(36).reshape(12, 3) % 4


@pytest.mark.parametrize("metric", [None, "top2", "f1"])
def test_classes_of_each_step(metric: str | None) -> None:
    """Of a sequence or of each pixel."""
    made = task(STEPS, facts(output_shape=(3, 4)), metric=metric)
    assert made.loss == "sparse_categorical_crossentropy"
    assert made.quality.name == (metric or "accuracy")
    assert made.score(np.eye(4, dtype=np.float32)[STEPS], STEPS).value == 1.0
    with pytest.raises(UserError, match="train labels go from 0 to 3, the model has outputs for 0 to 2"):
        task(STEPS, facts(output_shape=(3, 3)))


@pytest.mark.parametrize(
    ("labels", "model"),
    [(CLASSES * 0 + 2, facts()), (CLASSES * 0, facts(1, "sigmoid")), (np.eye(4)[CLASSES * 0], facts())],
)
def test_one_class_is_refused(labels: Array, model: ModelFacts) -> None:
    """There is nothing to learn."""
    with pytest.raises(UserError, match=r"data data.npz: all train labels are the same .*; there must be two classes"):
        task(labels, model)


@pytest.mark.parametrize("metric", ["auc", "f1"])
def test_ranks_need_two_classes(metric: str) -> None:
    """In every split that is scored."""
    lopsided = Data(split(CLASSES), split(CLASSES), split(CLASSES * 0), "data.npz")
    assert make_task("m", b"", facts(), lopsided, None, None, 0).quality.name == "accuracy"
    with pytest.raises(UserError, match="all test labels are the same"):
        make_task("m", b"", facts(), lopsided, None, metric, 0)


@pytest.mark.parametrize(("output", "names"), [(4, "abc"), (4, "abcde"), (1, "abc")])
def test_class_names_must_be_as_many_as_outputs(output: int, names: str) -> None:
    """A folder too few or too many would number the classes otherwise than the model does."""
    labelled = split(CLASSES % 2)
    named = Data(labelled, labelled, labelled, "images", classes=tuple(names))
    with pytest.raises(UserError, match=rf"data images: has {len(names)} classes \(a, b, c.*\), the model tells"):
        make_task("m", b"", facts(output, "sigmoid" if output == 1 else "softmax"), named, None, None, 0)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A file of the user's; it would fail if it were imported."""
    (tmp_path / "mine.py").write_text("raise AssertionError")
    return str(tmp_path / "mine.py")


def own(y: Array, model: ModelFacts, **options: Any) -> Task:
    """A task whose data names its loss or metric."""
    return make_task("m", b"", model, Data(split(y), split(y), split(y), "mine.py:make", **options), None, None, 0)


def test_metric_of_the_users(mine: str) -> None:
    """Is named by its function, scored in a worker, and never imported here."""
    made = own(CLASSES, facts(), metric=f"{mine}:slips", better="lower")
    assert (made.quality.name, made.quality.key, made.quality.kind, made.quality.better) == (
        *("slips", "slips"),
        *("number", "lower"),
    )
    assert made.scorer is not None
    assert made.scorer == f"{mine}:slips"
    assert made.loss == "sparse_categorical_crossentropy"
    with pytest.raises(ValueError, match="scores in a worker"):
        made.score(np.zeros((12, 4), np.float32), CLASSES)


def test_the_command_line_goes_before_the_data(mine: str) -> None:
    """For loss and metric."""
    named = Data(split(CLASSES), split(CLASSES), split(CLASSES), "d", loss=f"{mine}:f", metric=f"{mine}:wer")
    made = make_task("m", b"", facts(), named, "sparse_categorical_crossentropy", "top2", 0)
    assert (made.loss, made.quality.name, made.scorer) == ("sparse_categorical_crossentropy", "top2", None)


def test_the_data_goes_before_the_model_file() -> None:
    """For loss and metric; what does not fit is refused by the data's name."""
    made = own(QUANTITIES, facts(1, "linear", compiled_loss="mse", compiled_metrics=("mse",)), loss="mae", metric="mae")
    assert (made.loss, made.quality.name) == ("mae", "mae")
    with pytest.raises(UserError, match=r"data mine.py:make: metric 'mae' does not fit the loss and the labels"):
        own(CLASSES, facts(), loss="sparse_categorical_crossentropy", metric="mae")
    with pytest.raises(UserError, match=r"data mine.py:make: loss 'binary_crossentropy' does not fit the model's out"):
        own(CLASSES, facts(), loss="binary_crossentropy")


@pytest.mark.parametrize("labels", [CLASSES, np.eye(4)[CLASSES]])
def test_labels_stay_as_they_are_for_functions_of_the_users(mine: str, labels: Array) -> None:
    """One-hot rows, too, where the function sees them: a metric sees none of train; a known metric sees through it."""
    with_loss = own(labels, facts(), loss=f"{mine}:focal")
    assert with_loss.loss == f"{mine}:focal"
    assert (with_loss.data.train.y == labels).all()
    assert with_loss.quality.name == "accuracy"
    assert with_loss.score(np.eye(4, dtype=np.float32)[CLASSES], with_loss.data.test.y).value == 1.0
    with_metric = own(labels, facts(), metric=f"{mine}:wer")
    assert with_metric.data.test.y.shape == with_metric.data.validation.y.shape == labels.shape
    assert (with_metric.data.train.y == CLASSES).all()
    assert with_metric.loss == "sparse_categorical_crossentropy"


def test_labels_of_any_form(mine: str) -> None:
    """Where loss and metric are both functions of the user's; else they must fit the output."""
    words = np.zeros((12, 7), np.int64)
    assert own(words, facts(), loss=f"{mine}:ctc", metric=f"{mine}:wer").data.train.y.shape == (12, 7)
    with pytest.raises(UserError, match=r"train labels have shape \(7,\), the model gives \(4,\)"):
        own(words, facts(), metric=f"{mine}:wer")


def test_fingerprint_is_of_the_users_loss(mine: str) -> None:
    """Of its file's content; the metric does not change what is built."""
    first = own(CLASSES, facts(), loss=f"{mine}:focal").fingerprint
    assert own(CLASSES, facts(), loss=f"{mine}:focal", metric=f"{mine}:wer").fingerprint == first
    Path(mine).write_text("raise SystemExit")
    assert own(CLASSES, facts(), loss=f"{mine}:focal").fingerprint != first


def test_calibration_of_the_datas_own() -> None:
    """All of it, in the model's shape; files depend on it."""
    inputs = np.arange(200, dtype=np.float32).reshape(100, 2)
    labelled = split(CLASSES, (2,))

    def made(calibration: Array | None) -> Task:
        with_own = Data(labelled, labelled, labelled, "d", calibration)
        return make_task("m", b"", facts(input_shape=(2, 1)), with_own, None, None, 0)

    assert (made(inputs).calibration() == inputs[..., np.newaxis]).all()
    assert len({made(None).fingerprint, made(inputs).fingerprint, made(inputs[:50]).fingerprint}) == 3
    with pytest.raises(UserError, match=r"data d: calibration samples have shape \(3,\), the model takes \(2, 1\)"):
        made(np.zeros((5, 3), np.float32))


VOID = np.where(np.arange(240).reshape(12, 4, 5) % 7 == 0, 255, MASKS)
"""MASKS, in which some pixels are of no class."""


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("asked", [None, "sparse_categorical_crossentropy:ignore_class=255"])
def test_ignored_labels(asked: str | None, dtype: type) -> None:
    """As the file or --loss says: they are no class in any split, and what the model gives there is all the same."""
    compiled = None if asked else "sparse_categorical_crossentropy:ignore_class=255"
    labels: Array
    for labels in (VOID.astype(dtype), VOID.astype(dtype)[..., np.newaxis]):
        made = task(labels, replace(MASKED, compiled_loss=compiled), asked)
        assert (made.loss, made.quality.name) == ("sparse_categorical_crossentropy:ignore_class=255", "accuracy")
        for part in (made.data.train, made.data.validation, made.data.test):
            assert part.y.dtype == np.int64
            assert (part.y == np.where(VOID == 255, UNCOUNTED, MASKS)).all()
        wrong = np.eye(3, dtype=np.float32)[np.where(VOID == 255, 1, MASKS)]
        for metric in ("accuracy", "miou", "f1", "auc", "top2"):
            scored = task(labels, MASKED, "sparse_categorical_crossentropy:ignore_class=255", metric)
            assert scored.score(wrong, made.data.test.y).value == 1.0


@pytest.mark.parametrize("ignored", [-1, 0])
def test_what_is_ignored_may_be_any_number(ignored: int) -> None:
    """-1, or one of the model's own classes."""
    labels = np.where(VOID == 255, ignored, MASKS)
    made = task(labels, MASKED, f"sparse_categorical_crossentropy:logits:ignore_class={ignored}")
    assert (made.data.train.y == np.where(labels == ignored, UNCOUNTED, MASKS)).all()


def test_ignored_labels_must_be_named() -> None:
    """A mask with a number beyond the classes is refused, with how to say that it stands for none; two are two."""
    activations: tuple[tuple[Activation, str], ...] = (("softmax", ""), ("linear", ":logits"))
    for activation, loss in activations:
        hint = f"; where 255 stands for no class: --loss sparse_categorical_crossentropy{loss}:ignore_class=255"
        with pytest.raises(UserError, match=f"go from 0 to 255, the model has outputs for 0 to 2{hint}$"):
            task(VOID, facts(output_shape=(4, 5, 3), activation=activation))
    with pytest.raises(UserError, match=r"go from 0 to 255, the model has outputs for 0 to 2$"):
        task(np.where(MASKS == 1, 254, VOID), MASKED)
    with pytest.raises(UserError, match="all train labels are 255, which is ignored"):
        task(VOID * 0 + 255, MASKED, "sparse_categorical_crossentropy:ignore_class=255")
    with pytest.raises(UserError, match=r"all train labels are the same \(1\); there must be two classes"):
        task(np.where(VOID == 255, 255, 1), MASKED, "sparse_categorical_crossentropy:ignore_class=255")


def test_a_metric_of_the_users_sees_what_is_ignored(mine: str) -> None:
    """Its labels are the data's; those of training are as the loss needs them."""
    made = own(VOID, MASKED, metric=f"{mine}:dice", loss="sparse_categorical_crossentropy:ignore_class=255")
    assert (made.data.test.y == VOID).all()
    assert (made.data.train.y == np.where(VOID == 255, UNCOUNTED, MASKS)).all()


@pytest.mark.parametrize(
    ("labels", "output", "compiled"),
    [
        (CLASSES, 4, "categorical_crossentropy:label_smoothing=0.1"),
        (np.eye(4)[CLASSES], 4, "categorical_crossentropy:label_smoothing=0.1"),
        (CLASSES, 4, "categorical_focal_crossentropy:logits:gamma=3"),
        (CLASSES % 2, 1, "binary_focal_crossentropy:apply_class_balancing=1"),
        (QUANTITIES, 1, "huber:delta=0.3"),
    ],
)
def test_settings_of_the_files_loss_are_kept(labels: Array, output: int, compiled: str) -> None:
    """Whether labels are numbers or rows; another setting is another task, since files are trained otherwise."""
    model = facts(output, "sigmoid" if output == 1 else "softmax")
    made = task(labels, replace(model, compiled_loss=compiled))
    assert made.loss == compiled
    plain = task(labels, replace(model, compiled_loss=compiled.partition(":")[0]))
    assert plain.fingerprint != made.fingerprint


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("labels", [CLASSES % 2 * 2 - 1, (CLASSES % 2 * 2.0 - 1)[:, np.newaxis], CLASSES % 2])
@pytest.mark.parametrize("named", [False, True])
def test_hinge_losses_are_judged_by_the_sign(loss: str, labels: Array, named: bool) -> None:
    """-1 and 1, or 0 and 1: accuracy, and no mean absolute error; a margin of any width is as right."""
    made = task(labels, facts(1, "linear", compiled_loss=None if named else loss), loss if named else None)
    assert (made.loss, made.quality.name, made.half) == (loss, "accuracy", 0.0)
    outputs = np.where(CLASSES % 2 == 1, 0.1, -3.0).astype(np.float32)[:, np.newaxis]
    assert made.score(outputs, made.data.test.y).value == 1.0
    assert made.score(-outputs, made.data.test.y).value == 0.0
    assert made.misread(np.abs(outputs) / 3) is None


def test_hinge_losses_of_several_outputs() -> None:
    """Rows of -1 with one 1 are classes, others are answers; other labels are refused."""
    rows = 2 * np.eye(4)[CLASSES] - 1
    made = task(rows, facts(4, "linear"), "squared_hinge")
    assert (made.quality.name, made.score(rows.astype(np.float32), made.data.test.y).value) == ("accuracy", 1.0)
    made = task(2 * ANSWERS - 1, facts(4, "linear"), "hinge")
    assert (made.quality.name, made.score(2.0 * ANSWERS - 1, made.data.test.y).value) == ("f1", 1.0)
    made = task(CLASSES, facts(4, "linear", compiled_loss="categorical_hinge"))
    assert (made.loss, made.quality.name) == ("categorical_hinge", "accuracy")
    with pytest.raises(UserError, match="loss 'hinge' needs labels of -1 and 1, or of 0 and 1; give another --loss"):
        task(QUANTITIES, facts(1, "linear"), "hinge")


def test_bytes_are_the_task_that_floats_are() -> None:
    """Kept as they come, in a quarter of the memory; what is made of them, and every key, is as of floats."""
    whole = np.arange(36, dtype=np.uint8).reshape(12, 3)
    each = []
    for x in (whole, whole.astype(np.float32)):
        same = Split(x, CLASSES)
        splits = Data(same, same, same, "data.npz", calibration=x[:4])
        each.append(make_task("model.keras", b"model", facts(), splits, None, None, 0))
    kept, floats = each
    assert [str(task.data.train.x.dtype) for task in each] == ["uint8", "float32"]
    assert kept.fingerprint == floats.fingerprint
    assert kept.data.fingerprint(kept.stand_for) == floats.data.fingerprint() != kept.data.fingerprint()
    assert kept.calibration().dtype == kept.real(kept.data.test.x).dtype == np.float32
