"""What the experiments' data have in common: three splits, and the file that they are in."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # of whichever numbers: each function says of which

SIZES = {"train": 2500, "val": 500, "test": 500}
"""How many samples each split has."""


def made(path: Path, draw: Callable[[int], dict[str, Array]], seen: int) -> dict[str, dict[str, Array]]:
    """Draws the splits, and writes them with the first samples of train alone.

    Args:
        path: of the file.
        draw: gives so many samples.
        seen: how many the model is trained on.

    Returns:
        All that was drawn.
    """
    splits = {name: draw(count) for name, count in (SIZES | {"train": seen}).items()}
    save(path, splits | {"train": first(splits["train"], SIZES["train"])})
    return splits


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
