"""Models of several inputs and outputs of every format: they open, and their names are those that users know."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.convert import converted
from autotune.compress.worker import start
from autotune.model.file import read_model
from autotune.model.keras3 import random_inputs
from autotune.model.load import import_model, open_base
from autotune.task.model_facts import ModelFacts
from autotune.tflite.flatbuffer import ends
from tests import several

start(2)

import keras  # noqa: E402  # after the legacy switch is set
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

BOTH = (keras, tf_keras)


def opened(path: Path) -> tuple[ModelFacts, bytes]:
    """A model's facts, and the base of its stages."""
    artifact = import_model(read_model(path), path.name)
    return ModelFacts.from_json(artifact.facts), artifact.data


def names(facts: ModelFacts) -> tuple[list[str], list[str]]:
    return [spec.name for spec in facts.inputs], [spec.name for spec in facts.outputs]


def two(kind: Any, takes: str, gives: str) -> Any:
    """Two inputs of one shape and two outputs of another, given to Keras as lists or dictionaries."""
    layers = kind.layers
    a, b = kind.Input((4,), name="a"), kind.Input((4,), name="b")
    x = layers.Concatenate()([a, layers.Dense(2, activation="relu")(b)])
    outputs = [layers.Dense(3, name="zeta")(x), layers.Dense(3, name="alpha")(x)]
    inputs = {"list": [a, b], "tuple": (b, a), "keys": {"a": a, "b": b}, "others": {"q": a, "p": b}}[takes]
    made = kind.Model(inputs, outputs if gives == "list" else dict(zip(("start", "end"), outputs, strict=True)))
    first, second = ("zeta", "alpha") if gives == "list" else ("start", "end")
    made.compile("adam", {first: "mae", second: "mse"}, loss_weights={first: 2.0, second: 1.0}, metrics={first: "mse"})
    values = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    x = {"list": [values, values], "tuple": (values, values)}.get(takes) or dict.fromkeys(inputs, values)
    y = values[:, :3]
    made.fit(x, [y, y] if gives == "list" else {"start": y, "end": y}, verbose=0)
    return made


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("takes", "gives"), list(itertools.product(("list", "tuple", "keys", "others"), ("list", "keys")))
)
@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
def test_dictionaries_keys_are_the_names(kind: Any, takes: str, gives: str, tmp_path: Path) -> None:
    """In facts, in what the model was compiled with, and in files, whose values go with them."""
    made = two(kind, takes, gives)
    made.save(tmp_path / "m.keras")
    facts, base = opened(tmp_path / "m.keras")
    assert facts.format == "keras"
    first, second = ("zeta", "alpha") if gives == "list" else ("start", "end")
    a, b = ("q", "p") if takes == "others" else ("a", "b")
    assert sorted(names(facts)[0]) == sorted([a, b])
    assert sorted(names(facts)[1]) == sorted([first, second])
    assert facts.compiled_loss == f"{first}=mae*2,{second}=mse"
    assert facts.compiled_metrics == (f"{first}:mse",)
    random = np.random.default_rng(1)
    x = {name: random.normal(size=(8, 4)).astype(np.float32) for name in (a, b)}
    given: Any = {"list": list(x.values()), "tuple": tuple(reversed(x.values()))}.get(takes, x)
    wanted = made(given)
    wanted = wanted if gives == "keys" else dict(zip((first, second), wanted, strict=True))
    got = several.outputs(converted(open_base(base)), {spec.name: x[spec.name] for spec in facts.inputs}, batch=8)
    for name, values in wanted.items():
        assert np.allclose(got[name], values, atol=1e-5)


def test_a_key_that_is_another_layers_name_is_left_alone(tmp_path: Path) -> None:
    """The layer's own name stays; the model opens."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = keras.layers.Dense(2, name="start")(keras.layers.Add()([a, b]))
    made = keras.Model([a, b], {"start": keras.layers.Dense(3, name="last")(x), "end": x})
    made.save(tmp_path / "m.keras")
    facts, _ = opened(tmp_path / "m.keras")
    assert facts.format == "keras"
    assert len(set(names(facts)[1])) == 2


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_keras_files_keep_names_and_order(kind: Any, suffix: str, tmp_path: Path) -> None:
    several.model(kind).save(tmp_path / f"m.{suffix}")
    facts, _ = opened(tmp_path / f"m.{suffix}")
    assert names(facts) == (list(several.INPUTS), list(several.OUTPUTS))
    assert facts.input_shape == {"words": (6,), "image": (8, 8, 1), "second": (4,), "first": (4,)}
    assert [spec.dtype for spec in facts.inputs] == ["int32", "float32", "float32", "float32"]


@pytest.mark.parametrize("named", [True, False])
def test_graphs_keep_the_names_of_their_signature(named: bool, tmp_path: Path) -> None:
    """A SavedModel's, and those of the .tflite file made of it. Of a list of outputs Keras makes numbers."""
    made = several.model(tf_keras if named else keras)
    outputs = several.OUTPUTS if named else ("output_0", "output_1")
    if named:
        entries = zip(made.inputs, several.INPUTS, strict=True)
        spec = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name) for tensor, name in entries]
        serve = tf.function(lambda values: dict(zip(outputs, made(values), strict=True)), input_signature=[spec])
        tf.saved_model.save(made, str(tmp_path / "saved"), signatures=serve)
    else:
        made.export(tmp_path / "saved", verbose=False)
    facts, base = opened(tmp_path / "saved")
    assert [sorted(each) for each in names(facts)] == [sorted(several.INPUTS), sorted(outputs)]
    if facts.format == "tflite":
        (tmp_path / "m.tflite").write_bytes(base)
        again, same = opened(tmp_path / "m.tflite")
        assert same == base
        assert names(again) == (list(ends(base).inputs), list(ends(base).outputs)) == names(facts)
    x = several.inputs(4)
    file = base if facts.format == "tflite" else converted(open_base(base))
    got = several.outputs(file, x)
    for name, values in zip(outputs, made([x[each] for each in several.INPUTS]), strict=True):
        assert np.allclose(got[name], values, atol=1e-5)


def test_recurrent_models_have_their_names(tmp_path: Path) -> None:
    """Which are converted for one sample."""
    text, more = keras.Input((5, 3), name="text"), keras.Input((2,), name="more")
    x = keras.layers.Concatenate()([keras.layers.LSTM(4)(text), more])
    made = keras.Model([text, more], [keras.layers.Dense(2, name="z")(x), keras.layers.Dense(2, name="a")(x)])
    made.save(tmp_path / "m.keras")
    _, base = opened(tmp_path / "m.keras")
    random = np.random.default_rng(0)
    x = {
        "text": random.normal(size=(4, 5, 3)).astype(np.float32),
        "more": random.normal(size=(4, 2)).astype(np.float32),
    }
    got = several.outputs(converted(open_base(base)), x, batch=4)
    for name, values in zip(("z", "a"), made([x["text"], x["more"]]), strict=True):
        assert np.allclose(got[name], values, atol=1e-5)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("batch", ["any", "one"])
def test_an_untranslatable_model_keeps_its_outputs_names(batch: str, listed: bool, tmp_path: Path) -> None:
    """Each with its own values, and with its part of what the model was compiled with, as a dictionary or a list in
    the model's order; a file of one sample, too.
    """
    entry = keras.Input((5, 4), name="x")
    x = keras.layers.RMSNormalization()(entry)
    x = keras.layers.Flatten()(x) if batch == "any" else keras.layers.LSTM(6)(x)
    outputs = [keras.layers.Dense(3, name=name)(x) for name in ("zeta", "output_0", "alpha")]
    made = keras.Model(entry, outputs)
    losses: dict[str, str] = {"zeta": "mae", "output_0": "mse", "alpha": "mse"}
    made.compile("adam", list(losses.values()) if listed else losses, metrics={"zeta": "mse"})
    values = np.random.default_rng(0).normal(size=(4, 5, 4)).astype(np.float32)
    made.fit(values, [values[:, 0, :3]] * 3, verbose=0)
    made.save(tmp_path / "m.keras")
    facts, base = opened(tmp_path / "m.keras")
    assert facts.format == "tflite"
    assert sorted(names(facts)[1]) == ["alpha", "output_0", "zeta"]
    assert sorted(str(facts.compiled_loss).split(",")) == ["alpha=mse", "output_0=mse", "zeta=mae"]
    assert facts.compiled_metrics == ("zeta:mse",)
    got = several.outputs(base, {"": values}, batch=4 if batch == "any" else 1)
    for name, expected in zip(("zeta", "output_0", "alpha"), made(values), strict=True):
        assert np.allclose(got[name], expected, atol=1e-5)


@pytest.mark.parametrize("kind", BOTH)
def test_random_inputs_are_indices_of_the_embeddings_behind_them(kind: Any) -> None:
    """A small one beside, such as of sexes, is no reason to try two words of many; what is no index has fractions."""
    layers = kind.layers
    words, sex, height = kind.Input((30,), name="words"), kind.Input((1,), name="sex"), kind.Input((3,), name="height")
    text = kind.Sequential([kind.Input((30,)), layers.Embedding(1000, 2), layers.Flatten()])(words)
    x = layers.Concatenate()([text, layers.Flatten()(layers.Embedding(2, 2)(sex)), height])
    values = dict(zip(("words", "sex", "height"), random_inputs(kind.Model([words, sex, height], x)), strict=True))
    assert values["words"].max() > 100
    assert set(values["sex"].ravel()) <= {0, 1}
    assert (values["height"] % 1).any()
