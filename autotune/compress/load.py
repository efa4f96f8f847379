"""The user's model file as the base of all stages: a tf_keras model, and facts about it."""

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autotune.compress.stage import Artifact, unpack
from autotune.compress.translate import translate
from autotune.errors import UserError

VERSION = 1
"""Raised when the same file would become another base."""


def import_model(data: bytes, name: str) -> Artifact:
    """Opens a model file and gives it back as a tf_keras model.

    Args:
        data: the file: Keras 3 or Keras 2 .keras, or legacy .h5.
        name: the file's name, for its suffix and for messages.

    Returns:
        A tf_keras .keras file, and the facts that a task is made of: input_shape,
        output_shape (without the batch), parameters, activation of the last layer,
        compiled_loss and compiled_metrics (None where the file has none).

    Raises:
        UserError: it can't be opened, has custom code, or is no model that can be tuned.
    """
    import tf_keras

    with _file(data, Path(name).suffix) as path:
        opened = _open_h5(path, name) if path.suffix == ".h5" else _open_keras(path, name)
        model, training = opened
    facts = _facts(model, training, name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "base.keras"
        bare = tf_keras.models.clone_model(model)
        bare.set_weights(model.get_weights())
        bare.save(file)
        return Artifact(file.read_bytes(), facts)


def open_base(base: bytes, parent: bytes | None = None) -> Any:
    """The tf_keras model of import_model(), with the weights of a later stage."""
    import tf_keras

    with _file(base, ".keras") as path:
        model = tf_keras.models.load_model(path, compile=False, safe_mode=True)
    if parent is not None:
        model.set_weights(unpack(parent))
    return model


@contextmanager
def _file(data: bytes, suffix: str) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(suffix=suffix)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    try:
        yield Path(name)
    finally:
        Path(name).unlink()


def _open_h5(path: Path, name: str) -> tuple[Any, dict[str, Any]]:
    import h5py
    import tf_keras

    try:
        with h5py.File(path) as file:
            config = file.attrs.get("model_config")
            training = file.attrs.get("training_config")
    except OSError as error:
        raise UserError(f"{name}: not a whole HDF5 file; save the model again") from error
    if config is None:
        raise UserError(f"{name}: holds weights but no model; save it with model.save()")
    _refuse_code(json.loads(config), name)
    model = _opened(lambda: tf_keras.models.load_model(path, compile=False), name)
    return model, json.loads(training) if training else {}


def _open_keras(path: Path, name: str) -> tuple[Any, dict[str, Any]]:
    import keras
    import tf_keras

    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            metadata = json.loads(archive.read("metadata.json"))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{name}: not a whole .keras file; save the model again") from error
    _refuse_code(config, name)
    if metadata.get("keras_version", "3").startswith("2."):
        model = _opened(lambda: tf_keras.models.load_model(path, compile=False, safe_mode=True), name)
    else:
        original = _opened(lambda: keras.saving.load_model(path, compile=False, safe_mode=True), name)
        try:
            model = translate(original)
        except UserError as error:
            raise UserError(f"{name}: {error}") from error
    return model, config.get("compile_config") or {}


def _opened(load: Any, name: str) -> Any:
    try:
        return load()
    except Exception as error:  # whatever Keras raises over a file, the file is what is wrong
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(f"{name}: can't be opened: {reason.strip()[:200]}") from error


def _refuse_code(config: Any, name: str) -> None:
    """Files whose layers are code are refused before anything of them is loaded.

    Raises:
        UserError: a Lambda layer, or a layer of a package other than Keras.
    """
    if isinstance(config, list):
        for item in config:
            _refuse_code(item, name)
    elif isinstance(config, dict):
        kind = config.get("class_name")
        package = config.get("registered_name") or ""
        module = config.get("module") or "keras"
        called = (config.get("config") or {}).get("name") if isinstance(config.get("config"), dict) else None
        label = f"layer {called!r} ({kind})" if called else f"{kind}"
        if kind == "Lambda":
            raise UserError(f"{name}: {label} is code that opening the file would run; use built-in layers instead")
        if ">" in package or module.split(".")[0] not in ("keras", "tf_keras", "builtins"):
            raise UserError(f"{name}: {label} is a custom class; autotune opens built-in Keras layers only")
        for value in config.values():
            _refuse_code(value, name)


def _facts(model: Any, training: dict[str, Any], name: str) -> dict[str, Any]:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UserError(
            f"{name}: has {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is supported"
        )
    if None in model.input_shape[1:]:
        raise UserError(f"{name}: input shape {model.input_shape[1:]} is not fixed; rebuild the model with a fixed one")
    last = model.layers[-1]
    activation = (
        "softmax"
        if type(last).__name__ == "Softmax"
        else getattr(getattr(last, "activation", None), "__name__", "linear")
    )
    return {
        "input_shape": list(model.input_shape[1:]),
        "output_shape": list(model.output_shape[1:]),
        "parameters": int(model.count_params()),
        "activation": activation,
        "compiled_loss": _identifier(training.get("loss")),
        "compiled_metrics": [found for found in map(_identifier, _flat(training.get("metrics"))) if found],
    }


def _flat(node: Any) -> list[Any]:
    if isinstance(node, list):
        return [leaf for item in node for leaf in _flat(item)]
    return [] if node is None else [node]


def _identifier(node: Any) -> str | None:
    """The name of a loss or metric in a compile config, with ":logits" where it takes logits."""
    if isinstance(node, str):
        return node
    if isinstance(node, dict) and isinstance(node.get("config"), dict):
        config = node["config"]
        name = str(config.get("fn") or config.get("name") or node.get("class_name"))
        return f"{name}:logits" if config.get("from_logits") else name
    return None
