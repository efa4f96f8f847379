"""Code in model files: run where the user trusts it or names its module, and nowhere else."""

import json
import pickle
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.worker import start
from autotune.errors import UserError
from autotune.model.file import read_model
from autotune.model.load import import_model, open_base
from autotune.model.trust import Trust, allow, refused, trusted

start(2)

import h5py  # noqa: E402  # after the legacy switch is set
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

K, L = tf_keras.layers, keras.layers
X = np.ones((2, 4), np.float32)

MODULE = """
import {keras} as keras

@keras.utils.register_keras_serializable("{package}")
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def model(name):
    layers = keras.layers
    made = keras.Sequential([layers.InputLayer((4,)), Twice(name="twice"), layers.Dense(3)])
    made.save(name)
"""


@pytest.fixture(autouse=True)
def no_trust(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins without any, and leaves none, and no folder to import from."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    allow(Trust())
    yield
    allow(Trust())


def written(folder: Path, library: Any, name: str) -> tuple[Path, Path]:
    """A module with a custom layer, and a model that was made with it; neither is known any more."""
    package = f"package_of_{folder.name}"
    module, model = folder / f"{library.__name__}_layers.py", folder / name
    module.write_text(MODULE.format(keras=library.__name__, package=package))
    allow(Trust(modules=(str(module),)))
    trusted()
    sys.modules.pop(module.stem).model(str(model))
    library.utils.get_custom_objects().pop(f"{package}>Twice")
    allow(Trust())
    return module, model


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_lambda_runs_only_when_trusted(tmp_path: Path, name: str) -> None:
    """Making the model runs it; opening the file does not."""
    marker = tmp_path / "ran"
    code = eval("lambda x: (open(marker, 'w').close(), x * 2)[1]", {"marker": str(marker)})
    tf_keras.Sequential([K.InputLayer((4,)), K.Lambda(code, name="touch"), K.Dense(3)]).save(tmp_path / name)
    marker.unlink()
    content = (tmp_path / name).read_bytes()
    with pytest.raises(UserError, match=r"layer 'touch' \(Lambda\) is code.*--trust"):
        import_model(content, name)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_trusted_lambda_can_be_trained(tmp_path: Path, name: str) -> None:
    """A tf_keras model with a Lambda opens, also later from its base."""
    model = tf_keras.Sequential([K.InputLayer((4,)), K.Lambda(lambda x: x * 2), K.Dense(3)])
    model.save(tmp_path / name)
    imported = import_model((tmp_path / name).read_bytes(), name, Trust(code=True))
    assert imported.facts["untrainable"] is None
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(X)), np.asarray(model(X)), rtol=1e-6)


def test_keras_3_lambda_is_read_from_the_export(tmp_path: Path) -> None:
    """Refused without trust; with it the model is exported, and trained where its operators allow."""
    model = keras.Sequential([keras.Input((4,)), L.Lambda(lambda x: x * 2, name="double"), L.Dense(3)])
    model.save(tmp_path / "m.keras")
    content = (tmp_path / "m.keras").read_bytes()
    with pytest.raises(UserError, match=r"m.keras: layer 'double' \(Lambda\) is code"):
        import_model(content, "m.keras")
    imported = import_model(content, "m.keras", Trust(code=True))
    assert (imported.facts["format"], imported.facts["untrainable"]) == ("tflite", None)
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(X)), np.asarray(model(X)), rtol=1e-5)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_registered_tf_keras_layer_can_be_trained(tmp_path: Path, name: str) -> None:
    """Refused until its module is named."""
    module, model = written(tmp_path, tf_keras, name)
    with pytest.raises(UserError, match=r"\(.*Twice\) is a custom class; .*--custom-objects MODULE.*--trust"):
        import_model(model.read_bytes(), name)
    imported = import_model(model.read_bytes(), name, Trust(modules=(str(module),)))
    assert imported.facts["untrainable"] is None
    layers = open_base(imported.data).layers
    sys.modules.pop(module.stem)
    assert [type(layer).__name__ for layer in layers] == ["Twice", "Dense"]


def test_registered_keras_3_layer_is_read_from_the_export(tmp_path: Path) -> None:
    """The class is made for Keras 3, and has no twin."""
    module, model = written(tmp_path, keras, "m.keras")
    with pytest.raises(UserError, match=r"layer 'twice' \(Twice\) is a custom class"):
        import_model(model.read_bytes(), "m.keras")
    facts = import_model(model.read_bytes(), "m.keras", Trust(modules=(str(module),))).facts
    sys.modules.pop(module.stem)
    assert (facts["format"], facts["untrainable"]) == ("tflite", None)


def test_unregistered_class_gets_a_hint(tmp_path: Path) -> None:
    """A legacy file does not say that a class is custom: Keras does not know it."""

    class Twice(tf_keras.layers.Layer):  # type: ignore[misc]  # tf_keras has no types
        def call(self, x: Any) -> Any:
            return 2 * x

    tf_keras.Sequential([K.InputLayer((4,)), Twice(), K.Dense(3)]).save(tmp_path / "m.h5")
    with pytest.raises(UserError, match=r"can't be opened: Unknown layer: 'Twice'.*--custom-objects MODULE") as caught:
        import_model((tmp_path / "m.h5").read_bytes(), "m.h5")
    assert "\n" not in str(caught.value)


def test_tensorflow_functions_run_only_when_trusted(tmp_path: Path) -> None:
    """A layer may name any function of TensorFlow, which Keras calls to open the file."""
    entry = K.Input((4,))
    tf_keras.Model(entry, tf.nn.relu(entry)).save(tmp_path / "m.h5")
    made = tmp_path / "made"
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        layer = config["config"]["layers"][1]
        layer["config"]["function"] = "io.gfile.makedirs"
        layer["inbound_nodes"] = [["_CONSTANT_VALUE", -1, str(made), {}]]
        file.attrs["model_config"] = json.dumps(config)
    content = (tmp_path / "m.h5").read_bytes()
    with pytest.raises(UserError, match=r"\(TFOpLambda\) calls tf.io.gfile.makedirs, which may do more.*--trust"):
        import_model(content, "m.h5")
    assert not made.exists()
    with pytest.raises(UserError, match="can't be opened"):
        import_model(content, "m.h5", Trust(code=True))
    assert made.exists()


def block(x: Any) -> Any:
    """What MobileNets are written with, and slices, shapes and attention."""
    x = K.DepthwiseConv2D(3, padding="same")(x)
    x = x * tf.nn.relu6(x + 3.0) / 6.0
    x = tf.concat([x, -abs(x)], -1)[:, 1:, :, :4]
    x = tf.image.resize(tf.pad(x, [[0, 0], [1, 0], [0, 0], [0, 0]]), (4, 4))
    x = tf.transpose(tf.reshape(x, (-1, 16, 4)), (0, 2, 1))
    x = tf.matmul(tf.nn.softmax(x @ tf.transpose(x, (0, 2, 1))), x)
    x = tf.squeeze(tf.expand_dims(tf.stack(tf.split(x, 2, axis=-1), 1), -1), -1)
    return tf.cast(tf.tile(tf.identity(tf.reduce_mean(tf.gather(x, [0, 1], axis=1), 1)), [1, 1, 1]), tf.float32)


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "model"])
def test_functions_that_compute_need_no_trust(tmp_path: Path, name: str) -> None:
    """A functional model with operators and calls of TensorFlow opens as it is, in every format."""
    entry = K.Input((4, 4, 2))
    options = {"kernel_regularizer": "l2", "kernel_constraint": tf_keras.constraints.MaxNorm(2.0)}
    end = K.Dense(3, activation=tf_keras.activations.gelu, **options)(K.Flatten()(block(entry)))
    model = tf_keras.Model(entry, end)
    model.save(tmp_path / name)
    imported = import_model(read_model(tmp_path / name), name)
    assert imported.facts["untrainable"] is None
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(open_base(imported.data)(x)), np.asarray(model(x)), atol=1e-5)


def test_mobile_net_needs_no_trust(tmp_path: Path) -> None:
    """The real one, as Keras 2 saves it."""
    tf_keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=2).save(tmp_path / "m.h5")
    assert import_model((tmp_path / "m.h5").read_bytes(), "m.h5").facts["untrainable"] is None


def layer(kind: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": {"name": "it", **config}, "registered_name": None}


def function(module: str, name: str, **options: Any) -> dict[str, Any]:
    named = {"module": module, "class_name": "function", "config": name, "registered_name": name, **options}
    return layer("Dense", activation=named)


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (layer("TorchModuleWrapper"), r"layer 'it' \(TorchModuleWrapper\) is code"),
        (layer("TFSMLayer", filepath="elsewhere"), r"\(TFSMLayer\) reads other files"),
        (layer("IntegerLookup", vocabulary="/etc/hosts"), r"\(IntegerLookup\) reads other files"),
        (layer("TFOpLambda", function="compat.v1.py_func"), "calls tf.compat.v1.py_func"),
        (layer("SlicingOpLambda", function="raw_ops.ReadFile"), "calls tf.raw_ops.ReadFile"),
        (layer("ClassMethod", None, cls_symbol="io.TFRecordWriter", method_name="write"), "calls what the file names"),
        (layer("InstanceMethod", attr_name="__class__"), "calls what the file names"),
        (layer("TensorFlowOpLayer", None, node_def={"op": "WriteFile"}), "calls what the file names"),
        (layer("InstanceMethod", attr_name="__class__", function="math.add"), "calls what the file names"),
        (function("os", "system", registered_name="Custom>Adam"), "system is a custom class"),
        (layer("getoutput", "subprocess") | {"registered_name": "Custom>Adam"}, "is a custom class"),
        (layer("get_file", "keras.utils"), r"\(get_file\) is a custom class"),
        (layer("get_file", "tf_keras.src.utils.data_utils"), "is a custom class"),
        (layer("load_model", "keras.models"), "is a custom class"),
        (layer("Dense") | {"registered_name": "load_model"}, "is a custom class"),
        (layer("Layer.add_weight", "keras.layers"), "is a custom class"),
        (layer("MobileNet", "keras.applications"), "is a custom class"),
        (layer("MobileNet", "keras.src.applications.mobilenet"), "is a custom class"),
        (layer("ConvNeXtTiny", "keras.src.applications.convnext"), "is a custom class"),
        (layer("LayerScale", "convnext") | {"registered_name": "LayerScale"}, "is a custom class"),
        (layer("Popen", "subprocess"), "is a custom class"),
        (layer("eval", "builtins"), "is a custom class"),
        (layer("__typespec__", "subprocess"), "is a custom class"),
        (layer("Dense", kernel_initializer=layer("system", "os")), "is a custom class"),
        (function("os", "system"), "system is a custom class"),
        (function("builtins", "eval"), "eval is a custom class"),
        (function("keras.utils", "get_file"), "get_file is a custom class"),
        (layer("Dense", 5), "is a custom class"),  # type: ignore[arg-type]  # as a broken file may have it
    ],
)
def test_what_may_do_more_than_compute_is_refused(config: dict[str, Any], wrong: str) -> None:
    """Wherever it stands; the user's trust allows all of it."""
    model = {"class_name": "Sequential", "config": {"layers": [layer("Flatten"), config]}}
    reason = refused(model, Trust())
    assert reason is not None
    assert re.search(wrong, reason)
    assert "\n" not in reason
    assert refused(model, Trust(code=True)) is None


@pytest.mark.parametrize(
    "config",
    [
        layer("GRU", kernel_initializer=layer("Orthogonal", "keras.initializers")),
        layer("Functional", "keras.src.models.functional") | {"registered_name": "Functional"},
        layer("Functional", "tf_keras.src.engine.functional") | {"registered_name": "Functional"},
        layer("GetItem", "keras.src.ops.numpy") | {"registered_name": "GetItem"},
        layer("LayerScale", "keras.src.applications.convnext") | {"registered_name": "LayerScale"},
        layer("StochasticDepth", "tf_keras.src.applications.convnext"),
        layer("Custom>Adam", None),  # registered by Keras 2 itself, and so in the SavedModels that it writes
        layer("IntegerLookup", vocabulary=[1, 2]),
        layer("TFOpLambda", function="__operators__.add"),
        layer("TFOpLambda", function="compat.v1.transpose"),
        layer("TFOpLambda", function="keras.activations.relu"),
        function("builtins", "relu"),
        function("keras.activations", "gelu"),
    ],
)
def test_what_computes_is_not_refused(config: dict[str, Any]) -> None:
    """As Keras 2 and 3 write it."""
    assert refused(config, Trust()) is None


@pytest.mark.parametrize(
    ("content", "wrong"),
    [("1 / 0", "ZeroDivisionError"), ("def", "SyntaxError"), ("raise SystemExit(1)", "SystemExit"), (None, "No such")],
)
def test_module_that_can_not_be_imported(tmp_path: Path, content: str | None, wrong: str) -> None:
    """A worker starts all the same; whoever opens a model gets the line."""
    module = tmp_path / f"broken_{wrong.split()[0]}.py"
    if content is not None:
        module.write_text(content)
    launch = pickle.loads(pickle.dumps(partial(start, trust=Trust(modules=(str(module),)))))
    launch(2)
    with pytest.raises(UserError, match=f"^--custom-objects {module}: can't be imported: .*{wrong}") as caught:
        import_model(b"", "m.keras")
    assert "\n" not in str(caught.value)


def test_dotted_module() -> None:
    """One that is installed."""
    allow(Trust(modules=("json.decoder",)))
    assert trusted().modules == ("json.decoder",)
    allow(Trust(modules=("no.such.module",)))
    with pytest.raises(UserError, match=r"--custom-objects no.such.module: can't be imported: ModuleNotFoundError"):
        trusted()


def test_name_that_is_taken(tmp_path: Path) -> None:
    """A file called like a module that is there already is not mistaken for it."""
    (tmp_path / "json.py").write_text("")
    allow(Trust(modules=(str(tmp_path / "json.py"),)))
    with pytest.raises(UserError, match="another module is called 'json'"):
        trusted()
