"""SavedModel folders, each made by the program that users make them with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.worker import start
from autotune.errors import UserError
from autotune.model.file import read_model
from autotune.model.load import import_model, open_base
from autotune.model.trust import Trust, allow

start(2)

import keras  # noqa: E402  # after the legacy switch is set
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402
from ai_edge_litert.interpreter import Interpreter  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402
from tf_keras.protobuf import saved_metadata_pb2  # noqa: E402

K, L = tf_keras.layers, keras.layers
X = np.random.default_rng(0).normal(size=(1, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def no_trust() -> None:
    """Each test begins without any."""
    allow(Trust())


def run(file: bytes, x: Any) -> Any:
    runner = Interpreter(model_content=file)
    runner.allocate_tensors()
    runner.set_tensor(runner.get_input_details()[0]["index"], x)
    runner.invoke()
    return runner.get_tensor(runner.get_output_details()[0]["index"])


def legacy(*layers: Any) -> Any:
    return tf_keras.Sequential([K.InputLayer((4,)), *layers, K.Dense(3, activation="softmax")])


class Program(tf.Module):  # type: ignore[misc]  # tensorflow has no types
    """A graph of one function, made without Keras."""

    def __init__(self, body: Callable[[Any], Any], shape: tuple[int | None, ...] = (None, 4)) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.random.stateless_normal((4, 3), (1, 2)))
        self.call = tf.function(lambda x: body(x @ self.weights), input_signature=[tf.TensorSpec(shape, tf.float32)])

    @property
    def signature(self) -> Any:
        return self.call.get_concrete_function()


def program(body: Callable[[Any], Any], folder: Path, shape: tuple[int | None, ...] = (None, 4)) -> Program:
    made = Program(body, shape)
    tf.saved_model.save(made, folder, signatures={"serving_default": made.signature})
    return made


def test_keras_2_folder_can_be_trained(tmp_path: Path) -> None:
    """What tf_keras saved opens as a tf_keras model again, with loss and metrics."""
    model = legacy(K.Dense(5, activation="relu"), K.BatchNormalization())
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.save(tmp_path / "model", save_format="tf")
    imported = import_model(read_model(tmp_path / "model"), "model")
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(X)), np.asarray(model(X)), atol=1e-6)
    assert (imported.facts["format"], imported.facts["untrainable"]) == ("keras", None)
    assert imported.facts["compiled_loss"] == "categorical_crossentropy"
    assert imported.facts["compiled_metrics"] == ["accuracy"]


def test_custom_operators_that_litert_has_are_converted(tmp_path: Path) -> None:
    """The converter takes them for TensorFlow's alone, unless custom ones are allowed."""

    def spectrogram(x: Any) -> Any:
        return tf.raw_ops.AudioSpectrogram(input=tf.reshape(x, (-1, 1)), window_size=2, stride=1)

    made = program(spectrogram, tmp_path / "model", (1, 4))
    imported = import_model(read_model(tmp_path / "model"), "model")
    np.testing.assert_allclose(run(imported.data, X[:1]), made.call(X[:1]).numpy(), atol=1e-5)


def before_tensorflow_2_5(folder: Path) -> None:
    """A folder as it was written then: what Keras keeps stands in the graph's file."""
    saved, metadata = saved_model_pb2.SavedModel(), saved_metadata_pb2.SavedMetadata()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    metadata.ParseFromString((folder / "keras_metadata.pb").read_bytes())
    objects = saved.meta_graphs[0].object_graph_def.nodes
    for node in metadata.nodes:
        objects[node.node_id].user_object.metadata = node.metadata
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    (folder / "keras_metadata.pb").unlink()


def test_folder_by_tensorflow_before_2_5_can_be_trained(tmp_path: Path) -> None:
    """It has no keras_metadata.pb, and all its layers."""
    model = legacy(K.Dense(5, activation="relu"), K.BatchNormalization())
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.save(tmp_path / "model", save_format="tf")
    before_tensorflow_2_5(tmp_path / "model")
    imported = import_model(read_model(tmp_path / "model"), "model")
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(X)), np.asarray(model(X)), atol=1e-6)
    assert (imported.facts["format"], imported.facts["untrainable"]) == ("keras", None)
    assert imported.facts["compiled_loss"] == "categorical_crossentropy"


def test_code_in_a_folder_by_tensorflow_before_2_5_is_found(tmp_path: Path) -> None:
    """A Lambda keeps its layers closed, as in later ones."""
    legacy(K.Lambda(lambda x: x * 2, name="double")).save(tmp_path / "model", save_format="tf")
    before_tensorflow_2_5(tmp_path / "model")
    assert import_model(read_model(tmp_path / "model"), "model").facts["format"] == "tflite"


def test_layers_that_do_not_open_are_read_from_the_graph(tmp_path: Path) -> None:
    """Such as those of another version of Keras: the graph is converted all the same, and can be trained."""
    model = legacy()
    model.save(tmp_path / "model", save_format="tf")

    def other(node: Any) -> str | None:
        return node.metadata.replace('"units"', '"many"') if '"Dense"' in node.metadata else None

    edited(tmp_path / "model", other)
    imported = import_model(read_model(tmp_path / "model"), "model")
    assert (imported.facts["format"], imported.facts["untrainable"]) == ("tflite", None)
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(X)), np.asarray(model(X)), atol=1e-6)
    np.testing.assert_allclose(run(imported.data, X), np.asarray(model(X)), atol=1e-6)


def test_keras_3_export_is_converted(tmp_path: Path) -> None:
    """Its one signature is there under two names."""
    layers = [L.Dense(5, "relu", bias_initializer="ones"), L.Dense(1, "sigmoid", bias_initializer="ones")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.export(tmp_path / "model", verbose=False)
    imported = import_model(read_model(tmp_path / "model"), "model")
    np.testing.assert_allclose(run(imported.data, X), np.asarray(model(X)), atol=1e-6)
    facts = imported.facts
    assert (facts["format"], facts["activation"], facts["parameters"]) == ("tflite", "sigmoid", model.count_params())
    assert facts["untrainable"] is None
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(X)), np.asarray(model(X)), atol=1e-6)


def test_an_operator_without_a_layer_keeps_a_folder_from_training(tmp_path: Path) -> None:
    """Both reasons are in the line: why its layers are none, and which operator of its graph."""
    program(lambda x: tf.cumsum(x, axis=1), tmp_path / "model")
    facts = import_model(read_model(tmp_path / "model"), "model").facts
    why = "the SavedModel has no Keras metadata that can be read; as for the .tflite file made of it"
    assert facts["untrainable"] == f"{why}, its operator CUMSUM has no Keras layer here"


def test_plain_module_is_converted(tmp_path: Path) -> None:
    """A folder that never had to do with Keras."""
    made = program(tf.nn.softmax, tmp_path / "model")
    imported = import_model(read_model(tmp_path / "model"), "model")
    np.testing.assert_allclose(run(imported.data, X), made.call(X).numpy(), atol=1e-6)
    assert imported.facts == {
        "format": "tflite",
        "untrainable": None,
        "input_shape": [4],
        "output_shape": [3],
        "input_dtype": "float32",
        "output_dtype": "float32",
        "parameters": 12,
        "layers": imported.facts["layers"],
        "largest_layer": 12,
        "activation": "softmax",
        "quantized": False,
        "state": "",
        "left_float": "",
        "compiled_loss": None,
        "compiled_metrics": [],
    }


def test_lambda_keeps_the_layers_of_a_folder_closed(tmp_path: Path) -> None:
    """Its graph needs no code: it is converted and read from there; its own layers are, once the user trusts it."""
    model = legacy(K.Lambda(lambda x: x * 2, name="double"))
    model.save(tmp_path / "model", save_format="tf")
    data = read_model(tmp_path / "model")
    imported = import_model(data, "model")
    np.testing.assert_allclose(run(imported.data, X), np.asarray(model(X)), atol=1e-6)
    assert (imported.facts["format"], imported.facts["untrainable"]) == ("tflite", None)
    trusted = import_model(data, "model", Trust(code=True))
    assert (trusted.facts["format"], trusted.facts["untrainable"]) == ("keras", None)
    np.testing.assert_allclose(np.asarray(open_base(trusted.data)(X)), np.asarray(model(X)), atol=1e-6)


def edited(folder: Path, change: Callable[[Any], str | None]) -> None:
    """Each object's Keras metadata replaced by what change() makes of it (None: as it is)."""
    file = folder / "keras_metadata.pb"
    metadata = saved_metadata_pb2.SavedMetadata()
    metadata.ParseFromString(file.read_bytes())
    for node in metadata.nodes:
        node.metadata = change(node) or node.metadata
    file.write_bytes(metadata.SerializeToString())


def test_lambda_under_another_name_is_found(tmp_path: Path) -> None:
    """Keras makes a layer of its own node: it counts what stands there, not what the model says of it."""
    marker = tmp_path / "ran"
    code = eval("lambda x: (open(marker, 'w').close(), x * 2)[1]", {"marker": str(marker)})
    model = legacy(K.Lambda(code, name="touch"))
    model.save(tmp_path / "model", save_format="tf")
    marker.unlink()

    def disguised(node: Any) -> str | None:
        return node.metadata.replace('"Lambda"', '"Activation"') if node.node_path == "root" else None

    edited(tmp_path / "model", disguised)
    facts = import_model(read_model(tmp_path / "model"), "model").facts
    assert (facts["format"], marker.exists()) == ("tflite", False)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_metadata_that_can_not_be_read(tmp_path: Path, content: str) -> None:
    """Of one layer only: the graph is converted."""
    legacy().save(tmp_path / "model", save_format="tf")
    edited(tmp_path / "model", lambda node: None if node.node_path == "root" else content)
    assert import_model(read_model(tmp_path / "model"), "model").facts["format"] == "tflite"


def test_unknown_class_is_read_from_the_graph(tmp_path: Path) -> None:
    """A layer whose class nobody knows is run from its graph."""

    class Twice(tf_keras.layers.Layer):  # type: ignore[misc]  # tf_keras has no types
        def call(self, x: Any) -> Any:
            return 2 * x

    model = legacy(Twice(name="twice"))
    model.save(tmp_path / "model", save_format="tf")
    del Twice
    imported = import_model(read_model(tmp_path / "model"), "model")
    assert (imported.facts["format"], imported.facts["untrainable"]) == ("tflite", None)
    np.testing.assert_allclose(run(imported.data, X), np.asarray(model(X)), atol=1e-6)


def two_signatures(folder: Path) -> None:
    first, second = Program(tf.nn.relu), Program(tf.nn.tanh)
    both = tf.Module()
    both.parts = [first, second]
    tf.saved_model.save(both, folder, signatures={"encode": first.signature, "decode": second.signature})


def two_inputs(folder: Path) -> None:
    entries = [K.Input((2,)), K.Input((2,))]
    tf_keras.Model(entries, K.Add()(entries)).save(folder, save_format="tf")


def two_graph_inputs(folder: Path) -> None:
    entries = [keras.Input((2,)), keras.Input((2,))]
    keras.Model(entries, L.Add()(entries)).export(folder, verbose=False)


def recurrent(folder: Path) -> None:
    keras.Sequential([keras.Input((6, 4)), L.LSTM(3)]).export(folder, verbose=False)


def damaged(folder: Path) -> None:
    program(tf.nn.relu, folder)
    file = folder / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:-100])


def without_variables(folder: Path) -> None:
    program(tf.nn.relu, folder)
    for file in (folder / "variables").iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (two_signatures, r"has several signatures \(decode, encode\)"),
        (lambda folder: program(tf.nn.relu, folder, (None, None)), r"input shape \(None,\) is not fixed"),
        (lambda folder: program(tf.nn.relu, folder, (16, 4)), "takes batches of 16 samples only"),
        (lambda folder: tf.saved_model.save(tf.Module(), folder), "has no signature"),
        (lambda folder: program(lambda x: tf.math.betainc(x, x, tf.math.erf(x)), folder), r"\(Betainc, Erf\)"),
        (recurrent, "recurrent layers for batches of any size; export it with an input_signature of batch 1"),
        (damaged, "damaged"),
        (without_variables, "can't be converted to .tflite"),
    ],
)
def test_refusals_get_one_line(tmp_path: Path, make: Callable[[Path], None], wrong: str) -> None:
    """Each names the folder and says what is wrong with it."""
    make(tmp_path / "model")
    with pytest.raises(UserError, match=f"^model: .*{wrong}") as caught:
        import_model(read_model(tmp_path / "model"), "model")
    assert "\n" not in str(caught.value)


def test_graph_that_writes_files_is_refused(tmp_path: Path) -> None:
    """Its initialisers would do so when it is opened."""

    writer = tf.Module()

    def call(x: Any) -> Any:
        tf.io.write_file(str(tmp_path / "written"), "by the model")
        return x * 2

    writer.call = tf.function(call, input_signature=[tf.TensorSpec((None, 4), tf.float32)])
    tf.saved_model.save(writer, str(tmp_path / "model"), signatures=writer.call)
    with pytest.raises(UserError, match=r"reaches out of the model \(WriteFile\); allow it with --trust"):
        import_model(read_model(tmp_path / "model"), "model")
    assert not (tmp_path / "written").exists()
