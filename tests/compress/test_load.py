"""Model files: each real format opens, and what is wrong is said in one line."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.load import import_model, open_base
from autotune.compress.worker import start
from autotune.errors import UserError

start(2)

import h5py  # noqa: E402  # after the legacy switch is set
import keras  # noqa: E402
import tf_keras  # noqa: E402

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
    model = tf_keras.Sequential([tf_keras.layers.InputLayer((4,)), tf_keras.layers.Dense(3, activation="sigmoid")])
    imported = import_model(saved(model, tmp_path), "model.keras")
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(x)), np.asarray(model(x)), rtol=1e-6)
    assert imported.facts["activation"] == "sigmoid"


def test_legacy_depthwise_opens(tmp_path: Path) -> None:
    """The .h5 with DepthwiseConv2D that Keras 3 refuses."""
    layers = [tf_keras.layers.InputLayer((8, 8, 2)), tf_keras.layers.DepthwiseConv2D(3), tf_keras.layers.Flatten()]
    model = tf_keras.Sequential(layers)
    assert import_model(saved(model, tmp_path, "model.h5"), "model.h5").facts["output_shape"] == [72]


@pytest.mark.parametrize(
    ("loss", "metrics", "expected"),
    [
        ("mse", ["mae"], ("mse", ["mae"])),
        (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            ["accuracy"],
            ("sparse_categorical_crossentropy:logits", ["accuracy"]),
        ),
    ],
)
def test_loss_and_metrics_come_from_the_file(tmp_path: Path, loss: Any, metrics: Any, expected: Any) -> None:
    """Names and objects, with or without logits."""
    model = small()
    model.compile("adam", loss, metrics=metrics)
    facts = import_model(saved(model, tmp_path), "model.keras").facts
    assert (facts["compiled_loss"], facts["compiled_metrics"]) == expected


def test_lambda_is_refused_unopened(tmp_path: Path) -> None:
    """Neither kind of file runs the code it holds."""
    marker = str(tmp_path / "ran")

    def touch(x: Any) -> Any:
        with open(marker, "w"):  # noqa: PTH123  # as it stands in the file
            return x

    code = keras.Sequential([keras.Input((4,)), L.Lambda(lambda x: x * 2, name="double")])
    with pytest.raises(UserError, match=r"layer 'double' \(Lambda\) is code"):
        import_model(saved(code, tmp_path), "model.keras")
    legacy = tf_keras.Sequential([tf_keras.layers.InputLayer((4,)), tf_keras.layers.Lambda(touch, name="touch")])
    content = saved(legacy, tmp_path, "model.h5")
    Path(marker).unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"layer 'touch' \(Lambda\) is code"):
        import_model(content, "model.h5")
    assert not Path(marker).exists()


def test_custom_layer_is_refused(tmp_path: Path) -> None:
    """The message names the layer and its class."""

    @keras.saving.register_keras_serializable("mine")
    class Twice(keras.Layer):  # type: ignore[misc]  # keras has no types
        def call(self, x: Any) -> Any:
            return 2 * x

    model = keras.Sequential([keras.Input((4,)), Twice(name="twice"), L.Dense(2)])
    with pytest.raises(UserError, match=r"layer 'twice' \(Twice\) is a custom class"):
        import_model(saved(model, tmp_path), "model.keras")


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
        (lambda: keras.Model([a := keras.Input((2,)), b := keras.Input((2,))], L.Add()([a, b])), "2 inputs"),
        (lambda: keras.Sequential([keras.Input((None, 3)), L.LSTM(2)]), "not fixed"),
    ],
)
def test_models_that_can_not_be_tuned(tmp_path: Path, model: Any, wrong: str) -> None:
    """Several inputs, or an input of any length."""
    with pytest.raises(UserError, match=wrong):
        import_model(saved(model(), tmp_path), "model.keras")
