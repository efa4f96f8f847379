"""What a file weighs under each codec."""

import numpy as np
import pytest

from autotune.compress import codecs
from autotune.compress.codecs import sizes
from autotune.targets.metric import CODECS

LEVELS = np.random.default_rng(0).choice(15, 50_000, p=[0.65, *[0.025] * 14]).astype(np.int8).tobytes()
"""Weights as pruned and clustered files have them: two in three are zero, the others one of 14."""


def test_each_codec_is_there() -> None:
    """By the names that a study may choose; all of them make such weights smaller."""
    weights = sizes(LEVELS)
    assert tuple(weights) == CODECS
    assert all(0 < size < len(LEVELS) / 2 for size in weights.values())


def test_what_does_not_compress() -> None:
    """Is as large as before, and a little more at most."""
    noise = np.random.default_rng(0).bytes(10_000)
    assert all(len(noise) <= size < 1.02 * len(noise) for size in sizes(noise).values())


def test_brotli_takes_less_trouble_with_what_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others' sizes stay as they are."""
    slow = sizes(LEVELS)
    monkeypatch.setattr(codecs, "LARGE", len(LEVELS))
    fast = sizes(LEVELS)
    assert [name for name in CODECS if fast[name] != slow[name]] == ["brotli"]
    assert fast["brotli"] > slow["brotli"]
