"""Inputs in the form that a model takes, whatever form they came in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.task.data import mapped
from autotune.task.data.gathered import gathered
from autotune.task.data.mapped import path_of
from autotune.task.data.model_input import ModelInput, fitted_inputs
from autotune.task.model_facts import TensorSpec

FLOAT = ModelInput((2,), "float32")
WHOLE = ModelInput((2,), "int32")
QUANTIZED = ModelInput((2,), "uint8", 1 / 255, 0)
SIGNED = ModelInput((2,), "int8", 1 / 255, -128)


def converted(model_input: ModelInput, values: Any, dtype: str, **options: Any) -> Any:
    model_input.check(np.array([values], dtype), "train samples", "data.npz", **options)
    return model_input.converted(np.array([values], dtype), **options)


@pytest.mark.parametrize("dtype", ["uint16", "int64", "float64"])
def test_a_float_input_takes_floats(dtype: str) -> None:
    """Of any numbers."""
    found = converted(FLOAT, [3, 200], dtype)
    assert (found.dtype, found.tolist()) == (np.float32, [[3.0, 200.0]])


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_bytes_stay_bytes_until_they_are_used(dtype: str) -> None:
    """A quarter of the memory; they stand for floats, and an input of whole numbers gets its own."""
    found = converted(FLOAT, [3, 100], dtype)
    assert (found.dtype, found.tolist()) == (np.dtype(dtype), [[3, 100]])
    assert (FLOAT.stands_for, WHOLE.stands_for, QUANTIZED.stands_for) == ("float32", None, None)
    assert converted(WHOLE, [3, 100], dtype).dtype == np.int32


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_an_integer_input_takes_whole_numbers(dtype: str) -> None:
    """In its own type, also where they were saved as floats; large ones to the last digit."""
    found = converted(WHOLE, [3, 200], dtype)
    assert (found.dtype, found.tolist()) == (np.int32, [[3, 200]])
    assert converted(WHOLE, [3, 2**24 + 1], "int64").tolist() == [[3, 2**24 + 1]]


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_a_quantized_input_takes_integers_as_they_are(dtype: str) -> None:
    """They are what the file computes with."""
    found = converted(QUANTIZED, [3, 200], dtype)
    assert (found.dtype, found.tolist()) == (np.uint8, [[3, 200]])
    np.testing.assert_allclose(QUANTIZED.real(found), [[3 / 255, 200 / 255]], rtol=1e-6)
    assert "takes uint8: whole numbers are taken as they are" in str(QUANTIZED.remark(found))


def test_floats_for_a_quantized_input_stay_floats() -> None:
    """They are quantized where the file is run."""
    found = converted(QUANTIZED, [0.5, 2.0], "float64")
    assert (found.dtype, found.tolist()) == (np.float32, [[0.5, 2.0]])
    assert QUANTIZED.real(found).tolist() == [[0.5, 2.0]]
    assert QUANTIZED.remark(found) is None


@pytest.mark.parametrize(
    ("model_input", "values", "dtype", "message"),
    [
        (QUANTIZED, [0, 256], "int64", "go from 0 to 256, the model takes uint8: 0 to 255; give floats to have them"),
        (QUANTIZED, [-1, 5], "int8", "go from -1 to 5, the model takes uint8: 0 to 255"),
        (SIGNED, [0, 200], "uint8", "go from 0 to 200, the model takes int8: -128 to 127"),
        (WHOLE, [0, 2**31], "int64", r"go from 0 to 2\.14748e\+09, the model takes int32: -2147483648 to 2147483647$"),
        (WHOLE, [0, 0.5], "float32", "have fractions, the model takes int32$"),
        (ModelInput((2,), "bool"), [0, 2], "int64", "go from 0 to 2, the model takes bool: 0 to 1$"),
        (WHOLE, [1, 2, 3], "int64", r"have shape \(3,\), the model takes \(2,\)"),
    ],
)
def test_what_does_not_fit_is_refused(model_input: ModelInput, values: Any, dtype: str, message: str) -> None:
    """With the input's range, and nothing is cut off or wrapped around."""
    with pytest.raises(UserError, match=f"train samples {message}"):
        converted(model_input, values, dtype)


def test_pixels_of_images() -> None:
    """A uint8 input takes them as they are, an int8 one less 128: the same levels of its range."""
    assert converted(QUANTIZED, [0, 255], "uint8", pixels=True).tolist() == [[0, 255]]
    found = converted(SIGNED, [0, 255], "uint8", pixels=True)
    assert (found.dtype, found.tolist()) == (np.int8, [[-128, 127]])
    np.testing.assert_allclose(SIGNED.real(found), [[0.0, 1.0]], rtol=1e-6)
    assert converted(FLOAT, [0, 255], "uint8", pixels=True).tolist() == [[0.0, 255.0]]


def test_facts_of_a_model() -> None:
    """Those of a file say how its input is quantized; of others nothing is said."""
    assert ModelInput.of(TensorSpec((2,), "int32")) == WHOLE
    assert ModelInput.of(TensorSpec((2,), "uint8", quantization=(1 / 255, 0))) == QUANTIZED


def test_large_samples_are_converted_into_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless nothing but the axis of the channel is missing: then it is the file that there was."""
    monkeypatch.setattr(mapped, "LARGE", 1)
    samples = gathered([np.arange(24, dtype=np.int64).reshape(3, 8)], tmp_path)

    def fitted(dtype: str) -> Any:
        return fitted_inputs([TensorSpec((8, 1), dtype)], samples, "train", "data.npz", cache=tmp_path)

    same, floats = fitted("int64"), fitted("float32")
    assert (same.shape, same.dtype, path_of(same)) == ((3, 8, 1), np.int64, path_of(samples))
    assert (floats.shape, floats.dtype, path_of(floats) in (None, path_of(samples))) == ((3, 8, 1), np.float32, False)
    assert (floats == same).all()
    with pytest.raises(UserError, match="train samples go from 0 to 23, the model takes bool"):
        fitted("bool")
    assert len(list(tmp_path.iterdir())) == 2
