"""Whole files: which inputs they are rounded for."""

import numpy as np

from autotune.compress.rounding.file import SAMPLES, drawn
from tests.compress.rounding.models import dense


def test_inputs_are_drawn_in_no_order() -> None:
    """Of data that are sorted by class the first have all of them, too; the same again."""
    file, _ = dense()
    classes = np.repeat(np.arange(8, dtype=np.float32), 500)[:, np.newaxis] * np.ones(64, np.float32)
    chosen = drawn(file, classes, 0)
    assert len(chosen) == SAMPLES
    assert len(np.unique(chosen[:64, 0])) == 8
    assert np.array_equal(chosen, drawn(file, classes, 0))
