"""Wrong input for a model of several inputs and outputs: one line that says which of them, nothing left behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import several
from tests.test_wrong_input import Prepare, refusal

__all__ = ["refusal"]

import keras  # after the legacy switch is set, which tests.several does

X, Y = several.inputs(60), several.labels(several.inputs(60))
RUN = ("--model", "m.keras", "--data", "d.npz")
JUDGED = (*RUN, "--metric", "width=mae")
FUNCTION = ("--model", "m.keras", "--data", "mine.py:data", "--metric", "width=mae")
HEAD = "from tests import several\nx = several.inputs(60)\ny = several.labels(x)\n"


@pytest.fixture(scope="module")
def model() -> bytes:
    return several.as_file(several.model(keras))


def without(*keys: str) -> dict[str, Any]:
    """Keys of both splits that are left out."""
    return {f"{key[0]}_{split}{key[1:]}": None for key in keys for split in ("train", "test")}


def both(key: str, values: Any) -> dict[str, Any]:
    """A key of both splits."""
    return {f"{key[0]}_{split}{key[1:]}": values for split in ("train", "test")}


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        # Inputs.
        (
            {"x_train:first": None},
            JUDGED,
            "no x_train:first; the model takes words, image, second, first, the data have",
        ),
        ({"x_test:first": None}, JUDGED, "no x_test:first"),
        (
            {"x_train:third": X["first"]},
            JUDGED,
            "x_train:third is unknown; the model takes words, image, second, first",
        ),
        (
            {"x_train:image": X["first"], "x_train:first": X["image"]},
            JUDGED,
            "train samples of 'image' have shape (4,)",
        ),
        (
            {"x_train:first": X["first"][:, :3]},
            JUDGED,
            "train samples of 'first' have shape (3,), the model takes (4,)",
        ),
        ({"x_train:words": X["words"] + 0.5}, JUDGED, "train samples of 'words' have fractions, the model takes int32"),
        ({"x_train:first": X["first"][:50]}, JUDGED, "samples of x_train differ in number: words has 60"),
        ({"x_train:first": X["first"] * np.nan}, JUDGED, "x_train:first has NaN or infinite values"),
        ({"x_train": X["first"]}, JUDGED, "has x_train and x_train:words; name all inputs, or none"),
        (
            without(*(f"x:{name}" for name in X)) | both("x", X["first"]),
            JUDGED,
            "has x_train alone, the model takes words",
        ),
        ({"x_cal:first": X["first"]}, JUDGED, "no x_calibration:words"),
        ({f"x_cal:{name}": values * 9 for name, values in X.items()}, JUDGED, "calibration data out of the training"),
        # Labels.
        (without("y:width"), JUDGED, "no y_train:width; the model gives width, height, the data have height"),
        (
            without("y:width", "y:height") | both("y", Y["width"]),
            JUDGED,
            "has y_train alone, the model gives width, height",
        ),
        (without("y:width", "y:height"), JUDGED, "no y_train and y_test, and the model does not give back its inputs"),
        (
            {"y_train:width": Y["width"][:50]},
            JUDGED,
            "samples of y_train differ in number: width has 50, height has 60",
        ),
        (
            both("y:width", Y["width"][:, :2]),
            JUDGED,
            "output 'width': train labels have shape (2,), the model gives (3,)",
        ),
        # Metrics and losses.
        ({}, RUN, "say which output is judged, and how, as in --metric width=mae"),
        ({}, (*RUN, "--metric", "mae"), "--metric 'mae': of which output? width=mae or height=mae"),
        ({}, (*RUN, "--metric", "depth=mae"), "--metric: no output is called 'depth'; the model gives width, height"),
        ({}, (*RUN, "--metric", "width=nice"), "--metric 'nice' is unknown"),
        ({}, (*RUN, "--metric", "width=accuracy"), "does not fit the labels, which are quantities"),
        ({}, (*JUDGED, "--loss", "mse"), "the model has several outputs; name them: width=mse,height=mse"),
        ({}, (*JUDGED, "--loss", "depth=mse"), "--loss: no output is called 'depth'"),
        ({}, (*JUDGED, "--loss", "width=nice"), "--loss 'nice' is unknown"),
        ({}, (*JUDGED, "--loss", "width=mse*-1"), "weight '-1' of output 'width' is no positive number"),
        ({}, (*JUDGED, "--loss", "width=mse*"), "weight '' of output 'width' is no positive number"),
        ({}, (*JUDGED, "--loss", "width=mse,width=mae"), "output 'width' has two losses"),
        ({}, (*JUDGED, "--loss", "width=mse,mae"), "'mae' is of no output; write OUTPUT=LOSS for each"),
        # Metrics of all outputs, which are tried before anything is built.
        ({}, (*RUN, "--metric", "span_f1:start=nope:end=width"), "no 'nope'"),
        ({}, (*RUN, "--metric", "span_f1"), "say which is which, as in span_f1:start=NAME"),
        ({}, (*RUN, "--metric", "map"), "can't tell which are the boxes"),
        ({}, (*RUN, "--metric", "pck"), "say which, as in pck"),
        ({}, (*RUN, "--metric", "wer:space=1:output=width"), "not (time, tokens)"),
        ({}, (*RUN, "--metric", "width=map"), "--metric 'width=map' is unknown"),
    ],
)
def test_one_line(
    changes: dict[str, Any],
    arguments: tuple[str, ...],
    says: str,
    model: bytes,
    refusal: Callable[[Prepare, tuple[str, ...]], str],
) -> None:
    """Of data by names."""

    def prepare(folder: Path) -> None:
        (folder / "m.keras").write_bytes(model)
        several.npz(folder / "d.npz", **changes)

    assert says in refusal(prepare, arguments)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{'train': (tuple(x.values())[:3], y), 'test': (x, y)}", "x_train is a tuple of 3, the model takes words"),
        ("{'train': (tuple(x.values())[::-1], y), 'test': (x, y)}", "train samples of 'words' have shape (4,)"),
        (
            "{'train': (x, {**y, 'width': y['width'][:5]}), 'test': (x, y)}",
            "samples of train differ in number: width has 5",
        ),
        ("{'train': ({'a': x}, y), 'test': (x, y)}", "train has no array of 'a'"),
        ("{'train': ({**x, 'first': None}, y), 'test': (x, y)}", "train has no array of 'first'"),
        ("{'train': ({}, y), 'test': (x, y)}", "train has no array"),
        ("{'train': (x, y), 'test': (x, y), 'loss': 'depth=mse'}", "loss: no output is called 'depth'"),
        ("{'train': (x, y), 'test': (x, y), 'loss': {'width': 'mse'}}", "loss"),
    ],
)
def test_functions(body: str, says: str, model: bytes, refusal: Callable[[Prepare, tuple[str, ...]], str]) -> None:
    """Of data that a function gives as dictionaries or tuples."""

    def prepare(folder: Path) -> None:
        (folder / "m.keras").write_bytes(model)
        (folder / "mine.py").write_text(f"{HEAD}def data():\n    return {body}\n")

    assert says in refusal(prepare, FUNCTION)


def test_images(model: bytes, refusal: Callable[[Prepare, tuple[str, ...]], str]) -> None:
    """Folders have one input and one label."""

    def prepare(folder: Path) -> None:
        (folder / "m.keras").write_bytes(model)
        for split in ("train", "test"):
            (folder / "images" / split / "a").mkdir(parents=True)
            for number in range(3):
                Image.new("L", (8, 8)).save(folder / "images" / split / "a" / f"{number}.png")

    assert "images" in refusal(prepare, ("--model", "m.keras", "--data", "images"))
