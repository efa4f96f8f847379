"""Several inputs or outputs as one array."""

import io

import numpy as np
import pytest

from autotune.task.data import fields

IDS = np.arange(6, dtype=np.int32).reshape(3, 2)
SCORES = np.array([0.5, 1.5, 2.5], np.float32)


def test_several_are_one_array_and_come_back() -> None:
    """With names, shapes and types, and whichever samples are taken of them; through a file, too, without pickle."""
    values = fields.joined({"ids": IDS, "a/b:0": SCORES})
    assert fields.names(values) == ("ids", "a/b:0")
    file = io.BytesIO()
    np.save(file, values[[2, 0]], allow_pickle=False)
    file.seek(0)
    back = fields.parts(np.load(file, allow_pickle=False))
    assert back["ids"].tolist() == [[4, 5], [0, 1]]
    assert back["ids"].dtype == np.int32
    assert back["a/b:0"].tolist() == [2.5, 0.5]


def test_one_is_a_plain_array() -> None:
    """It needs no name, and is not copied."""
    assert fields.joined({"": IDS}) is IDS
    assert fields.names(IDS) == ()
    assert fields.parts(IDS)[""] is IDS
    assert fields.empty(4, {"": ("int8", (2,))}).shape == (4, 2)


def test_one_with_a_name_keeps_it() -> None:
    """As an output that labels are given of by its name."""
    assert fields.names(fields.joined({"ids": IDS})) == ("ids",)


def test_different_numbers_of_samples_are_refused() -> None:
    """Whichever they are of, by name."""
    with pytest.raises(ValueError, match="ids has 3, scores has 2"):
        fields.joined({"ids": IDS, "scores": SCORES[:2]})


def test_each_is_changed() -> None:
    """By a function that is told which it is."""
    values = fields.each(fields.joined({"ids": IDS, "scores": SCORES}), lambda name, v: v * 2 if name == "ids" else v)
    assert values["ids"].tolist() == (IDS * 2).tolist()
    assert values["scores"].tolist() == SCORES.tolist()
