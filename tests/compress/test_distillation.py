"""What a fine-tuning learns from: varied samples, labels or a teacher's outputs, and the loss between outputs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.distillation import distillation_loss, lessons
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.errors import Infeasible
from autotune.task.data import fields
from autotune.task.data.mapped import opened, path_of

COUNT, SIZE = 64, 16


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Images with their number in every pixel, a bright left half, and that number as their label."""
    start(2)
    x = np.broadcast_to(np.arange(COUNT, dtype=np.float32)[:, None, None, None], (COUNT, SIZE, SIZE, 1)).copy()
    x[:, :, : SIZE // 2] += 1000
    return TrainingData(x, np.arange(COUNT), x[:4], "mse", 0)


def epoch(data: TrainingData, augment: str, teacher: Any = None) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    batches = [(x.numpy(), y.numpy()) for x, y in lessons(data, 16, augment, teacher)]
    return np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])


def test_every_sample_comes_once_shuffled(data: TrainingData) -> None:
    """With its own label."""
    x, y = epoch(data, "none")
    assert sorted(y) == list(range(COUNT))
    assert list(y) != list(range(COUNT))
    np.testing.assert_array_equal(x[:, 0, -1, 0], y)


def test_shifts_move_images_and_no_labels(data: TrainingData) -> None:
    """By up to an eighth of their width, never mirrored: the bright half stays on the left."""
    x, y = epoch(data, "shift")
    np.testing.assert_array_equal(x[:, 0, -1, 0], y)
    widths = (x[:, 0, :, 0] >= 1000).sum(axis=1)
    assert len(set(widths)) > 2
    assert np.abs(widths - SIZE // 2).max() <= SIZE // 8


def test_flips_mirror_about_half_of_the_images(data: TrainingData) -> None:
    """Left to right."""
    x, _ = epoch(data, "flip_shift")
    mirrored = x[:, 0, 0, 0] < 1000
    assert COUNT // 4 < mirrored.sum() < COUNT * 3 // 4


def test_a_teacher_sees_the_same_varied_samples(data: TrainingData) -> None:
    """Its outputs replace the labels, for mixed samples too."""

    def teacher(x: Any, training: bool) -> Any:
        assert not training
        return x[:, 0, 0, :] * 2

    x, y = epoch(data, "mix", teacher)
    np.testing.assert_allclose(y, x[:, 0, 0, :] * 2)
    left = x[:, 0, 0, 0] % 1000
    assert (left != np.round(left)).sum() > COUNT // 8


def test_integers_are_varied_as_integers(data: TrainingData) -> None:
    """Pixels of a model that takes them whole, mixed ones rounded."""
    pixels = replace(data, x=data.x.astype(np.int32))
    mixed, taught = epoch(pixels, "mix", teacher=lambda x, training: x)
    assert mixed.dtype == np.int32
    assert set(np.unique(mixed)) - set(np.unique(pixels.x))
    np.testing.assert_array_equal(mixed, taught)


IGNORING = "sparse_categorical_crossentropy:ignore_class=255"


@pytest.mark.parametrize("augment", ["none", "shift", "flip_shift"])
def test_ignored_labels_move_with_their_images(data: TrainingData, augment: str) -> None:
    """They have no weight, the others have what keeps the mean that of those that count."""
    y = np.where(data.x[..., 0] >= 1000, -1, 2)
    masks = replace(data, y=y, loss=IGNORING)
    for x, taught, weights in lessons(masks, 16, augment, teacher=lambda x, training: x):
        np.testing.assert_array_equal(taught, x)
        np.testing.assert_array_equal(weights.numpy() == 0, x.numpy()[..., 0] >= 1000)
        assert weights.numpy().mean() == pytest.approx(1)


def test_ignored_labels_of_another_size_do_not_move(data: TrainingData) -> None:
    """Such a training is refused; without shifts and flips it is as any."""
    masks = replace(data, y=np.full((COUNT, 4, 4), -1), loss=IGNORING)
    with pytest.raises(Infeasible, match="ignored labels of another size than their images"):
        lessons(masks, 16, "shift", teacher=lambda x, training: x)
    [_, labels, weights] = next(iter(lessons(masks, 16, "none", None)))
    assert not labels.numpy().any()
    assert not weights.numpy().any()


@pytest.mark.parametrize("logits", ["", ":logits"])
def test_classes_are_distilled_to_equality(data: TrainingData, logits: str) -> None:
    """The loss is least where the student says what the teacher says, in probabilities and in logits."""
    import tensorflow as tf

    values = tf.constant([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
    taught = values if logits else tf.nn.softmax(values)
    loss = distillation_loss(f"sparse_categorical_crossentropy{logits}")
    best = loss(taught, taught).numpy()
    for delta in ([0.1, 0.0, 0.0], [0.0, -0.1, 0.0], [0.0, 0.1, -0.1]):
        other = values + tf.constant(delta)
        assert (loss(taught, other if logits else tf.nn.softmax(other)).numpy() > best).all()


@pytest.mark.parametrize("identifier", ["binary_crossentropy", "binary_crossentropy:logits", "mse", "own.py:loss"])
def test_other_outputs_are_distilled_to_equality(data: TrainingData, identifier: str) -> None:
    """Probabilities of yes, quantities, and whatever the user's own loss is of."""
    import tensorflow as tf

    taught = tf.constant([[0.2], [0.9]])
    loss = distillation_loss(identifier)
    best = float(np.mean(loss(taught, taught)))
    for delta in (-0.05, 0.05):
        assert float(np.mean(loss(taught, taught + delta))) > best


def test_bytes_become_what_the_model_takes(data: TrainingData) -> None:
    """Before they are varied: what is mixed of two images has fractions."""
    few = replace(data, x=(data.x % 256).astype(np.uint8))
    x = np.concatenate([batch.numpy() for batch, _ in lessons(few, 16, "mix", lambda x, training: x, ["float32"])])
    assert x.dtype == np.float32
    assert (x != np.rint(x)).any()


def test_samples_in_a_file_are_the_same_lessons(data: TrainingData, tmp_path: Path) -> None:
    """In the same order, each with its label, though no more of them is read than the next ones."""
    np.save(tmp_path / "x.npy", data.x)
    few = replace(data, x=opened(tmp_path / "x.npy"))
    assert path_of(few.x) is not None
    for in_memory, in_file in zip(epoch(data, "none"), epoch(few, "none"), strict=True):
        np.testing.assert_array_equal(in_memory, in_file)


@pytest.mark.parametrize("in_file", [False, True], ids=["in memory", "in a file"])
def test_some_of_the_samples_are_learned_from(data: TrainingData, in_file: bool, tmp_path: Path) -> None:
    """The same ones in each epoch, each once with its own label, and with the classes in proportion."""
    np.save(tmp_path / "x.npy", data.x)
    x = opened(tmp_path / "x.npy") if in_file else data.x
    some = replace(data, x=x, y=data.y % 4).drawn(16)
    (first, labels), (second, _) = epoch(some, "none"), epoch(some, "none")
    assert len(set(first[:, 0, -1, 0])) == 16
    assert {*first[:, 0, -1, 0]} == {*second[:, 0, -1, 0]}
    np.testing.assert_array_equal(first[:, 0, -1, 0] % 4, labels)
    assert list(np.bincount(labels)) == [4, 4, 4, 4]


@pytest.mark.parametrize("in_file", ["x", "y", "xy"])
def test_so_are_those_of_several_inputs_and_outputs(data: TrainingData, tmp_path: Path, in_file: str) -> None:
    """Whichever of samples and labels are in a file."""
    x = fields.joined({"image": data.x, "number": data.x[:, 0, 0, 0].astype(np.int32)})
    several = replace(data, x=x, y=fields.joined({"a": data.y, "b": data.x[:, 0]}))
    for name in "xy":
        np.save(tmp_path / f"{name}.npy", getattr(several, name))
    in_files = replace(several, x=opened(tmp_path / "x.npy")) if "x" in in_file else several
    in_files = replace(in_files, y=opened(tmp_path / "y.npy")) if "y" in in_file else in_files
    for teacher in (None, lambda x, training: [x[1], x[0]]):
        batches = [[*map(np.asarray, (*x, *y))] for x, y in lessons(several, 16, "none", teacher)]
        others = [[*map(np.asarray, (*x, *y))] for x, y in lessons(in_files, 16, "none", teacher)]
        assert len(batches) == len(others) == COUNT // 16
        for batch, other in zip(batches, others, strict=True):
            for values, others_values in zip(batch, other, strict=True):
                np.testing.assert_array_equal(values, others_values)
                assert values.dtype == others_values.dtype
