"""Data from an .npz file of plain arrays."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from autotune.data.splits import Array, Cut, Data, assembled
from autotune.errors import UserError


def read_npz(path: Path, cut: Cut) -> Data:
    """The splits of an .npz file.

    Args:
        path: with x_train, y_train, x_test, y_test, optionally x_val and y_val, and x_cal; without
            any y_… the inputs are their own labels, as an autoencoder's are.
        cut: of x_test, where there is no x_val.

    Raises:
        UserError: it is damaged or lacks a key, or as assembled().
    """
    arrays = _arrays(path)
    names = ["train", "test", *(["val"] if {"x_val", "y_val"} & arrays.keys() else [])]
    labelled = any(f"y_{name}" in arrays for name in names) or not {"x_train", "x_test"} <= arrays.keys()
    wanted = [f"{kind}_{name}" for name in names for kind in ("xy" if labelled else "x")]
    missing = [key for key in wanted if key not in arrays]
    if missing:
        raise UserError(f"data {path}: no {', '.join(missing)}; it has {', '.join(arrays) or 'nothing'}")
    parts = {name: (arrays[f"x_{name}"], arrays[f"{'y' if labelled else 'x'}_{name}"]) for name in names}
    quality = {} if labelled else {"loss": "mse", "metric": "mse"}
    return assembled(parts, cut, str(path), arrays.get("x_cal"), **quality)


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if isinstance(file[name], np.ndarray)}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, TypeError) as error:
        raise UserError(f"data {path}: not an .npz file of plain arrays, or damaged") from error
