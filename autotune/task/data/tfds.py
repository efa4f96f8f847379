"""Data from tensorflow-datasets. Imports TensorFlow: for workers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from autotune.errors import UserError, one_line
from autotune.task.data.cut import Cut
from autotune.task.data.fields import Array
from autotune.task.data.gathered import Gathered
from autotune.task.data.images import as_input, check_shape
from autotune.task.data.splits import Data, assembled, inputs, labels
from autotune.task.shape import Shape

Builder = Any
"""A builder of tensorflow-datasets, which has no types."""


def read_tfds(name: str, shape: Shape, cut: Cut, cache: Path | None = None) -> Data:
    """The splits of a dataset, which is downloaded where it is not there yet.

    The test samples are its split test, else validation; where it has both, validation is the
    validation split. Images are made to fit as those of a folder are: uint8.

    Args:
        name: NAME[/CONFIG][:VERSION], as tensorflow-datasets writes it.
        shape: of the model's input.
        cut: of the test samples, where there is no validation split beside them.
        cache: folder for what is large: it is written there as it comes.

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
    arrays = {part: _streamed(builder, split, part, size, source, cache) for part, split in parts.items()}
    classes = tuple(getattr(features[keys[1]], "names", None) or ())
    return replace(assembled(arrays, cut, source, cache=cache), classes=classes, pixels=images)


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


def _streamed(
    builder: Builder, split: str, part: str, shape: tuple[int, ...] | None, source: str, cache: Path | None
) -> tuple[Array, Array]:
    """Inputs and labels of a split; with a shape, inputs are images that are to have it."""
    with Gathered(cache) as x, Gathered(cache) as y:
        for sample, label in _examples(builder, split, source):
            values = sample if shape is None else as_input(Image.fromarray(sample.squeeze()), shape)
            try:
                x.add(inputs(np.asarray(values)[np.newaxis], f"x_{part}", source))
                y.add(labels(np.asarray(label)[np.newaxis], f"y_{part}", source))
            except ValueError as error:
                reason = f"samples of {split} differ in shape; write a FILE.py:FUNCTION"
                raise UserError(f"data {source}: {reason}") from error
        return x.end(), y.end()


def _examples(builder: Builder, split: str, source: str) -> Iterator[tuple[Array, object]]:
    import tensorflow_datasets

    try:
        yield from tensorflow_datasets.as_numpy(builder.as_dataset(split=split, as_supervised=True))
    except Exception as error:  # files that were damaged or cut off: TensorFlow says it in its own ways
        raise UserError(f"data {source}: {split} can't be read: {one_line(error, 200)}") from error
