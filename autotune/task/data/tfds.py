"""Data from tensorflow-datasets. Imports TensorFlow: for workers."""

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from autotune.errors import UserError, one_line
from autotune.task.data.fields import Array
from autotune.task.data.images import as_input, check_shape
from autotune.task.data.splits import Cut, Data, assembled
from autotune.task.shape import Shape

Builder = Any
"""A builder of tensorflow-datasets, which has no types."""


def read_tfds(name: str, shape: Shape, cut: Cut) -> Data:
    """The splits of a dataset, which is downloaded where it is not there yet.

    The test samples are its split test, else validation; where it has both, validation is the
    validation split. Images are made to fit as those of a folder are: uint8.

    Args:
        name: NAME[/CONFIG][:VERSION], as tensorflow-datasets writes it.
        shape: of the model's input.
        cut: of the test samples, where there is no validation split beside them.

    Raises:
        UserError: tensorflow-datasets is not installed, the dataset is not to be had, has no labels or no
            fitting splits, or as assembled().
    """
    source = f"tfds:{name}"
    builder = _builder(name, source)
    keys = builder.info.supervised_keys
    if keys is None or len(keys) != 2:
        raise UserError(f"data {source}: has no inputs and labels that belong together; write a FILE.py:FUNCTION")
    parts = _parts(set(builder.info.splits), source)
    features = builder.info.features
    images = _is_image(features[keys[0]])
    size = check_shape(shape, source) if images else None
    arrays = {part: _arrays(builder, split, size, source) for part, split in parts.items()}
    classes = tuple(getattr(features[keys[1]], "names", None) or ())
    return replace(assembled(arrays, cut, source), classes=classes, pixels=images)


def _builder(name: str, source: str) -> Builder:
    """The dataset's builder, with the data in place."""
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise UserError(f"data {source}: needs tensorflow-datasets: install autotune with the extra tfds") from error
    try:
        builder = tensorflow_datasets.builder(name)
        builder.download_and_prepare()
    except Exception as error:  # a wrong name, no network, a missing package: whatever it is, the data is not there
        reason = one_line(error, 200)
        raise UserError(f"data {source}: not to be had: {reason}") from error
    return builder


def _parts(splits: set[str], source: str) -> dict[str, str]:
    """Which of the dataset's splits is train, test and val."""
    test = next((name for name in ("test", "validation") if name in splits), None)
    if "train" not in splits or test is None:
        raise UserError(f"data {source}: needs splits train and test or validation; it has {', '.join(sorted(splits))}")
    parts = {"train": "train", "test": test}
    return parts | ({"val": "validation"} if test == "test" and "validation" in splits else {})


def _is_image(feature: object) -> bool:
    import tensorflow_datasets

    return isinstance(feature, tensorflow_datasets.features.Image)


def _arrays(builder: Builder, split: str, shape: tuple[int, ...] | None, source: str) -> tuple[Array, Array]:
    """Inputs and labels of a split; with a shape, inputs are images that are to have it."""
    import tensorflow_datasets

    pairs = tensorflow_datasets.as_numpy(builder.as_dataset(split=split, as_supervised=True))
    x, y = [], []
    for sample, label in pairs:
        x.append(sample if shape is None else as_input(Image.fromarray(sample.squeeze()), shape))
        y.append(label)
    try:
        return np.stack(x), np.stack(y)
    except ValueError as error:
        raise UserError(f"data {source}: samples of {split} differ in shape; write a FILE.py:FUNCTION") from error
