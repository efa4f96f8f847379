"""What a model's file leaves open, closed as the user says: shapes of inputs, and one signature of several."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.worker import start
from autotune.errors import UserError
from autotune.model.artifact import Artifact
from autotune.model.file import read_model
from autotune.model.load import import_model, open_base
from autotune.model.opening import Opening, chosen

start(2)

import keras  # noqa: E402  # after the legacy switch is set
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402
from ai_edge_litert.interpreter import Interpreter  # noqa: E402

SHAPE = Opening.parse(["1,6,4"], None)
X = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)


def run(file: bytes, x: Any) -> Any:
    runner = Interpreter(model_content=file)
    runner.resize_tensor_input(runner.get_input_details()[0]["index"], x.shape)
    runner.allocate_tensors()
    runner.set_tensor(runner.get_input_details()[0]["index"], x)
    runner.invoke()
    return runner.get_tensor(runner.get_output_details()[0]["index"])


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        (["1,128,8"], {"": (128, 8)}),
        (["ids=1,128", "a/b:0=1"], {"ids": (128,), "a/b:0": ()}),
        ([], {}),
    ],
)
def test_shapes_are_said_with_the_batch(shapes: list[str], expected: dict[str, tuple[int, ...]]) -> None:
    """Which stays open."""
    assert Opening.parse(shapes, None).shapes == expected


@pytest.mark.parametrize(
    ("shapes", "wrong"),
    [
        (["ids"], "takes whole numbers, as NAME=1,128,8 or 1,128,8"),
        (["ids=1,?"], "takes whole numbers"),
        (["ids=1,-1"], "takes whole numbers"),
        (["8,128"], "begins with 1, the batch"),
        (["1,0"], "has no 0 behind it"),
        (["a=1,2", "a=1,3"], "said twice"),
    ],
)
def test_what_is_no_shape_is_refused(shapes: list[str], wrong: str) -> None:
    """In one line that has it."""
    with pytest.raises(UserError, match=f"^--shape .*{wrong}"):
        Opening.parse(shapes, None)


@pytest.mark.parametrize(
    ("shape", "wrong"),
    [
        ("1,6,5", r"input 'x' has shape \(None, 4\), not \(6, 5\)"),
        ("1,6", r"input 'x' has shape \(None, 4\), not \(6,\)"),
        ("y=1,6,4", "no input is called 'y'; it takes x$"),
    ],
)
def test_shapes_are_held_against_the_model_s(shape: str, wrong: str) -> None:
    """What it leaves open alone can be said."""
    with pytest.raises(UserError, match=f"^--shape: {wrong}"):
        Opening.parse([shape], None).closed({"x": [None, None, 4]})
    with pytest.raises(UserError, match=r"^--shape: the model has several inputs; name one; it takes x, z"):
        SHAPE.closed({"x": [None, None, 4], "z": [None, 4]})


def test_what_is_said_makes_another_model() -> None:
    """What nobody says changes no key of what was built before."""
    assert Opening().said == []
    said = [SHAPE, Opening.parse(["1,6,5"], None), Opening({}, "a"), Opening.parse(["x=1,6,4"], None)]
    assert len({str(each.said) for each in said}) == 4


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_a_keras_model_of_any_length_gets_one(library: Any, tmp_path: Path) -> None:
    """It stays trainable, for batches of any size, and computes the same."""
    entry = library.Input((None, 4), name="x")
    hidden = library.layers.Conv1D(5, 3, padding="same")(entry)
    model = library.Model(entry, library.layers.Dense(2)(library.layers.LSTM(3)(hidden)))
    model.save(tmp_path / "m.keras")
    data = (tmp_path / "m.keras").read_bytes()
    with pytest.raises(UserError, match=r"input shape \(None, 4\) is not fixed; say one with --shape"):
        import_model(data, "m.keras")
    imported = import_model(data, "m.keras", None, SHAPE)
    assert (imported.facts["input_shape"], imported.facts["untrainable"]) == ([6, 4], None)
    base = open_base(imported.data)
    assert base.inputs[0].shape == (None, 6, 4)
    np.testing.assert_allclose(base(X), np.asarray(model(X)), atol=1e-5)


def test_an_untranslatable_model_is_exported_with_it(tmp_path: Path) -> None:
    """As a file of that shape."""
    model = keras.Sequential([keras.Input((None, 4)), keras.layers.RMSNormalization(), keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    imported = import_model((tmp_path / "m.keras").read_bytes(), "m.keras", None, SHAPE)
    assert (imported.facts["format"], imported.facts["input_shape"]) == ("tflite", [6, 4])
    np.testing.assert_allclose(run(imported.data, X), np.asarray(model(X)), atol=1e-5)


def folder(path: Path) -> tuple[Any, Path]:
    """A SavedModel of two functions of inputs of any length."""
    module = tf.Module()
    module.weights = tf.Variable(tf.random.stateless_normal((4, 3), (1, 2)))
    spec = [tf.TensorSpec((None, None, 4), tf.float32, "x")]
    module.first = tf.function(lambda x: {"y": tf.nn.relu(x @ module.weights)}, input_signature=spec)
    module.second = tf.function(lambda x: {"z": tf.nn.tanh(x @ module.weights)}, input_signature=spec)
    tf.saved_model.save(module, path, signatures={"first": module.first, "second": module.second})
    return module, path


def two_in_a_file(path: Path) -> tuple[Any, bytes]:
    """The same as a .tflite file."""
    module, path = folder(path)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(path), signature_keys=["first", "second"])
    return module, bytes(converter.convert())


def meant(opening: Opening, kind: str, path: Path) -> tuple[Any, Artifact]:
    """The functions, and the model that is opened of them."""
    if kind == "folder":
        module, _ = folder(path)
        return module, import_model(read_model(path), "m", None, opening)
    module, file = two_in_a_file(path)
    return module, import_model(file, "m.tflite", None, opening)


@pytest.mark.parametrize("kind", ["folder", "file"])
@pytest.mark.parametrize("name", ["first", "second"])
def test_one_signature_of_several(kind: str, name: str, tmp_path: Path) -> None:
    """With a shape that it leaves open; its outputs, and no other's."""
    module, imported = meant(Opening.parse(["x=1,6,4"], name), kind, tmp_path / "m")
    assert (imported.facts["input_shape"], imported.facts["output_shape"]) == ([6, 4], [6, 3])
    [expected] = getattr(module, name)(X).values()
    np.testing.assert_allclose(run(imported.data, X), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_signatures_are_named(kind: str, tmp_path: Path) -> None:
    """Where there are several; by a name that there is."""
    with pytest.raises(UserError, match=r"has several signatures \(first, second\); say which with --signature NAME"):
        meant(Opening(), kind, tmp_path / "a")
    with pytest.raises(UserError, match="has no signature 'third'; there are first, second"):
        meant(Opening.parse([], "third"), kind, tmp_path / "b")


def test_a_keras_file_has_no_signatures(tmp_path: Path) -> None:
    """So none can be said."""
    tf_keras.Sequential([tf_keras.layers.Input((4,)), tf_keras.layers.Dense(2)]).save(tmp_path / "m.keras")
    with pytest.raises(UserError, match="has no signatures, so none that is called 'serve'"):
        import_model((tmp_path / "m.keras").read_bytes(), "m.keras", None, Opening.parse([], "serve"))
    assert chosen(["only"], Opening()) == "only"


def reshaped(rows: Any, shape: tuple[int | None, ...] = (6, 4)) -> bytes:
    """A .tflite file that reshapes features (n, 6, 8) of its inputs."""
    entry = tf_keras.Input(shape, name="x")
    hidden = tf_keras.layers.Dense(8, bias_initializer="ones")(entry)
    return bytes(tf.lite.TFLiteConverter.from_keras_model(tf_keras.Model(entry, rows(hidden))).convert())


def test_what_a_reshape_leaves_open_follows_from_the_inputs() -> None:
    """Its file says so of no dimension; it is trained and run with batches of any size, as one that does."""
    file = reshaped(tf_keras.layers.Reshape((-1, 4)))
    imported = import_model(file, "m.tflite")
    assert (imported.facts["output_shape"], imported.facts["untrainable"]) == ([12, 4], None)
    np.testing.assert_array_equal(run(imported.data, X), run(file, X))
    np.testing.assert_allclose(open_base(imported.data)(X), run(file, X), atol=1e-5)


def test_a_shape_that_is_said_reaches_what_a_reshape_leaves_open() -> None:
    """The output's rows are those of an input of that shape."""
    file = reshaped(tf_keras.layers.Reshape((-1, 4)), (None, 4))
    assert import_model(file, "m.tflite", None, SHAPE).facts["output_shape"] == [12, 4]


def test_samples_that_are_one_axis_with_others_are_refused() -> None:
    """Which of the rows are whose nobody knows; the line says how they can be told."""
    expected = r"^m.tflite: output '\w+' is \(12, 4\) for one sample; rebuild it as \(-1, 12, 4\)$"
    with pytest.raises(UserError, match=expected):
        import_model(reshaped(lambda x: tf.reshape(x, (-1, 4))), "m.tflite")


def test_a_shape_that_hangs_on_values_is_refused() -> None:
    """As it would be another for the next sample."""
    file = reshaped(lambda x: tf.gather(x, tf.reshape(tf.where(x[0, 0] > 1), (-1,)), axis=2))
    with pytest.raises(UserError, match=r"^m.tflite: output shape \(6, None\) is not fixed"):
        import_model(file, "m.tflite")


def test_inputs_are_named_as_those_who_call_the_model_name_them(tmp_path: Path) -> None:
    """By the keys of a dictionary, where it takes one, and not by its layers."""
    ends = {key: keras.Input((None, 4), name=f"layer_{key}") for key in ("text", "mask")}
    outputs = keras.layers.Dense(2)(keras.layers.Add()([ends["text"], ends["mask"]]))
    keras.Model(ends, outputs).save(tmp_path / "m.keras")
    opening = Opening.parse(["text=1,6,4", "mask=1,6,4"], None)
    facts = import_model((tmp_path / "m.keras").read_bytes(), "m.keras", None, opening).facts
    assert {each["name"]: each["shape"] for each in facts["inputs"]} == {"text": [6, 4], "mask": [6, 4]}
