"""What a runner answers, as it is taken."""

import pytest

from autotune.devices.client import answers
from autotune.devices.device import Window

TOLD = {
    "machine": "x86_64",
    "system": "Linux",
    "cpu": None,
    "cores": 4,
    "memory_bytes": 8_000_000_000,
    "governor": None,
    "load": 0.5,
    "temperature_c": 40.0,
}


def test_facts_keep_all_that_was_told() -> None:
    """As JSON they are what they were, with the device's name: also what has no value, and what has no field."""
    facts = answers.facts(TOLD, "desk")
    assert facts.to_json() == {"device": "desk", **TOLD}
    assert (facts.cores, facts.cpu, facts.more["temperature_c"]) == (4, None, 40.0)


def test_windows_are_of_their_second() -> None:
    """What a newer runner says besides is left out; without times there is none."""
    row = {"at_s": 1.0, "times_us": [10, 20.5], "temperature_c": [40, 41], "others": 0.5, "news": "more"}
    assert answers.windows({"windows": [row]}) == [Window(1.0, [10, 20.5], None, [40, 41])]
    for wrong in ({**row, "times_us": []}, {**row, "times_us": [0]}, {**row, "temperature_c": [40]}, {"at_s": 1.0}):
        with pytest.raises(ValueError, match="as they should be"):
            answers.windows({"windows": [wrong]})
    with pytest.raises(ValueError, match="without windows as they should be"):
        answers.windows({"windows": []})
