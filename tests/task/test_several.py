"""Tasks of several inputs and outputs: data in all their forms are matched by name, each output has its loss."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.task.data import Data, mapped, read_data
from autotune.task.data.fields import names, parts
from autotune.task.data.mapped import path_of
from autotune.task.make import make_task
from autotune.task.model_facts import ModelFacts, TensorSpec
from autotune.task.task import Task
from autotune.task.user_metric import score_with
from tests import several

FACTS = ModelFacts(
    (
        TensorSpec((6,), "int32", "words"),
        TensorSpec((8, 8, 1), name="image"),
        TensorSpec((4,), name="second"),
        TensorSpec((4,), name="first"),
    ),
    (TensorSpec((3,), name="width", activation="linear"), TensorSpec((3,), name="height", activation="linear")),
    ("dense",),
    100,
    100,
)
HEAD = "from tests import several\nx, y = several.inputs(60), several.labels(several.inputs(60))\n"
X = several.inputs(60)
Y = several.labels(X)


def task(data: Data, facts: ModelFacts = FACTS, loss: str | None = None, metric: str | None = "width=mae") -> Task:
    return make_task("m.keras", b"model", facts, data, loss, metric, 0)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    several.npz(tmp_path / "d.npz")
    return read_data(str(tmp_path / "d.npz"), FACTS.input_shape, 0)


def of_function(folder: Path, body: str) -> Data:
    """What a function gives."""
    (folder / "mine.py").write_text(f"{HEAD}def data(shape):\n    {body}\n")
    return read_data(f"{folder / 'mine.py'}:data", FACTS.input_shape, 0)


DATASETS = "import tensorflow as tf; made = tf.data.Dataset.from_tensor_slices"


@pytest.mark.parametrize(
    "body",
    [
        "return {'train': (x, y), 'test': (x, y), 'calibration': x}",
        "a, b = dict(reversed(x.items())), dict(reversed(y.items())); return {'train': (a, b), 'test': (a, b), "
        "'calibration': a}",
        "a, b = tuple(x.values()), tuple(y.values()); return {'train': (a, b), 'test': (a, b), 'calibration': a}",
        f"{DATASETS}((x, y)); return {{'train': made, 'test': made, 'calibration': made.map(lambda x, y: x)}}",
        f"{DATASETS}((x, y)).batch(7); return {{'train': made, 'test': made}}",
        f"{DATASETS}((tuple(x.values()), tuple(y.values()))).batch(60); return {{'train': made, 'test': made}}",
        f"{DATASETS}((tuple(x.values()), y)); return {{'train': made, 'test': made}}",
        "assert shape['image'] == (8, 8, 1); return {'train': (x, y), 'test': (x, y)}",
    ],
)
def test_functions_give_dictionaries_tuples_or_datasets(body: str, tmp_path: Path) -> None:
    """Whatever their order: inputs and labels are the model's, in its order, with their values."""
    made = task(of_function(tmp_path, body))
    assert names(made.data.train.x) == several.INPUTS
    assert names(made.data.train.y) == several.OUTPUTS
    for name, values in parts(made.data.train.x).items():
        assert np.array_equal(values, X[name])
    for name, values in parts(made.data.train.y).items():
        assert np.allclose(values, Y[name])
    assert names(made.calibration()) == several.INPUTS


def test_arrays_of_a_file(data: Data) -> None:
    """By name; each has its own type."""
    made = task(data)
    assert [made.data.train.x[name].dtype.name for name in several.INPUTS] == ["int32", *3 * ["float32"]]
    assert np.array_equal(made.data.train.x["first"], X["first"])
    assert not np.array_equal(made.data.train.x["first"], made.data.train.x["second"])


def test_a_tasks_identity_is_that_of_the_values(data: Data, tmp_path: Path) -> None:
    """The same from whichever form of data, and another where two inputs were swapped."""
    body = "a = several.inputs(60, 1); return {'train': (x, y), 'test': (a, several.labels(a))}"
    same = of_function(tmp_path, body)
    assert task(data).fingerprint == task(same).fingerprint
    swapped = X | {"first": X["second"], "second": X["first"]}
    several.npz(tmp_path / "other.npz", **{f"x_train:{name}": values for name, values in swapped.items()})
    other = read_data(str(tmp_path / "other.npz"), FACTS.input_shape, 0)
    assert task(other).fingerprint != task(data).fingerprint


@pytest.mark.parametrize(
    ("compiled", "said", "loss"),
    [
        (None, None, "width=mse,height=mse"),
        ("mae", None, "width=mae,height=mae"),
        ("width=mae*2,height=huber:delta=0.5", None, "width=mae*2,height=huber:delta=0.5"),
        ("width=mae*2,height=mae", "height=mse*0.5", "width=mae*2,height=mse*0.5"),
        (None, "height=mae,width=huber", "width=huber,height=mae"),
    ],
)
def test_losses(compiled: str | None, said: str | None, loss: str, data: Data) -> None:
    """The user's word goes before the file's, output by output, with its weight; they are in the model's order."""
    assert task(data, replace(FACTS, compiled_loss=compiled), said).loss == loss


def test_the_judged_output(data: Data) -> None:
    """By --metric, else by what the model was compiled with."""
    made = task(data, metric="height=mse")
    assert (made.judged, made.quality.name) == ("height", "mse")
    compiled = task(data, replace(FACTS, compiled_metrics=("height:mean_absolute_error",)), metric=None)
    assert (compiled.judged, compiled.quality.name) == ("height", "mae")
    outputs = np.zeros(len(made.data.validation), made.data.validation.y.dtype)
    assert made.score(outputs, made.data.validation.y).value == pytest.approx(
        float(np.square(made.data.validation.y["height"]).mean())
    )


SPANS = ModelFacts(
    (TensorSpec((6,), "int32", "words"), TensorSpec((6,), "int32", "mask")),
    (TensorSpec((6,), name="end"), TensorSpec((6,), name="start")),
    ("dense",),
    100,
    100,
)


def spans(folder: Path, **labels: Any) -> Data:
    """Texts with answers."""
    x = {"words": X["words"], "mask": X["words"] * 0}
    arrays: dict[str, Any] = {f"x_{split}:{name}": values for name, values in x.items() for split in ("train", "test")}
    arrays |= {f"y_{split}{name}": values for name, values in labels.items() for split in ("train", "test")}
    np.savez(folder / "d.npz", **arrays)
    return read_data(str(folder / "d.npz"), SPANS.input_shape, 0)


def test_labels_of_all_outputs_teach_what_is_judged_as_a_whole(tmp_path: Path) -> None:
    """Where they are the outputs' own; where they are of another form, fine-tuning is left to the teacher."""
    places = X["words"][:, 0].astype(np.int64) % 3
    own = task(spans(tmp_path, **{":start": places, ":end": places + 1}), SPANS, metric="span_f1")
    assert own.teaches
    assert own.judged is None
    assert own.loss.count("sparse_categorical_crossentropy") == 2
    other = task(spans(tmp_path, **{"": np.stack([places, places + 1], 1)}), SPANS, metric="span_f1")
    assert not other.teaches
    assert other.data.train.y.shape == (60, 2)


def test_labels_of_another_layout_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    """By the metric itself, which is tried on them."""
    places = X["words"][:, 0].astype(np.int64) % 3
    with pytest.raises(UserError, match="label 0 is no span of 6 tokens"):
        task(spans(tmp_path, **{"": np.stack([places + 9, places], 1)}), SPANS, metric="span_f1")


def test_tuples_want_an_order(tmp_path: Path) -> None:
    """Which a converter's file has not: inputs of one shape would be swapped in silence."""
    body = "a, b = tuple(x.values()), y; return {'train': (a, b), 'test': (a, b)}"
    with pytest.raises(UserError, match=r"x is a tuple, .* give a dictionary with words, image, second, first"):
        task(of_function(tmp_path, body), replace(FACTS, format="tflite"))


def test_a_metric_of_one_s_own_has_all_outputs(tmp_path: Path) -> None:
    """By name, labels as well: it judges the model as a whole, and each output is taught by its own labels."""
    body = "return {'train': (x, y), 'test': (x, y), 'metric': 'gap', 'better': 'lower'}"
    judge = "def gap(y, outputs):\n    return abs(y['width'] - outputs['width'] - outputs['height']).max(axis=1)\n"
    data = of_function(tmp_path, f"{body}\n\n{judge}")
    made = task(data, metric=None)
    assert (made.judged, made.teaches, made.quality.name, made.quality.better) == (None, True, "gap", "lower")
    assert made.scorer == f"{tmp_path / 'mine.py'}:gap"
    y = made.data.validation.y
    score = score_with(made.scorer, y, y, made.data.validation.x)
    np.testing.assert_allclose(score.each, np.abs(y["height"]).max(axis=1), rtol=1e-6)


def test_large_samples_are_in_files_throughout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the model's order: the task is the same as that of samples in memory."""
    several.npz(tmp_path / "d.npz")

    def made() -> Task:
        return task(read_data(str(tmp_path / "d.npz"), FACTS.input_shape, 0, cache=tmp_path / "cache"))

    plain = made()
    monkeypatch.setattr(mapped, "LARGE", 1)
    large = made()
    assert large.fingerprint == plain.fingerprint
    assert large.data.fingerprint() == plain.data.fingerprint()
    for split in (large.data.train, large.data.validation, large.data.test):
        assert names(split.x) == ("words", "image", "second", "first")
        assert path_of(split.x) is not None
