"""What the training stages share: when a fine-tuning ends, and which layers it is about."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.stage import TrainingData
from autotune.compress.training import (
    RESTART,
    add_history,
    compressible,
    fine_tune,
    keras_loss,
    kernel,
    untreated,
    wrap_layers,
)
from autotune.compress.worker import start
from autotune.model.keras_facts import layers_of
from autotune.model.load import import_model, open_base

start(2)

import tf_keras  # noqa: E402  # after the legacy switch is set

layers = tf_keras.layers
SETTINGS: dict[str, Any] = {"fine_tune": "labels", "augment": "none", "epochs": 20, "batch_size": 16}


def saved(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return import_model(path.read_bytes(), path.name).data


@pytest.fixture(scope="module")
def base() -> bytes:
    """Dense layers about a batch normalisation, one of them in a nested model."""
    tf_keras.utils.set_random_seed(0)
    inner = tf_keras.Sequential([layers.Input((8,)), layers.Dense(8, name="inner")], name="nested")
    entry = layers.Input((4,))
    x = layers.BatchNormalization()(layers.Dense(8, name="first")(entry))
    return saved(tf_keras.Model(entry, layers.Dense(3, "softmax", name="last")(inner(x))))


@pytest.fixture(scope="module")
def data() -> TrainingData:
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    return TrainingData(x, x[:, :3].argmax(axis=1), x[:8], "sparse_categorical_crossentropy", 0)


def test_a_training_that_gains_nothing_ends_early(base: bytes, data: TrainingData) -> None:
    """But not in its first half, in which sparsity may still be rising."""
    facts = fine_tune(open_base(base), base, SETTINGS | {"learning_rate": 1e-12}, data, [])
    assert 10 < facts["epochs"] == len(facts["loss"]) < 20


def test_a_training_that_gains_goes_on(base: bytes, data: TrainingData) -> None:
    """To its last epoch, and the loss falls."""
    facts = fine_tune(open_base(base), base, SETTINGS | {"learning_rate": 0.003}, data, [])
    assert facts["epochs"] == 20
    assert facts["loss"][-1] < facts["loss"][0]
    assert len(facts["accuracy"]) == 20
    assert facts["accuracy"][-1] > facts["accuracy"][0]


def test_a_continued_training_is_not_the_first_one_again(base: bytes, data: TrainingData) -> None:
    """Its samples come in another order, and its rate begins lower."""
    losses, rates = [], []
    for continued in ({}, {"continues": 5}):
        model = open_base(base)
        facts = fine_tune(model, base, SETTINGS | {"learning_rate": 1e-6, "epochs": 3} | continued, data, [])
        losses.append(facts["loss"])
        rates.append(model.optimizer.get_config()["learning_rate"]["config"]["initial_learning_rate"])
    assert losses[0] != losses[1]
    assert rates == [1e-6, 1e-6 * RESTART]


def test_batch_normalisation_follows_a_short_training(base: bytes, data: TrainingData) -> None:
    """Samples moved by ten: with Keras's momentum of 0.99 its mean would not have followed by half."""
    moved = TrainingData(data.x + 10, data.y, data.calibration, data.loss, 0)
    model = open_base(base)
    fine_tune(model, base, SETTINGS | {"learning_rate": 1e-12}, moved, [])
    [norm] = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    seen = model.get_layer("first")(moved.x).numpy().mean(axis=0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), seen, rtol=0.1, atol=0.1)


ROWS = np.eye(3, dtype=np.float32)[[0, 2, 1, 1]]
GIVEN = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1]], np.float32)


@pytest.mark.parametrize(
    ("identifier", "loss"),
    [
        ("categorical_crossentropy:label_smoothing=0.2", lambda of: of.CategoricalCrossentropy(label_smoothing=0.2)),
        ("categorical_crossentropy:logits", lambda of: of.CategoricalCrossentropy(from_logits=True)),
        (
            "categorical_focal_crossentropy:logits:alpha=0.5:gamma=3",
            lambda of: of.CategoricalFocalCrossentropy(alpha=0.5, gamma=3, from_logits=True),
        ),
        ("categorical_hinge", lambda of: of.CategoricalHinge()),
        ("squared_hinge", lambda of: of.SquaredHinge()),
    ],
)
def test_losses_of_rows_take_class_numbers(identifier: str, loss: Any) -> None:
    """With their settings, one value a sample, as Keras gives for one-hot rows."""
    expected = loss(tf_keras.losses)(ROWS, GIVEN).numpy()
    for labels in (ROWS, ROWS.argmax(axis=1), ROWS.argmax(axis=1)[:, np.newaxis]):
        values = keras_loss(identifier)(tf_keras.backend.constant(labels), tf_keras.backend.constant(GIVEN))
        assert values.shape == (4,)
        assert float(values.numpy().mean()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("identifier", "loss"),
    [
        ("huber:delta=0.1", lambda of: of.Huber(0.1)),
        (
            "binary_focal_crossentropy:apply_class_balancing=1:gamma=3",
            lambda of: of.BinaryFocalCrossentropy(apply_class_balancing=True, gamma=3),
        ),
        ("binary_crossentropy:label_smoothing=0.2", lambda of: of.BinaryCrossentropy(label_smoothing=0.2)),
    ],
)
def test_losses_have_their_settings(identifier: str, loss: Any) -> None:
    """As Keras' own objects."""
    assert float(keras_loss(identifier)(ROWS, GIVEN)) == pytest.approx(float(loss(tf_keras.losses)(ROWS, GIVEN)))


@pytest.mark.parametrize("lesson", ["labels", "distill"])
def test_what_is_ignored_is_not_learned(lesson: str) -> None:
    """Most pixels' classes can be read off, a fifth have no label and other values: a training that counted them
    would come out otherwise. Its history counts none either.
    """
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (48, 4, 4))
    x = (labels + 0.1 * random.normal(size=labels.shape)).astype(np.float32)[..., np.newaxis]
    void = random.random(labels.shape) < 0.2
    entry = layers.Input((4, 4, 1))
    base = saved(tf_keras.Model(entry, layers.Conv2D(2, 1, activation="softmax")(entry)))
    loss = "sparse_categorical_crossentropy:ignore_class=255"
    settings = {"fine_tune": lesson, "augment": "none", "epochs": 3, "batch_size": 16, "learning_rate": 0.1}
    trained = []
    for beyond in (3, -50):
        x[void] = beyond
        model = open_base(base)
        model.set_weights([weight + 0.5 * np.arange(2, dtype=np.float32) for weight in model.get_weights()])
        data = TrainingData(x.copy(), np.where(void, -1, labels), x[:4], loss, 0)
        facts = fine_tune(model, base, settings, data, [])
        trained.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
        assert facts["loss"][-1] < facts["loss"][0]
    np.testing.assert_allclose(trained[0], trained[1], atol=1e-6)
    if lesson == "labels":
        loss_of = tf_keras.losses.SparseCategoricalCrossentropy(ignore_class=255)
        model = open_base(base)
        still = fine_tune(model, base, settings | {"learning_rate": 0.0, "epochs": 1, "batch_size": 48}, data, [])
        truth = np.where(void, 255, labels)
        assert still["loss"][0] == pytest.approx(float(loss_of(truth, model(x))), rel=1e-5)
        hits = (model(x).numpy().argmax(axis=-1) == labels)[~void]
        assert still["accuracy"][0] == pytest.approx(hits.mean(), rel=1e-5)


def test_nested_layers_are_reached(base: bytes) -> None:
    """Listed in their place, wrapped where they are, left alone where they are excluded."""
    model = open_base(base)
    assert [layer.name for layer in compressible(model, ())] == ["first", "inner", "last"]
    assert [layer.name for layer in compressible(model, ("in*", "last"))] == ["first"]
    assert kernel(compressible(model, ())[1]).shape == (8, 8)
    seen: list[str] = []

    def noted(layer: Any) -> Any:
        seen.append(layer.name)
        return layer

    wrapped = wrap_layers(model, lambda layer: layer.name == "inner", noted)
    assert seen == ["inner"]
    assert [layer.name for layer in layers_of(wrapped)] == [layer.name for layer in layers_of(model)]


def test_layers_that_tfmot_leaves_alone() -> None:
    """Recurrent ones, wrapped ones and transposed ones of other than two dimensions have kernels, too."""
    entry = layers.Input((6, 4))
    x = layers.TimeDistributed(layers.Dense(5), name="steps")(entry)
    x = layers.Conv1DTranspose(5, 3, name="up")(x)
    x = layers.GRU(3, name="memory")(x)
    assert untreated(saved(tf_keras.Model(entry, layers.Dense(2, name="last")(x)))) == ["steps", "up", "memory"]


def test_a_file_has_no_layers_of_that_kind() -> None:
    """It is compressed without training, and all of it is."""
    assert untreated(b"\0\0\0\0TFL3") == []


def test_a_history_goes_on_with_the_training_that_it_continues() -> None:
    """One for each stage; facts of what does not train, or was built before there were histories, add none."""
    trainings: list[dict[str, Any]] = []
    add_history(trainings, "prune", {"epochs": 2, "loss": [0.5, 0.25], "accuracy": [0.123456789, 1.0]})
    add_history(trainings, "qat", {"loss": [3.0]})
    add_history(trainings, "qat", {"loss": [2.0], "agreement": [0.5]})
    add_history(trainings, "convert", {"download_bytes": 10})
    assert trainings == [
        {"stage": "prune", "loss": [0.5, 0.25], "accuracy": [0.123457, 1.0]},
        {"stage": "qat", "loss": [3.0, 2.0], "agreement": [0.5]},
    ]


@pytest.mark.parametrize(
    "loss", ["sparse_categorical_crossentropy:logits", "categorical_crossentropy:logits", "binary_crossentropy:logits"]
)
def test_masks_are_learned(loss: str) -> None:
    """In the form that the task has them: class numbers, distributions, or 0 and 1 without the axis of the sigmoid."""
    x = np.random.default_rng(0).random((64, 4, 5, 1)).astype(np.float32)
    classes = (x[..., 0] > 0.5).astype(int)
    binary, soft = loss.startswith("binary"), loss.startswith("categorical")
    model = saved(tf_keras.Sequential([layers.Input((4, 5, 1)), layers.Conv2D(1 if binary else 2, 1)]))
    labels = (0.8 * np.eye(2)[classes] + 0.1).astype(np.float32) if soft else classes
    learned = open_base(model)
    masks = TrainingData(x, labels, x[:8], loss, 0)
    fine_tune(learned, model, SETTINGS | {"learning_rate": 0.5, "epochs": 8}, masks, [])
    outputs = learned.predict(x, verbose=0)
    decided = outputs[..., 0] > 0 if binary else outputs.argmax(axis=-1)
    assert (decided == classes).mean() > 0.9
