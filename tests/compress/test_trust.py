"""Code in model files: run where the user trusts it or names its module, and nowhere else."""

import pickle
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.compress.load import import_model, open_base
from autotune.compress.trust import Trust, allow, trusted
from autotune.compress.worker import start
from autotune.errors import UserError

start(2)

import keras  # noqa: E402  # after the legacy switch is set
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
def no_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins without any, and leaves no folder to import from."""
    monkeypatch.setattr(sys, "path", list(sys.path))
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


def test_keras_3_lambda_is_trained_never(tmp_path: Path) -> None:
    """Refused without trust; with it the model is exported, and the reason names the layer."""
    model = keras.Sequential([keras.Input((4,)), L.Lambda(lambda x: x * 2, name="double"), L.Dense(3)])
    model.save(tmp_path / "m.keras")
    content = (tmp_path / "m.keras").read_bytes()
    with pytest.raises(UserError, match=r"m.keras: layer 'double' \(Lambda\) is code"):
        import_model(content, "m.keras")
    facts = import_model(content, "m.keras", Trust(code=True)).facts
    assert "layer 'double' (Lambda)" in facts["untrainable"]
    assert facts["format"] == "tflite"


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_registered_tf_keras_layer_can_be_trained(tmp_path: Path, name: str) -> None:
    """Refused until its module is named."""
    module, model = written(tmp_path, tf_keras, name)
    with pytest.raises(UserError, match=r"\(.*Twice\) is a custom class; .*--register MODULE.*--trust"):
        import_model(model.read_bytes(), name)
    imported = import_model(model.read_bytes(), name, Trust(modules=(str(module),)))
    assert imported.facts["untrainable"] is None
    layers = open_base(imported.data).layers
    sys.modules.pop(module.stem)
    assert [type(layer).__name__ for layer in layers] == ["Twice", "Dense"]


def test_registered_keras_3_layer_is_not_trained(tmp_path: Path) -> None:
    """The class is made for Keras 3: the model is exported, and the reason names the layer."""
    module, model = written(tmp_path, keras, "m.keras")
    with pytest.raises(UserError, match=r"layer 'twice' \(Twice\) is a custom class"):
        import_model(model.read_bytes(), "m.keras")
    facts = import_model(model.read_bytes(), "m.keras", Trust(modules=(str(module),))).facts
    sys.modules.pop(module.stem)
    assert facts["format"] == "tflite"
    assert "layer 'twice' (Twice)" in facts["untrainable"]


def test_unregistered_class_gets_a_hint(tmp_path: Path) -> None:
    """A legacy file does not say that a class is custom: Keras does not know it."""

    class Twice(tf_keras.layers.Layer):  # type: ignore[misc]  # tf_keras has no types
        def call(self, x: Any) -> Any:
            return 2 * x

    tf_keras.Sequential([K.InputLayer((4,)), Twice(), K.Dense(3)]).save(tmp_path / "m.h5")
    with pytest.raises(UserError, match=r"can't be opened: Unknown layer: 'Twice'.*--register MODULE") as caught:
        import_model((tmp_path / "m.h5").read_bytes(), "m.h5")
    assert "\n" not in str(caught.value)


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
    with pytest.raises(UserError, match=f"^--register {module}: can't be imported: .*{wrong}") as caught:
        import_model(b"", "m.keras")
    assert "\n" not in str(caught.value)


def test_dotted_module() -> None:
    """One that is installed."""
    allow(Trust(modules=("json.decoder",)))
    assert trusted().modules == ("json.decoder",)
    allow(Trust(modules=("no.such.module",)))
    with pytest.raises(UserError, match=r"--register no.such.module: can't be imported: ModuleNotFoundError"):
        trusted()


def test_name_that_is_taken(tmp_path: Path) -> None:
    """A file called like a module that is there already is not mistaken for it."""
    (tmp_path / "json.py").write_text("")
    allow(Trust(modules=(str(tmp_path / "json.py"),)))
    with pytest.raises(UserError, match="another module is called 'json'"):
        trusted()
