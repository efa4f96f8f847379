"""Model files: each real format opens, and what is wrong is said in one line."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.worker import start
from autotune.errors import UserError
from autotune.model.file import read_model
from autotune.model.load import import_model, open_base

start(2)

import h5py  # noqa: E402  # after the legacy switch is set
import keras  # noqa: E402
import tf_keras  # noqa: E402
from ai_edge_litert.interpreter import Interpreter  # noqa: E402

L = keras.layers


def saved(model: Any, folder: Path, name: str = "model.keras") -> bytes:
    model.save(folder / name)
    return (folder / name).read_bytes()


def small(**options: Any) -> Any:
    return keras.Sequential([keras.Input((4,)), L.Dense(3, **options)])


def test_keras_3_and_legacy_files_of_the_same_network_agree(
    resnet8: Path, resnet8_legacy: Path, cifar10: dict[str, np.ndarray[Any, Any]]
) -> None:
    """ResNet8 as .keras and as .h5 gives the same outputs on real images, and the .h5 brings its loss."""
    images = cifar10["x_test"][:32].astype(np.float32)
    new, old = (import_model(path.read_bytes(), path.name) for path in (resnet8, resnet8_legacy))
    np.testing.assert_allclose(
        np.asarray(open_base(new.data)(images)), np.asarray(open_base(old.data)(images)), atol=1e-4
    )
    assert new.facts["input_shape"] == old.facts["input_shape"] == [32, 32, 3]
    assert new.facts["compiled_loss"] is None
    assert old.facts["compiled_loss"] == "categorical_crossentropy"


def test_keras_2_file_opens(tmp_path: Path) -> None:
    """A .keras file that tf_keras saved."""
    model = tf_keras.Sequential([tf_keras.layers.InputLayer((4,)), tf_keras.layers.Dense(3, "sigmoid", name="dense")])
    imported = import_model(saved(model, tmp_path), "model.keras")
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(x)), np.asarray(model(x)), rtol=1e-6)
    assert imported.facts == {
        "format": "keras",
        "untrainable": None,
        "input_shape": [4],
        "output_shape": [3],
        "input_dtype": "float32",
        "output_dtype": "float32",
        "parameters": 15,
        "layers": ["dense"],
        "largest_layer": 12,
        "activation": "sigmoid",
        "quantized": False,
        "state": "",
        "left_float": "",
        "compiled_loss": None,
        "compiled_metrics": [],
    }


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("name", ["model.hdf5", "model.keras", "model"])
def test_hdf5_opens_by_the_keras_that_wrote_it(tmp_path: Path, library: Any, name: str) -> None:
    """Whatever the file is called; it can be trained, and brings loss and metrics."""
    model = library.Sequential(
        [library.layers.InputLayer((4,)), library.layers.Dense(3, "softmax", bias_initializer="ones")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    imported = import_model(saved(model, tmp_path, "model.h5"), name)
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(x)), np.asarray(model(x)), rtol=1e-6)
    facts = imported.facts
    assert (facts["untrainable"], facts["activation"]) == (None, "softmax")
    assert (facts["compiled_loss"], facts["compiled_metrics"]) == ("sparse_categorical_crossentropy", ["accuracy"])


def test_code_in_hdf5_by_keras_3_needs_trust(tmp_path: Path) -> None:
    """As in a .keras file."""
    data = saved(keras.Sequential([keras.Input((4,)), L.Lambda(lambda x: x * 2, name="double")]), tmp_path, "model.h5")
    with pytest.raises(UserError, match=r"layer 'double' \(Lambda\) is code"):
        import_model(data, "model.h5")


def run(file: bytes, x: Any) -> Any:
    """What a .tflite file makes of samples, one by one."""
    runner = Interpreter(model_content=file)
    runner.allocate_tensors()
    entry, end = runner.get_input_details()[0]["index"], runner.get_output_details()[0]["index"]
    outputs = []
    for sample in x:
        runner.set_tensor(entry, sample[None])
        runner.invoke()
        outputs.append(runner.get_tensor(end)[0].copy())
    return np.stack(outputs)


def test_untranslatable_model_becomes_tflite(tmp_path: Path) -> None:
    """A Keras 3 layer that tf_keras has not: no training, and the reason names the layer."""
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(4, 3), L.AdaptiveAveragePooling2D(2, name="pool"), L.Flatten(), L.Dense(3)]
    )
    model.add(L.Softmax())
    model.set_weights([weight + 0.1 for weight in model.get_weights()])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    imported = import_model(saved(model, tmp_path), "model.keras")
    assert "layer 'pool' (AdaptiveAveragePooling2D) is not known" in imported.facts["untrainable"]
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(run(imported.data, x), np.asarray(model(x)), atol=1e-5)
    facts = imported.facts
    assert (facts["format"], facts["activation"], facts["quantized"]) == ("tflite", "softmax", False)
    assert (facts["input_shape"], facts["output_shape"]) == ([8, 8, 3], [3])
    assert facts["parameters"] == model.count_params()
    assert (facts["compiled_loss"], facts["compiled_metrics"]) == ("categorical_crossentropy", ["accuracy"])


def test_untranslatable_recurrent_model_becomes_tflite(tmp_path: Path) -> None:
    """Keras 3's loops convert for batches of one, and have no layer."""
    model = keras.Sequential([keras.Input((6, 4)), L.RMSNormalization(), L.LSTM(3), L.Dense(2)])
    imported = import_model(saved(model, tmp_path), "model.keras")
    x = np.random.default_rng(0).normal(size=(4, 6, 4)).astype(np.float32)
    np.testing.assert_allclose(run(imported.data, x), np.asarray(model(x)), atol=1e-5)
    assert (imported.facts["input_shape"], imported.facts["output_shape"]) == ([6, 4], [2])
    assert imported.facts["untrainable"].endswith("its operator WHILE has no Keras layer here")


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_batches_are_set_free(tmp_path: Path, library: Any) -> None:
    """Of a model that was built on a batch of data, and of one that names its batch size."""
    built = library.Sequential([library.layers.Dense(3)])
    built(np.ones((2, 4), np.float32))
    named = library.Sequential([library.layers.InputLayer(batch_input_shape=(2, 4)), library.layers.Dense(3)])
    for model in (built, named):
        imported = import_model(saved(model, tmp_path), "model.keras")
        assert open_base(imported.data).inputs[0].shape == (None, 4)
        assert imported.facts["input_shape"] == [4]


def test_training_in_16_bits_is_undone(tmp_path: Path) -> None:
    """What was trained in mixed precision is tuned, and converted, in float32."""
    layers = [tf_keras.layers.InputLayer((4,)), tf_keras.layers.Dense(3, dtype="mixed_float16")]
    model = tf_keras.Sequential(layers)
    imported = import_model(saved(model, tmp_path), "model.keras")
    assert imported.facts["output_dtype"] == "float32"
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(x)), np.asarray(model(x)), atol=1e-2)


def test_tflite_stays_as_it_is() -> None:
    """ResNet8, converted already."""
    path = resnet8_tflite()
    data = read_model(path)
    imported = import_model(data, path.name)
    assert imported.data == data
    assert imported.facts == {
        "format": "tflite",
        "untrainable": None,
        "input_shape": [32, 32, 3],
        "output_shape": [10],
        "input_dtype": "float32",
        "output_dtype": "float32",
        "parameters": imported.facts["parameters"],
        "layers": imported.facts["layers"],
        "largest_layer": 64 * 64 * 9,
        "activation": "softmax",
        "quantized": False,
        "state": "",
        "left_float": "",
        "compiled_loss": None,
        "compiled_metrics": [],
    }
    assert 77_000 < imported.facts["parameters"] < 78_666  # batch normalisation is folded into the kernels


def resnet8_tflite() -> Path:
    path = Path(__file__).parents[3] / "shared/models/resnet8_float.tflite"
    if not path.exists():
        pytest.skip("needs the folder shared/ beside the checkout")
    return path


@pytest.mark.parametrize(
    ("loss", "metrics", "expected"),
    [
        ("mse", ["mae"], ("mse", ["mae"])),
        (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            ["accuracy"],
            ("sparse_categorical_crossentropy:logits", ["accuracy"]),
        ),
        (
            keras.losses.SparseCategoricalCrossentropy(name="mine", ignore_class=255),
            [],
            ("sparse_categorical_crossentropy:ignore_class=255", []),
        ),
    ],
)
def test_loss_and_metrics_come_from_the_file(tmp_path: Path, loss: Any, metrics: Any, expected: Any) -> None:
    """Names and objects, with or without logits, with what they ignore, whatever they are called."""
    model = small()
    model.compile("adam", loss, metrics=metrics)
    facts = import_model(saved(model, tmp_path), "model.keras").facts
    assert (facts["compiled_loss"], facts["compiled_metrics"]) == expected


def truncated(tmp_path: Path) -> bytes:
    content = saved(small(), tmp_path)
    return content[: len(content) // 2]


def truncated_h5(tmp_path: Path) -> bytes:
    content = saved(tf_keras.Sequential([tf_keras.layers.InputLayer((4,)), tf_keras.layers.Dense(3)]), tmp_path, "m.h5")
    return content[: len(content) // 2]


def weights_only(tmp_path: Path) -> bytes:
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["dense"] = np.ones(3)
    return (tmp_path / "weights.h5").read_bytes()


def without_weights(tmp_path: Path) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(saved(small(), tmp_path)))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in ("config.json", "metadata.json"):
            archive.writestr(name, source.read(name))
    return target.getvalue()


def unknown_layer(tmp_path: Path) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(saved(small(), tmp_path)))
    config = json.loads(source.read("config.json"))
    config["config"]["layers"][1]["class_name"] = "Dance"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, json.dumps(config) if name == "config.json" else source.read(name))
    return target.getvalue()


@pytest.mark.parametrize(
    ("make", "name", "wrong"),
    [
        (lambda folder: b"", "m.tflite", "not a whole .tflite file"),
        (truncated, "m.keras", "not a whole .keras file"),
        (truncated_h5, "m.h5", "not a whole HDF5 file"),
        (weights_only, "m.h5", "holds weights but no model"),
        (without_weights, "m.keras", "can't be opened"),
        (unknown_layer, "m.keras", "can't be opened.*Dance"),
    ],
)
def test_broken_files_get_one_line(tmp_path: Path, make: Any, name: str, wrong: str) -> None:
    """Each names the file and says what is wrong with it."""
    with pytest.raises(UserError, match=wrong) as caught:
        import_model(make(tmp_path), name)
    assert str(caught.value).startswith(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (lambda: keras.Sequential([keras.Input((None, 3)), L.LSTM(2)]), r"input shape \(None, 3\) is not fixed"),
        (lambda: keras.Sequential([keras.Input((1,), dtype="string"), L.StringLookup(vocabulary=["a"])]), "takes text"),
    ],
)
def test_models_that_can_not_be_tuned(tmp_path: Path, model: Any, wrong: str) -> None:
    """An input of any length, or text."""
    with pytest.raises(UserError, match=f"^model.keras: .*{wrong}"):
        import_model(saved(model(), tmp_path), "model.keras")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_keras_2_files_that_keras_3_refuses_open(suffix: str, tmp_path: Path) -> None:
    """Keras 2 writes a `groups` for depthwise convolutions, which Keras 3 does not know."""
    model = tf_keras.Sequential(
        [tf_keras.layers.InputLayer((8, 8, 3)), tf_keras.layers.DepthwiseConv2D(3), tf_keras.layers.Flatten()]
    )
    path = tmp_path / f"model{suffix}"
    model.save(path)
    with pytest.raises((TypeError, ValueError), match=r"groups|deserializ"):
        keras.saving.load_model(path, compile=False)
    imported = import_model(path.read_bytes(), path.name)
    assert imported.facts["untrainable"] is None
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(x)), np.asarray(model(x)), rtol=1e-5)
