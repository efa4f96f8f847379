"""What the experiments' data have in common: three splits, and the file that they are in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # of whichever numbers: each function says of which

SIZES = {"train": 2500, "val": 500, "test": 500}
"""How many samples each split has."""


def first(split: Mapping[str, Array], count: int) -> dict[str, Array]:
    """The first samples of a split, of each of its arrays."""
    return {key: values[:count] for key, values in split.items()}


def save(path: Path, splits: Mapping[str, Mapping[str, Array]]) -> None:
    """Writes an .npz file as autotune takes it.

    Args:
        path: of the file.
        splits: by name; of each the arrays "x" and "y", or "x:NAME" and "y:NAME" for several inputs or labels.
    """
    arrays = {}
    for split, values in splits.items():
        for key, value in values.items():
            kind, colon, name = key.partition(":")
            arrays[f"{kind}_{split}{colon}{name}"] = value
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # keys are no other argument's name
