"""A call's keywords in the words of the command line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.api.keywords import to_options
from autotune.errors import UserError
from autotune.targets.target import parse


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"trials": 5, "seed": np.int64(0), "patience": "3", "jobs": None}, {"trials": 5, "seed": 0, "patience": 3}),
        ({"timeout": 90, "validation_share": 0.25}, {"timeout": 90.0, "validation_share": 0.25}),
        ({"timeout": "10m", "validation_share": "50%"}, {"timeout": 600.0, "validation_share": 0.5}),
        ({"model": "m.keras", "data": Path("d.npz")}, {"model": ["m.keras"], "data": "d.npz"}),
        ({"model": ("a.h5", Path("b.tflite"))}, {"model": ["a.h5", "b.tflite"]}),
        ({"targets": parse("latency<5ms")[0]}, {"targets": ["latency<5ms"]}),
        ({"targets": ["size<1MB", parse("latency<5ms")[0]]}, {"targets": ["size<1MB", "latency<5ms"]}),
        ({"targets": [], "device": "adb"}, {"targets": [], "device": ["adb"]}),
        ({"space": {"prune": [0]}, "trust": False}, {"space": {"prune": [0]}, "trust": False}),
        ({"space": Path("s.yaml")}, {"space": "s.yaml"}),
    ],
)
def test_to_options(given: dict[str, Any], found: dict[str, Any]) -> None:
    """Numbers, texts and lists of texts; what is not given is left out."""
    assert to_options(given) == found


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"trials": 0}, "--trials: '0' is no whole number of 1 or more"),
        ({"trials": 2.5}, "--trials: '2.5' is no whole number of 1 or more"),
        ({"trials": True}, "--trials: 'True' is no whole number of 1 or more"),
        ({"seed": -1}, "--seed: '-1' is no whole number of 0 or more"),
        ({"timeout": "soon"}, "--timeout: 'soon' is no time; write 90s, 10m or 2h"),
        ({"validation_share": 50}, "--validation-share: '50' is no share between 0 and 1, such as 0.5 or 50%"),
        ({"targets": 5}, "--targets: 5 of type int is no text"),
        ({"targets": [["size<1MB"]]}, "--targets: ['size<1MB'] of type list is no text"),
        ({"model": object}, "--model: <class 'object'> of type type is no text"),
        ({"data": [1, 2]}, "--data: [1, 2] of type list is no text"),
        ({"name": 7}, "--name: 7 of type int is no text"),
    ],
)
def test_to_options_refuses(given: dict[str, Any], says: str) -> None:
    """In the command line's words, where it has any."""
    with pytest.raises(UserError) as caught:
        to_options(given)
    assert str(caught.value) == says
