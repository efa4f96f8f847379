"""Keras files, opened by the Keras of the version that saved them; what would run code is refused before."""

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from autotune.errors import UserError
from autotune.model.keras_types import ConfigNode, KerasConfig, KerasModel
from autotune.model.trust import refused, trusted

_NOT_FOUND = re.compile(r"\b(unknown|not (be )?(locate|deserialize))", re.IGNORECASE)


def open_h5(path: Path) -> tuple[KerasModel, KerasConfig]:
    """The model, of tf_keras or of Keras 3 as it was saved, and what it was trained with.

    Raises:
        UserError: the file is not whole, has no model, would run code that nobody allowed, or can't be opened.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            config, training, version = (
                file.attrs.get(name) for name in ("model_config", "training_config", "keras_version")
            )
    except OSError as error:
        raise UserError("not a whole HDF5 file; save the model again") from error
    if config is None:
        raise UserError("holds weights but no model; save it with model.save()")
    _refuse_code(json.loads(config))
    # Keras 1, whose files say nothing of their version, is Keras 2's business.
    model = _load(path, version.decode() if isinstance(version, bytes) else version or "1")
    return model, json.loads(training) if training else {}


def open_keras(path: Path) -> tuple[KerasModel, KerasConfig]:
    """The model, of tf_keras or of Keras 3 as it was saved, and what it was trained with.

    Raises:
        UserError: likewise.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            metadata = json.loads(archive.read("metadata.json"))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise UserError("not a whole .keras file; save the model again") from error
    _refuse_code(config)
    return _load(path, metadata.get("keras_version", "3")), config.get("compile_config") or {}


def _load(path: Path, version: str) -> KerasModel:
    """The model of a file, opened by the Keras of the version that saved it."""
    import keras
    import tf_keras

    load = tf_keras.models.load_model if version < "3" else keras.saving.load_model
    return opened(lambda: load(path, compile=False, safe_mode=not trusted().code))


def opened(load: Callable[[], KerasModel]) -> KerasModel:
    """The model that a function of Keras's loads.

    Raises:
        UserError: it fails.
    """
    try:
        return load()
    except Exception as error:  # whatever Keras raises over a file, the file is what is wrong
        reason = first_line(error)
        hint = "; if it is your code, name its module with --custom-objects MODULE" if _NOT_FOUND.search(reason) else ""
        raise UserError(f"can't be opened: {reason}{hint}") from error


def first_line(error: Exception) -> str:
    """An exception's first line, of at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _refuse_code(config: ConfigNode) -> None:
    reason = refused(config, trusted())
    if reason is not None:
        raise UserError(reason)
